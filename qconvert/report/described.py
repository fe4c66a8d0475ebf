"""What an exported file says about itself, as JSON and for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from qconvert.report.escape import printable, shortened

if TYPE_CHECKING:
    # Which load ONNX and what a check consists of; export and inspect show lines of this.
    from qconvert.emit.metadata import InterfaceCodes, ModelMetadata, Requirements
    from qconvert.emit.stamp import Stamp
    from qconvert.report.document import Json


def metadata_as_json(metadata: ModelMetadata | None) -> Json:
    """All but the layers, which a summary lists by itself."""
    if metadata is None:
        return None
    return {name: value for name, value in asdict(metadata).items() if name != "layers"}


def stamp_as_json(stamp: Stamp | None, *, fits: bool) -> Json:
    """The stamp, and whether it is about this very file."""
    return None if stamp is None else {**asdict(stamp), "of_this_file": fits}


def metadata_lines(metadata: ModelMetadata | None) -> Iterator[str]:
    """Where the file comes from, and what it needs, as it says itself: anybody can write that."""
    if metadata is None:
        return
    yield printable(f"the file says: source SHA-256 {metadata.source or 'not known'}")
    made = f"made by qconvert {metadata.converter}, dialect {metadata.dialect}"
    yield f"the file says: {printable(made)}; needs {needed(metadata.requires)}"


def requirement_lines(metadata: ModelMetadata | None) -> Iterator[str]:
    """Without which a runtime would compute something else, a line each; none without any."""
    if metadata is None:
        return
    yield from (f"needs {text}" for text in _of_processors(metadata.requires))
    if metadata.requires.openvino:
        yield f"needs in OpenVINO {_in_openvino(metadata.requires)}"


def needed(requires: Requirements) -> str:
    """The same in one line, also where it is nothing."""
    found = ", ".join(_of_processors(requires))
    elsewhere = f"; in OpenVINO {_in_openvino(requires)}" if requires.openvino else ""
    return f"{found or 'no session options and no special CPU'}{elsewhere}"


def interface_lines(metadata: ModelMetadata | None) -> Iterator[str]:
    """The inputs and outputs of a file that has integers there; nothing of one without."""
    if metadata is None:
        return
    held = held_by_tensor(metadata)
    named = [
        *(("input", each.input, each.tensor) for each in metadata.inputs),
        *(("output", each.output, each.tensor) for each in metadata.outputs),
    ]
    for kind, name, tensor in named if held else ():
        yield f"{kind:<7} {shortened(name)} is {held[tensor]}"


def held_by_tensor(metadata: ModelMetadata | None) -> dict[str, str]:
    """What inputs and outputs hold, by tensor, of a file that has integers there; else nothing."""
    if metadata is None or not metadata.has_codes:
        return {}
    ends = [(each.tensor, each.codes) for each in metadata.inputs]
    ends += [(each.tensor, each.codes) for each in metadata.outputs]
    return {name: "float32" if codes is None else meaning(codes) for name, codes in ends}


def meaning(codes: InterfaceCodes) -> str:
    """Which numbers integers stand for."""
    code = f"(code - {codes.zero_point})" if codes.zero_point else "code"
    scale = f" * 2**{codes.exp}" if codes.exp else ""
    divisor = f" / {codes.divisor}" if codes.divisor != 1 else ""
    return f"{codes.type}, codes {codes.lo} to {codes.hi}: {code}{scale}{divisor}"


def stamp_lines(stamp: Stamp | None, *, fits: bool) -> Iterator[str]:
    """The verdict of a check, if it is about this file, as this says itself."""
    if stamp is None:
        return
    if not fits:
        yield "checked as another file: what was found does not hold for this one"
        return
    passed = "passed" if stamp.passed else "not passed"
    yield printable(
        f"the file says: checked {stamp.verdict}, {passed}; report with SHA-256 {stamp.report}"
    )
    for condition in stamp.conditions:
        yield f"        {printable(condition)}"


def _of_processors(requires: Requirements) -> list[str]:
    options = [f"session option {name}={value}" for name, value in requires.session_options.items()]
    return [printable(text) for text in (*options, *requires.cpu)]


def _in_openvino(requires: Requirements) -> str:
    return ", ".join(map(printable, requires.openvino))
