import dataclasses
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from qconvert import api
from qconvert.checking.compare import Difference
from qconvert.checking.deployed.by_layer import InFloat, LayerKernels
from qconvert.checking.repair.moves import Move, Repair, Unrepaired
from qconvert.checking.results import Comparison, Report, Verdict
from qconvert.checking.witness import Witness
from qconvert.cli.checked import show_report
from qconvert.emit.metadata import Requirements
from qconvert.emit.stamp import Stamp
from qconvert.report.escape import LIMIT, printable
from qconvert.report.failure import lines_of
from qconvert.report.inspection import show as show_summary
from qconvert.report.kernels import kernel_lines
from qconvert.report.summary import Summary
from qconvert.report.terminal import show
from scripts.faulted.model import write_model
from tests.report.hostile import HOSTILE, hostile


def shown(report: Report, *, terminal: bool = False) -> str:
    stream = io.StringIO()
    show(report, Console(file=stream, force_terminal=terminal, width=40))
    return stream.getvalue()


def line_of(text: str, word: str) -> str:
    (found,) = (line for line in text.splitlines() if line[2:].startswith(word))
    return found


def test_every_layer_has_one_line_however_narrow_the_terminal(passing: Report) -> None:
    text = shown(passing)
    assert line_of(text, "conv ").split() == ["conv", "QConv2D", "4", "SAMPLED", "0", "of", "1024"]
    assert line_of(text, "act ").split() == [
        "act",
        "QActivation",
        "8",
        "SAMPLED",
        "0",
        "of",
        "1024",
    ]


def test_the_largest_distance_is_that_of_any_two_programs(passing: Report) -> None:
    """Which need not be those that differ in most elements."""
    conv, act = passing.layers
    many = Difference(1024, 1000, 0, 2.0**-24, 1)
    far = Difference(1024, 3, 0, 0.25, 90_000)
    pairs = (Witness.TENSORFLOW, Witness.NUMPY), (Witness.TENSORFLOW, Witness.ORT)
    found = tuple(Comparison(p, d, None) for p, d in zip(pairs, (many, far), strict=True))
    finding = dataclasses.replace(conv.finding, comparisons=found)
    layer = dataclasses.replace(conv, finding=finding)
    text = shown(dataclasses.replace(passing, layers=(layer, act)))
    assert line_of(text, "conv ").split()[4:8] == ["1000", "of", "1024", "0.25"]


def test_other_codes_that_rounding_explains_can_be_repaired(bounded: Report) -> None:
    """So that is told where some were seen, and unless the file is repaired already."""
    conv, act = bounded.layers
    seen = Comparison((Witness.TENSORFLOW, Witness.ORT), Difference(1024, 3, 0, 0.25, 9), 1.0)
    finding = dataclasses.replace(act.finding, comparisons=(seen,))
    layers = conv, dataclasses.replace(act, finding=finding)
    other = dataclasses.replace(bounded, layers=layers)
    repaired = dataclasses.replace(other, repair=Repair((Move("act", 0, "add", 0, 1),)))
    found = ["--repair FILE" in shown(each) for each in (bounded, other, repaired)]
    assert found == [False, True, False]


def test_a_pass_ends_in_what_it_rests_on(passing: Report) -> None:
    assert shown(passing).splitlines()[-1] == (
        "SAMPLED: 2 layers (2 SAMPLED) on 64 samples; 1 of 1 effective weights equal QKeras's, "
        "1 of 1 found in the file equal these"
    )
    assert "First difference" not in shown(passing)


def test_what_is_proven_and_what_bounds_the_rest(bounded: Report) -> None:
    text = shown(bounded)
    assert (
        "no state is next to a boundary: 0 of 4096 states: 77 numbers tried: 12 of 24 bits" in text
    )
    assert (
        "3 states; off by 1 step at most, in 3 of 4096 states, as where conv is -0.5 in channel 7"
    ) in text
    assert "assumed since conv: no dust" in text
    assert "no pass: PROVEN is required" in text
    assert bounded.exit_code == 1


def test_a_file_of_others_is_told_with_what_was_not_found(by_value: Report) -> None:
    text = shown(by_value)
    assert "not written by qconvert: layers are found by their values" in text
    assert "input x: the tensor 'in" in text
    assert "\x1b" not in text
    assert "output y: the tensor 'r'" in text
    assert "1 of 2 layers were not found in the file, so that the verdict rests on" in text
    assert text.splitlines()[-1].startswith("SAMPLED: 2 layers (1 SAMPLED, 1 UNCHECKED)")


def test_only_the_first_difference_is_marked(failing: Report) -> None:
    marked = [line for line in shown(failing).splitlines() if line.startswith(">")]
    assert len(marked) == 1
    words = marked[0].split(maxsplit=9)
    assert words[1:9] == ["act", "QActivation", "8", "DIFFERS", "12", "of", "1024", "1"]
    assert words[9] == "step  ONNX Runtime differs from TensorFlow and NumPy"


def test_the_first_difference_is_shown_with_all_values(failing: Report) -> None:
    text = shown(failing)
    detail = text[text.index("First difference: act (QActivation)") :]
    assert "at [3, 1, 0]" in detail
    values = [line.split() for line in detail.splitlines()[3:6]]
    assert values == [["TensorFlow", "0.1"], ["ONNX", "Runtime", "0.25"], ["NumPy", "nan"]]


def test_failed_witnesses_ambiguity_and_weights_are_told(failing: Report) -> None:
    text = shown(failing)
    assert "TensorFlow: NOT RUN: the worker" in text
    assert "predict differs from model(x) at y: 3 of 100 elements differ" in text
    assert "weight act/kernel: 1 of 4 elements differ" in text
    # TensorFlow failed, so that no weight has a counterpart; its failure stands above.
    assert "weight act/bias" not in text
    assert text.splitlines()[-1].startswith("DIFFERS: 3 layers (1 UNCHECKED, 2 DIFFERS) on 8")


CONFIGURATION = f"config={{'name': 'd', 'units': {'1' * 2000}}}"
KERAS = {
    "one line": ("the worker gave no answer in 600 s", ["the worker gave no answer in 600 s"]),
    "a configuration": (
        f"failed: TypeError: Error when deserializing class 'QDense' using {CONFIGURATION}.\n\n"
        "Exception encountered: Unknown quantizer: 'function'",
        [
            "failed: TypeError: Error when deserializing class 'QDense' using config=",
            "Exception encountered: Unknown quantizer: 'function'",
        ],
    ),
    "a call": (
        'failed: TypeError: Exception encountered when calling layer "d".\n\nin user code:\n\n'
        "    TypeError: Expected float32.\n\n\nCall arguments received by layer:\n  - x=Tensor",
        ['failed: TypeError: Exception encountered when calling layer "d".', "TypeError: Expected"],
    ),
    "nothing": ("", [""]),
    "a name": ("\x1b[31m\n\u202e", [r"\u{1b}[31m", r"\u{202e}"]),
}


@pytest.mark.parametrize(("failure", "expected"), KERAS.values(), ids=KERAS)
def test_a_failure_is_two_short_lines(passing: Report, failure: str, expected: list[str]) -> None:
    lines = lines_of(failure)
    assert len(lines) == len(expected)
    assert all(line.startswith(start) for line, start in zip(lines, expected, strict=True))
    assert max(map(len, lines)) <= LIMIT
    failed = dataclasses.replace(passing.witnesses[0], failure=failure)
    text = shown(dataclasses.replace(passing, witnesses=(failed, *passing.witnesses[1:])))
    assert "\n  ".join([f"TensorFlow: NOT RUN: {lines[0]}", *lines[1:]]) in text


def test_weights_that_nobody_compared_are_not_counted_as_unequal(passing: Report) -> None:
    lost = tuple(
        dataclasses.replace(weight, verdict=Verdict.UNCHECKED) for weight in passing.weights
    )
    text = shown(dataclasses.replace(passing, weights=lost))
    assert text.splitlines()[-1].endswith("the effective weight was not compared with QKeras's")


def test_no_colour_goes_into_a_pipe(failing: Report) -> None:
    assert "\x1b" not in shown(failing)
    assert "\x1b" in shown(failing, terminal=True)


def test_only_what_differs_is_red(passing: Report) -> None:
    assert "\x1b[31m" not in shown(passing, terminal=True)
    assert "\x1b[1;31m" not in shown(passing, terminal=True)


def test_names_cannot_control_the_terminal(failing: Report) -> None:
    text = shown(failing)
    assert r"[/bold]\u{1b}[31m\u{202e}evil\u{a}name" in text


@given(st.text())
def test_printable_text_has_no_control_character(text: str) -> None:
    assert all(c.isprintable() for c in printable(text))


@pytest.mark.parametrize("kind", ["passing", "failing", "bounded", "by_value", "ignoring"])
def test_no_text_of_a_report_acts(kind: str, request: pytest.FixtureRequest) -> None:
    found = hostile(request.getfixturevalue(kind))
    assert isinstance(found, Report)
    left = Unrepaired(HOSTILE, HOSTILE, 7, 3, ((HOSTILE, 0.5),))
    repair = Repair((Move(HOSTILE, 0, "multiply", 1, -2),), (left,), HOSTILE)
    for each in (found, dataclasses.replace(found, repair=repair)):
        assert require_inert(shown(each))


def require_inert(text: str) -> str:
    assert {c for c in text if not c.isprintable()} <= {"\n"}
    return text


def test_no_text_of_a_summary_acts(tmp_path: Path) -> None:
    """Names of a Keras model are of few characters; an ONNX file may say anything of itself."""
    path, exported = write_model(tmp_path / "model.h5", 2), tmp_path / "model.onnx"
    api.export(path, exported, io="quantized", domains=["x=uint8/255"])
    stamp = Stamp("PROVEN", True, ("such",), "0" * 64, "1" * 64)
    in_float = (InFloat("MatMul", ("why",)),)
    kernels = (LayerKernels("fc", ("MatMul",), ("MatMul",), ("in",), in_float, ("slow",)),)
    of_file = api.inspect(exported)
    assert of_file.metadata is not None
    needs = Requirements({HOSTILE: HOSTILE}, ("cpu",), ("mode",))
    of_file = dataclasses.replace(
        of_file,
        stamp=stamp,
        stamped=True,
        kernels=kernels,
        metadata=dataclasses.replace(of_file.metadata, requires=needs),
    )
    for summary in (api.inspect(path), of_file):
        acting = hostile(summary, without=("format", "type"))
        assert isinstance(acting, Summary)
        stream = io.StringIO()
        show_summary(acting, Console(file=stream, width=40))
        assert HOSTILE[:40] in require_inert(stream.getvalue())


def test_ignored_layers_are_shown_in_brackets_with_the_reason(ignoring: Report) -> None:
    text = shown(ignoring)
    assert "(DIFFERS)" in line_of(text, "conv ")
    assert "layer conv is ignored: issue \\u{1b}[31m 12\n" in text
    assert "layer act is ignored, which is not needed any more: an old one\n" in text
    assert text.splitlines()[-1].startswith("SAMPLED: 2 layers")
    assert text.splitlines()[-1].endswith("; 2 ignored")
    assert "First difference" not in text


def test_what_is_short_of_what_is_required_names_no_ignored_layer(bounded: Report) -> None:
    text = shown(dataclasses.replace(bounded, ignored=(("act", "why"),)))
    (line,) = (line for line in text.splitlines() if line.startswith("no pass: "))
    assert line == "no pass: PROVEN is required, which is not known of y"


def test_quietly_it_is_told_what_is_required_and_not_known(
    bounded: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    show_report(Path("m.h5"), dataclasses.replace(bounded, required=Verdict.PROVEN), quiet=True)
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("qconvert: m.h5: SAMPLED: ")
    assert "; PROVEN is required, which is not known of " in err


def test_nothing_compared_says_so(passing: Report) -> None:
    empty = dataclasses.replace(passing, layers=(), outputs=(), samples=0)
    *_, samples, outputs, last = shown(empty).splitlines()
    assert (samples, outputs) == ("no samples were compared", "no outputs were compared")
    assert last.startswith("UNCHECKED: 0 layers (none)")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_nothing_but_ascii_is_needed(failing: Report, encoding: str) -> None:
    shown(failing).encode(encoding)


def test_a_note_is_told_once_for_all_its_layers(passing: Report) -> None:
    noted = [dataclasses.replace(layer, notes=("odd\x1b[2J",)) for layer in passing.layers]
    text = shown(dataclasses.replace(passing, layers=tuple(noted)))
    assert [line for line in text.splitlines() if line.startswith("note")] == [
        r"note: conv, act: odd\u{1b}[2J"
    ]
    silent = [dataclasses.replace(layer, notes=()) for layer in passing.layers]
    assert "note" not in shown(dataclasses.replace(passing, layers=tuple(silent)))


def test_the_reproducer_is_told(passing: Report, failing: Report) -> None:
    assert "reproducer  shown\\u{1b}: act by itself\n" in shown(failing)
    assert "reproducer" not in shown(passing)


def test_a_condition_is_told_once_with_what_first_needs_it(passing: Report) -> None:
    assert [line for line in shown(passing).splitlines() if line.startswith("condition")] == [
        r"condition since conv: on x86 needs a CPU with \u{1b}[31m VNNI"
    ]
    silent = [
        dataclasses.replace(layer, finding=dataclasses.replace(layer.finding, conditions=()))
        for layer in passing.layers
    ]
    text = shown(dataclasses.replace(passing, layers=tuple(silent)))
    assert "condition since y: " in text


def test_what_was_moved_and_what_could_not_be_repaired(passing: Report) -> None:
    moved = tuple(Move("bn", 0, "multiply", channel, -2) for channel in range(10))
    left = Unrepaired("act", "nothing is near enough", 7, 3, (("conv", -0.5),))
    repaired = dataclasses.replace(passing, repair=Repair(moved, (left,), "repaired.onnx"))
    text = shown(repaired)
    assert "repaired: repaired.onnx" in text
    assert "moved: bn: multiply, channel 0, by -2 ulp" in text and "moved: 2 more constants" in text
    told = "not repaired: act, channel 7: codes flip in 3 states, as where conv is -0.5; nothing"
    assert told in text
    assert (repaired.verdict, repaired.exit_code) == (Verdict.DIFFERS, 1)
    assert "moved" not in shown(passing)


def test_an_operator_is_shown_once_and_remarks_below_its_layer() -> None:
    conv = LayerKernels("conv", ("Conv",), ("Conv",), (), (), ("slow",))
    act = LayerKernels("act", ("Conv", "Clip"), ("Clip",), ("conv",), (), ())
    out = LayerKernels("out", ("Conv", "Clip"), (), ("conv", "act"), (), ())
    lines = [line.plain.split() for line in kernel_lines([conv, act, out])]
    assert lines[1:5] == [
        ["conv", "Conv"],
        ["slow"],
        ["act", "Clip,", "with", "conv"],
        ["out", "with", "conv", "and", "act"],
    ]


def test_operators_of_no_layer_are_told_from_those_of_a_file_without_layers() -> None:
    conv = LayerKernels("conv", ("Conv",), ("Conv",), (), (), ())
    none = LayerKernels("", ("Transpose",), ("Transpose",), (), (), ())
    assert list(kernel_lines([conv, none]))[-1].plain.split() == ["(no", "layer)", "Transpose"]
    assert list(kernel_lines([none]))[-1].plain.split() == ["(unknown)", "Transpose"]
