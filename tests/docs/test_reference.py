"""The site: generated pages are what the code says, and it can be built."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from qconvert.cli import run
from scripts.reference import pages

ROOT: Final = Path(__file__).parents[2]


def test_the_reference_is_current() -> None:
    """If not: scripts/reference.py."""
    for path, text in pages().items():
        assert path.read_text(encoding="utf-8") == text


def test_the_reference_is_what_help_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """Also of -h, which is a setting of the group above the commands."""
    assert run(["report", "--help"]) == 0
    assert "-h, --help" in capsys.readouterr().out
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert page.count("| `-h, --help` |") == page.count("\n## qconvert ")


def test_the_site_is_built_and_no_link_leads_nowhere() -> None:
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--strict"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (ROOT / "build" / "site" / "tutorial" / "index.html").is_file()
