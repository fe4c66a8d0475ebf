"""A model as data, and the weights that it computes with."""

from pathlib import Path
from typing import Unpack

from qconvert.ir import F32, Graph
from qconvert.opening import AnyPath, Reading, Source, opened
from qconvert.output import require_writable, write


def load(model: AnyPath | object, **reading: Unpack[Reading]) -> Graph:
    """Read a model: what it computes, as data.

    *weights* belong to a model that is an architecture. *via_tensorflow* reads a SavedModel
    folder, and *opaque* (``"tf2onnx"``) converts stock layers that are not known; both start
    TensorFlow in a process of its own, of the interpreter *tf_python* if given. *freeze_scales*
    are samples, as `check` takes them: activations whose scale QKeras computes from every batch
    (``alpha='auto'``) get the scale of these, and are refused without. *limits* are those of what
    is read, by the names in their errors (``{"layers": 20000}``); with *strict* a file that holds
    more than its model needs is refused.
    """
    with opened(Source(model, **reading)) as found:
        return found.graph


def effective_weights(
    model: AnyPath | object, **reading: Unpack[Reading]
) -> dict[str, dict[str, F32]]:
    """The weights that each layer computes with, quantized, by layer name and role.

    The options are those of `load`.
    """
    return {
        layer.name: {role: weight.effective for role, weight in layer.weights.items()}
        for layer in load(model, **reading).layers
        if layer.weights
    }


def save_weights(
    model: AnyPath | object, output: AnyPath, *, force: bool = True, **reading: Unpack[Reading]
) -> int:
    """Write the effective weights with codes and scales to an ``.npz``; how many there are.

    The other options are those of `load`. Raises `OutputError` for an *output* that cannot be
    written, or exists while *force* is false.
    """
    from qconvert.report.weights import to_npz

    sources = Source(model, **reading).paths
    require_writable(Path(output), force=force, inputs=sources)
    effective = effective_weights(model, **reading)
    write(Path(output), to_npz(effective), force=force, inputs=sources)
    return sum(map(len, effective.values()))
