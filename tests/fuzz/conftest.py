import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qconvert.modelfile import isolated

#: Where a text occurs once, and what stands there instead.
Plant = Callable[[str, str, str], None]


@pytest.fixture
def in_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Plant a bug in a file of the isolated reader."""

    def plant(file: str, before: str, after: str) -> None:
        folder = tmp_path / "reader" / "inside"
        shutil.copytree(isolated.READER, folder)
        code = (folder / file).read_text()
        assert code.count(before) == 1
        (folder / file).write_text(code.replace(before, after))
        monkeypatch.setattr(isolated, "READER", folder)

    return plant
