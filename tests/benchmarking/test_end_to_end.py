"""The command on a trained model, by itself and where other programs are missing."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import h5py
import jsonschema
import onnx
import pytest

import qconvert
from qconvert.benchmarking import MOST_THREADS
from qconvert.cli import run
from qconvert.errors import UsageError
from qconvert.modelfile import Limits
from qconvert.modelfile.onnx_model import read_valid_onnx

ROOT: Final = Path(__file__).parents[2]
MODEL: Final = ROOT / "tests" / "data" / "jet_mlp.h5"
QUICK: Final = ("--rounds", "1", "--threads", "1", "--batch", "2")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    qconvert.export(MODEL, path)
    return path


def benched(file: Path, *options: str, exit_code: int = 0) -> Any:
    """The numbers of the command, as the schema describes them."""
    written = file.with_suffix(".json")
    assert run(["bench", str(file), *QUICK, "--json", str(written), *options]) == exit_code
    document = json.loads(written.read_text(encoding="utf-8"))
    schema = json.loads((ROOT / "schemas" / "bench.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    return document


def test_a_file_alone_is_measured_beside_the_int8_product(file: Path) -> None:
    found = benched(file)
    assert found["macs"] == 16 * 64 + 64 * 32 + 32 * 32 + 32 * 5
    assert [each["threads"] for each in found["int8_product"]] == [1]
    assert found["int8_product"][0]["macs_per_second"]["median"] > 1e8
    natures = {each["type"]: each["integer"] for each in found["operators"]}
    # The first layer has no input quantizer.
    assert (natures["Gemm"], natures["QGemm"], natures["Softmax"]) == (False, True, None)


def test_without_tensorflow_the_file_is_measured_and_the_rest_is_said(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = "raise ModuleNotFoundError(\"No module named 'tensorflow'\")"
    (tmp_path / "tensorflow.py").write_text(missing, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = benched(file, "--against", str(MODEL), exit_code=5)
    assert found["programs"][0]["settings"][0]["timings"]
    assert found["notes"] == []
    assert [each["program"] for each in found["programs"]] == [
        "ONNX Runtime",
        "TensorFlow model(x)",
        "TensorFlow predict",
        "TensorFlow tf.function",
        "TensorFlow Lite",
        "tf2onnx's file",
    ]
    for each in found["programs"][1:]:
        failures = [each["failure"], *(s["failure"] for s in each["settings"])]
        assert any("lacks TensorFlow or QKeras" in (failure or "") for failure in failures)
    told = capsys.readouterr()
    assert "pip install 'qconvert[tf]'" in told.out
    assert told.err.startswith(f"qconvert: error QC732: {file}: no program ran beside it:\n")


def test_the_file_is_read_once_also_beside_its_model(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counting(path: Path, limits: Limits) -> bytes:
        read.append(path)
        return read_valid_onnx(path, limits)

    monkeypatch.setattr("qconvert.checking.onnx_file.read_valid_onnx", counting)
    beside = ["--against", str(MODEL), "--tf-python", "/nowhere/python"]
    assert run(["bench", str(file), *QUICK, *beside]) == 5
    assert read == [file]


def test_the_file_of_another_model_is_refused_before_anything_starts(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one that takes something else, and of one that returns something else."""
    started = ["--tf-python", "/nowhere/python"]
    other = str(ROOT / "tests" / "data" / "mnist_cnn.keras")
    assert run(["bench", str(file), *QUICK, "--against", other, *started]) == 2
    told = capsys.readouterr().err
    assert "is not of this model: it takes" in told and "28, 28, 1" in told
    model = onnx.load(file)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value += 1
    onnx.save(model, tmp_path / "wider.onnx")
    assert run(["bench", str(tmp_path / "wider.onnx"), *QUICK, "--against", str(MODEL)]) == 2
    told = capsys.readouterr().err
    assert "it returns 'softmax' (None, 6), the model 'softmax' (None, 5)" in told


def test_a_file_that_does_not_run_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("NoSuchOperator", ["x"], ["y"], domain="nowhere")],
        "graph",
        [onnx.helper.make_tensor_value_info("x", 1, ["n", 3])],
        [onnx.helper.make_tensor_value_info("y", 1, ["n", 3])],
    )
    opsets = [onnx.helper.make_opsetid(domain, 1) for domain in ("", "nowhere")]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets), tmp_path / "bad.onnx")
    assert run(["bench", str(tmp_path / "bad.onnx"), *QUICK]) == 5
    assert "NoSuchOperator" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--threads", str(MOST_THREADS + 1)), "QC003", f"at most {MOST_THREADS:,} threads, not "),
        (("--threads", str(1 << 40)), "QC003", f"at most {MOST_THREADS:,} threads, not "),
        (("--rounds", str(10**20)), "QC003", "at most 10,000 rounds"),
        (("--batch", str(1 << 62)), "QC320", "--limit tensor-bytes"),
        (("--batch", str(1 << 70)), "QC320", "--limit tensor-bytes"),
    ],
)
def test_what_would_not_end_is_refused(
    file: Path,
    options: tuple[str, ...],
    code: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["bench", str(file), *options]) == (2 if code == "QC003" else 7)
    error = capsys.readouterr().err
    assert f"error {code}" in error and words in error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rounds": 0}, "rounds are whole numbers from 1 on, not 0"),
        ({"batches": (1, 1.5)}, "batches are whole numbers from 1 on, not 1.5"),
        ({"batches": ()}, "batches are whole numbers from 1 on, and there are none"),
        ({"threads": (1, -1)}, "threads are whole numbers from 0 on, not -1"),
    ],
)
def test_what_measures_nothing_is_named(file: Path, options: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        qconvert.bench(file, **options)


def test_the_model_is_no_output(file: Path) -> None:
    assert run(["bench", str(file), *QUICK, "--json", str(file), "--force"]) == 6


@pytest.mark.parametrize("name", ["batches", "threads"])
@pytest.mark.parametrize("given", [5, "15"])
def test_one_number_in_the_place_of_several_is_refused(file: Path, name: str, given: Any) -> None:
    with pytest.raises(UsageError, match=f"{name} are several numbers .* not {given!r}"):
        qconvert.bench(file, **{name: given})


def test_a_saved_model_is_read_as_check_reads_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", str(file), "--against", str(MODEL), "--via-tensorflow"]) == 2
    assert "--via-tensorflow is for SavedModel folders" in capsys.readouterr().err
    assert run(["bench", str(file), "--via-tensorflow"]) == 2
    assert "--via-tensorflow say" in capsys.readouterr().err


def test_beside_a_model_that_the_file_is_not_of_there_is_a_note(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        "qconvert.api.benchmarking.measured", lambda _, against, *__: notes.append(against.notes)
    )
    other = tmp_path / "other.h5"
    shutil.copy(MODEL, other)
    with h5py.File(other, "a") as opened:
        opened["model_weights/fc1/fc1_1/bias:0"][0] += 1.0
    for model in (MODEL, other):
        qconvert.bench(file, model)
    assert [len(each) for each in notes] == [0, 1]
