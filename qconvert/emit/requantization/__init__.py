"""What stands between sums and a quantizer, inside of the integer kernel.

The kernel computes ``rint((acc + bias) * multiplier)`` with integers ``acc`` and ``bias``. Where
these numbers exist so that it returns the code of TensorFlow's program for every accumulator
that can be reached, batch normalization costs nothing; where they do not, nothing is rounded
in their stead.
"""

from qconvert.emit.requantization.chains import Chain, chains
from qconvert.emit.requantization.means import divides_exactly, summing
from qconvert.emit.requantization.phases import Phases, phases
from qconvert.emit.requantization.requantize import Requantized, own_steps, requantized

__all__ = [
    "Chain",
    "Phases",
    "Requantized",
    "chains",
    "divides_exactly",
    "own_steps",
    "phases",
    "requantized",
    "summing",
]
