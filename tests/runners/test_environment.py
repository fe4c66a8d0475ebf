import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qconvert.errors import WitnessError
from qconvert.runners.environment import probe
from qconvert.runners.process import Worker

Program = Callable[[str], Path]


def answer(**changes: Any) -> str:
    given = {"python": "3.11.9", "found": {}, "owners": [], "legacy": None, **changes}
    return f"print({json.dumps(json.dumps(given))})"


def test_this_interpreter_answers_without_importing_anything() -> None:
    found = probe(Path(sys.executable))
    assert found.python == sys.version.partition(" ")[0]
    assert found.has("tensorflow", "qkeras", "onnx") and not found.has("qkeras-v3")
    assert found.owner == "qkeras"


@pytest.mark.parametrize(
    ("owners", "owner"),
    [
        ([], None),
        ([["qkeras", 5, 5]], "qkeras"),
        ([["qkeras", 5, 7], ["qkeras-v3", 7, 7]], "qkeras-v3"),
        ([["qkeras", 5, 7]], None),
        ([["qkeras", 5, -1]], None),
    ],
)
def test_the_owner_of_the_import_name_is_who_installed_its_files(
    program: Program, owners: list[Any], owner: str | None
) -> None:
    assert probe(program(answer(owners=owners))).owner == owner


@pytest.mark.parametrize("text", ["raise SystemExit('no')", "print('hello')", "print('[]')"])
def test_what_is_no_python_of_ours_is_an_error(program: Program, text: str) -> None:
    with pytest.raises(WitnessError, match="is no Python that answers"):
        probe(program(text))


def test_a_missing_interpreter_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WitnessError, match="does not run"):
        probe(tmp_path / "python")


def test_a_file_here_is_no_command_and_it_is_said_how_to_run_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.h5").touch()
    here = re.escape(str(tmp_path / "model.h5"))
    with pytest.raises(WitnessError, match=f"no command of this name is in PATH.* give {here}$"):
        probe(Path("model.h5"))
    with pytest.raises(WitnessError, match=r"no command of this name is in PATH$"):
        probe(Path("other.h5"))
    with (
        pytest.raises(WitnessError, match=f"--tf-python model.h5: no command .* give {here}$"),
        Worker(Path("model.h5")),
    ):
        pass
