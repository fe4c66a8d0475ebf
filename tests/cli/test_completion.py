"""What a shell gets when it asks, in a fresh process as it asks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qconvert.cli import run

PROGRAM = """
import sys
from qconvert.cli import run
code = run(sys.argv[1:])
print("LOADED", *sys.modules)
sys.exit(code)
"""
HEAVY = {"h5py", "numpy", "onnx", "onnxruntime", "rich", "tensorflow"}


def completions(*words: str) -> list[str]:
    """What bash gets for the last of *words*; nothing that reads models may be loaded for it."""
    asked = {
        "_QCONVERT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    *lines, loaded = done.stdout.splitlines()
    assert not HEAVY.intersection(loaded.split())
    return lines


def test_commands_options_and_values_are_completed() -> None:
    assert completions("qconvert", "ex") == ["plain,explain", "plain,export"]
    assert "plain,--dialect" in completions("qconvert", "export", "--di")
    assert completions("qconvert", "export", "--dialect", "q") == ["plain,qdq"]


@pytest.mark.parametrize("command", ["export", "check", "inspect", "weights"])
def test_models_are_completed_by_the_shell_as_paths(command: str) -> None:
    assert completions("qconvert", command, "mod") == ["file,mod"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_as_it_is_answered(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_QCONVERT_COMPLETE={shell}_complete" in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_reads_the_script_and_completes(tmp_path: Path) -> None:
    """With a qconvert on the path, as an installed one is."""
    program = tmp_path / "qconvert"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m qconvert "$@"\n')
    program.chmod(0o755)
    commands = """
eval "$(qconvert completion bash)"
COMP_WORDS=(qconvert insp) COMP_CWORD=1
_qconvert_completion qconvert insp qconvert
echo "${COMPREPLY[@]}"
"""
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", commands],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "inspect\n"


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "basch"]) == 2
    assert "QC001" in capsys.readouterr().err
