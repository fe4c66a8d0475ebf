"""Modules that TensorFlow's process leaves out, and a package that cannot be without one."""

import sys
from pathlib import Path

import pytest

from qconvert.runners.tf_worker.__main__ import UNUSED, Worker, answered


class Importing(Worker):
    """Imports the package that it is asked for."""

    def answer(self, request: dict[str, str]) -> dict[str, str]:
        return {"found": __import__(request["do"]).FOUND}


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """One that finds packages in the folder, and leaves out what is not used."""
    for name in UNUSED:
        monkeypatch.setitem(sys.modules, name, None)
        (tmp_path / f"{name}.py").write_text("FOUND = __name__", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return Importing(tmp_path)


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> dict[str, str]:
    """The request for a package of that *text*."""
    (folder / "standing_in.py").write_text(text, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "standing_in", raising=False)
    return {"do": "standing_in"}


def test_a_package_without_them_does_not_bring_them(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "try: import pandas\nexcept ImportError: FOUND = 'nothing'"
    assert answered(worker, package(tmp_path, monkeypatch, text)) == {"found": "nothing"}
    assert [sys.modules[name] for name in UNUSED] == [None] * len(UNUSED)


def test_a_package_that_needs_them_gets_them(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = package(tmp_path, monkeypatch, "from sklearn import FOUND")
    assert answered(worker, request) == {"found": "sklearn"}


def test_a_package_that_is_missing_is_missed(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = package(tmp_path, monkeypatch, "import no_such_package")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        answered(worker, request)
