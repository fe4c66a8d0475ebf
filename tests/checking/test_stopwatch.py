import time

import pytest

from qconvert.checking.stopwatch import Stopwatch


def test_parts_do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    watch = Stopwatch()
    with watch.part("outer"), watch.part("inner"):
        pass
    with watch.part("inner"):
        pass
    assert watch.seconds == {"outer": 2.0, "inner": 2.0}
