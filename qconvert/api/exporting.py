"""A model as an ONNX file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import onnx

from qconvert.emit import to_onnx
from qconvert.emit.effects import without_effect
from qconvert.emit.interface import Meaning
from qconvert.errors import UsageError
from qconvert.ir import Graph, Quotients
from qconvert.modelfile.read import unused_in_words
from qconvert.opening import AnyPath, ReadingOptions, opened, source_of
from qconvert.output import write
from qconvert.places import output_file, require_writable
from qconvert.shortage import telling_shortages

if TYPE_CHECKING:
    from qconvert.runners.interface import InputDomain


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """An exported model; ``path`` is ``None`` if it was not written to a file.

    ``notes`` tell, by layer, what QKeras does that its user may not expect, and the file as well;
    ``without_effect`` which options changed nothing, and why; ``divided`` which layers are in
    float for the divisor of an input alone.
    """

    path: Path | None
    model: onnx.ModelProto
    layers: tuple[str, ...]
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without_effect: tuple[str, ...] = ()
    divided: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        """The content of the file."""
        data: bytes = self.model.SerializeToString(deterministic=True)
        return data


@telling_shortages
def export(
    model: AnyPath | object,
    output: AnyPath | None = None,
    *,
    dialect: str = "qdq",
    opset: int = 21,
    io: str = "float32",
    domains: Sequence[str] = (),
    packed_weights: bool = False,
    vnni: bool = False,
    force: bool = True,
    **reading: Unpack[ReadingOptions],
) -> Exported:
    """Convert a model to ONNX and write it to *output*, if given.

    With *io* ``"quantized"`` inputs and outputs are integers where it is known what these stand
    for: from quantizers, or from *domains* such as ``image=uint8/255``. *packed_weights* take as
    few bits as they can in the file, and not fewer where it runs. With *vnni* 8-bit weights are
    int8, up to three times as fast, and exact on no x86 CPU without VNNI. Raises
    `UnsupportedError` with everything that cannot be converted, `BadFileError`, and `OutputError`
    for an *output* that cannot be written, or exists while *force* is false. The other options
    are those of `load`.
    """
    source = source_of("export", model, reading)
    path = None if output is None else output_file(output)
    if path is not None:
        require_writable(path, force=force, inputs=source.paths)
    with opened(source) as found:
        graph = found.graph
    meanings = domains_of(graph, domains)

    def converted_with(meanings: Mapping[str, Meaning]) -> onnx.ModelProto:
        return to_onnx(
            graph,
            dialect=dialect,
            opset=opset,
            source=found.digest,
            quantized_io=_quantized_io(io, domains),
            packed=packed_weights,
            vnni=vnni,
            meanings=meanings,
        )

    converted = converted_with(meanings)
    notes = {layer.name: layer.notes for layer in graph.layers if layer.notes}
    if found.file.unused:
        notes[found.file.path.name] = (unused_in_words(found.file),)
    idle = tuple(without_effect(converted, packed=packed_weights, vnni=vnni))
    layers = tuple(layer.name for layer in graph.layers)
    divided = tuple(_divided(converted, meanings, converted_with))
    exported = Exported(path, converted, layers, notes, idle, divided)
    if path is not None:
        write(path, exported.data, force=force, inputs=source.paths)
    return exported


def domains_of(graph: Graph, texts: Sequence[str]) -> "dict[str, InputDomain]":
    """What the user says of inputs, of one text or several."""
    if not texts:
        return {}
    # All of the checker, which takes longer to import than a small model to export.
    from qconvert.checking.declared import read_domains

    return read_domains(graph, texts)


def _divided(
    converted: onnx.ModelProto,
    meanings: Mapping[str, Meaning],
    export_with: Callable[[Mapping[str, Meaning]], onnx.ModelProto],
) -> Iterator[str]:
    """What divisors cost; only where there are some, for it imports and exports once more."""
    if any(isinstance(each, Quotients) for each in meanings.values()):
        from qconvert.api.divided import division_lines

        yield from division_lines(converted, meanings, export_with)


def _quantized_io(io: str, domains: Sequence[str]) -> bool:
    if io not in ("float32", "quantized"):
        raise UsageError("QC003", f"inputs and outputs are float32 or quantized, not {io!r}")
    if domains and io == "float32":
        raise UsageError(
            "QC002",
            "domains say what the integers of quantized inputs mean; these are floats: add "
            "--io quantized (io='quantized'), or leave --domain out",
        )
    return io == "quantized"
