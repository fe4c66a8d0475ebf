"""What is wrong with an environment, and the commands that mend it."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path
from shlex import join
from typing import Final

from qconvert.runners.environment import DISTRIBUTIONS, Environment

_V3: Final = ("qkeras-v3==1.2.1", "keras>=3.15,<4", "tensorflow==2.21.*")
#: The oldest TensorFlow for which there is a tf-keras.
_OLDEST: Final = (2, 14)


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem; ``blocks`` says whether a check is impossible with it.

    The commands mend it one after the other, or any one of them if it is a ``choice``.
    """

    problem: str
    remedies: tuple[tuple[str, ...], ...] = ()
    blocks: bool = True
    choice: bool = False


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
        for number, command in enumerate(finding.remedies):
            lead = ("or      " if number else "either  ") if finding.choice else ""
            yield f"  {lead}{join(command)}"
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
        # Next to qkeras-v3, what comes with QKeras 0.9.0 would overwrite it.
        wanted = _V3 if later and not release else _extra("tf")
        yield Finding(
            "TensorFlow, the ground truth, is not installed",
            (_pip(environment.interpreter, "install", *wanted),),
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
            "neither QKeras 0.9.0 nor qkeras-v3 is installed: each runs models of its own, and one"
            " environment cannot hold both",
            (
                _pip(environment.interpreter, "install", "qkeras==0.9.0", "pyparsing>=3"),
                _pip(environment.interpreter, "install", "qkeras-v3==1.2.1"),
            ),
            choice=True,
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
            *_another(".venv-v3", _V3),
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
    if not environment.has("tf-keras"):
        yield _without_tf_keras(environment)
    for name, package in (
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
        _another(".venv-v3", _V3),
        blocks=False,
    )


def _without_tf_keras(environment: Environment) -> Finding:
    """QKeras itself imports ``tensorflow.keras``, which in old versions is Keras 2."""
    version = environment.versions["tensorflow"]
    problem = "tf-keras is missing, by which check loads models of Keras 2"
    if _minor(version) >= _OLDEST:
        major, minor = _minor(version)
        wanted = f"tf-keras=={major}.{minor}.*"
        return Finding(problem, (_pip(environment.interpreter, "install", wanted),))
    oldest = ".".join(map(str, _OLDEST))
    return Finding(
        f"{problem}: there is none for TensorFlow {version}, {oldest} is the oldest that has one."
        " Make an environment for check --tf-python .venv-tf/bin/python",
        _another(".venv-tf", _extra("tf")),
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


def _extra(name: str) -> tuple[str, ...]:
    """What an extra of qconvert installs; qconvert itself may be in no package index."""
    found = (requirement.partition(";") for requirement in requires("qconvert") or ())
    return tuple(sorted(what.strip() for what, _, marker in found if _names(marker, name)))


def _names(marker: str, extra: str) -> bool:
    return f"extra == '{extra}'" in marker.replace('"', "'")


def _another(folder: str, packages: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Commands that make another environment with *packages*."""
    python = Path(folder) / "bin/python"
    return ("python3", "-m", "venv", folder), _pip(python, "install", *packages)


def _major(version: str) -> int:
    return _minor(version)[0]


def _minor(version: str) -> tuple[int, int]:
    major, minor, *_ = (int(n) if n.isdigit() else 0 for n in (*version.split("."), "0"))
    return major, minor


def _pip(python: Path, *arguments: str) -> tuple[str, ...]:
    return (str(python), "-m", "pip", *arguments)
