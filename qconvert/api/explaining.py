"""One number of a layer, term by term."""

from collections.abc import Callable, Sequence
from typing import Unpack

from qconvert.asking import Question, asked
from qconvert.explaining import Explanation
from qconvert.opening import AnyPath, Inputs, ReadingOptions, source_of
from qconvert.report.explanation.interactive import ShownExplanation
from qconvert.shortage import telling_shortages


@telling_shortages
def explain(
    model: AnyPath | object,
    layer: str,
    at: Sequence[int] | None = None,
    *,
    inputs: Inputs | None = None,
    sample: int | None = None,
    seed: int = 0,
    domains: Sequence[str] = (),
    onnx: AnyPath | None = None,
    witnesses: bool = True,
    found: Callable[[Explanation], None] | None = None,
    **reading: Unpack[ReadingOptions],
) -> ShownExplanation:
    """One number in the result of a *layer*, term by term: *at* is its index without the batch.

    *inputs* are those of `check`, or a picture (PNG), whose pixels are what *domains* say:
    ``uint8/255``. *sample* is which of them. Without *inputs* it is one that `check` would choose
    with this *seed*; without *at* an element that has something to show. *onnx* is the exported
    file, if it is not to be made anew. TensorFlow and ONNX Runtime are asked for the same element
    unless *witnesses* is false; what is missing is said to be. *found* hears of the explanation
    before they answer. `UsageError` for a layer or an element that is not there. The other
    options are those of `load`.
    """
    question = Question(layer, at, inputs, sample, seed, domains)
    source = source_of("explain", model, reading)
    return ShownExplanation.of(asked(source, question, onnx=onnx, witnesses=witnesses, found=found))
