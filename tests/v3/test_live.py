"""Live models of Keras 3, read in the interpreter that they live in."""

import subprocess
from pathlib import Path


def test_live_models_compute_what_keras_does(v3_python: Path) -> None:
    """What Keras itself cannot write is its user's business, what is unknown is unsupported."""
    script = Path(__file__).with_name("live.py")
    done = subprocess.run([v3_python, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stdout.splitlines() if not line.startswith("[WARNING]")]
    *compared, unknown, unwritten = lines
    assert len(compared) > 40
    assert not [line for line in compared if not line.endswith(" equal")]
    assert unknown == "unknown UnsupportedError"
    assert unwritten == "unwritten UsageError"
