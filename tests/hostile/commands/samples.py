"""Samples of anybody, for a check that has no TensorFlow."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.hostile.case import Call
from tests.hostile.commands.subjects import model
from tests.hostile.sample_files import SAMPLES

_NOWHERE = ("--tf-python", "/nowhere/python")


def given(data: bytes, folder: Path) -> list[str | Path]:
    path = folder / "inputs"
    path.write_bytes(data)
    return ["check", model(folder), "--inputs", path, *_NOWHERE]


def pipe(folder: Path) -> list[str | Path]:
    os.mkfifo(folder / "pipe")
    return ["check", model(folder), "--inputs", folder / "pipe", *_NOWHERE]


def picture(make: Callable[[Path], object], folder: Path) -> list[str | Path]:
    """An explanation of what a layer makes of a picture."""
    make(folder / "x.png")
    return ["explain", model(folder), "--layer", "fc", "--input", folder / "x.png",
            "--domain", "uint8/255", "--no-run"]  # fmt: skip


CASES = (
    Call(74, "a picture that is missing", partial(picture, lambda path: None), "QC107", 4,
         "no such file"),
    Call(74, "a pipe as picture", partial(picture, os.mkfifo), "QC106", 4),
    Call(74, "a text as picture", partial(picture, lambda path: path.write_bytes(b"hello")),
         "QC715", 4),
    *(
        Call(74, name, partial(given, data), code, exit_code)
        for name, (data, code, exit_code) in SAMPLES.items()
    ),
    Call(74, "a pipe", pipe, "QC106", 4),
    Call(74, "a device", lambda folder: ["check", model(folder), "--inputs", "/dev/zero"],
         "QC106", 4),
    Call(74, "a folder", lambda folder: ["check", model(folder), "--inputs", folder], "QC106", 4),
    Call(74, "nothing", lambda folder: ["check", model(folder), "--inputs", folder / "x"],
         "QC107", 4),
)  # fmt: skip
