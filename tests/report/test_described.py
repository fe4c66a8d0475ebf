"""What is told of a file's metadata."""

from qconvert.emit.metadata import ModelMetadata, Requirements
from qconvert.report.described import metadata_lines, requirement_lines

CPU = "on ARM optimizations off, or the dialect float"


def metadata(requires: Requirements) -> ModelMetadata:
    return ModelMetadata((), (), "qdq", (), None, "1.0", requires)


def test_every_requirement_has_a_line() -> None:
    needs = Requirements({"session.a": "1"}, (CPU,), ("MODE=ACCURACY", "the dialect float"))
    assert list(requirement_lines(metadata(needs))) == [
        "needs session option session.a=1",
        f"needs {CPU}",
        "needs in OpenVINO MODE=ACCURACY, the dialect float",
    ]
    *_, made = metadata_lines(metadata(needs))
    assert made.endswith(
        f"needs session option session.a=1, {CPU}; in OpenVINO MODE=ACCURACY, the dialect float"
    )


def test_where_nothing_is_required_nothing_is_told() -> None:
    assert not list(requirement_lines(metadata(Requirements())))
    assert not list(requirement_lines(None))
