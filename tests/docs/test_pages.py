"""Every command and every Python block of the documentation runs, one page after the other.

The tutorial comes first; the other pages go on in its folder, with what it has made.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
FIRST: Final = DOCS / "tutorial.md"
LIMIT_SECONDS: Final = 600
_BLOCK: Final = re.compile(r"^```(sh|python|toml)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def has_blocks(page: Path) -> bool:
    return _BLOCK.search(page.read_text(encoding="utf-8")) is not None


PAGES: Final = sorted(p for p in DOCS.rglob("*.md") if p != FIRST and has_blocks(p))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tutorial was done."""
    example = ROOT / "examples" / "digits_cnn"
    place = Path(shutil.copytree(example, tmp_path_factory.mktemp("docs") / "digits_cnn"))
    follow(FIRST, place)
    return place


@pytest.mark.parametrize("page", [FIRST, *PAGES], ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, folder: Path) -> None:
    if page != FIRST:
        follow(page, folder)
    assert (folder / "report" / "report.html").is_file()


def follow(page: Path, folder: Path) -> None:
    """Do what *page* says: Python blocks go on where the one before ended."""
    python = ""
    for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "toml":
            (folder / "qconvert.toml").write_text(text, encoding="utf-8")
        elif kind == "python":
            python += text
            run([sys.executable, "-c", python], 0, folder, page)
        else:
            for line, code in commands(text):
                run(["bash", "-c", line], code, folder, page)


def commands(text: str) -> Iterator[tuple[str, int]]:
    """The lines of a shell block, and the exit code that each tells of."""
    for line in text.splitlines():
        told = re.search(r"# exit code (\d+)$", line)
        yield line, int(told[1]) if told else 0


def run(command: list[str], code: int, folder: Path, page: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        check=False, timeout=LIMIT_SECONDS,
    )  # fmt: skip
    what = f"{page.name}: {command[-1]}\n{done.stdout}{done.stderr}"
    assert done.returncode == code, what
    assert "Traceback" not in done.stderr, what
