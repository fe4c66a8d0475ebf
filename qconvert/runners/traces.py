"""What a witness computed."""

from collections.abc import Mapping
from dataclasses import dataclass

from qconvert.ir import F32


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Results in Keras's layout, by layer name (`ir.Layer.name`) and by name of the output.

    The layers that are ``borrowed`` another witness computed; they are no evidence.
    """

    layers: Mapping[str, F32]
    outputs: Mapping[str, F32]
    borrowed: frozenset[str] = frozenset()
