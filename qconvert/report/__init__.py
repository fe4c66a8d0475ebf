"""The report of a check and its renderings: JSON for machines, a table for people."""

from qconvert.checking.results import Report, Verdict
from qconvert.report.document import SCHEMA, to_json

__all__ = ["SCHEMA", "Report", "Verdict", "to_json"]
