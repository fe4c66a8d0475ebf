"""The test set, what is judged right, and the runtimes that this environment has anyway."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking.compare import Difference
from qconvert.emit import to_onnx
from qconvert.emit.dialects import DIALECTS
from qconvert.emit.metadata import read_metadata
from scripts import targets as script
from scripts.targeted import environments
from scripts.targeted.cases import CASES, EXACT, ROOT, WHOLE
from scripts.targeted.document import BEGIN, END, page
from scripts.targeted.environments import UnavailableError
from scripts.targeted.expected import computed, read, stored
from scripts.targeted.fileset import File, write
from scripts.targeted.judging import Outcome, Tried, judged
from scripts.targeted.runners import Runner, run_set
from scripts.targeted.targets import TARGETS, Known, Target, unexplained

Edit: TypeAlias = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
PAGE: Final = ROOT / "docs" / "TARGETS.md"
ORT: Final = partial(run_set, [sys.executable], "onnxruntime")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("targets")


def here(runtime: str, *modes: str) -> Target:
    """A runtime of this environment."""
    return Target(runtime, lambda folder: partial(run_set, [sys.executable], runtime), modes)


@pytest.mark.parametrize(
    "target", [here("onnxruntime", "plain", "deployed"), here("reference", "plain")]
)
def test_this_environment_computes_what_tensorflow_does(target: Target, folder: Path) -> None:
    found = script.tried(target.title, target, folder)
    assert len(found.outcomes) == 38 * len(target.modes)
    assert not unexplained(found, target)
    assert {o.difference and o.difference.differing for o in found.outcomes if not o.rounds} == {0}


def test_packed_files_compute_the_same(folder: Path) -> None:
    """Weights of 4 bits and of 2; there are none in the dialect float."""
    target = replace(here("onnxruntime", "plain", "deployed"), opset=25, packed=True)
    found = script.tried("packed", target, folder)
    assert {o.file.dialect for o in found.outcomes} == {"qdq"}
    assert len(found.outcomes) == 38
    assert not unexplained(found, target)
    kinds = {
        onnx.TensorProto.DataType.Name(tensor.data_type)
        for path in (folder / "opset25-packed").glob("*.onnx")
        for tensor in onnx.load(path).graph.initializer
    }
    assert {"INT4", "INT2"} <= kinds


@pytest.mark.parametrize(("target", "text"), [("openvino", "float"), ("aarch64", "on ARM")])
def test_files_say_what_targets_need_of_them(target: str, text: str) -> None:
    """All that are known to be computed otherwise there."""
    cases = {c for known in TARGETS[target].known if known.dialects for c in known.cases}
    assert cases
    for case in cases:
        for dialect in DIALECTS:
            metadata = read_metadata(to_onnx(CASES[case].parts()[WHOLE], dialect=dialect))
            assert metadata is not None
            told = (*metadata.requires.cpu, *metadata.requires.openvino)
            assert any(text in each for each in told) == (dialect == "qdq"), case


def test_the_results_are_those_of_tensorflow() -> None:
    arrays, _ = computed(CASES["jet_mlp"])
    assert arrays.keys() == stored("jet_mlp").keys()
    for key, array in stored("jet_mlp").items():
        np.testing.assert_array_equal(array, arrays[key])


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_results_for_each_of_its_parts(name: str) -> None:
    expected = read(name)
    assert expected.results.keys() == CASES[name].parts().keys()
    assert all(np.isfinite(y).all() for part in expected.results.values() for y in part.values())


def test_batch_normalization_stands_in_front_of_quantizers() -> None:
    """Of convolutions, plain and depthwise, along two axes and along one, and of dense layers."""
    for name in ("residual", "depthwise", "series", "pruned_cnn"):
        graph = CASES[name].parts()[WHOLE]
        ops = {node.name: type(node.op).__name__ for node in graph.nodes}
        read_by = {(ops.get(i), ops[n.name]) for n in graph.nodes for i in n.inputs}
        assert ("BatchNormalization", "Quantize") in read_by, name


def test_results_of_another_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CASES, "encoder", CASES["jet_mlp"])
    with pytest.raises(ValueError, match="--renew encoder"):
        read("encoder")


def edited(folder: Path, file: File, tensor: str, edit: Edit) -> Tried:
    """A test set of one case, one of whose files has another constant, run here."""
    tests, results = folder / "set", folder / "results"
    files = write(tests, [file.case])
    path = tests / f"{file.name}.onnx"
    model = onnx.load(path)
    constant = next(each for each in model.graph.initializer if each.name == tensor)
    constant.CopyFrom(numpy_helper.from_array(edit(numpy_helper.to_array(constant)), tensor))
    onnx.save(model, path)
    results.mkdir()
    return judged("here", results, files, ("deployed",), ORT(tests, results))


def one_code_more(codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    changed = codes.copy()
    changed.reshape(-1)[np.argmax(np.abs(codes.astype(np.int16)) < 7)] += 1
    return changed


def one_a_little_more(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    changed = x.copy()
    changed.reshape(-1)[0] += 2.0**-12
    return changed


@pytest.mark.parametrize(
    ("file", "tensor", "edit"),
    [
        (File("jet_mlp", EXACT, "qdq"), "fc1/kernel", one_code_more),
        # Behind the last exact layer, too little to be seen but for the bound.
        (File("pruned_cnn", WHOLE, "qdq"), "output_dense/bias", one_a_little_more),
        (File("residual", WHOLE, "float"), "batch_normalization/mean", lambda x: x + np.float32(1)),
    ],
)
def test_a_file_with_another_constant_is_wrong(
    file: File, tensor: str, edit: Edit, tmp_path: Path
) -> None:
    found = edited(tmp_path, file, tensor, edit)
    assert [outcome.file for outcome in found.outcomes if not outcome.right] == [file]


def test_a_tail_may_round_and_nothing_else(folder: Path) -> None:
    """The softmax of a neighbouring float32 is right as a tail, and wrong as what is exact."""
    tests, results = folder / "tails", folder / "tail-results"
    files = write(tests, ["jet_mlp"])
    results.mkdir()
    assert ORT(tests, results) == ""
    for part in (WHOLE, EXACT):
        path = results / f"jet_mlp.{part}.qdq.deployed.0.bin"
        numbers = np.fromfile(path, "<f4")
        np.nextafter(numbers, np.float32(9)).tofile(path)
    found = judged("here", results, files, ("deployed",))
    wrong = [outcome.file for outcome in found.outcomes if not outcome.right]
    assert wrong == [File("jet_mlp", EXACT, "qdq")]


def program_that(text: str) -> Runner:
    """A target whose program is this text of Python."""

    def run(tests: Path, results: Path) -> str:
        done = subprocess.run([sys.executable, "-c", text, str(results)], check=False)
        return f"exit {done.returncode}" if done.returncode else ""

    return run


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "no answer"),
        ("import os; os.abort()", "exit -6"),
        # An answer that says less than it should.
        (
            "import json, sys; open(sys.argv[1] + '/answers.jsonl', 'w').write("
            "json.dumps({'file': 'encoder.whole.qdq', 'mode': 'plain', 'shapes': []}))",
            "0 outputs, not 1",
        ),
    ],
)
def test_what_is_not_answered_is_wrong(text: str, error: str, tmp_path: Path) -> None:
    target = Target("t", lambda folder: program_that(text), ("plain",))
    found = script.tried("t", target, tmp_path)
    assert found.outcomes[0].error == error
    assert not any(outcome.right for outcome in found.outcomes)
    assert script.failed([found], {"t": target}) == ["t"]


def test_another_shape_is_wrong(tmp_path: Path) -> None:
    files = write(tmp_path / "set", ["encoder"])
    (tmp_path / "answers.jsonl").write_text(
        '{"file": "encoder.whole.qdq", "mode": "plain", "shapes": [[16, 24]]}'
    )
    read("encoder").results[WHOLE]["encod_qa"].T.tofile(tmp_path / "encoder.whole.qdq.plain.0.bin")
    assert not judged("t", tmp_path, files, ("plain",)).outcomes[0].right


def test_a_target_that_cannot_be_installed_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is neither skipped nor passed over."""

    def nowhere(folder: Path) -> Runner:
        raise UnavailableError("no such package")

    targets = {"gone": Target("gone", nowhere, ("plain",))}
    found = script.try_all(targets, tmp_path)
    assert script.failed(found, targets) == ["gone"]
    assert "gone: cannot be installed: no such package" in capsys.readouterr().out


def test_a_missing_program_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UnavailableError, match="chromium is missing: apt-get install chromium"):
        environments.program("chromium", "chromium")


def test_a_package_manager_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text("#!/bin/sh\necho nothing found >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(UnavailableError, match="nothing found"):
        environments.python_with(tmp_path, "onnxruntime")


def test_a_known_difference_excuses_its_files_alone() -> None:
    """And only that they differ; that one cannot run has to be known by what is said then."""
    known = Known("why", cases=("residual",), dialects=("qdq",), modes=("plain",))
    target = Target("t", lambda folder: program_that(""), ("plain", "deployed"), known=(known,))
    far = Difference(elements=1, differing=1, beyond=1)
    files = [File(case, WHOLE, dialect) for case in CASES for dialect in ("qdq", "float")]
    differing = [Outcome(f, mode, False, far) for f in files for mode in target.modes]
    found = Tried("t", {}, tuple(differing))
    excused = [each for each in differing if each not in unexplained(found, target)]
    assert [(each.file.name, each.mode) for each in excused] == [("residual.whole.qdq", "plain")]
    failing = tuple(replace(each, difference=None, error="no kernel, alas") for each in differing)
    assert len(unexplained(Tried("t", {}, failing), target)) == len(failing)
    told = replace(target, known=(Known("why", cases=("residual",), error="no kernel"),))
    assert {o.file.case for o in failing if told.cause(o)} == {"residual"}
    assert not any(told.cause(each) for each in differing)


def test_the_page_has_every_target_in_every_mode() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text[text.index(BEGIN) : text.index(END)]
    for target in TARGETS.values():
        rows = [line for line in table.splitlines() if line.startswith(f"| {target.title}")]
        modes = ", ".join(row.split(" | ")[2] for row in rows).split(", ")
        assert sorted(set(modes)) == sorted(target.modes), target
    assert "cannot be installed" not in table


def test_the_page_is_written_between_its_marks() -> None:
    text = page(f"before\n\n{BEGIN}\n\nold\n\n{END}\n\nafter\n", [Tried("x86", {}, (), "gone")])
    assert text.startswith(f"before\n\n{BEGIN}\n\n| target |")
    assert text.endswith(f"{END}\n\nafter\n")
    assert "old" not in text
    assert "cannot be installed: gone" in text
