"""Every command and every Python block of the documentation runs, one page after the other.

The tutorial comes first; the other pages go on in its folder, with what it has made. Commands of
qconvert run in this process, and their checks in one of TensorFlow; all others run as they stand
there. `tests/examples` has the program itself run.
"""

import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Final

import pytest

from qconvert import cli

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
FIRST: Final = DOCS / "tutorial.md"
LIMIT_SECONDS: Final = 600
#: Whether a page tells the truth is not a matter of how often something is measured.
ONCE: Final = {"bench": ("--rounds", "1")}

pytestmark = pytest.mark.usefixtures("shared_tensorflow")

_BLOCK: Final = re.compile(r"^```(sh|python|toml)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def has_blocks(page: Path) -> bool:
    return _BLOCK.search(page.read_text(encoding="utf-8")) is not None


EXAMPLE: Final = ROOT / "examples" / "digits_cnn"
PAGES: Final = [
    EXAMPLE / "README.md",
    *sorted(p for p in DOCS.rglob("*.md") if p != FIRST and has_blocks(p)),
]


@pytest.fixture(autouse=True, scope="module")
def restored_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def tutorial(
    tmp_path_factory: pytest.TempPathFactory, shared_tensorflow: None
) -> tuple[Path, set[str]]:
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
    blocks = _BLOCK.findall(page.read_text(encoding="utf-8"))
    programs = [text for kind, text in blocks if kind == "python"]
    for kind, text in blocks:
        if kind == "toml":
            (folder / "qconvert.toml").write_text(text, encoding="utf-8")
        elif kind == "sh":
            for line, code in commands(text):
                if line not in done:
                    run(line, code, folder, page)
                done.add(line)
        elif text == programs[-1]:
            # All at once, for those before it are the beginning of this program.
            program([sys.executable, "-c", "".join(programs)], 0, folder, page)


def test_the_readme_does_what_it_says(tutorial: tuple[Path, set[str]], tmp_path: Path) -> None:
    shutil.copy(tutorial[0] / "model.h5", tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, block = _BLOCK.findall(text[text.index("## Command line") :])[0]
    for line, code in commands(block):
        run(line, code, tmp_path, ROOT / "README.md")
    assert (tmp_path / "report" / "report.html").is_file()


def commands(text: str) -> Iterator[tuple[str, int]]:
    """The lines of a shell block, and the exit code that each tells of."""
    for line in text.splitlines():
        told = re.search(r"# exit code (\d+)$", line)
        yield line, int(told[1]) if told else 0


def run(line: str, code: int, folder: Path, page: Path) -> None:
    """Run a command of qconvert here, and any other in a shell."""
    name, *words = shlex.split(line, comments=True)
    if name != "qconvert":
        program(["bash", "-c", line], code, folder, page)
        return
    said = io.StringIO()
    with chdir(folder), redirect_stdout(said), redirect_stderr(said):
        found = cli.run([*words, *ONCE.get(words[0], ())])
    require(found == code, page, line, said.getvalue())


def program(command: list[str], code: int, folder: Path, page: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        check=False, timeout=LIMIT_SECONDS,
    )  # fmt: skip
    require(done.returncode == code, page, command[-1], done.stdout + done.stderr)


def require(ended_so: bool, page: Path, command: str, said: str) -> None:
    """It ended as the page says, and by no bug."""
    assert ended_so and "Traceback" not in said, f"{page.name}: {command}\n{said}"


@pytest.mark.parametrize("line", ["qconvert inspect none  # exit code 1", "false", "qconvert no"])
def test_a_command_that_ends_otherwise_is_seen(line: str, tmp_path: Path) -> None:
    ((line, code),) = commands(line)
    with pytest.raises(AssertionError, match=r"page\.md: "):
        run(line, code, tmp_path, Path("page.md"))
