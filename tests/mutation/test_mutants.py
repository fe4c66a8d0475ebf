"""Every seeded bug is found by `check`, and at the layer where it is."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "mutants.py"


UNCHANGED = """
[[mutant]]
id = "unchanged"
gap = "G35"
file = "frontend/layers/windows.py"
model = "convolutions"
layer = "strided"
before = "return total // 2, total - total // 2"
after = "return total // 2, total - (total // 2)"
"""


def run(records: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, SCRIPT, "--records", records, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def records(request: pytest.FixtureRequest) -> Path:
    """TensorFlow's results, kept from one run of the tests to the next."""
    assert request.config.cache is not None
    return Path(request.config.cache.mkdir("mutants"))


def test_every_seeded_bug_is_found_at_its_layer(records: Path) -> None:
    done = run(records)
    *mutants, total = done.stdout.splitlines() or [""]
    assert [line for line in mutants if not line.startswith("killed\t")] == [], done.stderr
    assert total == f"{len(mutants)} of {len(mutants)} mutants killed, each at its layer"
    assert len(mutants) >= 80
    assert (done.returncode, done.stderr) == (0, "")


def test_what_changes_nothing_is_not_killed(records: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.toml"
    table.write_text(UNCHANGED)
    done = run(records, "--table", table)
    assert done.stdout.startswith("SURVIVED\tG35\tunchanged\t")
    assert done.stdout.endswith("0 of 1 mutants killed, each at its layer\n")
    assert done.returncode == 1


def test_a_stale_mutant_is_an_error(tmp_path: Path) -> None:
    table = tmp_path / "table.toml"
    table.write_text(UNCHANGED.replace("total - total", "all - total"))
    done = run(tmp_path, "--table", table)
    assert (done.returncode, done.stdout) == (1, "")
    assert "has its text 0 times, not once" in done.stderr
