"""The report as JSON, as ``schemas/report.schema.json`` describes it."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from qconvert.checking.compare import Difference, Example
from qconvert.checking.repair.moves import Move, Repair, Unrepaired
from qconvert.checking.results import (
    AmbiguousResult,
    Bound,
    ByValue,
    CheckedFile,
    Comparison,
    Environment,
    Finding,
    LayerResult,
    OutputResult,
    Proof,
    Report,
    Reproducer,
    State,
    WeightResult,
    WitnessResult,
)

#: Changes when a reader of the old form would misunderstand the new one.
SCHEMA: Final = "qconvert.report/1"

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"


def to_json(report: Report) -> str:
    """The report as a JSON document; the same report gives the same text.

    Numbers that float32 or float64 holds are written so that they read back the same; what JSON
    has no number for is one of the strings ``inf``, ``-inf`` and ``nan``.
    """
    return json.dumps(_report(report), indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _report(report: Report) -> Json:
    first = report.first_difference
    return {
        "schema": SCHEMA,
        "verdict": report.verdict.value,
        "required": report.required.value,
        "passed": report.passed,
        "reference_ambiguous": report.reference_ambiguous,
        "first_difference": None if first is None else first.name,
        "model": _file(report.model),
        "onnx": _file(report.onnx),
        "by_value": None if report.by_value is None else _by_value(report.by_value),
        "inputs": report.inputs,
        "samples": report.samples,
        "witnesses": [_witness(witness) for witness in report.witnesses],
        "layers": [_layer(layer) for layer in report.layers],
        "weights": [_weight(weight) for weight in report.weights],
        "outputs": [_output(output) for output in report.outputs],
        "ambiguous": [_ambiguous(value) for value in report.ambiguous],
        "environment": _environment(report.environment),
        "seconds": {part: round(seconds, 3) for part, seconds in report.seconds},
        "reproducer": None if report.reproducer is None else _reproducer(report.reproducer),
        "repair": _repair(report.repair),
    }


def _file(file: CheckedFile) -> Json:
    return {"path": file.path, "sha256": file.sha256}


def _reproducer(reproducer: Reproducer) -> Json:
    return {"path": reproducer.path, "summary": reproducer.summary}


def _repair(repair: Repair) -> Json:
    return {
        "path": repair.path,
        "moved": [_move(move) for move in repair.moved],
        "unrepaired": [_unrepaired(one) for one in repair.unrepaired],
    }


def _move(move: Move) -> Json:
    return {
        "layer": move.layer,
        "constant": move.constant,
        "step": move.step,
        "channel": move.channel,
        "ulps": move.ulps,
    }


def _unrepaired(one: Unrepaired) -> Json:
    return {
        "layer": one.layer,
        "reason": one.reason,
        "channel": one.channel,
        "states": one.states,
        "example": {name: _number(value) for name, value in one.example},
    }


def _by_value(found: ByValue) -> Json:
    return {
        "inputs": dict(found.inputs),
        "outputs": dict(found.outputs),
        "layers": dict(found.layers),
    }


def _witness(result: WitnessResult) -> Json:
    return {
        "name": result.witness.value,
        "versions": dict(result.versions),
        "failure": result.failure,
    }


def _layer(layer: LayerResult) -> Json:
    return {
        "name": layer.name,
        "class_name": layer.class_name,
        "converter": layer.converter,
        "weight_bits": layer.weight_bits,
        "activation_bits": layer.activation_bits,
        "notes": list(layer.notes),
        "kernels": list(layer.kernels),
        **_finding(layer.finding),
    }


def _output(output: OutputResult) -> Json:
    return {"name": output.name, **_finding(output.finding)}


def _finding(finding: Finding) -> dict[str, Json]:
    return {
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "inherited_from": list(finding.inherited_from),
        "proof": None if finding.proof is None else _proof(finding.proof),
        "doubt": finding.doubt,
        "bound": None if finding.bound is None else _bound(finding.bound),
        "conditions": list(finding.conditions),
        "comparisons": [_comparison(comparison) for comparison in finding.comparisons],
    }


def _proof(proof: Proof) -> Json:
    return {
        "method": proof.method.value,
        "arguments": list(proof.arguments),
        "bits": proof.bits,
        "assumptions": list(proof.assumptions),
        "states": proof.states,
        "near": proof.near,
        "numbers": proof.numbers,
    }


def _bound(bound: Bound) -> Json:
    return {
        "largest": None if bound.largest is None else _number(bound.largest),
        "steps": None if bound.steps is None else _number(bound.steps),
        "states": bound.states,
        "near": bound.near,
        "example": None if bound.example is None else _state(bound.example),
    }


def _state(state: State) -> Json:
    return {
        "channel": state.channel,
        "values": {name: _number(value) for name, value in state.values},
    }


def _comparison(comparison: Comparison) -> Json:
    steps = comparison.largest_steps
    return {
        "witnesses": [comparison.first.value, comparison.second.value],
        **_difference(comparison.difference),
        "largest_steps": None if steps is None else _number(steps),
    }


def _weight(weight: WeightResult) -> Json:
    return {
        "layer": weight.layer,
        "role": weight.role,
        "verdict": weight.verdict.value,
        **_difference(weight.difference),
        "stored": None if weight.stored is None else _difference(weight.stored),
    }


def _ambiguous(value: AmbiguousResult) -> Json:
    return {
        "name": value.name,
        "elements": value.elements,
        "differing": value.differing,
        "largest": _number(value.largest),
    }


def _difference(difference: Difference) -> dict[str, Json]:
    first = difference.first
    return {
        "elements": difference.elements,
        "differing": difference.differing,
        "beyond_rounding": difference.beyond,
        "largest": _number(difference.largest),
        "largest_ulp": difference.largest_ulp,
        "first": None if first is None else _example(first),
    }


def _example(example: Example) -> Json:
    return {
        "index": list(example.index),
        "values": {witness.value: _number(value) for witness, value in example.values},
        "shapes": {witness.value: list(shape) for witness, shape in example.shapes},
    }


def _environment(environment: Environment) -> Json:
    return {
        "qconvert": environment.qconvert,
        "python": environment.python,
        "machine": environment.machine,
    }


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
