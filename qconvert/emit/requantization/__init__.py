"""What stands between sums and a quantizer, inside of the integer kernel.

The kernel computes ``rint((acc + bias) * multiplier)`` with integers ``acc`` and ``bias``. Where
these numbers exist so that it returns the code of TensorFlow's program for every accumulator
that can be reached, batch normalization costs nothing; where they do not, nothing is rounded
in their stead. Behind exact sums that become floats, two or three float32 numbers a channel may do.
"""

from qconvert.emit.requantization.chains import Chain, chains, means_for_products
from qconvert.emit.requantization.float_line import FloatLine, line_of
from qconvert.emit.requantization.joins import Join, joins
from qconvert.emit.requantization.means import divides_exactly, summing
from qconvert.emit.requantization.phases import Phases, phases
from qconvert.emit.requantization.pooled import averaged
from qconvert.emit.requantization.requantize import Requantized, own_steps, reach, requantized

__all__ = [
    "Chain",
    "FloatLine",
    "Join",
    "Phases",
    "Requantized",
    "averaged",
    "chains",
    "divides_exactly",
    "joins",
    "line_of",
    "means_for_products",
    "own_steps",
    "phases",
    "reach",
    "requantized",
    "summing",
]
