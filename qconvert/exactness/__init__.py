"""Integer intervals and steps of every value, and the certificates that follow from them."""

from qconvert.exactness.analysis import Analysis, analyse
from qconvert.exactness.certificate import Argument, Certificate, Doubt
from qconvert.exactness.reach import Free, Reach

__all__ = ["Analysis", "Argument", "Certificate", "Doubt", "Free", "Reach", "analyse"]
