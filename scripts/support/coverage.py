"""Which layers, quantizers and options have no row in the table, and which rows are of nothing."""

import inspect
from collections.abc import Iterable, Iterator

import qkeras

from qconvert.frontend.layers import LAYERS
from qconvert.frontend.quantizer_classes import CLASSES
from qconvert.frontend.quantizer_text import QuantizerError, parse
from qconvert.frontend.quantizers import activation, quantizer
from qconvert.ir.quantizers import HardFunction
from scripts.support.calls import FAMILIES
from scripts.support.elsewhere import (
    LAYERS_ELSEWHERE,
    QUANTIZERS_ELSEWHERE,
    REFUSALS,
    Refusal,
)
from scripts.support.families import Family
from scripts.support.quantizers import ACTIVATIONS, WEIGHTS

#: Checked with Keras 3 alone.
_OF_KERAS_3 = "keras.ops."


def missing() -> Iterator[str]:
    """Everything that can be converted and has no row, and rows of what there is not."""
    yield from missing_layers(LAYERS, FAMILIES)
    yield from missing_options((*ACTIVATIONS, *WEIGHTS))
    yield from strange()


def missing_layers(known: Iterable[str], families: Iterable[Family]) -> Iterator[str]:
    """Classes without a case."""
    covered = {family.class_name for family in families} | LAYERS_ELSEWHERE.keys()
    own = {name for name in known if not name.startswith(_OF_KERAS_3)}
    yield from (f"{name} has no case" for name in sorted(own - covered))


def missing_options(families: Iterable[Family]) -> Iterator[str]:
    """Quantizers, and options of theirs, without a case, a refusal or a place elsewhere."""
    covered = set(QUANTIZERS_ELSEWHERE)
    for family in families:
        covered |= {(family.class_name, key) for case in family.cases for key in (*case, "")}
    for refusal in REFUSALS:
        call = parse(refusal.text)
        covered |= {(call.name, key) for key in call.kwargs}
    for name, kind in CLASSES.items():
        wanted = [(name, key) for key in ("", *kind.parameters, *kind.named)]
        if (name, "*") not in covered:
            yield from (f"{n}({key}) has no case" for n, key in wanted if (n, key) not in covered)
    for function in HardFunction:
        if (function.value, "") not in covered:
            yield f"{function.value} has no case"


def strange() -> Iterator[str]:
    """What is said to be checked elsewhere, and does not exist or can be built here."""
    for name in LAYERS_ELSEWHERE:
        if name not in LAYERS or hasattr(qkeras, name):
            yield f"{name} is not elsewhere"
    for name, option in QUANTIZERS_ELSEWHERE:
        known = {*CLASSES[name].parameters, *CLASSES[name].named, "*"}
        if option not in known or (option == "*" and hasattr(qkeras, name)):
            yield f"{name}({option}) is not elsewhere"
        elif option in _parameters(name) and option != "scale_axis":
            yield f"{name}({option}) can be built here"


def _parameters(name: str) -> set[str]:
    """What QKeras 0.9.0 has; of ``scale_axis`` its files know nothing."""
    found = getattr(qkeras, name, None)
    return set() if found is None else set(inspect.signature(found.__init__).parameters)


def reason_of(refusal: Refusal) -> str | None:
    """Why a quantizer is refused; None if it is not."""
    try:
        if refusal.weight:
            quantizer(refusal.text, "kernel")
        else:
            activation(refusal.text, qkeras=True, rank=2)
    except QuantizerError as error:
        return str(error)
    return None
