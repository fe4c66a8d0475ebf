"""States that layers keep from call to call: inputs and outputs, as in the exported model.

The layers know one size of a batch. Here a call takes any number of samples: they are given to
the model in batches of that size, the last of them filled up, and what is too much is cut off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import keras3
from .tracing import calls, is_container

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .aliases import Array, Layer


class State(NamedTuple):
    """One variable, the input that it is set to before a call, and the output that it is then."""

    taken: str
    returned: str
    variable: Layer


def states(model: Layer, prefix: str = "") -> Iterator[State]:
    """All states, in the order in which the model calls its layers."""
    if keras3.holds(model):
        return
    for layer, part in calls(model):
        path = f"{prefix}{part}/"
        if is_container(layer):
            yield from states(layer, path)
        elif hasattr(layer, "forward_layer"):
            yield from own(layer.forward_layer, path, "forward_")
            yield from own(layer.backward_layer, path, "backward_")
        else:
            yield from own(layer, path, "")


def own(layer: Layer, path: str, way: str) -> Iterator[State]:
    """The states of one recurrent layer, if it keeps them; of an LSTM there are two."""
    if not layer.stateful or not hasattr(layer, "reset_states"):
        return
    for name, variable in zip("hc", layer.states):  # noqa: B905 - one or both
        yield State(f"{path}{way}state_{name}", f"{path}new_{way}state_{name}", variable)


def batches(arrays: Mapping[str, Array], kept: list[State]) -> Iterator[dict[str, Array]]:
    """The samples in batches that the layers take; all of them at once if none keeps a state."""
    import numpy as np

    rows = len(next(iter(arrays.values())))
    size = int(kept[0].variable.shape[0]) if kept else rows
    for start in range(0, rows, size):
        # The last sample again and again: others may be no valid input.
        at = np.minimum(np.arange(start, start + size), rows - 1)
        yield {name: array[at] for name, array in arrays.items()}


def joined(parts: list[dict[str, Array]], arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The results of all batches, without those of samples that were filled in."""
    import numpy as np

    if len(parts) == 1 and not fewer(parts[0], arrays):
        return parts[0]
    rows = len(next(iter(arrays.values())))
    return {name: np.concatenate([part[name] for part in parts])[:rows] for name in parts[0]}


def fewer(results: Mapping[str, Array], arrays: Mapping[str, Array]) -> bool:
    """Whether there are fewer samples than results."""
    return len(next(iter(results.values()))) > len(next(iter(arrays.values())))


def put(kept: list[State], batch: Mapping[str, Array]) -> None:
    """Set the states before a call."""
    for state in kept:
        state.variable.assign(batch[state.taken])


def new(kept: list[State]) -> dict[str, Array]:
    """The states behind a call."""
    return {state.returned: state.variable.numpy() for state in kept}
