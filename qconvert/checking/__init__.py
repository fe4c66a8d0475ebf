"""Choose inputs, run every witness, compare exactly, and judge."""

from qconvert.checking.examine import Subject, examine
from qconvert.checking.inputs import (
    Samples,
    from_user,
    in_one_batch,
    seeded,
    seeded_sample,
    user_sample,
)
from qconvert.checking.other_files.by_value import found_by_value, in_words
from qconvert.checking.panel import assemble, tensorflow_started
from qconvert.checking.results import CheckedFile, Report, Verdict

__all__ = [
    "CheckedFile",
    "Report",
    "Samples",
    "Subject",
    "Verdict",
    "assemble",
    "examine",
    "found_by_value",
    "from_user",
    "in_one_batch",
    "in_words",
    "seeded",
    "seeded_sample",
    "tensorflow_started",
    "user_sample",
]
