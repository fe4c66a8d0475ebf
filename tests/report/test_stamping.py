"""The hash of a report: what changes it, and what does not."""

from dataclasses import replace

from qconvert.checking.results import CheckedFile, Report
from qconvert.report import to_json
from qconvert.report.stamping import sha256_of_report, stamp_of


def test_times_and_places_do_not_change_the_hash(passing: Report) -> None:
    elsewhere = CheckedFile("/elsewhere.h5", passing.model.sha256)
    later = replace(passing, seconds=(("proofs", 12.0),), model=elsewhere)
    assert stamp_of(later) == stamp_of(passing)


def test_what_was_found_does(passing: Report, failing: Report) -> None:
    more = replace(passing, samples=passing.samples + 1)
    other = replace(passing, model=CheckedFile(passing.model.path, "1" * 64))
    hashes = {stamp_of(report).report for report in (passing, failing, more, other)}
    assert len(hashes) == 4


def test_a_stamp_tells_the_verdict_and_the_file(passing: Report, failing: Report) -> None:
    for report in (passing, failing):
        stamp = stamp_of(report)
        assert (stamp.verdict, stamp.passed) == (report.verdict.value, report.passed)
        assert stamp.file == report.onnx.sha256
        assert stamp.report == sha256_of_report(to_json(report))
