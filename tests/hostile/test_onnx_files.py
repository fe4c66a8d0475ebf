"""What becomes of ONNX files that are hostile or malformed: one error, and never a pass."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from qconvert import api
from qconvert.checking import (
    CheckedFile,
    Report,
    Subject,
    Verdict,
    assemble,
    examine,
    onnx_file,
    seeded,
)
from qconvert.checking.deployed import onnx_graph
from qconvert.checking.witness import Direct, Witness
from qconvert.cli import run
from qconvert.errors import BadFileError, LimitError, WitnessError
from qconvert.modelfile import isolated
from qconvert.runners.ort import OrtRunner
from qconvert.runners.ort_process import ort_process
from qconvert.runners.reference import ReferenceRunner
from tests.checking.stand_in import stand_in_for
from tests.hostile.long_names import long_names
from tests.hostile.onnx_edits import (
    NAMES,
    Edit,
    doubling,
    endless_loop,
    external,
    hostile_names,
    imported,
    input_of_strings,
    large_output,
    layers_of_one_tensor,
    metadata,
    overloaded,
)
from tests.hostile.onnx_files import BEYOND, CROWDED, FAILING, OTHERS, REFUSED

pytestmark = pytest.mark.usefixtures("forked_reader")

NOWHERE = ("--tf-python", "/nowhere/python")


def edited(exported: Path, folder: Path, edit: Edit) -> Path:
    model = onnx.load(exported)
    edit(model)
    path = folder / "hostile.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds: few where nothing but the end of them is waited for."""
    monkeypatch.setenv("QCONVERT_ORT_SECONDS", "2" if "endless loop" in request.node.name else "5")


def checked_beside_all_others(keras: Path, file: Path) -> Report:
    """With the reference in the place of TensorFlow, so that ONNX Runtime alone decides."""
    graph, model = api.load(keras), onnx.load(file)
    panel = assemble(graph, model, "another takes its place")
    runners = {Witness.TENSORFLOW: Direct(ReferenceRunner(graph).run), **panel.runners}
    object.__setattr__(panel, "runners", runners)
    object.__setattr__(panel, "qkeras", stand_in_for(graph))
    object.__setattr__(panel, "unavailable", {})
    subject = Subject(graph, CheckedFile("model.h5", ""), CheckedFile(None, ""))
    return examine(subject, panel, seeded(graph, 17))


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_valid_is_refused_with_its_code(
    name: str, keras: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit, code = REFUSED[name]
    path = edited(exported, tmp_path, edit)
    for command in (
        ["inspect", path],
        ["inspect", path, "--optimized"],
        ["diff", path, exported],
        ["diff", keras, path],
        ["check", keras, path, *NOWHERE],
        ["bench", path],
    ):
        assert run([str(word) for word in command]) == 4
        out, err = capsys.readouterr()
        assert err.startswith(f"qconvert: error {code}: {path}: ")
        assert out == "" and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("field", ["tensor", "codes"])
def test_layers_in_tensors_that_are_not_there_are_told_by_what_looks_at_them(
    field: str, keras: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a file that another program has fused; it runs, and can be inspected."""

    def moved(content: Any) -> None:
        layer = content["layers"][-1]
        layer[field] = "nowhere" if field == "tensor" else {"tensor": "nowhere", "exp": 0}

    path = edited(exported, tmp_path, metadata(moved))
    check = ["check", str(keras), str(path), *NOWHERE]
    name = json.loads(onnx.load(exported).metadata_props[0].value)["layers"][-1]["layer"]
    explain = ["explain", str(keras), "--onnx", str(path), "--layer", name, "--at", "0"]
    for command in (check, explain):
        assert run(command) == 4
        told = capsys.readouterr().err
        assert f"error QC703: {path}: " in told and "has not: 'nowhere'" in told
    assert run(["inspect", str(path)]) == 0


@pytest.mark.parametrize("part", ["inputs", "outputs"])
def test_an_interface_that_is_not_there_is_told_by_what_relies_on_it(
    part: str, keras: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though the file has such a tensor: that of a layer."""

    def moved(content: Any) -> None:
        content[part][0]["tensor"] = content["layers"][0]["tensor"]

    path = edited(exported, tmp_path, metadata(moved))
    assert run(["check", str(keras), str(path), *NOWHERE]) == 4
    told = capsys.readouterr().err
    assert f"error QC703: {path}: the metadata tell of {part} that it has not: " in told


def test_layers_of_other_shapes_than_they_have_differ(
    keras: Path, exported: Path, tmp_path: Path
) -> None:
    """All of them are told to be in one tensor, of which nothing behind it can be computed."""

    def gathered(content: Any) -> None:
        for layer in content["layers"]:
            layer.pop("codes", None)
            layer["tensor"] = content["outputs"][0]["tensor"]

    report = checked_beside_all_others(keras, edited(exported, tmp_path, metadata(gathered)))
    assert {layer.finding.verdict for layer in report.layers[:-1]} == {Verdict.DIFFERS}
    assert not report.passed


@pytest.mark.parametrize("other", ["", "ai.onnx"])
def test_a_domain_that_is_imported_twice_in_one_version_has_one_meaning(
    keras: Path, exported: Path, tmp_path: Path, other: str
) -> None:
    path = edited(exported, tmp_path, imported(("", 21), (other, 21)))
    assert run(["inspect", str(path), "--quiet"]) == 0
    assert checked_beside_all_others(keras, path).passed


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_onnx_file_is_told_as_what_it_is(
    name: str, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, code, exit_code, says = OTHERS[name]
    path = tmp_path / "other.onnx"
    path.write_bytes(made(exported.read_bytes()))
    assert run(["inspect", str(path)]) == exit_code
    error = capsys.readouterr().err
    assert error.startswith(f"qconvert: error {code}: {path}: ")
    assert says in error and error.count("\n") == 1


def test_a_graph_without_operators_is_a_graph(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="computes nothing: its graph has no operators"):
        api.inspect(edited(exported, tmp_path, REFUSED["no nodes"][0]))


def test_an_onnx_file_of_another_name_is_read_as_one(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed = tmp_path / "model.bin"
    renamed.write_bytes(exported.read_bytes())
    assert run(["inspect", str(renamed)]) == 0
    assert capsys.readouterr().out.startswith("ONNX model")
    assert run(["diff", str(exported), str(renamed)]) == 0


@pytest.mark.parametrize("name", BEYOND)
def test_calls_of_functions_are_counted_before_they_are_followed(
    name: str, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edited(exported, tmp_path, BEYOND[name])
    # Of the processor's time, in which nobody follows 2**30 calls.
    assert run(["inspect", str(path), "--limit", "reader-seconds=5"]) == 7
    error = capsys.readouterr().err
    assert error.startswith(f"qconvert: error QC708: {path}: ") and error.count("\n") == 1
    assert "--limit function-nodes=N" in error or "is given a graph as 'given'" in error


@pytest.mark.parametrize("name", CROWDED)
def test_layers_are_counted_before_their_operators_are_gone_through(
    name: str, keras: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit, code, limit = CROWDED[name]
    path = edited(exported, tmp_path, edit)
    for command in (
        ["inspect", path],
        ["diff", exported, path],
        ["check", keras, path, *NOWHERE],
        ["bench", path],
    ):
        assert run([str(word) for word in command]) == 7
        error = capsys.readouterr().err
        assert error.startswith(f"qconvert: error {code}: {path}: ") and error.count("\n") == 1
        assert f"--limit {limit}=N" in error


def test_a_check_takes_no_large_outputs(
    keras: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edited(exported, tmp_path, large_output)
    words = ["check", str(keras), str(path), "--samples", "3", *NOWHERE, "--limit"]
    assert run([*words, "tensor-bytes=1MiB"]) == 7
    error = capsys.readouterr().err
    assert "QC320" in error and "'large' takes 4,194,304 bytes" in error
    assert run([*words, "tensor-bytes=4MiB"]) != 7


@pytest.mark.parametrize("fused", [False, True])
def test_layers_are_gone_through_up_to_the_limit(
    fused: bool, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of two has all operators, and the tensors of these."""
    path = edited(exported, tmp_path, layers_of_one_tensor(2, 100, fused=fused))
    nodes = onnx.load(path).graph.node
    both = 2 * sum(len(node.input) + len(node.output) for node in nodes)
    words = ["inspect", str(path), "--limit"]
    assert run([*words, f"layer-tensors={both - 1}"]) == 7
    assert "QC709" in capsys.readouterr().err
    assert run([*words, f"layer-tensors={both}"]) == 0
    assert run([*words, "layers=1"]) == 7
    assert "QC324" in capsys.readouterr().err
    assert run([*words, "layers=2"]) == 0


@pytest.mark.parametrize("branch", [False, True])
def test_calls_up_to_the_limit_are_followed(
    branch: bool, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 nodes, and a function of two calls of them: 6 in each of two branches."""
    path, made = edited(exported, tmp_path, doubling(2, branch=branch)), 12 if branch else 6
    words = ["inspect", str(path), "--limit"]
    assert run([*words, f"function-nodes={made - 1}"]) == 7
    assert run([*words, f"function-nodes={made}"]) == 0
    compared = ["diff", str(exported), *words[1:]]
    assert run([*compared, f"function-nodes={made - 1}"]) == 7
    assert run([*compared, f"function-nodes={made}"]) == 1
    capsys.readouterr()


def test_functions_of_one_name_are_told_apart(exported: Path, tmp_path: Path) -> None:
    """One that calls another of its name does not call itself."""
    api.inspect(edited(exported, tmp_path, overloaded))


def test_a_file_that_does_not_run_is_named(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edited(exported, tmp_path, FAILING["custom operator"][0])
    for code, command in (
        ("QC726", ["inspect", str(path), "--optimized"]),
        ("QC726", ["bench", str(path), "--quiet"]),
    ):
        assert run(command) == 5
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f"qconvert: error {code}: {path}: ")


def test_a_file_of_whose_inputs_no_numbers_are_drawn_is_named(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edited(exported, tmp_path, input_of_strings)
    assert run(["bench", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"qconvert: error QC713: {path}: the input ")


@pytest.mark.parametrize("name", FAILING)
def test_a_file_that_does_not_run_is_a_witness_that_failed(
    name: str, keras: Path, exported: Path, tmp_path: Path
) -> None:
    edit, codes = FAILING[name]
    path = edited(exported, tmp_path, edit)
    report = checked_beside_all_others(keras, path)
    assert report.verdict is Verdict.UNCHECKED and not report.passed
    for witness in report.witnesses:
        failed = witness.failure is not None and witness.failure[:5] in codes
        assert failed is (witness.witness in (Witness.ORT, Witness.DEPLOYED))


@pytest.mark.parametrize("name", [name for name in FAILING if name != "input of strings"])
def test_a_file_that_does_not_run_has_the_code_of_a_check_when_it_is_timed(
    name: str, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of strings no samples are drawn."""
    edit, codes = FAILING[name]
    path = edited(exported, tmp_path, edit)
    assert run(["bench", str(path), "--rounds", "1", "--batch", "1", "--threads", "1"]) == 5
    error = capsys.readouterr().err
    assert error.startswith(tuple(f"qconvert: error {code}: {path}: " for code in codes))
    assert error.count("QC7") == 1


def test_a_report_in_the_place_of_a_file_is_called_one(
    keras: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = str(tmp_path / "report.json")
    assert run(["check", str(keras), "--samples", "4", "--json", report, *NOWHERE]) == 5
    capsys.readouterr()
    assert run(["check", str(keras), report, *NOWHERE]) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"qconvert: error QC702: {report}: a report of qconvert check, which")


def test_the_file_itself_passes(keras: Path, exported: Path) -> None:
    """So that those above fail by what was done to them."""
    assert checked_beside_all_others(keras, exported).passed


@pytest.mark.parametrize("kind", ["symlink", "hard link", "there"])
def test_weights_in_a_file_beside_it_are_not_read(
    kind: str, exported: Path, tmp_path: Path
) -> None:
    """ONNX Runtime reads all of these by itself."""
    content = onnx.load(exported).graph.initializer[0].raw_data
    secret = tmp_path / "secret"
    secret.write_bytes(content)
    beside = tmp_path / "weights.bin"
    match kind:
        case "symlink":
            beside.symlink_to(secret)
        case "hard link":
            beside.hardlink_to(secret)
        case _:
            beside.write_bytes(content)
    path = edited(exported, tmp_path, external("weights.bin", length=str(len(content))))
    assert onnxruntime.InferenceSession(path).get_outputs()
    with pytest.raises(BadFileError, match="lies in another file"):
        api.inspect(path)
    runner, x = OrtRunner(path), {"x": np.zeros((1, 3), np.float32)}
    for run_file in (runner.optimized, partial(runner.run_deployed, x)):
        with pytest.raises(WitnessError, match="does not load"):
            run_file()


def test_a_file_beyond_what_protobuf_can_be_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(LimitError, match="2 GiB"):
        api.inspect(path)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path / "pipe.onnx", Path("/dev/zero"), tmp_path):
        with pytest.raises(BadFileError, match=r"not a (regular )?file") as found:
            onnx_file.read_onnx(path)
        assert found.value.code == "QC106"


@pytest.mark.parametrize("more", [(), ("--optimized",)])
def test_long_names_are_shown_in_part(
    more: tuple[str, ...], exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edited(exported, tmp_path, long_names)
    assert run(["inspect", str(path), *more]) == 0
    out, _ = capsys.readouterr()
    assert "x" * 100 in out and "x" * 201 not in out
    assert run(["inspect", str(path), "--json"]) == 0
    assert "x" * 4000 in capsys.readouterr().out


def test_hostile_names_are_shown_as_text(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edited(exported, tmp_path, hostile_names)
    assert run(["inspect", str(path), "--optimized"]) == 0
    assert run(["diff", str(exported), str(path)]) in (0, 1)
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert not any(line.startswith(":") for line in out.splitlines())
    assert not list(tmp_path.glob("**/x")) and len(NAMES) == 5


def test_an_endless_loop_ends_with_its_process_and_the_next_file_runs(
    exported: Path, tmp_path: Path
) -> None:
    path = edited(exported, tmp_path, endless_loop)
    x = {"x": np.zeros((1, 3), np.float32)}
    busy = ort_process()
    with pytest.raises(WitnessError, match="no answer in 5 s; it may allocate") as found:
        OrtRunner(path).run_deployed(x)
    assert found.value.code == "QC722" and busy.ended
    assert OrtRunner(exported).run_deployed(x).outputs["fc"].shape == (1, 2)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replace the isolated reader by a program."""

    def replace(program: str) -> None:
        path = tmp_path / "reader.py"
        path.write_text(f"import sys\nsys.stdin.read()\n{program}", encoding="utf-8")
        monkeypatch.setattr(isolated, "READER", path)

    return replace


def test_without_the_isolated_reader_a_cycle_is_not_seen(
    exported: Path, tmp_path: Path, reader: Callable[[str], None]
) -> None:
    """The tests above can fail."""
    edit, _ = REFUSED["cycle"]
    path = edited(exported, tmp_path, edit)
    reader("print('{}')")
    onnx_file.read_onnx(path)


def test_what_crashes_the_reader_is_parsed_by_nobody_else(
    exported: Path,
    reader: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reader("import os; os.kill(os.getpid(), 11)")
    monkeypatch.setattr(onnx, "load_model_from_string", lambda _: pytest.fail("parsed"))
    for command in (["inspect", exported], ["diff", exported, exported], ["bench", exported]):
        assert run([str(word) for word in command]) == 4
        assert capsys.readouterr().err.startswith(f"qconvert: error QC108: {exported}: crashed")


@pytest.mark.parametrize(
    ("program", "code", "limits"),
    [
        ("while True: pass", "QC109", {"reader-seconds": 1}),
        ("import time; time.sleep(60)", "QC109", {"reader-seconds": 1}),
        ('print(\'{"code": "QC801", "message": "", "limit": "reader_memory"}\')', "QC801", {}),
    ],
)
def test_a_file_beyond_a_limit_is_told_with_the_limit(
    program: str,
    code: str,
    limits: dict[str, int],
    exported: Path,
    reader: Callable[[str], None],
) -> None:
    reader(program)
    with pytest.raises(LimitError, match="--limit reader-") as found:
        api.inspect(exported, limits=limits)
    assert found.value.code == code


def test_the_memory_of_the_reader_is_limited(exported: Path, tmp_path: Path) -> None:
    model = onnx.load(exported)
    large = onnx.numpy_helper.from_array(np.ones(64 << 18, np.float32), "large")
    model.graph.initializer.append(large)
    path = tmp_path / "large.onnx"
    onnx.save(model, path)
    api.inspect(path)
    for megabytes in (160, 240, 300):
        with pytest.raises(LimitError, match="--limit reader-memory=N raises it") as found:
            api.inspect(path, limits={"reader-memory": megabytes << 20})
        assert found.value.code == "QC801"


def test_constants_are_not_evaluated_without_bound(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file of a few bytes makes of one number: 2**40 of them."""
    edit, _ = FAILING["4 TiB by expansion"]
    model = onnx.load(edited(exported, tmp_path, edit))
    evaluated: list[str] = []
    right = ReferenceEvaluator

    def recorded(node: onnx.NodeProto) -> Any:
        evaluated.append(node.op_type)
        if node.op_type == "Expand":
            raise MemoryError
        return right(node)

    monkeypatch.setattr(onnx_graph, "ReferenceEvaluator", recorded)
    assert onnx_graph.OnnxGraph(model.graph).constant("bomb_many") is None
    assert evaluated == ["Constant", "Constant"]
    monkeypatch.setattr(onnx_graph, "_is_bounded", lambda *_: True)
    onnx_graph.OnnxGraph(model.graph).constant("bomb_many")
    assert evaluated[-1] == "Expand"
