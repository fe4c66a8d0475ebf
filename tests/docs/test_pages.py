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


EXAMPLE: Final = ROOT / "examples" / "digits_cnn"
PAGES: Final = [
    EXAMPLE / "README.md",
    *sorted(p for p in DOCS.rglob("*.md") if p != FIRST and has_blocks(p)),
]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """Where the tutorial was done, and the commands that this was."""
    place = Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("docs") / "digits_cnn"))
    done: set[str] = set()
    follow(FIRST, place, done)
    return place, done


@pytest.mark.parametrize("page", [FIRST, *PAGES], ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tutorial: tuple[Path, set[str]]) -> None:
    folder, done = tutorial
    if page != FIRST:
        follow(page, folder, done)
    assert (folder / "report" / "report.html").is_file()


def follow(page: Path, folder: Path, done: set[str]) -> None:
    """Do what *page* says: Python blocks go on where the one before ended.

    What a page before has *done* is there already.
    """
    python = ""
    for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "toml":
            (folder / "qconvert.toml").write_text(text, encoding="utf-8")
        elif kind == "python":
            python += text
            run([sys.executable, "-c", python], 0, folder, page)
        else:
            for line, code in commands(text):
                if line not in done:
                    run(["bash", "-c", line], code, folder, page)
                done.add(line)


def test_the_readme_does_what_it_says(tutorial: tuple[Path, set[str]], tmp_path: Path) -> None:
    shutil.copy(tutorial[0] / "model.h5", tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, block = _BLOCK.findall(text[text.index("## Command line") :])[0]
    for line, code in commands(block):
        run(["bash", "-c", line], code, tmp_path, ROOT / "README.md")
    assert (tmp_path / "report" / "report.html").is_file()


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
