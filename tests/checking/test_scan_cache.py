"""Scans on disk: under all that they depend on, whole or not at all."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qconvert.checking.scans.cache import folder, keep, kept
from qconvert.checking.scans.floats import Ranges, positions_of
from qconvert.checking.scans.programs import Scan

LEVELS = (0.0, 0.25, 0.5)


def at(*numbers: float) -> Ranges:
    return Ranges.of((p, p) for p in positions_of(np.array(numbers, np.float32)).tolist())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QCONVERT_CACHE", str(tmp_path))
    return tmp_path / "scans"


KEY = {"quantizer": "tanh", "processor": "fpu sse"}


def test_a_scan_is_kept_under_all_that_it_depends_on(cache: Path) -> None:
    found = Scan(np.inf, 99, False, at(1.5), at(-2.0), LEVELS)
    keep(KEY, found)
    assert kept(KEY) == found
    assert kept({**KEY, "processor": "fpu sse avx"}) is None
    assert [path.suffix for path in cache.iterdir()] == [".json"]


@pytest.mark.parametrize(
    "damage", [lambda t: t[:-9], lambda t: t.replace(b"99", b"98"), lambda t: b"[]"]
)
def test_a_damaged_entry_is_none(cache: Path, damage: Callable[[bytes], bytes]) -> None:
    keep(KEY, Scan(np.inf, 99, False))
    (path,) = cache.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert kept(KEY) is None


def test_an_entry_under_another_name_is_none(cache: Path) -> None:
    keep(KEY, Scan(np.inf, 99, False))
    (path,) = cache.iterdir()
    keep({"quantizer": "other"}, Scan(np.inf, 1, False))
    (other,) = set(cache.iterdir()) - {path}
    other.replace(path)
    assert kept(KEY) is None


def test_the_cache_can_be_off_or_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QCONVERT_CACHE", "off")
    keep(KEY, Scan(np.inf, 99, False))
    assert folder() is None and kept(KEY) is None
    monkeypatch.delenv("QCONVERT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == tmp_path / "qconvert" / "scans"


def test_a_cache_that_cannot_be_written_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("QCONVERT_CACHE", str(tmp_path / "file"))
    keep(KEY, Scan(np.inf, 99, False))
    assert kept(KEY) is None


def test_a_user_without_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QCONVERT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    keep(KEY, Scan(np.inf, 99, False))
    assert folder() is None and kept(KEY) is None
