"""Interpreters that should be TensorFlow's and are not, or die or lie: never a pass."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.hostile.case import Call
from tests.hostile.commands.subjects import WITNESS, checked, model

Words = Sequence[str | Path]

#: The versions that both call their package qkeras.
_DISTRIBUTIONS = {"qkeras": "0.9.0", "qkeras_v3": "1.2.1"}


def program(text: str, folder: Path) -> Words:
    """A check whose interpreter is a shell script."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return ["check", model(folder), "--samples", "17", "--tf-python", path]


def text(folder: Path) -> Words:
    """An interpreter that no system can start."""
    path = folder / "python"
    path.write_text("no program", encoding="utf-8")
    return ["check", model(folder), "--tf-python", path]


def both(folder: Path) -> Words:
    """The interpreter of the tests, with the records of both distributions."""
    for name, version in _DISTRIBUTIONS.items():
        record = folder / "packages" / f"{name}-{version}.dist-info" / "METADATA"
        record.parent.mkdir(parents=True)
        record.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return program(f'PYTHONPATH="{folder}/packages" exec "{sys.executable}" "$@"', folder)


def diagnosed(folder: Path) -> Words:
    *_, python = both(folder)
    return ["doctor", "--tf-python", python]


#: For each program in the place of an interpreter: the code.
PROGRAMS = {
    "garbage": ("echo garbage; cat >/dev/null", "QC723"),
    "an answer to another question": ("""echo '{"id": 99}'; cat >/dev/null""", "QC723"),
    "lines without end": ("yes", "QC723"),
    "a line without end": ("exec tr '\\0' x </dev/zero", "QC723"),
    "without TensorFlow": (f'exec "{sys.executable}" -I -S "$@"', "QC725"),
    "exit code 0 and no result": ("exit 0", "QC721"),
    "a signal": ("kill -9 $$", "QC721"),
    "silence": ("exec sleep 3600", "QC722"),
}
#: For each fault of the stand-in: the code, and the exit code.
FAULTS = {
    **{f"kill:{do}": ("QC721", 5) for do in ("load", "weights", "run", "predict")},
    "late:run": ("QC721", 5),
    **{f"lie:{do}": ("QC723", 5) for do in ("load", "weights", "run", "predict")},
    "huge:run": ("QC723", 5),
    "mute:run": ("QC722", 5),
    "wrong:run": ("", 1),
    "wrong:weights": ("", 1),
}
_IMPATIENT = {"QCONVERT_TF_SECONDS": "5"}

CASES = (
    Call(75, "no such interpreter",
         lambda folder: ["check", model(folder), "--tf-python", "/nowhere/python"], "QC720", 5),
    Call(75, "a text as interpreter", text, "QC720", 5),
    Call(75, "a folder as interpreter",
         lambda folder: ["check", model(folder), "--tf-python", folder], "QC720", 5),
    *(
        Call(75, f"an interpreter: {name}", partial(program, script), code, 5, "NOT RUN",
             environment=_IMPATIENT, opens=("/dev/zero",))
        for name, (script, code) in PROGRAMS.items()
    ),
    *(
        Call(75, f"TensorFlow: {fault}", checked, code, exit_code,
             environment={**WITNESS, **_IMPATIENT, "FAULT": fault})
        for fault, (code, exit_code) in FAULTS.items()
    ),
    Call(75, "TensorFlow without a fault", checked, "", 0, environment=WITNESS),
    Call(76, "both packages called qkeras", both, "QC730", 5, "NOT RUN", opens=("packages",)),
    Call(76, "both packages called qkeras, to doctor", diagnosed, "", 5, "both installed",
         opens=("packages",)),
)  # fmt: skip
