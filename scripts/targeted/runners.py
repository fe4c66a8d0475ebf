"""What runs a test set in a runtime, once it is installed."""

import os
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from scripts.targeted.browser import PROGRAMS, run_page
from scripts.targeted.environments import (
    aarch64_root,
    last_line,
    node_project,
    program,
    python_with,
)

#: From the folder of the test set and that of results to how it failed, which is "" if it did not.
Runner: TypeAlias = Callable[[Path, Path], str]
#: From the folder for what is installed to what runs there; `UnavailableError` if there is none.
Install: TypeAlias = Callable[[Path], Runner]

#: For a whole test set.
TIMEOUT: Final = 900.0
_JAVASCRIPT: Final = ("onnxruntime-node", "onnxruntime-web")


def _ended(command: Sequence[str], cwd: Path | None = None, path: Path | None = None) -> str:
    """Run a program, for which Python modules lie in *path*; how it failed, or nothing."""
    # Nothing of this repository is to be found by other interpreters.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    output: dict[str, Any] = {"capture_output": True, "text": True, "errors": "replace"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, timeout=TIMEOUT, check=False, **output
        )
    except subprocess.TimeoutExpired:
        return f"no end after {TIMEOUT:.0f} s"
    return f"exit {done.returncode}: {last_line(done.stderr)}" if done.returncode else ""


def run_set(
    python: Sequence[str], runtime: str, tests: Path, results: Path, path: Path | None = None
) -> str:
    """Run a test set in an interpreter, perhaps an emulated one; how it failed, or nothing."""
    program_ = str(PROGRAMS / "run_set.py")
    return _ended([*python, program_, runtime, str(tests), str(results)], path=path)


def python(place: str, runtime: str, *packages: str, emulator: tuple[str, ...] = ()) -> Install:
    """An environment with *packages*, perhaps run by valgrind."""

    def install(folder: Path) -> Runner:
        before = [*(program(name, name) for name in emulator[:1]), *emulator[1:]]
        return partial(run_set, [*before, python_with(folder / place, *packages)], runtime)

    return install


def aarch64(cpu: str) -> Install:
    """ONNX Runtime for aarch64 on an emulated processor."""

    def install(folder: Path) -> Runner:
        qemu = program("qemu-aarch64-static", "qemu-user-static")
        root = aarch64_root(folder / "aarch64")
        python = str(root / "usr" / "bin" / "python3.11")
        before = [qemu, "-cpu", cpu, "-L", str(root), python]
        return partial(run_set, before, "onnxruntime", path=root / "site")

    return install


def node(package: str) -> Install:
    """A package of npm in Node."""

    def install(folder: Path) -> Runner:
        program_ = program("node", "nodejs")
        project = node_project(folder / "node", *_JAVASCRIPT)

        def run(tests: Path, results: Path) -> str:
            script = str(PROGRAMS / "run_in_node.mjs")
            return _ended([program_, script, package, str(tests), str(results)], cwd=project)

        return run

    return install


def chromium(threads: int) -> Install:
    """onnxruntime-web in a page."""

    def install(folder: Path) -> Runner:
        browser = program("chromium", "chromium")
        package = node_project(folder / "node", *_JAVASCRIPT) / "node_modules" / "onnxruntime-web"
        return lambda tests, results: run_page(browser, package, threads, tests, results, TIMEOUT)

    return install
