"""What a witness computed."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from qconvert.ir import F32

#: No layer's results are forced.
NOTHING: Final[Mapping[str, F32]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Results in Keras's layout, by layer name (`ir.Layer.name`) and by name of the output.

    The layers that are ``borrowed`` another witness computed; they are no evidence.
    """

    layers: Mapping[str, F32]
    outputs: Mapping[str, F32]
    borrowed: frozenset[str] = frozenset()
