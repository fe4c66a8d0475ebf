"""Weights as a file: what layers compute with, what the model stores, and the codes behind them."""

import io
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.emit.codes import encode
from qconvert.emit.metadata import as_json
from qconvert.errors import UsageError
from qconvert.ir import Graph, Weight
from qconvert.ir.bits import bits_of
from qconvert.report.summary import describe
from qconvert.weighing.weights import codes_and_scales

Array: TypeAlias = npt.NDArray[Any]

SCHEMA: Final = "qconvert.weights/1"
#: Of an ``.npz``, and the only key in the header of a ``.safetensors``, whose order of several
#: keys is another in each process.
METADATA: Final = ":metadata"
_KEY: Final = "qconvert"
_SUFFIXES: Final = (".npz", ".safetensors")
_INTEGERS: Final = (np.int8, np.uint8, np.int16, np.uint16, np.int32)


def require_format(path: Path) -> None:
    """`UsageError` unless the name says which format is wanted."""
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError("QC003", f"{path}: weights are written to {' or '.join(_SUFFIXES)} files")


def serialized(graph: Graph, source: str | None, path: Path) -> bytes:
    """All weights, in the format of *path*; *source* is the hash of the model file.

    ``layer/role`` are the numbers that a layer computes with, ``:raw`` those in its file. Where
    they are integers times scales, ``:codes`` and ``:scale`` have these. The same model gives the
    same bytes.
    """
    require_format(path)
    arrays, metadata = _arrays(graph), as_json(_metadata(graph, source))
    if path.suffix.lower() == ".npz":
        return _npz(arrays | {METADATA: np.array(metadata)})
    from safetensors.numpy import save

    return save(arrays, {_KEY: metadata})


def read_metadata(path: Path) -> dict[str, Any]:
    """What stands beside the arrays of a file that `serialized` gave."""
    if path.suffix.lower() == ".npz":
        with np.load(path) as arrays:
            found: dict[str, Any] = json.loads(str(arrays[METADATA]))
        return found
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        return dict(json.loads(file.metadata()[_KEY]))


def count_of(graph: Graph) -> int:
    """How many weights there are."""
    return sum(len(layer.weights) for layer in graph.layers)


def _npz(arrays: dict[str, Array]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _named(graph: Graph) -> Iterator[tuple[str, Weight]]:
    for layer in graph.layers:
        for role, weight in layer.weights.items():
            yield f"{layer.name}/{role}", weight


def _arrays(graph: Graph) -> dict[str, Array]:
    parts = (part for name, weight in _named(graph) for part in _all(name, weight))
    # Of one piece, as the bytes of a file are.
    return {name: np.array(array, order="C") for name, array in parts}


def _all(name: str, weight: Weight) -> Iterator[tuple[str, Array]]:
    yield name, weight.effective
    yield f"{name}:raw", weight.raw
    found = _codes(weight)
    if found is not None:
        codes, scale = found
        yield f"{name}:codes", _narrow(codes)
        yield f"{name}:scale", scale


def _codes(weight: Weight) -> tuple[Array, Array] | None:
    """Codes and scales: one, or one a channel of the last axis, or as the quantizer has them."""
    array = weight.effective
    encoded = encode(array, array.ndim - 1) if array.ndim else None
    if encoded is None:
        return codes_and_scales(weight)
    scale = np.ldexp(1.0, encoded.exps).astype(np.float32)
    return encoded.codes, scale if encoded.axis is not None else scale.reshape(())


def _narrow(codes: Array) -> Array:
    """As the smallest integers that hold all."""
    lo, hi = int(codes.min(initial=0)), int(codes.max(initial=0))
    fitting = (t for t in _INTEGERS if np.iinfo(t).min <= lo and hi <= np.iinfo(t).max)
    return codes.astype(next(fitting))


def _metadata(graph: Graph, source: str | None) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "converter": version("qconvert"),
        "source": source,
        "weights": {name: _about(weight) for name, weight in _named(graph)},
    }


def _about(weight: Weight) -> dict[str, object]:
    found, quantizer = _codes(weight), weight.quantizer
    exact = None if found is None else bool(np.all(_product(*found) == weight.effective))
    return {
        "quantizer": None if quantizer is None else describe(quantizer),
        "bits": None if quantizer is None else bits_of(quantizer),
        "exact": exact,
    }


def _product(codes: Array, scale: Array) -> Array:
    return codes.astype(np.float32) * scale
