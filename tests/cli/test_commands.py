import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import h5py
import jsonschema
import numpy as np
import onnx
import pytest

from qconvert import api
from qconvert.cli import cli, run
from qconvert.errors import UsageError
from qconvert.report.stamping import sha256_of_report

from .conftest import LAYERS, activation, dense

pytestmark = pytest.mark.usefixtures("forked_reader")

SCHEMAS = Path(__file__).parents[2] / "schemas"
DATA = Path(__file__).parents[1] / "data"


class WriteModel(Protocol):
    def __call__(self, name: str = ..., layers: Sequence[Any] = ...) -> Path: ...


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_export_writes_beside_the_model(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model()
    assert run(["export", str(model)]) == 0
    onnx.checker.check_model(onnx.load(model.with_suffix(".onnx")), full_check=True)
    assert capsys.readouterr().out.startswith(f"{model.with_suffix('.onnx')}: ")


def test_the_metadata_of_an_exported_file_fits_its_schema(write_model: WriteModel) -> None:
    model = write_model()
    assert run(["export", str(model)]) == 0
    exported = onnx.load(model.with_suffix(".onnx"))
    (text,) = (entry.value for entry in exported.metadata_props if entry.key == "qconvert")
    schema = json.loads((SCHEMAS / "metadata.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    assert [layer["layer"] for layer in json.loads(text)["layers"]] == ["act", "fc"]


def test_a_file_that_was_checked_tells_the_verdict(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without TensorFlow, so that nothing is proven; the file itself stays as it was checked."""
    model, plain, checked = write_model(), tmp_path / "plain.onnx", tmp_path / "checked.onnx"
    nowhere = ["--tf-python", "/nowhere/python"]
    assert run(["export", str(model), "-o", str(plain)]) == 0
    first, report = tmp_path / "first.json", tmp_path / "report.json"
    told = ["--check", "--json", str(first)]
    assert run(["export", str(model), "-o", str(checked), *told, *nowhere]) == 5
    assert run(["check", str(model), str(checked), "--json", str(report), *nowhere]) == 5
    (text,) = (e.value for e in onnx.load(checked).metadata_props if e.key == "qconvert.check")
    schema = json.loads((SCHEMAS / "stamp.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    stamp = json.loads(text)
    assert (stamp["verdict"], stamp["passed"]) == ("UNCHECKED", False)
    assert stamp["file"] == hashlib.sha256(plain.read_bytes()).hexdigest()
    for document in (first, report):
        assert stamp["report"] == sha256_of_report(document.read_text(encoding="utf-8"))
    assert json.loads(report.read_text(encoding="utf-8"))["onnx"]["sha256"] == stamp["file"]
    capsys.readouterr()
    assert run(["inspect", str(checked)]) == 0
    assert "\nthe file says: checked UNCHECKED, not passed;" in capsys.readouterr().out


def test_a_verdict_of_another_file_is_told_as_such(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model()
    target = model.with_suffix(".onnx")
    assert run(["export", str(model), "--check", "--tf-python", "/nowhere/python"]) == 5
    changed = onnx.load(target)
    changed.graph.name = "changed"
    onnx.save(changed, target)
    capsys.readouterr()
    assert run(["inspect", str(target)]) == 0
    assert "checked as another file" in capsys.readouterr().out


def test_only_the_file_that_was_checked_gets_the_verdict(
    write_model: WriteModel, tmp_path: Path
) -> None:
    model = write_model()
    target = model.with_suffix(".onnx")
    assert run(["export", str(model)]) == 0
    report = api.check(model, target, tf_python="/nowhere/python")
    changed = onnx.load(target)
    changed.graph.name = "changed"
    onnx.save(changed, target)
    with pytest.raises(UsageError, match="is not the file that was checked"):
        api.stamp(target, report)


def test_inspect_tells_where_a_file_comes_from(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model()
    assert run(["export", str(model)]) == 0
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    capsys.readouterr()
    assert run(["inspect", str(model.with_suffix(".onnx"))]) == 0
    shown = capsys.readouterr().out
    assert f"\nthe file says: source SHA-256 {digest}\n" in shown
    made = f"made by qconvert {version('qconvert')}, dialect qdq"
    assert f"\nthe file says: {made}; needs no session options and no special CPU" in shown


def test_export_gives_the_same_bytes_each_time(write_model: WriteModel, tmp_path: Path) -> None:
    model = write_model()
    for name in ("a.onnx", "b.onnx"):
        assert run(["export", str(model), "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_weights_are_effective_and_the_product_of_codes_and_scale(
    write_model: WriteModel, tmp_path: Path
) -> None:
    assert run(["weights", str(write_model()), "-o", str(tmp_path / "w.npz")]) == 0
    with np.load(tmp_path / "w.npz") as arrays:
        kernel, codes, scale = (arrays[f"fc/kernel{part}"] for part in ("", ":codes", ":scale"))
    np.testing.assert_array_equal(codes, np.array([[2, -2], [0, 7], [-6, 1]]))
    np.testing.assert_array_equal(scale, np.float32(0.125))
    np.testing.assert_array_equal(codes * scale, kernel)
    assert (codes.dtype, kernel.dtype) == (np.int8, np.float32)


@pytest.mark.parametrize("output", [[], ["-o", "out.npz"]])
def test_weights_are_those_of_a_model(
    write_model: WriteModel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: list[str],
) -> None:
    """The file that is no model is named, whichever of the two it is."""
    model = write_model()
    monkeypatch.chdir(model.parent)
    assert run(["export", "model.h5"]) == 0
    with h5py.File(model) as file:
        Path("model.json").write_text(file.attrs["model_config"], encoding="utf-8")
    for words in (["model.onnx"], ["model.json", "-w", "model.onnx"]):
        capsys.readouterr()
        assert run(["weights", *words, *output]) == 3
        assert "error QC105: model.onnx: not supported: an ONNX file" in capsys.readouterr().err
    assert names(model.parent) == ["model.h5", "model.json", "model.onnx"]


@pytest.mark.parametrize("command", ["export", "weights"])
def test_a_model_is_looked_at_before_the_output_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Which nobody named, and whose folder may be missing as the model is."""
    assert run([command, str(tmp_path / "nowhere" / "model.h5")]) == 4
    assert "error QC107: " in capsys.readouterr().err


def test_a_file_that_is_taken_for_an_option_is_said_to_be_one(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(write_model("-dash.h5").parent)
    assert run(["export", "-dash.h5"]) == 2
    assert "\n-dash.h5 is a file: write ./-dash.h5\n" in capsys.readouterr().err
    assert run(["export", "-other.h5"]) == 2
    assert "is a file" not in capsys.readouterr().err
    assert run(["export", "./-dash.h5"]) == 0


def test_an_onnx_file_is_no_model_to_export_and_no_input_that_is_replaced(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model()
    assert run(["export", str(model)]) == 0
    assert run(["export", str(model.with_suffix(".onnx"))]) == 3
    assert "error QC105: " in capsys.readouterr().err


@pytest.mark.parametrize("command", ["inspect", "bench"])
@pytest.mark.parametrize("option", ["--weights", "--tf-python"])
def test_options_of_a_keras_model_are_refused_where_there_is_none(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str], command: str, option: str
) -> None:
    model = write_model()
    assert run(["export", str(model)]) == 0
    assert run([command, str(model.with_suffix(".onnx")), option, str(model)]) == 2
    assert f"error QC002: {model.with_suffix('.onnx')} is an ONNX file: {option} " in (
        capsys.readouterr().err
    )


def test_all_options_of_a_keras_model_are_told_at_once(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model()
    assert run(["export", str(model)]) == 0
    options = ["--opaque", "tf2onnx", "--strict", "--via-tensorflow", "--freeze-scales", "x.npy"]
    file = str(model.with_suffix(".onnx"))
    assert run(["inspect", file, "--limit", "layers=100"]) == 0
    assert run(["inspect", file, *options]) == 2
    told = capsys.readouterr().err
    assert all(word in told for word in options if word.startswith("--"))


def test_inspect_shows_layers_of_a_model_and_of_its_export(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model()
    assert run(["export", str(model)]) == 0
    capsys.readouterr()
    for path in (model, model.with_suffix(".onnx")):
        assert run(["inspect", str(path)]) == 0
        assert run(["inspect", str(path), "--json"]) == 0
        text, _, document = capsys.readouterr().out.partition("{\n")
        found = json.loads("{" + document)
        assert [layer["name"] for layer in found["layers"]] == ["act", "fc"]
        assert "QActivation" in text
        assert found["bytes"] > 0


@pytest.mark.parametrize(("bits", "told"), [(8, True), (9, False)])
def test_inspect_tells_where_small_quantizers_equal_qkeras(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str], bits: int, told: bool
) -> None:
    layers = (LAYERS[0], activation("act", f"quantized_bits({bits},0,alpha=1)"), dense("fc", 2))
    model = write_model(layers=layers)
    assert run(["inspect", str(model)]) == 0
    assert ("within 65,536 times their range" in capsys.readouterr().out) is told


def test_inspect_tells_bits_and_grid(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", str(write_model()), "--json"]) == 0
    act, fc = json.loads(capsys.readouterr().out)["layers"]
    assert act["activation"]["grid"] == {"lo": 0, "hi": 15, "exp": -4}
    assert fc["weights"][0]["codes"]["bits"] == 4


def test_what_inspect_prints_as_json_fits_its_schema(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model()
    assert run(["export", str(model)]) == 0
    schema = json.loads((SCHEMAS / "summary.schema.json").read_text(encoding="utf-8"))
    onnx_file = str(model.with_suffix(".onnx"))
    for arguments in ([str(model)], [onnx_file], [onnx_file, "--optimized"]):
        capsys.readouterr()
        assert run(["inspect", *arguments, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        jsonschema.Draft202012Validator(schema).validate(found)
        assert found["totals"]["multiplications"] == 6


def test_inspect_tells_costs_and_what_lies_beyond_the_range(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of ``fc``: six products of 4-bit codes, and 0.9 where 0.875 is the last code."""
    assert run(["inspect", str(write_model())]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["fc", "4", "x", "4", "8", "6", "96", "3", "24"] in shown
    weight = ["fc/kernel", "3x2", "4", "bits", "[-8..7]", "*", "2**-3"]
    assert [*weight, "6", "of", "16", "16.7%", "1", "1"] in shown


@pytest.mark.parametrize("name", ["jet_mlp.h5", "jet_deepsets.h5", "mnist_cnn.keras"])
def test_tables_of_inspect_fit_120_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(DATA / name)]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert max(map(len, rows)) <= 120


def test_a_domain_bounds_the_sums_of_the_first_layer(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(write_model(layers=(LAYERS[0], dense("fc", 2))))
    widths = []
    for domain in ([], ["--domain", "uint8/256"]):
        assert run(["inspect", model, "--json", *domain]) == 0
        cost = json.loads(capsys.readouterr().out)["layers"][0]["cost"]
        widths.append((cost["input_bits"], cost["accumulator"] and cost["accumulator"]["bits"]))
    assert widths == [(32, None), (8, 12)]
    assert run(["export", model]) == 0
    assert run(["inspect", model.replace(".h5", ".onnx"), "--domain", "uint8"]) == 2


def test_diff_tells_what_changed_and_ends_with_1(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text and JSON, of models, of their files, and of one with the other's."""
    schema = json.loads((SCHEMAS / "diff.schema.json").read_text(encoding="utf-8"))
    relus = (activation("act", f"quantized_relu({bits})") for bits in (4, 3))
    models = [
        str(write_model(f"{i}.h5", (LAYERS[0], relu, LAYERS[2]))) for i, relu in enumerate(relus)
    ]
    files = [model.replace(".h5", ".onnx") for model in models]
    for model in models:
        assert run(["export", model]) == 0
    for one, other in (models, files, (models[0], files[1])):
        for first, second, code in ((one, one, 0), (one, other, 1)):
            capsys.readouterr()
            assert run(["diff", first, second]) == code
            text = capsys.readouterr().out
            assert ("nothing differs" in text) is (code == 0)
            assert run(["diff", first, second, "--json"]) == code
            found = json.loads(capsys.readouterr().out)
            jsonschema.Draft202012Validator(schema).validate(found)
            assert found["equal"] is (code == 0)
    assert run(["diff", *models]) == 1
    told = "  ~ quantizer: QuantizedRelu(bits=4) -> QuantizedRelu(bits=3)"
    assert f"act\n{told}\n\n1 change, in 1 layer" in capsys.readouterr().out


def test_a_file_cannot_steer_the_terminal_by_what_it_says_of_itself(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.onnx"
    assert run(["export", str(write_model()), "-o", str(path)]) == 0
    model = onnx.load(path)
    evil = "\x1b[2J\n::error::x"
    for entry in model.metadata_props:
        content = json.loads(entry.value)
        told = {key: content[key] + evil for key in ("converter", "dialect")}
        entry.value = json.dumps({**content, **told})
    onnx.save(model, path)
    capsys.readouterr()
    assert run(["inspect", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("\\u{1b}[2J") == 2
    assert "\x1b" not in shown and "\n::" not in shown


def test_a_report_cannot_steer_the_terminal_that_its_diff_is_shown_in(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil, first, second = "\x1b[2J\u202eact", tmp_path / "a.json", tmp_path / "b.json"
    command = ["check", str(write_model()), "-q", "--tf-python", "/nowhere/python"]
    assert run([*command, "--json", str(first)]) == 5
    report = json.loads(first.read_text())
    for path in (first, second):
        old = report["layers"][-1]["name"]
        report["layers"][-1].update(name=evil, reason=f"{path.name} {evil}")
        for weight in report["weights"]:
            weight["layer"] = evil if weight["layer"] == old else weight["layer"]
        path.write_text(json.dumps(report), encoding="utf-8")
    assert run(["diff", str(first), str(second)]) == 1
    shown = capsys.readouterr().out
    assert shown.count("\\u{1b}[2J\\u{202e}act") == 3
    assert "\x1b" not in shown and "\u202e" not in shown


def missing(folder: Path, write: WriteModel) -> list[str]:
    return ["export", str(folder / "missing.h5")]


def current_directory(folder: Path, write: WriteModel) -> list[str]:
    return ["export", "."]


def not_hdf5(folder: Path, write: WriteModel) -> list[str]:
    (folder / "model.h5").write_text("hello, I am no model")
    return ["export", str(folder / "model.h5")]


def weights_only(folder: Path, write: WriteModel) -> list[str]:
    import h5py

    with h5py.File(write(), "r+") as file:
        del file.attrs["model_config"]
    return ["export", str(folder / "model.h5")]


def unknown_layer(folder: Path, write: WriteModel) -> list[str]:
    evil = {"class_name": "EvilLayer", "config": {"name": "act"}}
    return ["export", str(_with_second(write, evil))]


def lambda_layer(folder: Path, write: WriteModel) -> list[str]:
    code = {"class_name": "Lambda", "config": {"name": "act", "function": ["4wEAAA==", None, None]}}
    return ["export", str(_with_second(write, code))]


def _with_second(write: WriteModel, layer: Any) -> Path:
    source = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 3]}}
    return write(layers=(source, layer))


def existing_output(folder: Path, write: WriteModel) -> list[str]:
    (folder / "model.onnx").write_bytes(b"precious")
    return ["export", str(write())]


def output_is_input(folder: Path, write: WriteModel) -> list[str]:
    return ["export", str(write()), "-o", str(folder / "model.h5"), "--force"]


def no_directory(folder: Path, write: WriteModel) -> list[str]:
    return ["export", str(write()), "-o", str(folder / "missing" / "model.onnx")]


def wrong_input_shape(folder: Path, write: WriteModel) -> list[str]:
    np.save(folder / "x.npy", np.zeros((2, 4), np.float32))
    return ["check", str(write()), "--inputs", str(folder / "x.npy")]


def not_onnx(folder: Path, write: WriteModel) -> list[str]:
    (folder / "other.onnx").write_bytes(b"\xff\xff not a protobuf")
    return ["check", str(write()), str(folder / "other.onnx")]


def damaged_metadata(folder: Path, write: WriteModel) -> list[str]:
    model = write()
    assert run(["export", str(model), "-o", str(folder / "other.onnx")]) == 0
    exported = onnx.load(folder / "other.onnx")
    exported.metadata_props[0].value = "{}"
    onnx.save(exported, folder / "other.onnx")
    return ["inspect", str(folder / "other.onnx")]


def weights_elsewhere(folder: Path, write: WriteModel) -> list[str]:
    model = write()
    assert run(["export", str(model), "-o", str(folder / "other.onnx")]) == 0
    exported = onnx.load(folder / "other.onnx")
    tensor = exported.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    (folder / "other.onnx").write_bytes(exported.SerializeToString())
    return ["inspect", str(folder / "other.onnx")]


def onnx_of_another_model(folder: Path, write: WriteModel) -> list[str]:
    model = write()
    assert run(["export", str(model), "-o", str(folder / "other.onnx")]) == 0
    source = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 4]}}
    relu = {"class_name": "QActivation", "config": {"name": "act", "activation": "quantized_relu"}}
    other = write("other.h5", (source, relu))
    return ["check", str(other), str(folder / "other.onnx")]


def report_exists(folder: Path, write: WriteModel) -> list[str]:
    (folder / "r.json").write_text("{}")
    return ["check", str(write()), "--json", str(folder / "r.json")]


def reproducer_exists(folder: Path, write: WriteModel) -> list[str]:
    return ["check", str(write()), "--reproducer", str(folder)]


def unknown_option(folder: Path, write: WriteModel) -> list[str]:
    return ["export", str(write()), "--tolerance", "1e-3"]


def check_without_end(folder: Path, write: WriteModel) -> list[str]:
    return ["check", str(write()), "--samples", "99999999999999999999"]


def explanation_without_end(folder: Path, write: WriteModel) -> list[str]:
    return ["explain", str(write()), "--layer", "fc", "--sample", "10000000"]


@pytest.mark.parametrize(
    ("prepare", "exit_code", "code", "words"),
    [
        (missing, 4, "QC107", "missing.h5"),
        (current_directory, 4, "QC106", "a directory"),
        (not_hdf5, 4, "QC103", "not an HDF5 file"),
        (weights_only, 3, "QC201", "weights only"),
        (unknown_layer, 3, "QC302", "EvilLayer"),
        (lambda_layer, 3, "QC301", "Lambda"),
        (existing_output, 6, "QC604", "--force"),
        (output_is_input, 6, "QC605", "is an input"),
        (no_directory, 6, "QC601", "directory"),
        (wrong_input_shape, 2, "QC712", "the model takes (samples, 3)"),
        (not_onnx, 4, "QC702", "not an ONNX file"),
        (damaged_metadata, 4, "QC703", "metadata"),
        (weights_elsewhere, 4, "QC701", "lies in another file"),
        (
            onnx_of_another_model,
            2,
            "QC704",
            "other.onnx: the ONNX file is not of this model: it takes 'x' (None, 3), the model 'x'",
        ),
        (report_exists, 6, "QC604", "--force"),
        (reproducer_exists, 6, "QC606", "--force"),
        (unknown_option, 2, "QC001", "--tolerance"),
        (check_without_end, 2, "QC003", "at most 10,000,000 samples"),
        (explanation_without_end, 2, "QC003", "samples count from 0 to 9,999,999"),
    ],
)
def test_bad_input_gets_one_clear_error_and_changes_nothing(
    tmp_path: Path,
    write_model: WriteModel,
    capsys: pytest.CaptureFixture[str],
    prepare: Any,
    exit_code: int,
    code: str,
    words: str,
) -> None:
    arguments = prepare(tmp_path, write_model)
    capsys.readouterr()
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    assert run(arguments) == exit_code
    out, err = capsys.readouterr()
    assert words in err
    assert re.findall("error QC[0-9]*: ", err) == [f"error {code}: "]
    assert "Traceback" not in err + out
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_a_missing_tensorflow_is_shown_and_is_no_pass(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "r.json"
    arguments = ["check", str(write_model()), "--samples", "8", "--json", str(report)]
    assert run([*arguments, "--tf-python", "/nowhere/python"]) == 5
    out, err = capsys.readouterr()
    assert "TensorFlow: NOT RUN" in out
    assert err.startswith("qconvert: TensorFlow failed\n  QC720: the worker did not start: ")
    found = json.loads(report.read_text())
    assert (found["verdict"], found["passed"]) == ("UNCHECKED", False)
    # The other two were compared all the same.
    compared = [c for layer in found["layers"] for c in layer["comparisons"]]
    assert ["NumPy", "ONNX Runtime"] in [c["witnesses"] for c in compared]


@pytest.mark.parametrize("wrong", [True, False])
def test_a_reproducer_is_written_where_something_differs(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: bool
) -> None:
    """NumPy and ONNX Runtime are enough to see a weight that is another in the file."""
    model, folder, report = write_model(), tmp_path / "shown", tmp_path / "r.json"
    file = model.with_suffix(".onnx")
    assert run(["export", str(model)]) == 0
    exported = onnx.load(file)
    (kernel,) = (x for x in exported.graph.initializer if len(x.dims) == 2)
    codes = onnx.numpy_helper.to_array(kernel).copy()
    codes.flat[1] += wrong
    kernel.CopyFrom(onnx.numpy_helper.from_array(codes, kernel.name))
    onnx.save(exported, file)
    arguments = ["check", str(model), str(file), "--reproducer", str(folder)]
    arguments += ["--json", str(report), "--tf-python", "/nowhere/python"]
    assert run(arguments) == (1 if wrong else 5)
    told, found = capsys.readouterr().out, json.loads(report.read_text())["reproducer"]
    assert folder.exists() is wrong
    if not wrong:
        assert f"reproducer  {folder} is not written: nothing differs" in told
        assert found is None
        return
    assert found["path"] == str(folder)
    assert f"reproducer  {folder}: {found['summary']}" in told
    command = [sys.executable, str(folder / "reproduce.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "layer fc (QDense)" in done.stdout


def test_a_bug_of_ours_is_one_line_and_code_70(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("qconvert.api.export", broken)
    arguments = ["export", str(write_model())]
    assert run(arguments) == 70
    err = capsys.readouterr().err
    assert "ZeroDivisionError" in err
    assert "QCONVERT_DEBUG=1" in err
    assert "Traceback" not in err
    monkeypatch.setenv("QCONVERT_DEBUG", "1")
    assert run(arguments) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (MemoryError(), 7), (BrokenPipeError(), 141)]
)
def test_interrupts_and_limits_have_their_codes(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("qconvert.api.export", failing)
    monkeypatch.setattr("qconvert.cli._silence", lambda _: None)
    assert run(["export", str(write_model())]) == code


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "qconvert", *map(str, arguments)]


def test_a_pipe_that_closes_early_is_no_error(write_model: WriteModel) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command("inspect", write_model()), stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_terminated_while_it_reads_leaves_nothing(tmp_path: Path) -> None:
    # SIGTERM arrives while the command waits for a TensorFlow that never answers.
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\necho started > started\nexec sleep 60\n")
    slow.chmod(0o755)
    model = Path(__file__).parents[1] / "data" / "jet_mlp.h5"
    process = subprocess.Popen(
        command("check", model, "--tf-python", slow),
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not (tmp_path / "started").exists():
        assert process.poll() is None
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert b"Traceback" not in out + err
    # ONNX Runtime leaves a file of its own, by the name of .ses, as soon as it is imported.
    assert set(names(tmp_path)) - {".ses"} == {"python", "started"}


def test_terminated_although_a_library_swallows_it() -> None:
    program = """
import time
from qconvert import cli
def load(*_, **__):
    print("loading", flush=True)
    try:
        time.sleep(60)
    except BaseException:
        time.sleep(60)
from qconvert import api
api.inspect = load
cli._AGAIN_SECONDS = 1
raise SystemExit(cli.run(["inspect", "model.h5"]))
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"loading\n"
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [(signal.SIGTERM, 143, b""), (signal.SIGINT, 130, b"qconvert: error QC990: interrupted\n")],
)
def test_signals_wait_for_an_import(
    number: signal.Signals, code: int, told: bytes, tmp_path: Path
) -> None:
    """A module of onnx makes an enumeration, and what is raised in there aborts the process."""
    (tmp_path / "compiled.py").write_text(
        "import os, time\n"
        f"os.kill(os.getpid(), {number:d})\n"
        "time.sleep(0.2)\n"
        "print('loaded', flush=True)\n"
    )
    program = """
import signal, time
from qconvert import api, cli
def load(*_, **__):
    import compiled
    time.sleep(60)
api.inspect = load
signal.signal(signal.SIGINT, signal.default_int_handler)
raise SystemExit(cli.run(["inspect", "model.h5"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, b"loaded\n", told)


def test_a_script_that_goes_on_has_its_own_signals_again() -> None:
    """Of which none comes a second time, as it does for a library that swallows it."""
    program = """
import signal, time
from qconvert import api, cli
def load(*_, **__):
    signal.raise_signal(signal.SIGINT)
api.inspect = load
cli._AGAIN_SECONDS = 0.1
before = {number: signal.getsignal(number) for number in cli.ENDING}
assert cli.run(["inspect", "model.h5"]) == 130
time.sleep(0.3)
assert before == {number: signal.getsignal(number) for number in cli.ENDING}
"""
    subprocess.run([sys.executable, "-c", program], check=True, stderr=subprocess.DEVNULL)


def test_a_signal_to_a_module_that_calls_it_comes_at_once(tmp_path: Path) -> None:
    """Although a module is imported all the while."""
    (tmp_path / "caller.py").write_text(
        "import signal, time\n"
        "from qconvert import api, cli\n"
        "api.inspect = lambda *_, **__: signal.raise_signal(signal.SIGTERM)\n"
        "cli.run(['inspect', 'model.h5'])\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", "import caller"], env=os.environ | {"PYTHONPATH": path}, check=False
    )
    assert done.returncode == 143


def test_signals_that_come_while_it_ends_show_nothing() -> None:
    program = """
import atexit, os, signal, sys
from qconvert.__main__ import main

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
    atexit.register(os.kill, os.getpid(), number)
sys.argv = ["qconvert", "--version"]
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("qconvert ")


def test_the_doctor_has_a_code_for_each_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    assert "check can run" in capsys.readouterr().out
    assert run(["doctor", "--tf-python", "/nowhere/python"]) == 5
    assert "does not run" in capsys.readouterr().err


def of_activation(text: str) -> tuple[Any, ...]:
    """A model that is nothing else."""
    source = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 3]}}
    return source, {"class_name": "QActivation", "config": {"name": "act", "activation": text}}


def test_notes_are_told_by_export_and_inspect_and_stay_in_the_file(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(layers=of_activation("quantized_relu(quantized_bits(8),2)"))
    assert run(["export", str(model)]) == 0
    for command in (["inspect", str(model)], ["inspect", str(model.with_suffix(".onnx"))]):
        assert run(command) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert len(lines) == 3
    assert len(set(lines)) == 1
    assert lines[0].startswith("note: act: activation: 'quantized_relu(quantized_bits(8),2)'")
    assert run(["inspect", "--json", str(model.with_suffix(".onnx"))]) == 0
    (act,) = json.loads(capsys.readouterr().out)["layers"]
    assert len(act["notes"]) == 1


def test_scales_of_the_batch_need_samples(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = write_model(layers=of_activation("quantized_bits(4,0,1,alpha='auto')"))
    samples = tmp_path / "x.npy"
    np.save(samples, np.eye(3, dtype=np.float32))
    assert run(["export", str(model)]) == 3
    assert "--freeze-scales" in capsys.readouterr().err
    assert run(["export", str(model), "--freeze-scales", str(samples)]) == 0
    assert "note: act: its scale is frozen" in capsys.readouterr().out
    for command in ("inspect", "weights"):
        assert run([command, str(model), "--freeze-scales", str(samples)]) == 0
    assert run(["export", str(model), "--freeze-scales", str(samples), "-o", str(samples)]) == 6


def test_diff_reads_a_model_of_frozen_scales(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model, samples = write_model(layers=of_activation("binary(alpha='auto')")), tmp_path / "x.npy"
    np.save(samples, np.eye(3, dtype=np.float32))
    freeze = ["--freeze-scales", str(samples)]
    assert run(["export", str(model), *freeze]) == 0
    assert run(["diff", str(model), str(model.with_suffix(".onnx")), *freeze]) == 0
    assert "QC406" not in capsys.readouterr().err


def test_options_that_messages_name_are_those_of_every_command_that_reads_models() -> None:
    named = {"--via-tensorflow", "--freeze-scales", "--limit", "--tf-python"}
    for command in ("check", "diff", "explain", "export", "inspect", "weights"):
        assert named <= options_of(command)
    # What computes is TensorFlow alone, with scales of every batch.
    assert named - {"--freeze-scales"} <= options_of("bench")


def options_of(command: str) -> set[str]:
    return {name for each in cli.commands[command].params for name in each.opts}


def test_a_model_whose_scales_cannot_be_frozen_is_named(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    samples = tmp_path / "x.npy"
    np.save(samples, np.eye(3, dtype=np.float32))
    for layer, code in (("binary(alpha='auto',scale_axis=0)", "QC406"), ("binary()", "QC013")):
        model = write_model(layers=of_activation(layer))
        assert run(["inspect", str(model), "--freeze-scales", str(samples)]) in (2, 3)
        assert capsys.readouterr().err.startswith(f"qconvert: error {code}: {model}: ")


def test_inspect_tells_which_kernels_run(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model()
    assert run(["export", str(model)]) == 0
    capsys.readouterr()
    path = str(model.with_suffix(".onnx"))
    assert run(["inspect", path, "--optimized"]) == 0
    told = capsys.readouterr().out
    assert "com.microsoft.QGemm" in told and "docs/METADATA.md" not in told
    assert run(["inspect", path, "--optimized", "--json"]) == 0
    found = {one["layer"]: one for one in json.loads(capsys.readouterr().out)["optimized"]}
    kernel = "com.microsoft.QGemm"
    nothing: dict[str, list[str]] = {"shared_with": [], "in_float": [], "remarks": []}
    assert found["fc"] == {"layer": "fc", "operators": [kernel], **nothing}
    assert run(["export", str(model), "--dialect", "float", "--force"]) == 0
    assert run(["inspect", path, "--optimized"]) == 0
    told = capsys.readouterr().out
    assert "its weights are stored as floats" in told and told.count("docs/METADATA.md") == 1
    assert run(["inspect", str(model), "--optimized"]) == 2
    assert "export the model first" in capsys.readouterr().err


def test_integers_go_in_and_out_where_they_are_wanted(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(layers=(*LAYERS, activation("out", "quantized_relu(4,2)")))
    target = model.with_suffix(".onnx")
    assert run(["export", str(model), "--io", "quantized"]) == 0
    told = capsys.readouterr().out
    assert "input   x is uint8, codes 0 to 15: code * 2**-4" in told
    assert "output  out is uint8, codes 0 to 15: code * 2**-2" in told
    assert run(["inspect", str(target)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(("input", "output"))] == [
        "input   x ?x3 is uint8, codes 0 to 15: code * 2**-4",
        "output  out ?x2 is uint8, codes 0 to 15: code * 2**-2",
    ]
    (text,) = (e.value for e in onnx.load(target).metadata_props if e.key == "qconvert")
    schema = json.loads((SCHEMAS / "metadata.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    assert "uint8/256" not in told
    pixels = [str(model), "--io", "quantized", "--domain", "x=uint8/255", "--force"]
    assert run(["export", *pixels]) == 0
    # Behind a quantizer of its own all runs on integers, whatever the divisor.
    assert "in float" not in capsys.readouterr().out
    assert run(["export", *pixels, "--check", "--tf-python", "/nowhere/python"]) == 5
    assert "x is an integer from 0 to 255, divided by 255" in capsys.readouterr().out


def test_a_divisor_that_keeps_a_layer_in_float_is_told_with_what_would_not(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(layers=(LAYERS[0], LAYERS[2], activation("out", "quantized_relu(4,2)")))
    quantized = ["export", str(model), "--io", "quantized", "--force"]
    assert run([*quantized, "--domain", "x=uint8/255"]) == 0
    told = capsys.readouterr().out
    assert "in float, because an input is divided by no power of two: fc; on integers" in told
    (option,) = re.findall(r"--domain \S+", told)
    assert option == "--domain x=uint8/256"
    assert run([*quantized, *option.split()]) == 0
    assert "in float" not in capsys.readouterr().out
    assert run(["inspect", str(model.with_suffix(".onnx")), "--optimized", "--json"]) == 0
    kernels = {x["layer"]: x for x in json.loads(capsys.readouterr().out)["optimized"]}
    assert kernels["fc"]["in_float"] == []


def test_without_integers_export_names_the_domains_that_give_them(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    source = {"class_name": "InputLayer", "config": {"name": "a>b", "batch_input_shape": [None, 3]}}
    model = write_model(layers=(source, LAYERS[2]))
    quantized = ["export", str(model), "--io", "quantized"]
    assert run(quantized) == 2
    (option,) = re.findall(r"--domain '.*?'", capsys.readouterr().err)
    assert run([*quantized, *shlex.split(option)]) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--domain", "uint8/255"], "these are floats"),
        (["--io", "quantized", "--domain", "y=uint8/255"], "declares no input"),
        (["--io", "quantized", "--dialect", "float"], "has no integers"),
        (["--io", "quantized", "--domain", "grid(1,0,99999)"], "no integers of up to 16 bits"),
    ],
)
def test_integers_that_cannot_be_are_refused(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    model = write_model()
    assert run(["export", str(model), *options]) == 2
    assert words in capsys.readouterr().err
    assert not model.with_suffix(".onnx").exists()


def test_domains_of_floats_are_told_with_the_option_that_they_need(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", str(write_model()), "--domain", "uint8/256"]) == 2
    assert "these are floats: add --io quantized " in capsys.readouterr().err


def test_weights_are_packed_on_request(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too few to be worth it here; an opset without types for it is wrong usage."""
    model = write_model()
    assert run(["export", str(model), "--packed-weights"]) == 0
    assert "--packed-weights changes nothing of this model" in capsys.readouterr().out
    assert run(["export", str(model), "--packed-weights", "--opset", "17", "--force"]) == 2
    assert "packed weights need opset 21 or later" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["inspect", ""], ["export", "model.h5", "-o", ""]])
def test_an_empty_path_is_not_the_current_folder(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert "an empty path" in capsys.readouterr().err
