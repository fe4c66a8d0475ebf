"""The test set as files that programs in any language can read.

`set.json` lists models; beside it lie NAME.onnx and the inputs, float32, little endian.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import onnx

from qconvert.emit import to_onnx
from qconvert.emit.dialects import DIALECTS
from qconvert.ir import F32
from scripts.targeted.cases import CASES
from scripts.targeted.expected import read

INDEX: Final = "set.json"
#: A model of the index.
Entry: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class File:
    """One exported file: a part of a case in a dialect."""

    case: str
    part: str
    dialect: str

    @property
    def name(self) -> str:
        """Of the file, without its ending."""
        return f"{self.case}.{self.part}.{self.dialect}"


def write(
    folder: Path, cases: Sequence[str] = tuple(CASES), opset: int = 21, *, packed: bool = False
) -> tuple[File, ...]:
    """Export every part of every case in every dialect into *folder*, with inputs.

    Files with *packed* weights are of the dialects that have such.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [each for case in cases for each in _written(folder, case, opset, packed=packed)]
    (folder / INDEX).write_text(json.dumps({"models": [entry for _, entry in written]}))
    return tuple(file for file, _ in written)


def _written(folder: Path, case: str, opset: int, *, packed: bool) -> Iterator[tuple[File, Entry]]:
    inputs = read(case).inputs
    tensors = {
        name: _tensor(folder, name, f"{case}.{i}.bin", x)
        for i, (name, x) in enumerate(inputs.items())
    }
    for part, graph in CASES[case].parts().items():
        for dialect, form in DIALECTS.items():
            if packed and not form.integer_kernels:
                continue
            file = File(case, part, dialect)
            model = to_onnx(graph, dialect=dialect, opset=opset, packed=packed)
            entry = {"name": file.name, "outputs": _stored(folder, file, model)}
            yield file, {**entry, "inputs": [tensors[x.name] for x in graph.inputs]}


def _stored(folder: Path, file: File, model: onnx.ModelProto) -> list[str]:
    """Write a model; its outputs, in the order of the graph's."""
    (folder / f"{file.name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    return [output.name for output in model.graph.output]


def _tensor(folder: Path, name: str, data: str, array: F32) -> Entry:
    """Write an input."""
    (folder / data).write_bytes(array.astype("<f4").tobytes())
    return {"name": name, "shape": list(array.shape), "data": data}
