import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import jsonschema
import numpy as np
import pytest

from qconvert.checking.repair.moves import Move, Repair, Unrepaired
from qconvert.checking.results import LayerResult, Report, Verdict, WitnessResult
from qconvert.checking.witness import Witness
from qconvert.errors import BadFileError
from qconvert.report import to_json
from qconvert.report.document import read_report

SCHEMA: Final = Path(__file__).parents[2] / "schemas" / "report.schema.json"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def document(report: Report) -> Any:
    return json.loads(to_json(report))


def test_passing_and_failing_reports_fit_the_schema(
    passing: Report, failing: Report, by_value: Report, validator: jsonschema.Draft202012Validator
) -> None:
    validator.validate(document(passing))
    validator.validate(document(failing))
    validator.validate(document(by_value))


@pytest.mark.parametrize("key", ["schema", "verdict", "layers", "samples"])
def test_the_schema_refuses_a_document_that_lacks_something(
    passing: Report, validator: jsonschema.Draft202012Validator, key: str
) -> None:
    incomplete = document(passing)
    del incomplete[key]
    assert not validator.is_valid(incomplete)


def test_the_schema_refuses_what_it_does_not_know(
    failing: Report, validator: jsonschema.Draft202012Validator
) -> None:
    extended = document(failing)
    extended["layers"][1]["comparisons"][0]["tolerance"] = 1e-3
    assert not validator.is_valid(extended)


def test_what_was_not_found_in_a_file_of_others_fails_no_report(
    passing: Report, by_value: Report
) -> None:
    found = document(by_value)
    assert (found["verdict"], found["passed"]) == ("SAMPLED", True)
    assert found["by_value"]["layers"] == {"act": "t"}
    assert document(passing)["by_value"] is None
    unseen = replace(passing, layers=by_value.layers)
    assert document(unseen)["verdict"] == "UNCHECKED"


def test_a_layer_that_was_not_found_may_differ_all_the_same(by_value: Report) -> None:
    """TensorFlow and NumPy are compared without the file."""
    conv, act = by_value.layers
    wrong = replace(conv, finding=replace(conv.finding, verdict=Verdict.DIFFERS))
    assert document(replace(by_value, layers=(wrong, act)))["verdict"] == "DIFFERS"


def test_the_result_stands_at_the_top(failing: Report) -> None:
    found = document(failing)
    assert (found["verdict"], found["passed"]) == ("DIFFERS", False)
    assert found["first_difference"] == "act"
    assert found["reference_ambiguous"] is True


def test_the_reproducer_is_named_if_there_is_one(passing: Report, failing: Report) -> None:
    assert document(passing)["reproducer"] is None
    assert document(failing)["reproducer"]["summary"] == "act by itself"


def test_numbers_read_back_exactly_and_others_are_words(failing: Report) -> None:
    found = document(failing)
    values = found["layers"][1]["comparisons"][0]["first"]["values"]
    assert values == {"TensorFlow": 0.1, "ONNX Runtime": 0.25, "NumPy": "nan"}
    assert np.float64(values["TensorFlow"]) == np.float64(0.1)
    assert found["outputs"][0]["comparisons"][0]["largest"] == "inf"


def test_proofs_and_bounds_are_written_with_what_they_rest_on(
    bounded: Report, validator: jsonschema.Draft202012Validator
) -> None:
    found = document(bounded)
    validator.validate(found)
    assert (found["verdict"], found["required"], found["passed"]) == ("SAMPLED", "PROVEN", False)
    assert found["seconds"] == {"samples": 1.235}
    conv, act = found["layers"]
    assert conv["proof"]["method"] == "codes" and conv["proof"]["states"] == 4096
    assert conv["proof"]["numbers"] == 77
    assert act["bound"] == {
        "largest": 0.25,
        "steps": 1.0,
        "states": 4096,
        "near": 3,
        "example": {"channel": 7, "values": {"conv": -0.5}},
    }


def test_moves_are_written_with_their_places(
    passing: Report, validator: jsonschema.Draft202012Validator
) -> None:
    left = Unrepaired("act", "nothing is near enough", 7, 3, (("conv", float("inf")),))
    repair = Repair((Move("bn", 1, "add", 2, 4),), (left,), "repaired.onnx")
    found = document(replace(passing, repair=repair))
    validator.validate(found)
    assert found["repair"]["moved"] == [
        {"layer": "bn", "constant": "add", "step": 1, "channel": 2, "ulps": 4}
    ]
    assert found["repair"]["unrepaired"][0]["example"] == {"conv": "inf"}
    assert (found["repair"]["path"], found["passed"]) == ("repaired.onnx", False)


@pytest.mark.parametrize("kind", ["passing", "failing", "bounded", "by_value"])
def test_a_report_reads_back_as_it_was_written(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    report: Report = request.getfixturevalue(kind)
    path = tmp_path / "report.json"
    path.write_text(to_json(report), encoding="utf-8")
    # NaN is unlike itself, so that texts are compared.
    assert to_json(read_report(path)) == to_json(report)
    if kind != "failing":
        assert replace(read_report(path), seconds=report.seconds) == report


def test_without_times_the_same_check_gives_the_same_text(bounded: Report) -> None:
    later = replace(bounded, seconds=(("samples", 99.0),))
    assert to_json(later) != to_json(bounded)
    assert to_json(later, timed=False) == to_json(bounded, timed=False)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), "qconvert.report/0", "its schema is not"),
        (("verdict",), "PROVEN", "'verdict' is not what follows"),
        (("passed",), True, "'passed' is not what follows"),
        (("layers", 1, "verdict"), "PROVEN", "'first_difference' is not what follows"),
        (("layers", 1, "verdict"), "FINE", "layers"),
        (("layers", 1, "weight_bits"), "4", "weight_bits"),
        (("samples",), 8.5, "samples"),
        (("samples",), True, "samples"),
        (("samples",), -5, "'samples' is -5, and counts something"),
        (("layers",), {}, "layers"),
        (("layers",), "", "layers"),
        (("layers",), [], "'first_difference' is not what follows"),
        (("witnesses",), [], "compared by witnesses that there are not"),
        (("outputs", 0, "comparisons", 0, "differing"), -1, "'differing' is -1"),
        (("layers", 1, "errors", "shape"), [-1], "'shape' is -1"),
        (("outputs", 0, "comparisons", 0, "largest_ulp"), -1, "'largest_ulp' is -1"),
        (("model", "sha256"), "any text", "'sha256' is no SHA-256"),
        (("inputs_sha256",), "0" * 63, "'inputs_sha256' is no SHA-256"),
        (("extra",), 1, "'extra' is not what follows"),
        (("layers", 0, "extra"), 1, "extra"),
        (("outputs", 0, "comparisons", 0, "largest"), "big", "largest"),
        (("environment",), None, "environment"),
        (("model",), [1], r"not an object: \[1\] @ \$.model"),
        (("layers", 0), 7, r"not an object: 7 @ \$.layers\[0\]"),
    ],
)
def test_a_report_that_was_changed_is_refused(
    failing: Report, tmp_path: Path, path: tuple[str | int, ...], value: object, message: str
) -> None:
    content = document(failing)
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    changed = tmp_path / "report.json"
    changed.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BadFileError, match=message):
        read_report(changed)


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where the fields of a document are."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inner:
        if isinstance(value, dict):
            yield (*at, key)
        if isinstance(each, (dict, list)):
            yield from places(each, (*at, key))


def test_a_report_that_lacks_a_field_is_refused(
    validator: jsonschema.Draft202012Validator, failing: Report, tmp_path: Path
) -> None:
    """Wherever the schema requires it."""
    found = document(failing)
    path, tried = tmp_path / "report.json", 0
    for *outer, name in places(found):
        content = json.loads(json.dumps(found))
        place = content
        for key in outer:
            place = place[key]
        del place[name]
        if validator.is_valid(content):
            continue
        tried += 1
        path.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(BadFileError, match=f"lacks {name!r}|its schema is not") as error:
            read_report(path)
        assert error.value.code == "QC140"
    assert tried > 100


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": NaN}', '{"a": 1, "a": 2}'])
def test_what_is_no_report_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadFileError):
        read_report(path)
    with pytest.raises(BadFileError, match="no such file"):
        read_report(tmp_path / "none.json")


def test_a_report_passes_on_evidence_alone(passing: Report) -> None:
    """Whatever its layers say."""
    lost = WitnessResult(Witness.NUMPY, (), "no memory")
    assert passing.passed and passing.exit_code == 0
    for changed, code in (
        (replace(passing, samples=0), 1),
        (replace(passing, outputs=()), 1),
        (replace(passing, witnesses=(*passing.witnesses[:2], lost)), 5),
    ):
        assert changed.verdict is Verdict.UNCHECKED and not changed.passed
        assert changed.exit_code == code
        assert json.loads(to_json(changed))["passed"] is False


def test_the_same_report_gives_the_same_text(failing: Report) -> None:
    assert to_json(failing) == to_json(failing)
    assert to_json(failing).isascii()


@pytest.mark.parametrize(
    ("part", "changes", "told"),
    [
        ("errors", {"places": [1]}, "the errors of 'act' make no map"),
        ("errors", {"rows": 0, "places": []}, "the errors of 'act' make no map"),
        ("errors", {"channels": [1 << 63]}, "the errors of 'act' make no map"),
        ("results", {"elements": 1}, "the results of 'act' are distributed as no numbers are"),
        ("results", {"zeros": -1}, "the results of 'act'"),
        ("results", {"histogram": {"first": 0, "exp": -1705, "counts": [1]}}, "the results of"),
        ("results", {"histogram": {"first": 0, "exp": 0, "counts": [1] * 65}}, "the results of"),
        ("results", {"grid": {"lo": 1, "hi": 0, "exp": 0}}, "the results of 'act'"),
        ("results", {"grid": {"lo": 0, "hi": 1, "exp": 4000}}, "the results of 'act'"),
        ("", {"sources": ["nope"]}, "'act' follows layers that there are not"),
        ("", {"inherited_from": ["nope"]}, "'act' follows layers that there are not"),
    ],
)
def test_a_report_that_no_check_makes_is_refused(
    failing: Report, passing: Report, tmp_path: Path, part: str, changes: dict[str, Any], told: str
) -> None:
    content = document(replace(failing, layers=(failing.layers[0], _both(failing, passing))))
    content["weights"] = []
    layer = content["layers"][1]
    (layer[part] if part else layer).update(changes)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadFileError, match=re.escape(told)) as caught:
        read_report(path)
    assert caught.value.code == "QC140"


def test_a_verdict_that_what_was_compared_denies_is_refused(
    bounded: Report, tmp_path: Path
) -> None:
    """Though everything that follows from the verdicts was changed with them."""
    text = json.dumps(document(replace(bounded, required=Verdict.SAMPLED)))
    path = tmp_path / "report.json"
    path.write_text(text)
    assert read_report(path).passed
    path.write_text(re.sub('"(BOUNDED|SAMPLED)"', '"PROVEN"', text))
    with pytest.raises(BadFileError, match="the layer 'act' is PROVEN by nothing"):
        read_report(path)


@pytest.mark.parametrize("part", ["layers", "outputs"])
def test_nothing_passes_that_differs_beyond_rounding(
    bounded: Report, tmp_path: Path, part: str
) -> None:
    content = document(bounded)
    content[part][0]["comparisons"][0].update(differing=1, beyond=1)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadFileError, match="and differs"):
        read_report(path)


@pytest.mark.parametrize("part", ["outputs", "weights"])
def test_what_is_proven_by_equality_is_equal(bounded: Report, tmp_path: Path, part: str) -> None:
    """Of a layer, unlike of these, numbers may be proven that round differently."""
    output = replace(bounded.outputs[0].finding, verdict=Verdict.PROVEN)
    outputs = (replace(bounded.outputs[0], finding=output),)
    content = document(replace(bounded, outputs=outputs))
    path = tmp_path / "report.json"
    path.write_text(json.dumps(content))
    read_report(path)
    (content[part][0] if part == "weights" else content[part][0]["comparisons"][0])["differing"] = 1
    path.write_text(json.dumps(content))
    with pytest.raises(BadFileError, match="is PROVEN, and differs"):
        read_report(path)


def test_whatever_counts_is_not_negative(
    passing: Report,
    failing: Report,
    bounded: Report,
    validator: jsonschema.Draft202012Validator,
    tmp_path: Path,
) -> None:
    """As the schema says of each number in these reports."""
    path = tmp_path / "report.json"
    for report in (passing, failing, bounded):
        content = document(report)
        for place, key in _integers(content):
            place[key], kept = -1, place[key]
            path.write_text(json.dumps(content))
            if not validator.is_valid(content):
                with pytest.raises(BadFileError):
                    read_report(path)
            place[key] = kept


def _integers(content: Any) -> Iterator[tuple[Any, Any]]:
    """Where whole numbers stand in a document."""
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            if type(value) is int:
                yield content, key
            yield from _integers(value)


@pytest.mark.parametrize("part", ["layers", "witnesses"])
def test_a_report_that_passes_has_layers_and_witnesses(
    passing: Report, tmp_path: Path, part: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document(passing) | {part: []}))
    with pytest.raises(BadFileError) as caught:
        read_report(path)
    assert caught.value.code == "QC140"


def test_numbers_of_weights_are_looked_at_too(passing: Report, tmp_path: Path) -> None:
    content = document(passing)
    content["weights"][0]["raw"]["highest"] = 9
    path = tmp_path / "report.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadFileError, match="the numbers of 'conv/kernel'"):
        read_report(path)


def _both(failing: Report, passing: Report) -> LayerResult:
    """A layer with a map of errors and with results."""
    return replace(failing.layers[1], results=passing.layers[1].results)


@pytest.mark.parametrize("depth", [65, 100_000])
def test_no_option_is_named_that_the_command_does_not_have(depth: int, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text('{"a":' * depth + "1" + "}" * depth)
    with pytest.raises(BadFileError) as caught:
        read_report(path)
    assert str(caught.value) == f"{path}: the report is nested too deeply: limit 64"
