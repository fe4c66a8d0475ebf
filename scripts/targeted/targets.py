"""The table of runtimes that the test set is run in, and how each gets what it needs."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from scripts.targeted.browser import PROGRAMS, run_page
from scripts.targeted.environments import (
    aarch64_root,
    last_line,
    node_project,
    program,
    python_with,
)
from scripts.targeted.judging import Outcome

#: From the folder of the test set and that of results to how it failed, which is "" if it did not.
Runner: TypeAlias = Callable[[Path, Path], str]
#: From the folder for what is installed to what runs there; `UnavailableError` if there is none.
Install: TypeAlias = Callable[[Path], Runner]

#: For a whole test set.
TIMEOUT: Final = 900.0
_JAVASCRIPT: Final = ("onnxruntime-node", "onnxruntime-web")
_DEFAULTS: Final = "none"


@dataclass(frozen=True, slots=True)
class Known:
    """Files that a target is known to compute otherwise, and why.

    Without *cases*, *dialects* or *modes* all are meant.
    """

    cause: str
    cases: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()

    def covers(self, outcome: Outcome) -> bool:
        """Whether an outcome is of such a file."""
        file = outcome.file
        given = ((self.cases, file.case), (self.dialects, file.dialect), (self.modes, outcome.mode))
        return all(not names or name in names for names, name in given)


@dataclass(frozen=True, slots=True)
class Target:
    """A runtime on a processor, with the options of its sessions.

    All of its answers have to be TensorFlow's numbers, but for those that are ``known``.
    """

    title: str
    install: Install
    modes: tuple[str, ...] = ("plain", "deployed")
    options: str = _DEFAULTS
    opset: int = 21
    known: tuple[Known, ...] = ()


def _ended(command: list[str], cwd: Path | None = None, **environment: str) -> str:
    """Run a program; how it failed, or nothing."""
    # Nothing of this repository is to be found by other interpreters.
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | environment
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=kept,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {TIMEOUT:.0f} s"
    return f"exit {done.returncode}: {last_line(done.stderr)}" if done.returncode else ""


def _run_set(before: list[str], runtime: str, tests: Path, results: Path, **environment: str) -> str:
    command = [*before, str(PROGRAMS / "run_set.py"), runtime, str(tests), str(results)]
    return _ended(command, **environment)


def _python(
    place: str, runtime: str, *packages: str, emulator: tuple[str, ...] = ()
) -> Install:
    """An environment with *packages*, perhaps run by valgrind."""

    def install(folder: Path) -> Runner:
        before = [*(program(name, name) for name in emulator[:1]), *emulator[1:]]
        return partial(_run_set, [*before, python_with(folder / place, *packages)], runtime)

    return install


def _aarch64(cpu: str) -> Install:
    """ONNX Runtime for aarch64 on an emulated processor."""

    def install(folder: Path) -> Runner:
        qemu = program("qemu-aarch64-static", "qemu-user-static")
        root = aarch64_root(folder / "aarch64")
        python = str(root / "usr" / "bin" / "python3.11")
        before = [qemu, "-cpu", cpu, "-L", str(root), python]
        return partial(_run_set, before, "onnxruntime", PYTHONPATH=str(root / "site"))

    return install


def _node(package: str) -> Install:
    """A package of npm in Node."""

    def install(folder: Path) -> Runner:
        node = program("node", "nodejs")
        project = node_project(folder / "node", *_JAVASCRIPT)

        def run(tests: Path, results: Path) -> str:
            script = str(PROGRAMS / "run_in_node.mjs")
            return _ended([node, script, package, str(tests), str(results)], cwd=project)

        return run

    return install


def _chromium(threads: int) -> Install:
    """onnxruntime-web in a page."""

    def install(folder: Path) -> Runner:
        chromium = program("chromium", "chromium")
        package = node_project(folder / "node", *_JAVASCRIPT) / "node_modules" / "onnxruntime-web"
        return lambda tests, results: run_page(
            chromium, package, threads, tests, results, TIMEOUT
        )

    return install


_NEWEST: Final = ("onnxruntime", "onnxruntime", "onnxruntime")
#: So old wheels know nothing of NumPy 2.
_OLD_NUMPY: Final = "numpy<2"
_TIES: Final = Known(
    "`QLinearAdd` of ONNX Runtime on ARM works in fixed point and rounds ties away from zero, not "
    "to even: a sum of two branches whose quantizer has a coarser step than they",
    cases=("residual",),
    dialects=("qdq",),
    modes=("deployed",),
)

TARGETS: Final[Mapping[str, Target]] = {
    "x86": Target("ONNX Runtime, newest, x86-64 as it is here", _python(*_NEWEST)),
    "avx2": Target(
        "ONNX Runtime, newest, x86-64 with AVX2 alone (valgrind)",
        _python(*_NEWEST, emulator=("valgrind", "--tool=none", "-q")),
    ),
    "oldest": Target(
        "ONNX Runtime 1.18.0, x86-64",
        _python("onnxruntime-1.18", "onnxruntime", "onnxruntime==1.18.0", _OLD_NUMPY),
    ),
    "opset18": Target(
        "ONNX Runtime 1.15.0, x86-64, `--opset 18`",
        _python("onnxruntime-1.15", "onnxruntime", "onnxruntime==1.15.0", _OLD_NUMPY),
        opset=18,
    ),
    "aarch64": Target(
        "ONNX Runtime, newest, aarch64 Cortex-A53 (qemu)", _aarch64("cortex-a53"), known=(_TIES,)
    ),
    "aarch64-dot": Target(
        "ONNX Runtime, newest, aarch64 with dot and matrix products (qemu `max`)",
        _aarch64("max"),
        known=(_TIES,),
    ),
    "node": Target("onnxruntime-node, newest", _node("onnxruntime-node")),
    "wasm": Target(
        "onnxruntime-web, newest, WebAssembly in Node", _node("onnxruntime-web"), options="`wasm`"
    ),
    "chromium": Target(
        "onnxruntime-web, newest, WebAssembly in Chromium",
        _chromium(1),
        options="`wasm`, `numThreads = 1`",
    ),
    "chromium-threads": Target(
        "onnxruntime-web, newest, WebAssembly in Chromium, two threads",
        _chromium(2),
        options="`wasm`, `numThreads = 2`; the page is cross-origin isolated",
    ),
    "openvino": Target(
        "OpenVINO, newest, CPU",
        _python("openvino", "openvino", "openvino"),
        modes=("deployed", "float32"),
        options="float32: `INFERENCE_PRECISION_HINT = f32`",
    ),
    "reference": Target(
        "ONNX's ReferenceEvaluator, newest",
        _python("onnx", "reference", "onnx"),
        modes=("plain",),
    ),
}
