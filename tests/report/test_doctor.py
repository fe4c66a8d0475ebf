from pathlib import Path

import pytest

from qconvert.report.doctor import Diagnosis, describe, diagnose
from qconvert.runners.environment import Environment

RELEASE = {
    "tensorflow": "2.21.0",
    "tf-keras": "2.21.0",
    "keras": "3.15.1",
    "qkeras": "0.9.0",
    "pyparsing": "3.3.3",
    "tensorflow-model-optimization": "0.8.1",
}
#: As pyproject.toml has it.
TF_EXTRA = [
    *("pyparsing>=3", "qkeras==0.9.0", "tensorflow-model-optimization>=0.8"),
    *("tensorflow==2.21.*", "tf-keras==2.21.*", "tf2onnx>=1.17"),
]
V3 = {"tensorflow": "2.21.0", "keras": "3.15.1", "qkeras-v3": "1.2.1"}
HERE = Environment(Path("here"), "3.12.1", {"onnx": "1.23.0", "onnxruntime": "1.32.0"}, None, None)


def diagnosis(versions: dict[str, str], owner: str | None, legacy: str | None = None) -> Diagnosis:
    return diagnose(HERE, Environment(Path("there"), "3.11.9", versions, owner, legacy))


def commands(found: Diagnosis) -> list[str]:
    return [" ".join(command) for finding in found.findings for command in finding.remedies]


def blocking(found: Diagnosis) -> list[str]:
    return [finding.problem for finding in found.findings if finding.blocks]


@pytest.mark.parametrize(("versions", "owner"), [(RELEASE, "qkeras"), (V3, "qkeras-v3")])
def test_a_complete_environment_can_check(versions: dict[str, str], owner: str) -> None:
    found = diagnosis(versions, owner)
    assert found.ready
    assert blocking(found) == []
    assert list(describe(found))[-1] == "check can run"


def test_two_qkerases_in_one_environment_are_a_conflict() -> None:
    found = diagnosis({**RELEASE, "qkeras-v3": "1.2.1"}, "qkeras")
    assert not found.ready
    assert "overwritten each other's files" in blocking(found)[0]
    assert commands(found)[:2] == [
        "there -m pip uninstall -y qkeras qkeras-v3",
        "there -m pip install qkeras==0.9.0 pyparsing>=3",
    ]


def test_files_that_another_distribution_has_overwritten_are_reinstalled() -> None:
    found = diagnosis(V3, None)
    assert not found.ready
    assert commands(found)[0].endswith("--force-reinstall --no-deps qkeras-v3==1.2.1")


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("tensorflow", f"there -m pip install {' '.join(TF_EXTRA)}"),
        ("tf-keras", "there -m pip install tf-keras==2.21.*"),
        ("pyparsing", "there -m pip install pyparsing>=3"),
    ],
)
def test_what_is_missing_has_a_command(missing: str, command: str) -> None:
    found = diagnosis({k: v for k, v in RELEASE.items() if k != missing}, "qkeras")
    assert not found.ready
    assert command in commands(found)


def test_keras_2_is_too_old_for_qkeras_v3() -> None:
    assert blocking(diagnosis({**V3, "keras": "2.15.0"}, "qkeras-v3")) == [
        "qkeras-v3 needs Keras 3"
    ]


def test_no_qkeras_at_all_is_a_problem_with_two_ways_out() -> None:
    found = diagnosis({"tensorflow": "2.21.0"}, None)
    assert not found.ready
    assert commands(found) == [
        "there -m pip install qkeras==0.9.0 pyparsing>=3",
        "there -m pip install qkeras-v3==1.2.1",
    ]
    shown = [line.split()[0] for line in describe(found) if "pip install qkeras" in line]
    assert shown == ["either", "or"]


@pytest.mark.parametrize(("version", "wanted"), [("2.14.0", "2.14.*"), ("2.16.2", "2.16.*")])
def test_an_old_tensorflow_gets_the_tf_keras_of_its_version(version: str, wanted: str) -> None:
    versions = {k: v for k, v in RELEASE.items() if k != "tf-keras"}
    found = diagnosis({**versions, "tensorflow": version}, "qkeras")
    assert commands(found)[0] == f"there -m pip install tf-keras=={wanted}"


def test_a_tensorflow_without_any_tf_keras_is_not_mended_in_its_place() -> None:
    versions = {k: v for k, v in RELEASE.items() if k != "tf-keras"}
    found = diagnosis({**versions, "tensorflow": "2.12.1"}, "qkeras")
    assert not found.ready
    assert "2.14 is the oldest" in blocking(found)[0]
    assert commands(found)[:2] == [
        "python3 -m venv .venv-tf",
        f".venv-tf/bin/python -m pip install {' '.join(TF_EXTRA)}",
    ]


def test_tensorflow_beside_qkeras_v3_does_not_bring_the_other_qkeras() -> None:
    found = diagnosis({k: v for k, v in V3.items() if k != "tensorflow"}, "qkeras-v3")
    assert "qkeras==0.9.0" not in commands(found)[0]
    assert "tensorflow==2.21.*" in commands(found)[0]


@pytest.mark.parametrize(
    ("versions", "owner", "legacy", "said"),
    [
        (RELEASE, "qkeras", None, True),
        (RELEASE, "qkeras", "1", False),
        (V3, "qkeras-v3", "1", True),
        (V3, "qkeras-v3", None, False),
    ],
)
def test_the_switch_of_keras_2_is_a_note(
    versions: dict[str, str], owner: str, legacy: str | None, said: bool
) -> None:
    lines = list(describe(diagnosis(versions, owner, legacy)))
    assert any(line.startswith("note: TF_USE_LEGACY_KERAS") for line in lines) is said


def test_onnx_runtime_is_needed_where_qconvert_runs() -> None:
    here = Environment(Path("here"), "3.12.1", {}, None, None)
    there = Environment(Path("there"), "3.11.9", V3, "qkeras-v3", None)
    assert commands(diagnose(here, there))[0] == "here -m pip install onnxruntime>=1.22"


def test_both_interpreters_are_listed_once() -> None:
    titles = [line for line in describe(diagnosis(V3, "qkeras-v3")) if "Python" in line]
    assert titles == ["interpreter here: Python 3.12.1", "TensorFlow's there: Python 3.11.9"]
    assert len([line for line in describe(diagnose(HERE, HERE)) if "Python" in line]) == 1
