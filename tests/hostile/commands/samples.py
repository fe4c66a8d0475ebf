"""Samples of anybody, for a check that has no TensorFlow."""

import os
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


CASES = (
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
