"""What changed from one model, file or report to another."""

from collections.abc import Mapping

from qconvert.differing.differ import diff as between
from qconvert.differing.results import Differences
from qconvert.opening import AnyPath, Inputs, Source
from qconvert.shortage import telling_shortages


@telling_shortages
def diff(
    first: AnyPath | object,
    second: AnyPath | object,
    *,
    first_weights: AnyPath | None = None,
    second_weights: AnyPath | None = None,
    via_tensorflow: bool = False,
    opaque: str | None = None,
    tf_python: AnyPath | None = None,
    freeze_scales: Inputs | None = None,
    limits: Mapping[str, int] | None = None,
) -> Differences:
    """What changed between two models, two ONNX files, a model and its file, or two reports.

    Models are compared by what they compute, files by their operators and constants, whatever
    their order and names; a file beside a model by what it says of itself, and by its weights.
    The options are those of `load`. Raises `UsageError` for two that cannot be compared.
    """
    within, frozen = limits or {}, freeze_scales
    return between(
        Source(first, first_weights, via_tensorflow, opaque, tf_python, frozen, within),
        Source(second, second_weights, via_tensorflow, opaque, tf_python, frozen, within),
    )
