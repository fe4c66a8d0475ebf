"""Every supported layer, quantizer and option against QKeras, and the table that says so."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_case_passes_and_the_table_is_what_was_found() -> None:
    command = [sys.executable, "scripts/support_table.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout + done.stderr
    assert done.stdout.endswith(" cases\n")
