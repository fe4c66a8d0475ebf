"""Every seeded bug is found by `check`, and at the layer where it is.

TensorFlow takes part by what it recorded for bugs in the converter. For bugs in files the NumPy
reference takes its place, which `scripts/mutants.py` lets TensorFlow confirm; these tests do not.
Of the bugs in the converter, one of each class in each of its files, and of those in the checker
they take a sixth; of those in exported files every eighth, besides those that faults of the checker
are tried on. The script takes all.
"""

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from scripts.mutation.edits import together
from scripts.mutation.examine_files import reached
from scripts.mutation.file_mutant import FileMutant

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "mutants.py"
#: Of how many parts one is tried.
SIXTHS = 6

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


def sixth() -> int:
    """Which sixth is tried: the same of one state of the package, maybe another of the next.

    So that all come to be tried, and what fails fails again.
    """
    sources = sorted((ROOT / "qconvert").rglob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    return int(digest.hexdigest(), 16) % SIXTHS


def test_every_seeded_bug_is_found_at_its_layer(records: Path) -> None:
    taken = ("--each", str(SIXTHS), "--first", str(sixth()))
    done = run(records, "--unconfirmed", "--one-each", "--every", "8", *taken)
    *lines, total = done.stdout.splitlines() or [""]
    assert [line for line in lines if line.startswith("SURVIVED\t")] == [], done.stderr
    kinds = Counter(line.split("\t")[1] for line in lines if line.startswith("killed\t"))
    assert total == f"{kinds.total()} of {kinds.total()} mutants killed, each at its layer"
    assert kinds["source"] >= 20
    assert kinds["file"] >= 17
    assert kinds["checker"] >= 12
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_in_which_nothing_is_changed_is_no_mutant() -> None:
    unchanged = FileMutant("unchanged", "G36", "jet_mlp", "fc1", together())
    assert reached(Path(), unchanged) is None


def test_what_changes_nothing_is_not_killed(records: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.toml"
    table.write_text(UNCHANGED)
    done = run(records, "--kinds", "source", "--table", table)
    assert done.stdout.startswith("SURVIVED\tsource\tG35\tunchanged\t")
    assert done.stdout.endswith("0 of 1 mutants killed, each at its layer\n")
    assert done.returncode == 1


def test_a_stale_mutant_is_an_error(tmp_path: Path) -> None:
    table = tmp_path / "table.toml"
    table.write_text(UNCHANGED.replace("total - total", "all - total"))
    done = run(tmp_path, "--kinds", "source", "--table", table)
    assert (done.returncode, done.stdout) == (1, "")
    assert "has its text 0 times, not once" in done.stderr
