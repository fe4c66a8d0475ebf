"""Every command that writes: its old files or its new ones, whichever call of the system fails."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from qconvert import places
from qconvert.cli import run
from tests.hostile.building import BIAS, KERNEL, hdf5, model, renamed
from tests.hostile.commands.outputs import ORDINARY

pytestmark = pytest.mark.usefixtures("forked_reader")

OLD = b"what was there before"
NOWHERE = "--tf-python /nowhere/python"
#: Commands and the files that they write, with their exit codes when nothing fails.
COMMANDS = {
    "export": ("export model.h5 -o new.onnx --json new.json", "new.onnx new.json", 0),
    "export and check": (
        f"export model.h5 -o new.onnx --check --json new.json {NOWHERE}", "", 5,
    ),
    "check": (
        f"check model.h5 model.onnx --samples 4 --json new.json --report report {NOWHERE}",
        "new.json report/report.json report/report.html report/junit.xml",
        5,
    ),
    "report": ("report report.json --format html -o new.html", "new.html", 5),
    "weights": ("weights model.h5 -o new.npz", "new.npz", 0),
    "explain": (
        "explain model.h5 --layer fc --no-run --json new.json --html new.html",
        "new.json new.html",
        0,
    ),
    "explain and run": (
        f"explain model.h5 --layer fc --html new.html {NOWHERE}", "new.html", 0,
    ),
    "bench": ("bench model.onnx --rounds 1 --batch 1 --threads 1 --json new.json", "new.json", 0),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(keras: Path, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, its file, and the report of a check."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "model.h5").write_bytes(keras.read_bytes())
    (folder / "model.onnx").write_bytes(exported.read_bytes())
    check = f"check model.h5 model.onnx --samples 4 --json report.json --quiet {NOWHERE}"
    with chdir(folder):
        assert run(check.split()) == 5
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with copies of these."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(made, tmp_path, dirs_exist_ok=True))


@pytest.mark.parametrize(
    "words",
    [
        "export no.h5 -o closed/new.onnx",
        "export no.h5 --json closed/new.json",
        "weights no.h5 -o closed/new.npz",
        "check no.h5 --json closed/new.json",
        "check no.h5 --report closed/new",
        "check no.h5 --report closed --force",
        "check no.h5 --reproducer closed/new",
        "check no.h5 --repair closed/new.onnx",
        "explain no.h5 --layer fc --html closed/new.html",
        "bench no.onnx --json closed/new.json",
        "report no.json --format html -o closed/new.html",
    ],
)
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_read(
    words: str, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "kept").touch()
    codes = []
    for mode in (0o555, 0o755):
        closed.chmod(mode)
        command = [*ORDINARY, sys.executable, "-m", "qconvert", *words.split()]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        codes.append(done.stderr[:22])
        assert [each.name for each in closed.iterdir()] == ["kept"]
    assert codes == ["qconvert: error QC602:", "qconvert: error QC107:"]


def test_an_empty_folder_that_cannot_be_written_is_told_before_anything_is_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    command = [*ORDINARY, sys.executable, "-m", "qconvert", "check", "no.h5", "--report", "closed"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("qconvert: error QC602: closed: ")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_place_of_each_output_is_tried_once(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, _, expected = COMMANDS[name]
    options = {"-o", "--json", "--html", "--report"}
    tried: list[Path] = []
    monkeypatch.setattr(places, "require_open", tried.append)
    assert run(words.split()) == expected
    assert len(tried) == sum(word in options for word in words.split())


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def failing_at(number: int, call: Callable[..., Any], seen: list[int]) -> Callable[..., Any]:
    """*call*, which the system refuses for the *number*-th time."""

    def refused(*given: Any, **named: Any) -> Any:
        seen.append(len(seen))
        if len(seen) == number:
            raise OSError(errno.EIO, "Input/output error")
        return call(*given, **named)

    return refused


def trial(words: str, call: str, number: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The exit code of a command of whose *calls* one fails, and how many calls there were."""
    seen: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing_at(number, getattr(os, call), seen))
        code = run([*words.split(), "--force"])
    return code, len(seen)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        *((name, "replace") for name in COMMANDS),
        *((name, "fsync") for name in ("export", "explain")),
    ],
)
def test_all_files_are_old_or_all_are_new(
    name: str, call: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, listed, expected = COMMANDS[name]
    targets = listed.split()
    for target in targets:
        Path(target).parent.mkdir(exist_ok=True)
        Path(target).write_bytes(OLD)
    before = contents(folder)
    code, number = 6, 0
    while code == 6:
        number += 1
        code, calls = trial(words, call, number, monkeypatch)
        if code == 6:
            assert contents(folder) == before
    assert code == expected and calls < number
    assert number > len(targets)
    after = contents(folder)
    assert all(after[target] != OLD for target in targets)
    assert not [path for path in after if path.startswith(".qconvert")]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_printed_comes_behind_the_files(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, _, expected = COMMANDS[name]
    capsys.readouterr()
    code, _ = trial(words, "replace", 1, monkeypatch)
    assert (code, capsys.readouterr().out) == (6, "")
    assert run(words.split()) == expected
    assert capsys.readouterr().out


@pytest.fixture
def handlers() -> Iterator[None]:
    """Those of before, which `run` replaces, unless they are ignored, as under nohup."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    signal.alarm(0)


ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", ENDING[:2])
def test_a_signal_while_a_part_is_written_leaves_nothing(
    number: signal.Signals, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it comes before Python would have ended by itself."""
    before = contents(folder)
    right = os.fsync

    def fsync(descriptor: int) -> None:
        right(descriptor)
        signal.raise_signal(number)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(SystemExit) as found:
        run(["export", "model.h5", "-o", "new.onnx"])
    assert found.value.code == 128 + number
    assert contents(folder) == before


@pytest.mark.parametrize(
    "words",
    [
        "export model.h5 -o loop",
        "export model.h5 -o new.onnx --json loop",
        f"check model.h5 --samples 4 --json loop {NOWHERE}",
        "explain model.h5 --layer fc --no-run --html loop --json new.json",
    ],
)
def test_a_link_to_itself_is_replaced_as_any_other(words: str, folder: Path) -> None:
    Path("loop").symlink_to("loop")
    assert run(words.split()) == 6
    assert run([*words.split(), "--force"]) in (0, 5)
    assert Path("loop").is_file()


@pytest.mark.parametrize("option", ["--report", "--reproducer"])
def test_no_folder_is_made_of_a_link_to_itself(
    option: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("loop").symlink_to("loop")
    assert run(["check", "model.h5", option, "loop", "--force"]) == 6
    assert "QC603" in capsys.readouterr().err


#: A name that no file can have, of which Python's own `is_file` raises `OSError`.
LONG = "x" * 300
#: Commands with it in the place of each file that they read or write, with their exit codes.
TOO_LONG = {
    "inspect LONG": 4,
    "inspect LONG.onnx": 4,
    "inspect --via-tensorflow LONG": 4,
    "inspect arch.json -w LONG": 4,
    "export LONG": 4,
    "export model.h5 --freeze-scales LONG -o new.onnx": 2,
    "check model.h5 LONG": 4,
    f"check model.h5 --inputs LONG {NOWHERE}": 4,
    "check --config LONG": 4,
    "check --config inputs.toml": 4,
    "check --config onnx.toml": 4,
    "check --config report.toml": 6,
    "check --config model.toml": 4,
    "check model.h5 --report LONG": 6,
    "check model.h5 --reproducer LONG": 6,
    "check model.h5 --repair LONG": 6,
    "check model.h5 --json LONG": 6,
    "explain model.h5 --layer fc --input LONG --no-run": 4,
    "explain model.h5 --layer fc --onnx LONG": 4,
    "weights model.h5 -o LONG.npz": 6,
    "diff model.h5 LONG.onnx": 4,
    "diff model.h5 LONG": 4,
    "bench LONG": 4,
    "bench model.onnx --against LONG": 4,
    "report LONG": 4,
    "report report.json --format html -o LONG": 6,
}


@pytest.mark.parametrize("words", TOO_LONG)
def test_a_name_that_is_too_long_is_one_error(
    words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("arch.json").write_text('{"class_name": "Functional", "config": {}}')
    for key in ("inputs", "onnx", "report", "model"):
        values = {"model": "model.h5", key: LONG, "tf-python": "/nowhere/python"}
        lines = (f'{name} = "{value}"' for name, value in values.items())
        Path(f"{key}.toml").write_text("\n".join(("[[models]]", *lines)))
    before = contents(folder)
    capsys.readouterr()
    code = run(words.replace("LONG", LONG).split())
    assert "QC999" not in capsys.readouterr().err
    assert code == TOO_LONG[words]
    assert contents(folder) == before


#: Layers and models that are called like files elsewhere.
OUTSIDE = "../../outside"


def test_no_name_in_a_model_becomes_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of any command that writes, not even where a layer is written by itself."""
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    config = model(lambda config: renamed(OUTSIDE, config))
    config["config"]["name"] = OUTSIDE
    for name, kernel in (("model.h5", KERNEL), ("other.h5", KERNEL + 0.125)):
        weights = {f"{OUTSIDE}/kernel:0": kernel, f"{OUTSIDE}/bias:0": BIAS}
        hdf5(config, {"x": {}, OUTSIDE: weights, "a": {}}, name=name)(here)
    written = {"model.h5", "other.h5"}
    for words, code, files in (
        ("export other.h5 -o other.onnx --json export.json", 0, "other.onnx export.json"),
        ("weights model.h5 -o w.npz", 0, "w.npz"),
        ("weights model.h5 -o w.safetensors", 0, "w.safetensors"),
        (f"explain model.h5 --layer {OUTSIDE} --no-run --html e.html", 0, "e.html"),
        (
            "check model.h5 other.onnx --samples 4 --json r.json --report report "
            f"--reproducer reproducer {NOWHERE}",
            1,
            "r.json report/* reproducer/*",
        ),
        ("report r.json --format html -o r.html", 1, "r.html"),
    ):
        assert run(words.split()) == code
        found = {path for each in files.split() for path in here.glob(each)}
        assert found
        written |= {str(path.relative_to(here)) for path in found}
    assert (here / "reproducer" / "reproducer.onnx").exists()
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {here / x for x in written}
