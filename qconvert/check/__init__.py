"""Choose inputs, run every witness, compare exactly, and judge."""

from qconvert.check.examine import Subject, examine
from qconvert.check.inputs import Samples, from_user, seeded
from qconvert.check.panel import assemble, tensorflow_started
from qconvert.check.results import CheckedFile, Report, Verdict

__all__ = [
    "CheckedFile",
    "Report",
    "Samples",
    "Subject",
    "Verdict",
    "assemble",
    "examine",
    "from_user",
    "seeded",
    "tensorflow_started",
]
