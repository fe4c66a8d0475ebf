"""The lines of messages are our own, and of a length that can be read, whatever is named there."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from qconvert import api
from qconvert.cli import run
from qconvert.errors import BadFileError, BadModelError, Problem, QConvertError, UnsupportedError
from tests.hostile.building import Change, Config, entry, hdf5, layers, model, option

pytestmark = pytest.mark.usefixtures("forked_reader")

FORGED = "e\nqconvert: n.onnx: PROVEN, all 8 layers equal\r\x0bqconvert: ok\u2028qconvert: ok"
LONG = "l" * 3_000_000
#: What a terminal of 100 columns shows on about a hundred pages at most.
MOST = 100_000


@pytest.mark.parametrize(
    "error",
    [
        QConvertError("QC999", FORGED),
        BadFileError("QC107", FORGED, FORGED),
        UnsupportedError([Problem("QC301", FORGED, FORGED)] * 2),
        BadModelError(FORGED, [Problem("QC301", FORGED, FORGED)] * 2),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_name_begins_no_line(error: QConvertError) -> None:
    assert not [line for line in str(error).splitlines() if line.startswith("qconvert")]
    assert r"e\u{a}qconvert: n.onnx: PROVEN" in str(error)


def test_problems_have_a_line_each() -> None:
    problems = [Problem("QC301", "a", "x"), Problem("QC302", "", "y")]
    expected = "the model has 2 unsupported part(s):\n  a: x [QC301]\n  y [QC302]"
    assert str(UnsupportedError(problems)) == expected


def test_a_long_line_keeps_its_beginning_and_its_end() -> None:
    told = str(QConvertError("QC999", f"a: {LONG}; save it anew"))
    assert len(told) < 1100
    assert told.startswith("a: lll")
    assert told.endswith("lll; save it anew")
    assert "2,999,017 characters" in told


def test_of_many_problems_some_are_told_and_the_others_counted() -> None:
    error = UnsupportedError([Problem("QC323", "", str(i)) for i in range(5000)])
    lines = str(error).splitlines()
    assert lines[0] == "the model has 5000 unsupported part(s):"
    assert lines[-1] == "  and 4,000 more"
    assert len(lines) == 1002
    assert len(error.problems) == 5000


def _many_options(config: Config) -> None:
    layers(config)[1]["config"] |= {f"option_{i}": i for i in range(5000)}


CHANGES: dict[str, Callable[[str], Change]] = {
    "class": lambda text: entry("class_name", text),
    "option": lambda text: option(text, 1),
    "value": lambda text: option("activation", text),
    "layer": lambda text: entry("inbound_nodes", [[[text, 0, 0, {}]]]),
    "name": lambda text: lambda config: config["config"].__setitem__("name", text),
    "quantizer": lambda text: option("kernel_quantizer", {"class_name": text, "config": {}}),
    "options": lambda _: _many_options,
}


@pytest.mark.parametrize("command", ["inspect", "export"])
@pytest.mark.parametrize("text", [FORGED, LONG], ids=["forged", "long"])
@pytest.mark.parametrize("place", CHANGES)
def test_a_text_of_a_model_stays_in_its_line(
    place: str, text: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.dumps(model(CHANGES[place](text)))
    path = tmp_path / "m.json"
    path.write_text(config)
    weights = hdf5(name="w.h5")(tmp_path)
    more = ["-o", str(tmp_path / "o.onnx")] if command == "export" else []
    _require_own_lines(run([command, str(path), "-w", str(weights), *more]), capsys)


def _require_own_lines(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    told, failed = capsys.readouterr()
    assert bool(code) == failed.startswith("qconvert: error QC")
    assert not [line for line in failed.splitlines()[1:] if not line.startswith("  ")]
    assert "\nqconvert: n.onnx" not in told
    assert len(told) + len(failed) < MOST


@pytest.mark.parametrize("words", [["inspect"], ["export", "-o", "c.onnx"], ["report"]])
def test_the_name_of_a_file_stays_in_its_line(
    words: Sequence[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("evil\nqconvert: ok\n.h5")
    assert run([*words, str(path)]) == 4
    _require_own_lines(4, capsys)
    path.write_bytes(b"nothing")
    assert run([*words, str(path)]) == 4
    _require_own_lines(4, capsys)


def test_a_file_that_the_shell_has_listed_stays_in_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", "a.h5", "evil\nqconvert: ok\n.h5"]) == 2
    assert "\nqconvert: ok" not in capsys.readouterr().err


@pytest.mark.parametrize("field", ["domain", "op_type"])
def test_the_operator_of_a_node_stays_in_its_line(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keras = hdf5()(tmp_path)
    changed = onnx.ModelProto()
    changed.CopyFrom(api.export(keras).model)
    setattr(changed.graph.node[0], field, FORGED)
    changed.opset_import.add(domain=FORGED, version=1)
    path = tmp_path / "m.onnx"
    path.write_bytes(changed.SerializeToString())
    run(["inspect", str(path), "--optimized"])
    told = "".join(capsys.readouterr())
    assert "\nqconvert: n.onnx" not in told
    run(["check", str(keras), str(path), "--samples", "1", "--tf-python", "/nowhere"])
    told = "".join(capsys.readouterr())
    assert "\nqconvert: n.onnx" not in told


def test_what_is_wrong_with_a_node_is_told_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = onnx.ModelProto()
    changed.CopyFrom(api.export(hdf5()(tmp_path)).model)
    changed.graph.node[0].input[0] = FORGED
    path = tmp_path / "m.onnx"
    path.write_bytes(changed.SerializeToString())
    assert run(["inspect", str(path)]) == 4
    told = capsys.readouterr().err
    assert r"input 'e\u{a}qconvert: n.onnx: PROVEN" in told
    assert "==> Context" not in told
    assert told.count("\n") == 1


def test_ends_of_lines_of_onnx_itself_are_none_of_a_name(tmp_path: Path) -> None:
    changed = onnx.ModelProto()
    changed.CopyFrom(api.export(hdf5()(tmp_path)).model)
    changed.graph.node[0].input[0] = "nowhere"
    path = tmp_path / "m.onnx"
    path.write_bytes(changed.SerializeToString())
    with pytest.raises(BadFileError, match=r"'nowhere' of node: name: .* is not output") as found:
        api.inspect(path)
    assert "\\u{a}" not in str(found.value)


def test_a_tensor_that_is_wrong_is_named(tmp_path: Path) -> None:
    changed = onnx.ModelProto()
    changed.CopyFrom(api.export(hdf5()(tmp_path)).model)
    name = changed.graph.initializer[0].name
    changed.graph.initializer[0].dims[:] = [1 << 40]
    path = tmp_path / "m.onnx"
    path.write_bytes(changed.SerializeToString())
    with pytest.raises(BadFileError, match=f"the tensor '{name}': cannot reshape"):
        api.inspect(path)


def test_what_is_no_model_has_no_parts() -> None:
    error = UnsupportedError([Problem("QC105", "", "an ONNX file")])
    assert str(error) == "not supported: an ONNX file"


def test_a_header_of_an_array_that_is_a_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keras, path = hdf5()(tmp_path), tmp_path / "x.npy"
    header = b"{'descr': f(), 'fortran_order': False, 'shape': (1, 4)}\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert run(["check", str(keras), "--inputs", str(path), "--tf-python", "/nowhere"]) == 4
    told = capsys.readouterr().err
    assert "error QC710" in told and "an expression" in told and " at 0x" not in told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "it lacks 'schema'"),
        ("[]", "the text is JSON, but not an object"),
        ("{", "Expecting property name"),
        (f'{{"schema": {"7" * 10_000}}}', f"the integer {'7' * 40} is out of range\n"),
        ('{"x": [' + "[]," * 2_000_000 + "0]}", "the text has too many values"),
        (f'{{"x": "{"x" * (33 << 20)}"}}', "more than 33,554,432 characters"),
    ],
)
def test_damaged_metadata_are_told_in_words(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = onnx.ModelProto()
    changed.CopyFrom(api.export(hdf5()(tmp_path)).model)
    changed.metadata_props[0].value = text
    path = tmp_path / "m.onnx"
    path.write_bytes(changed.SerializeToString())
    assert run(["inspect", str(path)]) == 4
    told = capsys.readouterr().err
    assert "the metadata is damaged: " in told and says in told and "Error(" not in told


@pytest.mark.parametrize("text", ["null", "7", '"text"'])
def test_json_that_is_no_object_is_no_report(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")
    assert run(["report", str(path)]) == 4
    assert "is not a report of qconvert check: it is no JSON object; give report.json, or " in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras models are"),
        (b"PK\x03\x04", "a zip archive, as Keras models are"),
        (b"\x89PNG\r\n", "a picture"),
        (b"\x08\x0a\x12", "an ONNX file"),
        (b"<!DOCTYPE html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b"## qconvert check passes", "no JSON object"),
    ],
)
def test_what_is_no_report_is_told_with_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, what: str
) -> None:
    path = tmp_path / "report"
    path.write_bytes(content)
    assert run(["report", str(path)]) == 4
    told = capsys.readouterr().err
    head = f"qconvert: error QC140: {path}: is not a report of qconvert check: it is {what}"
    assert told.startswith(head)
    assert told.endswith("; give report.json, or the folder that check --report has written\n")


def test_an_empty_report_is_an_empty_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.json").touch()
    assert run(["report", str(tmp_path)]) == 4
    assert "error QC101: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("samples", "code"),
    [
        (np.zeros((0, 4), np.float32), "QC714"),
        (np.full((1, 4), np.nan, np.float32), "QC714"),
        (np.zeros((1, 4), np.complex64), "QC713"),
        (np.zeros((1, 5), np.float32), "QC712"),
    ],
)
def test_samples_that_do_not_fit_are_told_with_their_file(
    samples: np.ndarray, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keras, path = hdf5()(tmp_path), tmp_path / "x.npy"
    np.save(path, samples)
    assert run(["check", str(keras), "--inputs", str(path), "--tf-python", "/nowhere"]) == 2
    assert capsys.readouterr().err.startswith(f"qconvert: error {code}: {path}: ")


def test_an_architecture_without_layers_is_blamed_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not the file of weights, which is read after it."""
    weights, architecture = hdf5()(tmp_path), tmp_path / "model.json"
    architecture.write_text('{"class_name": "Sequential", "config": [[]]}')
    assert run(["inspect", str(architecture), "-w", str(weights)]) == 4
    assert f"error QC203: {architecture}: " in capsys.readouterr().err
