"""What ``export`` wrote, in a few lines for people and as JSON for machines."""

import hashlib
import json
import os
import shlex
import string
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import onnx

from qconvert.amounts import amount
from qconvert.emit.metadata import Requirements, read_metadata
from qconvert.modelfile import name_of
from qconvert.report.escape import printable

SCHEMA: Final = "qconvert.written/2"
#: The operators that multiply numbers by weights, and those that multiply integers.
_LINEAR: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_INTEGER: Final = frozenset({"ConvInteger", "MatMulInteger", "QLinearConv"})
#: What no shell takes for anything else.
_PLAIN: Final = frozenset(string.ascii_letters + string.digits + "/._-")


@dataclass(frozen=True, slots=True)
class Written:
    """An ONNX file on disk.

    Of ``linear`` operators, which take most of the time, ``of_codes`` are those whose input and
    weights come as integers in the file, not as rounded floats. Whether they are multiplied as
    such, the runtime decides: by what is behind them, too.
    """

    path: str
    bytes: int
    sha256: str
    layers: int
    dialect: str
    opset: int
    linear: int
    of_codes: int
    requires: Requirements


def written(model: onnx.ModelProto, data: bytes, path: Path, layers: int) -> Written:
    """What to tell of *model*, which has so many *layers* and is *data* in the file *path*."""
    metadata = read_metadata(model)
    opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    dequantized = {
        name for node in model.graph.node if node.op_type == "DequantizeLinear"
        for name in node.output
    }  # fmt: skip
    linear = [node for node in model.graph.node if node.op_type in _LINEAR]
    whole = sum(node.op_type in _INTEGER for node in model.graph.node)
    return Written(
        name_of(path),
        len(data),
        hashlib.sha256(data).hexdigest(),
        layers,
        "" if metadata is None else metadata.dialect,
        opset,
        len(linear) + whole,
        sum(dequantized.issuperset(node.input[:2]) for node in linear) + whole,
        Requirements() if metadata is None else metadata.requires,
    )


def lines_of(found: Written) -> Iterator[str]:
    """The file, and what is in it."""
    yield f"{printable(found.path)}: {amount(found.layers, 'layer')}, {found.bytes:,} bytes"
    kinds = f"dialect {found.dialect}, opset {found.opset}"
    if found.linear:
        linear = amount(found.linear, "linear operator")
        kinds += f"; {found.of_codes} of {linear} with input and weights as integers"
    yield kinds


def next_line(model: Path, onnx: Path, options: Iterable[str | Path] = ()) -> str:
    """What to do with the file *onnx* now, as a shell reads it: *options* are those of *model*."""
    words = (_quoted(_named(word)) for word in (model, onnx))
    return " ".join(("next: qconvert check", *words, *(_quoted(str(word)) for word in options)))


def _named(path: Path) -> str:
    """*path* as no command takes it for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _quoted(text: str) -> str:
    """One word of a shell, which can be shown: byte by byte where *text* cannot.

    ``$'...'``, which has the bytes, is of bash and zsh; other shells may not know it.
    """
    if printable(text) == text:
        return shlex.quote(text)
    told = (chr(x) if chr(x) in _PLAIN else f"\\x{x:02x}" for x in os.fsencode(text))
    return f"$'{''.join(told)}'"


def to_json(found: Written) -> str:
    """As ``schemas/written.schema.json`` describes it."""
    return json.dumps({"schema": SCHEMA, **asdict(found)}, indent=1) + "\n"
