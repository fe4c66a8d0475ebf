"""What `scripts/corpus.py` finds in a folder, and what it reads out of codes and reports."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from scripts.corpus import Ended, Model, checked, find_models, not_exported
from scripts.surveyed.rows import markdown, summary

SCHEMA: Final = Path(__file__).parents[2] / "schemas" / "report.schema.json"
MODEL: Final = Model("m.h5", Path("m.h5"))
ARCHITECTURE: Final = '{"class_name": "Sequential", "config": {}}'


def comparison(first: str, second: str, differing: int) -> dict[str, Any]:
    return {
        "witnesses": [first, second],
        "elements": 8,
        "differing": differing,
        "beyond": differing,
        "largest": 0.25 if differing else 0.0,
        "largest_ulp": differing,
        "largest_steps": None,
        "first": None,
    }


def layer(name: str, verdict: str, inherited_from: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "name": name,
        "class_name": "QDense",
        "converter": None,
        "notes": [],
        "kernels": [],
        "sources": [],
        "results": None,
        "errors": None,
        "weight_bits": 4,
        "activation_bits": None,
        "verdict": verdict,
        "reason": f"why {name}",
        "inherited_from": list(inherited_from),
        "proof": None,
        "doubt": "",
        "bound": None,
        "conditions": [],
        "comparisons": [],
    }


def weight(verdict: str, differing: int) -> dict[str, Any]:
    return {
        "layer": "a",
        "role": "kernel",
        "verdict": verdict,
        "elements": 9,
        "differing": differing,
        "beyond": differing,
        "largest": 0.0,
        "largest_ulp": 0,
        "first": None,
        "stored": None,
        "raw": None,
        "effective": None,
    }


def report(layers: list[dict[str, Any]], off: int, deployed: int) -> Mapping[str, Any]:
    """A report that fits the schema; TensorFlow and NumPy disagree, which no column shows."""
    file = {"path": None, "sha256": "0" * 64}
    made = {
        "schema": "qconvert.report/1",
        "verdict": "DIFFERS",
        "required": "SAMPLED",
        "passed": False,
        "reference_ambiguous": False,
        "first_difference": "b",
        "model": file,
        "onnx": file,
        "by_value": None,
        "inputs": "domain",
        "inputs_sha256": None,
        "ignored": {},
        "samples": 8,
        "witnesses": [],
        "layers": layers,
        "weights": [],
        "outputs": [
            {
                "name": "out",
                "verdict": "DIFFERS",
                "reason": "",
                "inherited_from": [],
                "proof": None,
                "doubt": "",
                "bound": None,
                "conditions": [],
                "comparisons": [
                    comparison("TensorFlow", "NumPy", 7),
                    comparison("TensorFlow", "ONNX Runtime", off),
                    comparison("ONNX Runtime as deployed", "TensorFlow", deployed),
                ],
            }
        ],
        "ambiguous": [],
        "environment": {"qconvert": "0", "python": "3", "machine": "m"},
        "seconds": {"samples": 1.5},
        "reproducer": None,
        "repair": {"path": None, "moved": [], "unrepaired": []},
    }
    jsonschema.validate(made, json.loads(SCHEMA.read_text(encoding="utf-8")))
    return made


def test_weights_of_an_architecture_are_no_model_of_their_own(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (below / "a.json").write_text(ARCHITECTURE, encoding="utf-8")
    (below / "a_weights.hdf5").touch()
    (below / "b.h5").touch()
    found = find_models(tmp_path)
    assert [model.name for model in found] == ["below/a.json", "below/b.h5"]
    assert found[0].weights == below / "a_weights.hdf5"
    assert found[1].weights is None


def test_saved_model_is_found_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    (model,) = find_models(tmp_path)
    assert (model.path, model.arguments) == (tmp_path / "saved", ("--via-tensorflow",))


@pytest.mark.parametrize("content", ["[]", "{}", "not JSON", '{"class_name": "Sequential"}'])
def test_other_json_is_no_model(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    assert find_models(tmp_path) == ()


@pytest.mark.parametrize(
    ("code", "exported", "answered"),
    [(3, "unsupported", True), (4, "bad file", True), (70, "exit 70", False), (1, "exit 1", False)],
)
def test_only_a_refusal_is_an_answer(code: int, exported: str, answered: bool) -> None:
    row = not_exported(MODEL, Ended(code, "because"), 0.0)
    assert (row.exported, row.answered, row.cells[-1]) == (exported, answered, "because")


def test_timeout_is_no_answer() -> None:
    assert not not_exported(MODEL, Ended(None, "ended after 1 s"), 0.0).answered


def test_first_own_difference_is_shown_and_inherited_ones_are_not() -> None:
    layers = [layer("a", "BOUNDED"), layer("c", "DIFFERS", ("b",)), layer("b", "DIFFERS")]
    row = checked(MODEL, Ended(1, ""), report(layers, 0, 0), 0.0)
    assert row.cells[-1] == "b: why b"
    assert [difference.layer for difference in row.differences] == ["b", "a"]


def test_layers_are_counted_by_how_they_are_known() -> None:
    proof: dict[str, Any] = {
        "method": "codes",
        "arguments": [],
        "bits": None,
        "assumptions": [],
        "states": 0,
        "near": 0,
    }
    proven = {**layer("d", "PROVEN"), "proof": {**proof, "numbers": 0}}
    layers = [layer("a", "SAMPLED"), layer("b", "BOUNDED"), layer("c", "UNCHECKED"), proven]
    row = checked(MODEL, Ended(1, ""), report(layers, 0, 0), 0.0)
    assert (row.cells[3:9], row.answered) == (("0", "1", "0", "1", "1", "1"), True)
    assert row.cells[-2] == "0.0 (samples 1.5)"


@pytest.mark.parametrize(
    ("off", "deployed", "shown"),
    [(0, 0, "yes"), (3, 0, "no, 3 of 8 differ"), (0, 5, "no, 5 of 8 differ")],
)
def test_outputs_must_be_identical_in_both_runs_of_onnx_runtime(
    off: int, deployed: int, shown: str
) -> None:
    assert checked(MODEL, Ended(1, ""), report([], off, deployed), 0.0).outputs == shown


@pytest.mark.parametrize(
    ("verdict", "differing", "reason"),
    [
        ("DIFFERS", 2, "a.kernel: 2 of 9 effective weights differ"),
        ("UNCHECKED", 0, "a.kernel: an effective weight that was compared with nothing"),
        ("SAMPLED", 0, ""),
    ],
)
def test_weights_that_do_not_pass_are_shown(verdict: str, differing: int, reason: str) -> None:
    made = {**report([], 0, 0), "weights": [weight(verdict, differing)]}
    jsonschema.validate(made, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert checked(MODEL, Ended(1, ""), made, 0.0).cells[-1] == reason


def test_missing_witness_is_no_answer() -> None:
    row = checked(MODEL, Ended(5, "no TensorFlow"), report([], 0, 0), 0.0)
    assert (row.answered, row.cells[-1]) == (False, "no TensorFlow")


def test_summary_and_note_count_every_model() -> None:
    rows = [
        checked(MODEL, Ended(1, ""), report([layer("b|", "DIFFERS")], 0, 0), 0.0),
        not_exported(MODEL, Ended(3, "no"), 0.0),
    ]
    total = summary(rows, 0.0)
    assert total.startswith(
        "2 models; 1 exported; 1 DIFFERS; layers: 1 other; outputs identical in 1;"
    )
    note = markdown(rows, total)
    assert total in note
    assert "why b\\|" in note
