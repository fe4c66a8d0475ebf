"""What a terminal or a log gets of names that are made for them: text, whichever command it is."""

import unicodedata
from pathlib import Path

import onnx
import pytest

from qconvert import api
from qconvert.cli import run
from qconvert.report import escape
from tests.hostile.onnx_edits import hostile_names

pytestmark = pytest.mark.usefixtures("forked_reader")

#: Colours, a command of GitHub's, an order of writing, markup, C1, and bytes that are no UTF-8.
NAME = "m\x1b[31m\n::error::x\u202e[bold]=1\x9b<b>\udcff"
NOWHERE = ("--tf-python", f"/nowhere/{NAME}")

#: Commands in a folder of files with this name, with their exit codes.
COMMANDS = {
    "inspect": (f"inspect|{NAME}.h5", 0),
    "inspect an ONNX file": (f"inspect|{NAME}.onnx|--optimized", 0),
    "inspect what is damaged": (f"inspect|{NAME}.bad", 4),
    "inspect what is missing": (f"inspect|{NAME}", 4),
    "an option": (f"inspect|{NAME}.h5|--{NAME}", 2),
    "a limit": (f"inspect|{NAME}.h5|--limit|{NAME}", 2),
    "export": (f"export|{NAME}.h5|-o|{NAME}.new", 0),
    "export again": (f"export|{NAME}.h5|-o|{NAME}.onnx", 6),
    "export nowhere": (f"export|{NAME}.h5|-o|{NAME}/x", 6),
    "export the model": (f"export|{NAME}.h5|-o|{NAME}.h5|--force", 6),
    "check": (f"check|{NAME}.h5|{NAME}.onnx|--json|{NAME}.json|--report|{NAME}.d", 5),
    "check on samples": (f"check|{NAME}.h5|{NAME}.onnx|--inputs|{NAME}.bad", 4),
    "check without a layer": (f"check|{NAME}.h5|{NAME}.onnx|--ignore|{NAME}=x", 2),
    "check in a domain": (f"check|{NAME}.h5|{NAME}.onnx|--domain|x={NAME}", 2),
    "weights": (f"weights|{NAME}.h5|-o|{NAME}.npz", 0),
    "weights of no format": (f"weights|{NAME}.h5|-o|{NAME}.x", 2),
    "explain": (f"explain|{NAME}.h5|--layer|fc|--onnx|{NAME}.onnx", 0),
    "explain no layer": (f"explain|{NAME}.h5|--layer|{NAME}", 2),
    "diff": (f"diff|{NAME}.h5|{NAME}.onnx", 0),
    "diff of what is damaged": (f"diff|{NAME}.bad|{NAME}.onnx", 4),
    "bench of no model": (f"bench|{NAME}.onnx|--against|{NAME}.bad", 4),
    "report of what is none": (f"report|{NAME}.bad", 4),
    "doctor": ("doctor", 5),
    "help": (f"help|{NAME}", 2),
    "no command": (NAME, 2),
}
ASKING_TENSORFLOW = ("check", "explain", "doctor", "bench")


def require_text(text: str) -> None:
    assert not {one for one in text if one not in " \n" and unicodedata.category(one)[0] in "CZ"}
    assert not [line for line in text.splitlines() if line.startswith("::")]


@pytest.fixture
def folder(keras: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a model, its file with hostile names inside, and a damaged file."""
    monkeypatch.chdir(tmp_path)
    Path(f"{NAME}.h5").write_bytes(keras.read_bytes())
    model = onnx.ModelProto()
    model.CopyFrom(api.export(keras).model)
    hostile_names(model)
    Path(f"{NAME}.onnx").write_bytes(model.SerializeToString())
    Path(f"{NAME}.bad").write_bytes(b"nothing")
    return tmp_path


def printed(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    words, code = COMMANDS[name]
    arguments = words.split("|")
    more = NOWHERE if arguments[0] in ASKING_TENSORFLOW else ()
    assert run([*arguments, *more]) == code
    return "".join(capsys.readouterr())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_text(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require_text(printed(name, capsys))


@pytest.mark.parametrize("name", ["inspect what is missing", "export again"])
def test_a_traceback_is_text(
    name: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("QCONVERT_DEBUG", "1")
    text = printed(name, capsys)
    assert text.startswith("Traceback (most recent call last):\n  File ")
    require_text(text)


@pytest.mark.parametrize("name", ["inspect what is missing", "diff"])
def test_without_escaping_these_are_seen(
    name: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(escape, "_is_visible", lambda _: True)
    with pytest.raises(AssertionError):
        require_text(printed(name, capsys))
