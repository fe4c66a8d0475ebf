"""Modules that TensorFlow's process leaves out, and a package that cannot be without one."""

import io
import json
import sys
from pathlib import Path

import pytest

from qconvert.runners.tf_worker import __main__ as worker
from qconvert.runners.tf_worker.left_out import UNUSED, leave_out


class Importing(worker.Worker):
    """Imports the package that it is asked for."""

    def answer(self, request: dict[str, str]) -> dict[str, str]:
        return {"found": __import__(request["do"]).FOUND}


@pytest.fixture(autouse=True)
def left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with packages of these names, which are left out."""
    for name in UNUSED:
        monkeypatch.setitem(sys.modules, name, None)
        (tmp_path / f"{name}.py").write_text("FOUND = __name__", encoding="utf-8")
    leave_out()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(worker, "Worker", Importing)


def answer(package: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is answered to who asks for a *package* of that text."""
    (folder / "standing_in.py").write_text(package, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "standing_in", raising=False)
    replies = io.StringIO()
    worker.serve([json.dumps({"id": 1, "do": "standing_in"})], replies)
    found: dict[str, str] = json.loads(replies.getvalue())
    return found


def test_a_package_without_them_does_not_bring_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = "try: import pandas\nexcept ImportError: FOUND = 'nothing'"
    assert answer(package, tmp_path, monkeypatch)["found"] == "nothing"
    assert [sys.modules[name] for name in UNUSED] == [None] * len(UNUSED)


def test_a_package_that_needs_them_gets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer("from sklearn import FOUND", tmp_path, monkeypatch)["found"] == "sklearn"


def test_a_package_that_is_missing_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = answer("import no_such_package", tmp_path, monkeypatch)
    assert found["type"] == "ModuleNotFoundError"
    assert "no_such_package" in found["error"]
