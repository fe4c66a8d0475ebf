"""What is right about a command, of which a case changes one thing."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from qconvert import api
from scripts.faulted.model import write_model
from scripts.faulted.witnesses import interpreter
from tests.hostile.onnx_edits import Edit

#: A check with the stand-in for TensorFlow, which never writes.
WITNESS = {"FAULT": "", "QCONVERT_CACHE": "off"}


def model(folder: Path) -> Path:
    """A small model, ``x -> act -> fc``."""
    return write_model(folder / "model.h5", 2)


@cache
def _exported() -> bytes:
    with TemporaryDirectory() as folder:
        return bytes(api.export(model(Path(folder))).model.SerializeToString())


def exported(folder: Path, *edits: Edit) -> Path:
    """The ONNX file of that model, changed."""
    proto = onnx.ModelProto.FromString(_exported())
    for edit in edits:
        edit(proto)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    return folder / "model.onnx"


def checked(folder: Path, *words: str | Path) -> list[str | Path]:
    """A check of that model by the stand-in for TensorFlow; *words* go behind the model."""
    python = interpreter(folder)
    return ["check", model(folder), *words, "--samples", "17", "--tf-python", python]
