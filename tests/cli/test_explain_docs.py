"""docs/EXPLAIN.md shows what the command prints."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CONSOLE: Final = re.compile(r"```console\n\$ (.*?)\n(.*?)```", re.DOTALL)


def test_the_output_in_the_docs_is_that_of_the_command() -> None:
    """With all witnesses, which agree there."""
    ((command, shown),) = CONSOLE.findall((ROOT / "docs" / "EXPLAIN.md").read_text("utf-8"))
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == shown
