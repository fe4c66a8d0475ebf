"""An explanation as JSON, as ``schemas/explanation.schema.json`` describes it."""

import json
import math
from fractions import Fraction
from typing import Final, assert_never

from qconvert.explaining import (
    Applied,
    Arithmetic,
    Choice,
    Element,
    Explanation,
    Loop,
    Operation,
    Raw,
    Reason,
    Rounded,
    Statement,
    Step,
    Sum,
    Taken,
    Term,
    Unknown,
    WeightElement,
)
from qconvert.report.document import Json
from qconvert.report.summary import describe

#: Changes when a reader of the old form would misunderstand the new one.
SCHEMA: Final = "qconvert.explanation/1"


def to_json(explanation: Explanation) -> str:
    """All of it, every term included; the same explanation gives the same text.

    What JSON has no number for is one of the strings ``inf``, ``-inf`` and ``nan``; exact numbers
    are numerator and denominator, as strings, for they may be longer than others can read.
    """
    return json.dumps(_explanation(explanation), indent=1, allow_nan=False) + "\n"


def _explanation(one: Explanation) -> Json:
    return {
        "schema": SCHEMA,
        "model": {"path": one.model, "sha256": one.sha256},
        "layer": one.layer,
        "class_name": one.class_name,
        "shape": list(one.shape),
        "index": list(one.index),
        "chosen": one.chosen,
        "sample": one.sample,
        "value": _number(one.value),
        "steps": [_step(step) for step in one.steps],
        "raw": None if one.raw is None else _raw(one.raw),
        "witnesses": [_statement(each) for each in one.witnesses],
        "notes": list(one.notes),
    }


def _step(step: Step) -> Json:
    return {
        "operation": step.operation,
        "result": _element(step.result),
        "raw": None if step.raw is None else _number(step.raw),
        "reason": _reason(step.reason),
    }


def _reason(why: Reason) -> Json:
    match why:
        case Sum():
            return _sum(why)
        case Arithmetic(start=start, operations=operations, agreement=agreement, bound=bound):
            return {
                "kind": "arithmetic",
                "start": _named(start),
                "operations": [_operation(each) for each in operations],
                "agreement": agreement.name.lower(),
                "bound": None if bound is None else _fraction(bound),
            }
        case Choice(kind=kind, candidates=candidates, winner=winner, equal=equal):
            return {
                "kind": "choice",
                "of": kind,
                "candidates": [_element(each) for each in candidates],
                "winner": winner,
                "equal": equal,
            }
        case Taken(source=source, by=by):
            return {
                "kind": "taken",
                "source": None if source is None else _named(source),
                "by": None if by is None else _element(by),
            }
        case Rounded():
            return _rounded(why)
        case Applied(function=function, of=of, along=along, doubt=doubt):
            return {
                "kind": "applied",
                "function": function,
                "of": [_element(each) for each in of],
                "along": [_element(each) for each in along],
                "doubt": doubt,
            }
        case Loop():
            return _loop(why)
        case Unknown(converter=converter):
            return {"kind": "unknown", "converter": converter}
        case _:
            assert_never(why)


def _sum(why: Sum) -> Json:
    return {
        "kind": "sum",
        "terms": [_term(term) for term in why.terms],
        "x_exp": why.x_exp,
        "factor_exp": why.factor_exp,
        "exp": why.exp,
        "bias": None if why.bias is None else _named(why.bias),
        "divisor": why.divisor,
        "exact": _fraction(why.exact),
        "agreement": why.agreement.name.lower(),
        "proof": why.proof,
        "doubt": why.doubt,
        "bound": None if why.bound is None else _fraction(why.bound),
    }


def _term(term: Term) -> Json:
    return {
        "x": _element(term.x),
        "factor": None if term.factor is None else _named(term.factor),
        "product": str(term.product),
        "partial": str(term.partial),
    }


def _operation(one: Operation) -> Json:
    return {
        "sign": one.sign,
        "label": one.label,
        "number": _number(one.number),
        "source": None if one.source is None else _named(one.source),
        "after": _fraction(one.after),
    }


def _rounded(why: Rounded) -> Json:
    return {
        "kind": "rounded",
        "quantizer": describe(why.quantizer),
        "before": _element(why.before),
        "code": why.code,
        "exp": why.exp,
        "lo": why.lo,
        "hi": why.hi,
        "position": None if why.position is None else _fraction(why.position),
        "saturated": why.saturated,
        "tie": why.tie,
    }


def _loop(why: Loop) -> Json:
    return {
        "kind": "loop",
        "step": why.step,
        "count": why.count,
        "time": why.time,
        "before": [_element(each) for each in why.before],
        "after": [_element(each) for each in why.after],
        "steps": [_step(each) for each in why.steps],
    }


def _named(one: Element | WeightElement) -> Json:
    return _element(one) if isinstance(one, Element) else _weight(one)


def _element(one: Element) -> Json:
    return {
        "value": one.value,
        "index": list(one.index),
        "number": _number(one.number),
        "padding": one.padding,
    }


def _weight(one: WeightElement) -> Json:
    return {
        "role": one.role,
        "index": list(one.index),
        "effective": _number(one.effective),
        "raw": None if one.raw is None else _number(one.raw),
        "shape": list(one.shape),
    }


def _raw(raw: Raw) -> Json:
    return {
        "value": None if raw.value is None else _number(raw.value),
        "weights": [
            {
                "role": each.role,
                "size": each.size,
                "differing": each.differing,
                "quantizer": None if each.quantizer is None else describe(each.quantizer),
                "folded": each.folded,
            }
            for each in raw.weights
        ],
    }


def _statement(one: Statement) -> Json:
    return {
        "witness": one.witness,
        "value": None if one.value is None else _number(one.value),
        "missing": one.missing,
    }


def _number(number: float) -> Json:
    return number if math.isfinite(number) else str(number)


def _fraction(exact: Fraction) -> Json:
    return {"numerator": str(exact.numerator), "denominator": str(exact.denominator)}
