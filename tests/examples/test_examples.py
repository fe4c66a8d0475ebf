"""Every command of the examples' pages runs as it stands there, and finds what the page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
FOLDERS: Final = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))
#: Whose page tests/docs follows, with the tutorial.
ELSEWHERE: Final = "digits_cnn"
LIMIT_SECONDS: Final = 600


def commands(page: Path) -> list[str]:
    """The lines of the shell blocks of a page."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def shell(line: str, folder: Path) -> str:
    """What *line* prints, which ends as its comment says, with this environment's programs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS,
    )  # fmt: skip
    told = re.search(r"# exit code (\d+)$", line)
    assert done.returncode == (int(told[1]) if told else 0), done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", [name for name in FOLDERS if name != ELSEWHERE])
def test_an_example_does_what_its_page_says(name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EXAMPLES / name, tmp_path / name))
    lines = commands(folder / "README.md")
    assert lines[0] == "python train.py" and "python deploy.py" in lines
    printed = "".join(shell(line, folder) for line in lines)
    # The deployed file is as good as the trained model, to the last image.
    found = dict(re.findall(r"^(model\.\w+): accuracy (\S+)", printed, re.MULTILINE))
    assert found["model.onnx"] == found["model.h5"] > "0.9"


def test_the_list_of_examples_is_whole() -> None:
    listed = re.findall(r"\]\((\w+)/README\.md\)", (EXAMPLES / "README.md").read_text("utf-8"))
    assert sorted(listed) == FOLDERS
