"""What parses a stranger's bytes in Python, with some to begin with.

Imported by `guided_process.py`, which counts the branches of qconvert that are taken.
"""

import io
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import onnx

from qconvert.cli.configuration import read_configuration
from qconvert.emit import metadata, stamp, to_onnx
from qconvert.errors import QConvertError
from qconvert.frontend import build_graph
from qconvert.modelfile import DEFAULT_LIMITS
from qconvert.modelfile.inside import onnx_model
from qconvert.modelfile.inside.archive import DAMAGE, unpacked
from qconvert.modelfile.inside.onnx_functions import require_few_calls
from qconvert.modelfile.inside.refusal import RefusalError
from qconvert.modelfile.json_limits import parse_object
from qconvert.modelfile.layers import layer_tree
from qconvert.modelfile.malformed import MalformedError
from qconvert.modelfile.nesting import assign
from qconvert.modelfile.reading import checked
from qconvert.report.document import read_report, to_json
from qconvert.report.formats import rendered
from qconvert.report.github import annotations
from scripts.browsing.large_report import large_report
from scripts.fuzzing import configs, grammar, seeds
from scripts.fuzzing.proto_changes import fields_in
from scripts.fuzzing.tally import WrongError, outcome_of
from tests.hostile.building import model
from tests.hostile.onnx_edits import external_by_default

_CONFIGURATION: Final = """
require = "proven"
tf-python = "python3.11"
[[models]]
model = "m.h5"
onnx = "m.onnx"
samples = 5
seed = 1
domains = ["uint8/255"]
report = "reports/m"
strict = true
limits = {layers = 20000}
opaque = "tf2onnx"
ignore = {softmax = "why"}
"""
#: What an archive may unpack to.
_SMALL: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Guided:
    """``attempt`` returns the outcome of some bytes and raises whatever is wrong."""

    attempt: Callable[[bytes], str]
    begin: Callable[[], tuple[bytes, ...]]
    suffix: str


def grammar_of(data: bytes) -> str:
    """A text of a quantizer."""
    return grammar.attempt(data.decode("utf-8", "replace"))


def architecture_of(data: bytes) -> str:
    """An architecture with the weights of the small model."""
    try:
        configs.read(data, seeds.models(None)[0])
    except QConvertError as error:
        return outcome_of(error)
    return ""


def answer_of(data: bytes) -> str:
    """What the isolated reader, which may lie, says of a file of 64 bytes."""
    own = bytes(range(64))
    try:
        answer = parse_object(data, "the answer", DEFAULT_LIMITS.with_values({"json_depth": 8}))
        found = checked(answer, own, own[:16], DEFAULT_LIMITS)
        if found.stored is not None:
            assign(layer_tree(model()), found.stored)
    except MalformedError as error:
        return "a lie" if error.code == "QC108" else error.code
    return ""


def archive_of(data: bytes) -> str:
    """The parts of an archive, as the isolated reader unpacks them: small ones, or none."""
    limits = {"dataset_bytes": _SMALL, "dataset_ratio": 1, "config_bytes": _SMALL}
    try:
        parts, _ = unpacked(io.BytesIO(data), {**limits, "archive_entries": 9})
    except (RefusalError, *DAMAGE) as error:
        return getattr(error, "code", "QC120")
    if any(len(part) > _SMALL for part in parts.values()):
        raise WrongError("a part is larger than its limit")
    return ""


def _reading(read: Callable[[Path], object], name: str, data: bytes) -> str:
    """What a function says of a file of these bytes."""
    path = _folder() / name
    path.write_bytes(data)
    try:
        read(path)
    except QConvertError as error:
        return outcome_of(error)
    return ""


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp())


def _report(path: Path) -> None:
    """Read a report, and show it; what is written of it is read as the same."""
    report = read_report(path)
    path.write_text(to_json(report), encoding="utf-8")
    if to_json(read_report(path)) != to_json(report):
        raise WrongError("a report that is written is read as another one")
    rendered(report)
    list(annotations(report))


def metadata_of(data: bytes) -> str:
    """Metadata and stamp of an ONNX file."""
    text = data.decode("utf-8", "replace")
    file = onnx.ModelProto()
    for key in (metadata.KEY, stamp.KEY):
        file.metadata_props.add(key=key, value=text)
    return min(_reads(read, file) for read in (metadata.read_metadata, stamp.read_stamp))


def _reads(read: Callable[[onnx.ModelProto], object], file: onnx.ModelProto) -> str:
    try:
        read(file)
    except ValueError:
        return "QC703"
    return ""


def onnx_of(data: bytes) -> str:
    """What the isolated reader asks of an ONNX file before it gives it to onnx's own code."""
    try:
        model = onnx_model.parsed(data)
        onnx_model.require_text(model)
        onnx_model.require_complete(model)
        require_few_calls(model, DEFAULT_LIMITS.function_nodes)
    except RefusalError as error:
        return error.code
    if any(field.name == "external_data" and values for field, values in fields_in(model)):
        raise WrongError("a weight that lies in another file is not refused")
    return ""


def _answers() -> tuple[bytes, ...]:
    place = {"own": True, "at": 0, "length": 32, "dtype": "<f4", "shape": [4, 2]}
    bias = {"own": False, "at": 8, "length": 8, "dtype": ">f4", "shape": [2]}
    text = {"own": True, "at": 0, "length": 4}
    named = [["x", []], ["d", [["d/kernel:0", place], ["d/bias:0", bias]]], ["a", []]]
    told: dict[str, object] = {
        "config": text,
        "metadata": None,
        "of_file": {"backend": "x"},
        "of_weights": {},
    }
    told |= {"group": "model_weights", "unused": ["/x"]}
    placed = [
        [["layers", "q_dense", "vars", "0"], place],
        [["layers", "q_dense", "vars", "1"], bias],
    ]
    groups = [["layers"], ["layers", "q_dense"]]
    answers = ({**told, "by_name": named}, {**told, "by_position": placed, "groups": groups})
    return tuple(json.dumps(answer).encode() for answer in answers)


def _stored_metadata() -> tuple[bytes, ...]:
    files = (to_onnx(build_graph(each)) for each in seeds.models(None)[:3])
    return tuple(entry.value.encode() for file in files for entry in file.metadata_props)


def _onnx_files() -> tuple[bytes, ...]:
    """Of the small model, as it is exported, and with what others have besides."""
    right = to_onnx(build_graph(seeds.models(None)[0])).SerializeToString()
    edits = (*seeds.OTHERS, external_by_default)
    files = [onnx.load_model_from_string(right) for _ in edits]
    for file, edit in zip(files, edits, strict=True):
        edit(file)
    return right, *(file.SerializeToString() for file in files)


def _reports() -> tuple[bytes, ...]:
    return tuple(to_json(large_report(6, fault)).encode() for fault in (None, 2))


def _architectures() -> tuple[bytes, ...]:
    stored = (each.stored for each in seeds.models(None))
    return tuple(json.dumps(one.architecture).encode() for one in stored if one)


def _texts() -> tuple[bytes, ...]:
    return (b"quantized_bits(4,0,1,alpha='auto')", b"quantized_relu(4,negative_slope=0.25)")


TARGETS: Final[Mapping[str, Guided]] = {
    "grammar-guided": Guided(grammar_of, _texts, ".txt"),
    "json-guided": Guided(architecture_of, _architectures, ".json"),
    "answer-guided": Guided(answer_of, _answers, ".json"),
    "archive-guided": Guided(archive_of, seeds.archives, ".keras"),
    "configuration-guided": Guided(
        partial(_reading, read_configuration, "qconvert.toml"),
        lambda: (_CONFIGURATION.encode(),), ".toml",
    ),
    "metadata-guided": Guided(metadata_of, _stored_metadata, ".json"),
    "onnx-guided": Guided(onnx_of, _onnx_files, ".onnx"),
    "report-guided": Guided(partial(_reading, _report, "report.json"), _reports, ".json"),
}  # fmt: skip
