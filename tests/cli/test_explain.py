"""The command ``explain``, and ``qconvert.explain``, which is behind it."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

import qconvert
from qconvert.checking import inputs
from qconvert.checking.domain import Domain, random_sample
from qconvert.cli import run
from qconvert.errors import UsageError, WitnessError
from qconvert.explaining import Explanation, Rounded, Sum
from qconvert.ir import F32

from .conftest import KERNEL, LAYERS

pytestmark = pytest.mark.usefixtures("forked_reader")

DATA: Final = Path(__file__).parents[1] / "data"
SCHEMA: Final = Path(__file__).parents[2] / "schemas" / "explanation.schema.json"
NOWHERE: Final = ("--tf-python", "/nowhere/python")
#: A picture of 1 x 3 pixels comes to the same dense layer.
PICTURE: Final = (
    {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 1, 3, 1]}},
    {"class_name": "Flatten", "config": {"name": "flat"}},
    *LAYERS[1:],
)


class WriteModel(Protocol):
    def __call__(self, name: str = ..., layers: Sequence[Any] = ...) -> Path: ...


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    path = tmp_path / "x.npy"
    np.save(path, np.array([[0, 0, 0], [0.5, 0.25, 0.75]], np.float32))
    return path


def explain(*arguments: str | Path) -> int:
    return run(["explain", *map(str, arguments)])


def test_standard_output_has_the_document_alone(
    write_model: WriteModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.html"
    assert explain(write_model(), "--layer", "fc", "--no-run", "--json", "-", "--html", page) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(found)
    assert found["layer"] == "fc" and page.is_file()
    assert not (tmp_path / "-").exists()


def test_numpy_alone_starts_nothing(
    write_model: WriteModel,
    samples: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("onnxruntime", "tensorflow"):
        monkeypatch.setitem(sys.modules, module, None)
    arguments = ("--layer", "fc", "--at", "1", "--input", samples, "--sample", "1", "--no-run")
    assert explain(write_model(), *arguments) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    # 0.3, -0.3 and so on, in eighths: -2, 7 and 1, times 8, 4 and 12 sixteenths.
    assert lines[0] == "fc[1] = 0.1875"
    assert "act[1] 0.25 4 kernel[1,1] 0.9 0.875 7 28 12" in lines
    (wrong,) = (line for line in lines if line.startswith("With get_weights() this element"))
    found = re.search(r"would be (\S+), which is wrong: it is 0\.1875\.$", wrong)
    # 0.5 * -0.3 + 0.25 * 0.9 + 0.75 * 0.1, but for rounding.
    assert found is not None
    assert float(found[1]) == pytest.approx(0.15, abs=1e-7)
    assert not any(line.startswith("What programs return") for line in lines)


def test_a_missing_witness_is_said_to_be_and_the_others_answer(
    write_model: WriteModel, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--layer", "fc", "--at", "1", "--input", samples, "--sample", "1", *NOWHERE)
    assert explain(write_model(), *given) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    told = lines[lines.index("What programs return for fc[1]") :]
    assert any(line.startswith("TensorFlow ") and "/nowhere/python" in line for line in told)
    assert "ONNX Runtime 0.1875 the same" in told
    assert "NumPy 0.1875 the same" in told


def test_a_file_with_another_weight_is_seen(
    write_model: WriteModel, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, path = write_model(), tmp_path / "model.onnx"
    exported = qconvert.export(model).model
    weights = [
        t for t in exported.graph.initializer if numpy_helper.to_array(t).size == KERNEL.size
    ]
    assert len(weights) == 1
    (weight,) = weights
    changed = numpy_helper.to_array(weight).copy()
    changed.flat[-1] += 1
    weight.CopyFrom(numpy_helper.from_array(changed, weight.name))
    onnx.save(exported, path)
    arguments = ("--layer", "fc", "--at", "1", "--input", samples, "--sample", "1", *NOWHERE)
    assert explain(model, "--onnx", path, *arguments) == 0
    assert "not NumPy's 0.1875" in capsys.readouterr().out


def test_a_result_of_another_shape_has_no_such_element(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file says that the result of ``act`` (3,) is in the tensor of ``fc`` (2,)."""
    model, path = write_model(), tmp_path / "model.onnx"
    exported = qconvert.export(model).model
    (entry,) = (each for each in exported.metadata_props if each.key == "qconvert")
    metadata = json.loads(entry.value)
    act, fc = metadata["layers"]
    act |= {"tensor": fc["tensor"], "codes": None}
    entry.value = json.dumps(metadata)
    onnx.save(exported, path)
    assert explain(model, "--onnx", path, "--layer", "act", "--at", "2", *NOWHERE) == 0
    assert "its result has the shape (1, 2)" in capsys.readouterr().out


def test_a_file_of_others_is_refused(write_model: WriteModel, tmp_path: Path) -> None:
    model = write_model()
    exported = qconvert.export(model).model
    del exported.metadata_props[:]
    onnx.save(exported, tmp_path / "other.onnx")
    with pytest.raises(UsageError, match="does not tell where layers are"):
        qconvert.explain(model, "fc", onnx=tmp_path / "other.onnx", tf_python="/nowhere/python")


def test_json_and_page_are_written(write_model: WriteModel, tmp_path: Path) -> None:
    files = ("--json", tmp_path / "e.json", "--html", tmp_path / "e.html")
    assert explain(write_model(), "--layer", "fc", *files, "--no-run") == 0
    document = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["layer"] == "fc"
    assert document["chosen"] is True
    assert "<!DOCTYPE html>" in (tmp_path / "e.html").read_text(encoding="utf-8")


def test_nothing_is_replaced_unasked(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "e.html"
    page.write_text("mine")
    arguments = (write_model(), "--layer", "fc", "--html", page, "--no-run")
    assert explain(*arguments) == 6
    assert not capsys.readouterr().out
    assert page.read_text() == "mine"
    assert explain(*arguments, "--force") == 0
    assert page.read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layer", "fd"), "the model has no layer 'fd'; did you mean fc?"),
        (("--layer", "x"), "'x' is an input of the model, which no layer computes"),
        (("--layer", "fc", "--at", "2"), "its result has the shape (2,), without the batch"),
        (("--layer", "fc", "--at", "0,0"), "'fc' has no element 0,0"),
        (("--layer", "fc", "--at", "a"), "write whole numbers, as 1,1,0"),
        (("--layer", "fc", "--domain", "x=uint8/255", "--domain", "y=int8"), "declares no input"),
        ((), "Missing option '--layer'"),
    ],
)
def test_what_is_not_there_is_a_usage_error(
    write_model: WriteModel,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert explain(write_model(), *arguments, "--no-run") == 2
    assert message in capsys.readouterr().err


def test_samples_before_the_one_that_is_explained_are_not_drawn(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of which there may be millions, which take minutes."""
    drawn: list[int] = []

    def counted(domain: Domain, seed: int, source: int, number: int) -> F32:
        drawn.append(number)
        return random_sample(domain, seed, source, number)

    monkeypatch.setattr(inputs, "random_sample", counted)
    assert explain(write_model(), "--layer", "fc", "--sample", "999999", "--no-run") == 0
    assert "sample 999999 of those that check chooses with seed 0" in capsys.readouterr().out
    assert drawn == [999999]


def test_a_sample_before_the_first_one_is_none(write_model: WriteModel) -> None:
    with pytest.raises(UsageError, match="there is no sample -1"):
        qconvert.explain(write_model(), "fc", sample=-1, witnesses=False)


def test_a_sample_that_is_not_there_is_a_usage_error(
    write_model: WriteModel, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--layer", "fc", "--input", samples, "--sample", "2", "--no-run")
    assert explain(write_model(), *arguments) == 2
    assert "there is no sample 2: they count from 0, and are 2" in capsys.readouterr().err


def test_without_inputs_the_sample_is_one_of_check(write_model: WriteModel) -> None:
    model = write_model()
    first, again, other = (
        qconvert.explain(model, "fc", (0,), witnesses=False, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first.sample == "sample 1 of those that check chooses with seed 0"
    assert inputs_of(first) != inputs_of(other)


def inputs_of(explanation: Explanation) -> list[float]:
    why = explanation.steps[0].reason
    assert isinstance(why, Sum)
    return [term.x.number for term in why.terms]


def picture(path: Path, pixels: Sequence[int], mode: str = "L") -> Path:
    Image.frombytes(mode, (len(pixels), 1), bytes(pixels)).save(path)
    return path


@pytest.mark.parametrize(
    ("domain", "expected"), [("uint8/256", [51 / 256, 0.5, 0.25]), ("uint8", [51, 128, 64])]
)
def test_the_domain_says_what_pixels_stand_for(
    write_model: WriteModel, tmp_path: Path, domain: str, expected: list[float]
) -> None:
    path = picture(tmp_path / "x.png", [51, 128, 64])
    explanations = [
        qconvert.explain(
            write_model(layers=PICTURE), "act", (i,), inputs=path, domains=[domain], witnesses=False
        )
        for i in range(3)
    ]
    found = [e.steps[-1].reason for e in explanations]
    assert [why.before.number for why in found if isinstance(why, Rounded)] == expected
    assert explanations[0].sample == f"sample 0 of the picture {path}"


def test_pixels_without_a_meaning_are_refused(write_model: WriteModel, tmp_path: Path) -> None:
    path = picture(tmp_path / "x.png", [1, 2, 3])
    for domains in ([], ["int8"], ["float"]):
        with pytest.raises(UsageError, match="say what the pixels of"):
            qconvert.explain(
                write_model(layers=PICTURE), "fc", inputs=path, domains=domains, witnesses=False
            )


def test_a_picture_of_another_size_is_refused(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = picture(tmp_path / "x.png", [1, 2, 3, 4])
    arguments = ("--layer", "fc", "--input", path, "--domain", "uint8/255", "--no-run")
    assert explain(write_model(layers=PICTURE), *arguments) == 2
    assert "1 pixels high and 4 wide, and the input 'x' takes 1x3x1" in capsys.readouterr().err


def test_what_is_no_picture_is_a_bad_file(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture at all")
    whole = picture(tmp_path / "whole.png", [1, 2, 3]).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    model = write_model(layers=PICTURE)
    Image.new("L", (3, 1)).save(tmp_path / "lossy.jpg")
    for name in ("x.png", "cut.png", "missing.png", "lossy.jpg"):
        given = ("--input", tmp_path / name, "--domain", "uint8/255", "--no-run")
        assert explain(model, "--layer", "fc", *given) == 4, name
        assert name in capsys.readouterr().err


def test_pillow_is_asked_for_where_it_is_missing(
    write_model: WriteModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture(tmp_path / "x.png", [1, 2, 3])
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(WitnessError, match=r"qconvert\[images\]"):
        qconvert.explain(
            write_model(layers=PICTURE), "fc", inputs=path, domains=["uint8/255"], witnesses=False
        )


@pytest.mark.usefixtures("shared_tensorflow")
def test_all_witnesses_agree_about_a_trained_layer() -> None:
    """In TensorFlow too, which is heard after the explanation."""
    heard: list[Explanation] = []
    explanation = qconvert.explain(DATA / "jet_mlp.h5", "fc1", found=heard.append)
    assert [each.witness for each in explanation.witnesses] == [
        "TensorFlow",
        "ONNX Runtime",
        "NumPy",
    ]
    assert {each.value for each in explanation.witnesses} == {explanation.value}
    assert [each.witnesses for each in heard] == [()]
