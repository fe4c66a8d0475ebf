"""A model as data, and the weights that it computes with."""

from typing import TYPE_CHECKING, Unpack

from qconvert.ir import Graph
from qconvert.opening import AnyPath, ReadingOptions, opened, source_of
from qconvert.output import write
from qconvert.places import output_file, require_writable
from qconvert.shortage import telling_shortages

if TYPE_CHECKING:
    from qconvert.report.effective import EffectiveWeights


@telling_shortages
def load(model: AnyPath | object, **reading: Unpack[ReadingOptions]) -> Graph:
    """Read a model: what it computes, as data.

    *weights* belong to a model that is an architecture. *via_tensorflow* reads a SavedModel
    folder, and *opaque* (``"tf2onnx"``) converts stock layers that are not known; both start
    TensorFlow in a process of its own, of the interpreter *tf_python* if given. *freeze_scales*
    are samples, as `check` takes them: activations whose scale QKeras computes from every batch
    (``alpha='auto'``) get the scale of these, and are refused without. *limits* are those of what
    is read, by the names in their errors (``{"layers": 20000}``); with *strict* a file that holds
    more than its model needs is refused. Raises `UnsupportedError` or `BadModelError` with all
    that keeps the model from being converted, `BadFileError`, and `LimitError`, also where memory
    runs out.
    """
    with opened(source_of("load", model, reading)) as found:
        return found.graph


@telling_shortages
def effective_weights(
    model: AnyPath | object, **reading: Unpack[ReadingOptions]
) -> "EffectiveWeights":
    """The weights that each layer computes with, quantized, by layer name and role.

    It is a dictionary of dictionaries of arrays, which a notebook shows as a table. The options
    are those of `load`.
    """
    from qconvert.report.effective import EffectiveWeights

    with opened(source_of("effective_weights", model, reading)) as found:
        return EffectiveWeights(found.graph.layers)


@telling_shortages
def save_weights(
    model: AnyPath | object,
    output: AnyPath,
    *,
    force: bool = True,
    **reading: Unpack[ReadingOptions],
) -> int:
    """Write effective and raw weights with codes and scales; how many weights there are.

    *output* is an ``.npz`` or a ``.safetensors``, as its suffix says; `UsageError` for others. The
    other options are those of `load`. Raises `OutputError` for an *output* that cannot be written,
    or exists while *force* is false.
    """
    from qconvert.report.weights import count_of, require_format, serialized

    source, path = source_of("save_weights", model, reading), output_file(output)
    require_format(path)
    require_writable(path, force=force, inputs=source.paths)
    with opened(source) as found:
        data = serialized(found.graph, found.digest, path)
    write(path, data, force=force, inputs=source.paths)
    return count_of(found.graph)
