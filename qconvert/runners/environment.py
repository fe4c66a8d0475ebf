"""What an interpreter has installed, by metadata alone: nothing of it is imported."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qconvert.errors import WitnessError

#: Distributions that take part in a check, in the order in which they are shown.
DISTRIBUTIONS: Final = (
    "tensorflow",
    "tf-keras",
    "keras",
    "qkeras",
    "qkeras-v3",
    "tensorflow-model-optimization",
    "pyparsing",
    "onnx",
    "onnxruntime",
    "tf2onnx",
)
#: Runs in the other interpreter: standard library only, of any Python from 3.8 on.
_PROBE: Final = """
import importlib.metadata as metadata, json, os, sys
found = {}
for name in json.loads(sys.argv[1]):
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
owners = []
for name in ("qkeras", "qkeras-v3"):
    if name in found:
        for file in metadata.files(name) or ():
            if str(file) == "qkeras/__init__.py":
                there = os.path.getsize(file.locate()) if os.path.exists(file.locate()) else -1
                owners.append([name, there if file.size is None else file.size, there])
print(json.dumps({"python": sys.version.split()[0], "found": found, "owners": owners,
    "legacy": os.environ.get("TF_USE_LEGACY_KERAS")}))
"""
_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Environment:
    """One interpreter: versions by distribution, and which of them owns the name ``qkeras``.

    ``owner`` is None if there is no ``qkeras``, or its files are not those that any distribution
    has installed; ``legacy`` is the value of ``TF_USE_LEGACY_KERAS``.
    """

    interpreter: Path
    python: str
    versions: Mapping[str, str]
    owner: str | None
    legacy: str | None

    def has(self, *distributions: str) -> bool:
        """Whether all *distributions* are installed."""
        return all(name in self.versions for name in distributions)


def probe(interpreter: Path) -> Environment:
    """Ask *interpreter* what it has; `WitnessError` if it does not answer."""
    command = [str(interpreter), "-c", _PROBE, json.dumps(DISTRIBUTIONS)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = unstarted(str(interpreter), error)
        raise WitnessError("QC720", f"{interpreter} does not run: {reason}") from error
    try:
        return _environment(interpreter, json.loads(done.stdout))
    except ValueError as error:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise WitnessError(
            "QC720", f"{interpreter} is no Python that answers: {last[0]}"
        ) from error


def unstarted(program: str, error: Exception) -> str:
    """Why *program* did not start, and where it may be that was looked for as a command."""
    if not isinstance(error, FileNotFoundError) or os.sep in program:
        return str(error)
    reason = "no command of this name is in PATH"
    here = Path(program).absolute()
    return f"{reason}; to run the file here, give {here}" if here.exists() else reason


def _environment(interpreter: Path, answer: object) -> Environment:
    match answer:
        case {
            "python": str(python),
            "found": dict(found),
            "owners": list(owners),
            "legacy": str() | None as legacy,
        }:
            versions = {str(name): str(number) for name, number in found.items()}
            return Environment(interpreter, python, versions, _owner(owners), legacy)
        case _:
            raise ValueError("not an answer")


def _owner(claims: Sequence[object]) -> str | None:
    """The distribution whose record of ``qkeras/__init__.py`` fits the file that is there."""
    for claim in claims:
        match claim:
            case [str(name), int(recorded), int(present)] if recorded == present >= 0:
                return name
    return None
