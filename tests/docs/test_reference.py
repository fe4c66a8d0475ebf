"""The site: generated pages are what the code says, and it can be built."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from scripts.reference import pages

ROOT: Final = Path(__file__).parents[2]


def test_the_reference_is_current() -> None:
    """If not: scripts/reference.py."""
    for path, text in pages().items():
        assert path.read_text(encoding="utf-8") == text


def test_the_site_is_built_and_no_link_leads_nowhere() -> None:
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert (ROOT / "build" / "site" / "tutorial" / "index.html").is_file()
