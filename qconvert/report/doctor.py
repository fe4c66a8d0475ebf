"""What is wrong with an environment, and the commands that mend it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import Final

from qconvert.runners.environment import DISTRIBUTIONS, Environment

#: Makes an environment for models of qkeras-v3.
_ANOTHER: Final = (
    ("python3", "-m", "venv", ".venv-v3"),
    (
        *(".venv-v3/bin/python", "-m", "pip", "install"),
        *("qkeras-v3==1.2.1", "keras>=3.15,<4", "tensorflow==2.21.*"),
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem; ``blocks`` says whether a check is impossible with it."""

    problem: str
    remedies: tuple[tuple[str, ...], ...] = ()
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Both sides of a check: where qconvert runs, and where TensorFlow does."""

    here: Environment
    tensorflow: Environment
    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        """Whether a check can run."""
        return not any(finding.blocks for finding in self.findings)


def diagnose(here: Environment, tensorflow: Environment) -> Diagnosis:
    """All problems of the two environments, which may be one."""
    findings = (*_here(here), *_tensorflow(tensorflow))
    return Diagnosis(here, tensorflow, findings)


def describe(diagnosis: Diagnosis) -> Iterator[str]:
    """Lines for a terminal."""
    here, tensorflow = diagnosis.here, diagnosis.tensorflow
    yield from _listed("interpreter", here)
    if tensorflow.interpreter != here.interpreter:
        yield from _listed("TensorFlow's", tensorflow)
    for finding in diagnosis.findings:
        yield f"{'problem' if finding.blocks else 'note'}: {finding.problem}"
        yield from (f"  {join(command)}" for command in finding.remedies)
    yield "check can run" if diagnosis.ready else "check cannot run"


def _listed(title: str, environment: Environment) -> Iterator[str]:
    yield f"{title} {environment.interpreter}: Python {environment.python}"
    for name in DISTRIBUTIONS:
        yield f"  {name:<30}{environment.versions.get(name, '-')}"
    if environment.has("qkeras") or environment.has("qkeras-v3"):
        yield f"  {'import qkeras gets':<30}{environment.owner or 'files of neither'}"


def _here(environment: Environment) -> Iterator[Finding]:
    if not environment.has("onnxruntime"):
        yield Finding(
            "ONNX Runtime, which runs the exported file, is not installed",
            (_pip(environment.interpreter, "install", "onnxruntime>=1.22"),),
        )


def _tensorflow(environment: Environment) -> Iterator[Finding]:
    release, later = environment.has("qkeras"), environment.has("qkeras-v3")
    if not environment.has("tensorflow"):
        yield Finding(
            "TensorFlow, the ground truth, is not installed",
            (_pip(environment.interpreter, "install", "qconvert[tf]"),),
        )
        return
    if release and later:
        yield _both(environment)
    elif (release or later) and environment.owner is None:
        yield _overwritten(environment)
    elif release:
        yield from _release(environment)
    elif later:
        yield from _later(environment)
    else:
        yield Finding(
            "neither QKeras 0.9.0 nor qkeras-v3 is installed, one of which its models need",
            (
                _pip(environment.interpreter, "install", "qkeras==0.9.0", "pyparsing>=3"),
                _pip(environment.interpreter, "install", "qkeras-v3==1.2.1"),
            ),
        )


def _both(environment: Environment) -> Finding:
    """Neither uninstalls cleanly alone: each takes files of the other with it."""
    python = environment.interpreter
    return Finding(
        "qkeras and qkeras-v3 are both installed; they share the import name qkeras and have"
        " overwritten each other's files. Keep one, and make another environment for the other",
        (
            _pip(python, "uninstall", "-y", "qkeras", "qkeras-v3"),
            _pip(python, "install", "qkeras==0.9.0", "pyparsing>=3"),
            *_ANOTHER,
        ),
    )


def _overwritten(environment: Environment) -> Finding:
    """What uninstalling one of the two leaves behind."""
    name = "qkeras" if environment.has("qkeras") else "qkeras-v3"
    wanted = f"{name}=={environment.versions[name]}"
    return Finding(
        f"the files of {name} are not those that it has installed: qkeras and qkeras-v3 share them",
        (_pip(environment.interpreter, "install", "--force-reinstall", "--no-deps", wanted),),
    )


def _release(environment: Environment) -> Iterator[Finding]:
    python = environment.interpreter
    for name, package in (
        ("tf-keras", "tf-keras==" + _minor(environment.versions["tensorflow"]) + ".*"),
        ("pyparsing", "pyparsing>=3"),
        ("tensorflow-model-optimization", "tensorflow-model-optimization>=0.8"),
    ):
        if not environment.has(name):
            yield Finding(
                f"{name} is missing, which QKeras 0.9.0 imports without declaring it",
                (_pip(python, "install", package),),
            )
    if environment.legacy != "1":
        yield Finding(
            "TF_USE_LEGACY_KERAS is not 1: check sets it for itself; your own programs need it"
            " before they import TensorFlow",
            (("export", "TF_USE_LEGACY_KERAS=1"),),
            blocks=False,
        )
    yield Finding(
        "models of qkeras-v3 need another environment: check --tf-python .venv-v3/bin/python",
        _ANOTHER,
        blocks=False,
    )


def _later(environment: Environment) -> Iterator[Finding]:
    if _major(environment.versions.get("keras", "0")) < 3:
        yield Finding(
            "qkeras-v3 needs Keras 3",
            (_pip(environment.interpreter, "install", "keras>=3.15,<4"),),
        )
    if environment.legacy == "1":
        yield Finding(
            "TF_USE_LEGACY_KERAS is 1: check sets it for itself; qkeras-v3 cannot run with it",
            (("unset", "TF_USE_LEGACY_KERAS"),),
            blocks=False,
        )
    yield Finding(
        "models of QKeras 0.9.0 need an interpreter with it to be checked as they were trained",
        blocks=False,
    )


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdigit() else 0


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _pip(python: Path, *arguments: str) -> tuple[str, ...]:
    return (str(python), "-m", "pip", *arguments)
