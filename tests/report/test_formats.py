"""What machines read: valid by the published schemas, inert whatever a layer is called."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as Tree

import jsonschema
import pytest
import xmlschema

from qconvert.checking.compare import Difference
from qconvert.checking.repair.moves import Repair, Unrepaired
from qconvert.checking.results import (
    CheckedFile,
    Finding,
    LayerResult,
    Report,
    Verdict,
    WeightResult,
)
from qconvert.report.escape import annotation, annotation_property, markdown, printable, sarif
from qconvert.report.github import annotations
from qconvert.report.junit import to_junit
from qconvert.report.markdown import of_failure, to_markdown
from qconvert.report.sarif import to_sarif
from tests.report.hostile import hostile

SCHEMAS: Final = Path(__file__).parents[1] / "data" / "schemas"
JUNIT: Final = xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd"))
SARIF: Final = jsonschema.Draft7Validator(
    json.loads((SCHEMAS / "sarif-2.1.0.schema.json").read_text(encoding="utf-8"))
)
KINDS: Final = ("passing", "failing", "bounded", "by_value", "ignoring")
HOSTILE: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "a\n::error::b",
    "%0A::error::c",
    "\x1b[31mred\x9b0m",
    "nul\x00",
    "\u202egnp.exe",
    "zero\u200bwidth",
    "[/bold]",
    "[link](javascript:alert(1))",
    "=cmd|'/C calc'!A0",
    "\ud800",
    "\ufffe",
    "]]>",
    "|a|b|",
    "`code`",
    "@everyone #1",
    "<!-- -->",
    "C:\\x\\u{1b}",
    "$\\text{PROVEN}$",
    "a,b:c",
    "https://evil.example www.evil.example",
)


@pytest.fixture(params=KINDS)
def report(request: pytest.FixtureRequest) -> Report:
    found: Report = request.getfixturevalue(request.param)
    return found


def named(report: Report, name: str) -> Report:
    """*report* with layers, weights, outputs, files and reasons that are all called *name*."""
    finding = replace(report.layers[0].finding, verdict=Verdict.DIFFERS, reason=name)
    layer = LayerResult(name, name, 4, None, replace(finding, conditions=(name,)), notes=(name,))
    weight = WeightResult(name, name, Verdict.DIFFERS, Difference(4, 1, 1))
    output = replace(report.outputs[0], name=name, finding=finding)
    file = replace(report.onnx, path=name)
    return replace(
        report, layers=(layer,), weights=(weight,), outputs=(output,), onnx=file, inputs=name
    )


def test_junit_fits_its_schema_and_counts(report: Report) -> None:
    text = to_junit(report)
    JUNIT.validate(text)
    root = Tree.fromstring(text)
    cases = root.findall(".//testcase")
    expected = len(report.layers) + len(report.outputs) + len(report.weights)
    assert len(cases) == expected + len(report.witnesses) == int(root.attrib["tests"])
    bad = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    assert len(bad) == int(root.attrib["failures"]) + int(root.attrib["errors"])
    assert bool(bad) != report.passed
    assert report.onnx.sha256 in text and report.model.sha256 in text


def test_junit_tells_the_layer_that_differs_from_one_that_was_not_compared(
    failing: Report,
) -> None:
    suite = Tree.fromstring(to_junit(failing)).find("testsuite[@name='layers']")
    assert suite is not None
    found = {case.attrib["name"]: [child.tag for child in case] for case in suite.iter("testcase")}
    assert (found["conv"], found["act"]) == (["error"], ["failure"])


def test_junit_fails_where_less_is_known_than_is_required(bounded: Report) -> None:
    root = Tree.fromstring(to_junit(bounded))
    failed = [c.attrib["name"] for c in root.iter("testcase") if c.find("failure") is not None]
    assert failed == ["act", "y"]
    assert (
        Tree.fromstring(to_junit(replace(bounded, required=Verdict.SAMPLED))).attrib["failures"]
        == "0"
    )


def log(report: Report) -> Any:
    found = json.loads(to_sarif(report))
    SARIF.validate(found)
    return found["runs"][0]


def test_sarif_fits_its_schema_and_names_what_is_no_pass(report: Report) -> None:
    run = log(report)
    errors = [r for r in run["results"] if r["level"] == "error" and not r["suppressions"]]
    lost = run["invocations"][0]["toolExecutionNotifications"]
    assert bool(errors or lost) != report.passed
    assert run["invocations"][0]["exitCode"] == report.exit_code
    hashes = [artifact["hashes"]["sha-256"] for artifact in run["artifacts"]]
    assert hashes == [report.onnx.sha256, report.model.sha256]


def test_checks_of_a_project_have_categories_of_their_own(passing: Report) -> None:
    """GitHub takes several files of one tool if these differ, and shows each beside the others."""
    other = replace(passing, model=CheckedFile("models/a b.h5", ""), onnx=CheckedFile("c.onnx", ""))
    in_memory = replace(other, onnx=CheckedFile(None, ""))
    ids = [log(each)["automationDetails"]["id"] for each in (passing, other, in_memory)]
    assert ids[1:] == ["qconvert/models/a%20b.h5/c.onnx/", "qconvert/models/a%20b.h5/"]
    assert len(set(ids)) == 3
    later = replace(passing, model=replace(passing.model, sha256="9" * 64))
    assert log(later)["automationDetails"]["id"] == ids[0]


def test_sarif_warns_of_what_is_inherited(failing: Report) -> None:
    by_layer = {
        r["locations"][0]["logicalLocations"][0]["name"]: r for r in log(failing)["results"]
    }
    assert (by_layer["act"]["ruleId"], by_layer["act"]["level"]) == ("differs", "error")
    inherited = next(r for name, r in by_layer.items() if "evil" in name)
    assert inherited["level"] == "warning"


def test_what_is_ignored_is_suppressed_with_the_reason(ignoring: Report) -> None:
    results = log(ignoring)["results"]
    assert [r["ruleId"] for r in results if r["level"] == "error"] == ["differs", "weight-differs"]
    reasons = [one["justification"] for r in results for one in r["suppressions"]]
    assert reasons == ["issue \\u{1b}[31m 12"] * 2


def test_what_is_ignored_is_skipped_with_the_reason(ignoring: Report) -> None:
    skipped = {
        case.attrib["name"]: child.attrib["message"]
        for case in Tree.fromstring(to_junit(ignoring)).iter("testcase")
        for child in case.findall("skipped")
    }
    assert skipped == {
        "conv": "DIFFERS, ignored: issue \\u{1b}[31m 12",
        "act": "SAMPLED, ignored, which is not needed any more: an old one",
        "conv/kernel": "DIFFERS, ignored: issue \\u{1b}[31m 12",
    }


def test_what_is_ignored_is_in_brackets(ignoring: Report) -> None:
    text = to_markdown(ignoring)
    assert "(❌ DIFFERS)" in text and "**act** is ignored, which is not needed any more" in text


def test_markdown_shows_the_verdict_the_layers_and_the_hashes(report: Report) -> None:
    text = to_markdown(report)
    assert report.verdict.value in text.splitlines()[0]
    assert ("does not pass" in text.splitlines()[0]) != report.passed
    for layer in report.layers:
        assert markdown(layer.name) in text
    assert report.onnx.sha256 in text


def test_many_layers_are_folded_and_those_that_are_not_proven_stand_out(bounded: Report) -> None:
    proven, other = bounded.layers
    many = replace(bounded, layers=(*[proven] * 30, other))
    before, _, after = to_markdown(many).partition("<details><summary>All 31 layers")
    assert before.count("BOUNDED") == 2 and "act" in before
    assert after.count("PROVEN") >= 30


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_inert(passing: Report, name: str) -> None:
    hostile = named(passing, name)
    junit, sarif_log, text = to_junit(hostile), to_sarif(hostile), to_markdown(hostile)
    JUNIT.validate(junit)
    log(hostile)
    for rendering in (junit, sarif_log, text):
        rendering.encode()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e\ufffe\ud800]", rendering)
    root = Tree.fromstring(junit)
    assert printable(name) in [case.attrib["name"] for case in root.iter("testcase")]
    lines = text.splitlines()
    assert not any(line.startswith("::") for line in lines)
    # Outside of our own tags no letter stands that Markdown or HTML takes for more than itself.
    own = re.sub(r"</?(details|summary)>|<!-- -->", "", text)
    assert not re.search(r"(?<!\\)[<>`\[\]@]", own) and "$" not in own
    assert all(len(re.findall(r"(?<!\\)\|", line)) in (0, 3, 8) for line in lines)
    # Nor do platforms find addresses.
    assert "https://" not in text and "www." not in text
    for key, value in strings(json.loads(sarif_log)):
        assert all(one == "\n" or one.isprintable() for one in value)
        if key == "uri":
            assert re.fullmatch(r"[A-Za-z0-9_.~%/-]*", value)


def strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text in JSON, behind its key."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from strings(inner, name)
        case list():
            for inner in value:
                yield from strings(inner, key)
        case str():
            yield key, value


def test_no_text_of_a_report_acts_in_any_form(report: Report) -> None:
    """Whichever field of it: not the names alone."""
    found = hostile(report)
    assert isinstance(found, Report)
    log(found)
    JUNIT.validate(to_junit(found))
    lines = [to_junit(found), to_markdown(found), *annotations(found)]
    for text in (*lines, *(value for _, value in strings(json.loads(to_sarif(found))))):
        assert "\x1b" not in text and "\u202e" not in text and "\r" not in text
    assert not re.search(r"(?<!\\)<(?!/?(details|summary)>|!-- -->)", to_markdown(found))
    assert all("\n" not in line for line in annotations(found))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_failure_stays_inert_in_markdown(name: str) -> None:
    for text in (of_failure(name, ["told"]), of_failure("model.h5", ["told", name])):
        assert re.sub("[\n❌]", "", text).isprintable() and "$" not in text
        assert not re.search(r"(?<!\\)[<>`\[\]@]", text.replace("<!-- -->", ""))


@pytest.mark.parametrize("name", HOSTILE)
def test_annotations_stay_in_their_line(name: str) -> None:
    for text in (annotation(name), annotation_property(name)):
        assert text.encode() and len(text.splitlines()) == 1
        assert "%" not in text.replace("%25", "").replace("%3A", "").replace("%2C", "")
    assert not re.search("[:,]", annotation_property(name))
    assert not set("[]") & set(re.sub(r"\\[\\\[\]]", "", sarif(name)))


def with_an_unrepaired_channel(report: Report) -> Report:
    left = Unrepaired("act", "no constants in reach", 3, 2, (("conv", 0.5),))
    return replace(report, repair=Repair(unrepaired=(left,)))


def without_samples(report: Report) -> Report:
    return replace(report, samples=0)


def without_outputs(report: Report) -> Report:
    return replace(report, outputs=())


def with_a_witness_of_few_layers_that_failed(report: Report) -> Report:
    *others, last = report.witnesses
    return replace(report, witnesses=(*others, replace(last, failure="died")))


def with_a_weight_without_counterpart(report: Report) -> Report:
    return replace(report, weights=(replace(report.weights[0], verdict=Verdict.UNCHECKED),))


def with_a_weight_that_is_bounded_only(report: Report) -> Report:
    proven = Finding(Verdict.PROVEN, "", ())
    return replace(
        report,
        required=Verdict.PROVEN,
        layers=tuple(replace(x, finding=proven) for x in report.layers),
        outputs=tuple(replace(x, finding=proven) for x in report.outputs),
        weights=(replace(report.weights[0], verdict=Verdict.BOUNDED),),
    )


def with_differences_from_an_ignored_layer(report: Report) -> Report:
    conv, act = report.layers
    own = replace(conv.finding, verdict=Verdict.DIFFERS, reason="ONNX Runtime differs")
    later = replace(own, inherited_from=("conv",))
    return replace(
        report,
        layers=(replace(conv, finding=own), replace(act, finding=later)),
        outputs=tuple(replace(x, finding=later) for x in report.outputs),
        ignored=(("conv", "issue 12"),),
    )


@pytest.mark.parametrize(
    "spoil",
    [
        with_an_unrepaired_channel,
        without_samples,
        without_outputs,
        with_a_witness_of_few_layers_that_failed,
        with_a_weight_without_counterpart,
        with_a_weight_that_is_bounded_only,
        with_differences_from_an_ignored_layer,
    ],
)
def test_what_is_no_pass_is_none_for_any_machine(
    passing: Report, spoil: Callable[[Report], Report]
) -> None:
    """Whatever it is that keeps the report from passing, with all layers and outputs as before."""
    report = spoil(passing)
    assert passing.passed and not report.passed
    root = Tree.fromstring(to_junit(report))
    JUNIT.validate(to_junit(report))
    assert int(root.attrib["failures"]) + int(root.attrib["errors"])
    results = log(report)["results"]
    assert [r for r in results if r["level"] == "error" and not r["suppressions"]]
    assert [line for line in annotations(report) if line.startswith("::error ")]


def test_markdown_tells_why_a_report_does_not_pass(passing: Report) -> None:
    assert "**not compared** samples" in to_markdown(without_samples(passing))
    assert "**not repaired** act, channel 3" in to_markdown(with_an_unrepaired_channel(passing))


def test_of_many_layers_the_one_that_differs_is_seen(bounded: Report) -> None:
    _, other = bounded.layers
    wrong = replace(other, name="wrong", finding=replace(other.finding, verdict=Verdict.DIFFERS))
    ignored = replace(wrong, name="known")
    many = replace(
        bounded, layers=(ignored, *[other] * 30, wrong), ignored=(("known", "issue 12"),)
    )
    before, *_ = to_markdown(many).partition("<details>")
    assert "| wrong |" in before and "| known |" not in before


def test_the_same_report_gives_the_same_text(report: Report) -> None:
    later = replace(report, seconds=(("samples", 9.0),))
    for render in (to_junit, to_sarif, to_markdown):
        assert render(report) == render(later)
