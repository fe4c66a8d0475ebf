"""Integer intervals and steps of every value, and the certificates that follow from them."""

from qconvert.exactness.analysis import Analysis, analyse
from qconvert.exactness.certificate import Argument, Certificate, Doubt
from qconvert.exactness.lattice import Lattice, lattice_of, product_sums
from qconvert.exactness.reach import Divided, Free, Reach

__all__ = [
    "Analysis",
    "Argument",
    "Certificate",
    "Divided",
    "Doubt",
    "Free",
    "Lattice",
    "Reach",
    "analyse",
    "lattice_of",
    "product_sums",
]
