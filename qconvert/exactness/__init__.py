"""Integer intervals and steps of every value, and the certificates that follow from them."""

from qconvert.exactness.analysis import Analysis, analyse
from qconvert.exactness.certificate import Argument, Certificate, Doubt
from qconvert.exactness.lattice import Lattice, lattice_of, product_sums
from qconvert.exactness.linear import Sums
from qconvert.exactness.reach import LARGEST_EXACT, Divided, Free, Reach, contains

__all__ = [
    "LARGEST_EXACT",
    "Analysis",
    "Argument",
    "Certificate",
    "Divided",
    "Doubt",
    "Free",
    "Lattice",
    "Reach",
    "Sums",
    "analyse",
    "contains",
    "lattice_of",
    "product_sums",
]
