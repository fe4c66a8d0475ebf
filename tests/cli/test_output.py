import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from qconvert.cli import run
from qconvert.errors import OutputError
from qconvert.output import Outputs, write, write_folder
from qconvert.places import require_writable, require_writable_folder
from scripts.faulted.writing import small_disk
from tests.cli.conftest import WriteModel

pytestmark = pytest.mark.usefixtures("forked_reader")

NO_TENSORFLOW = ("--tf-python", "/nowhere/python")
DATA = Path(__file__).parents[1] / "data"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_with_the_permissions_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "a", b"data", force=False)
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_bytes() == b"data"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["inspect", "model.h5"], 6, "error QC602: standard output "),
        (["inspect", "model.h5", "--json"], 6, "error QC602: standard output "),
        (["export", "model.h5", "--quiet"], 0, ""),
    ],
)
def test_no_result_is_lost_where_standard_output_is_closed(
    write_model: WriteModel, words: list[str], code: int, told: str
) -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "qconvert", *words]
    folder = write_model().parent
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert told in done.stderr and bool(done.stderr) == bool(told)


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="exists already"):
        write(path, b"new", force=False)
    assert path.read_bytes() == b"old"
    write(path, b"new", force=True)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_an_input_is_never_overwritten_under_any_name(tmp_path: Path) -> None:
    source = tmp_path / "model.h5"
    source.write_bytes(b"model")
    (tmp_path / "hard").hardlink_to(source)
    for name in ("model.h5", "hard"):
        with pytest.raises(OutputError, match="is an input"):
            write(tmp_path / name, b"new", force=True, inputs=[source])
    assert source.read_bytes() == b"model"


@pytest.mark.parametrize(
    "command",
    [
        ("export", "encoder.json", "-o", "encoder_weights.hdf5"),
        ("export", "encoder.json", "--json", "encoder_weights.hdf5"),
        ("weights", "encoder.json", "-o", "encoder_weights.npz"),
        ("explain", "encoder.json", "--layer", "x", "--html", "encoder_weights.hdf5"),
        ("explain", "encoder.json", "--layer", "x", "--json", "encoder_weights.hdf5"),
        ("check", "encoder.json", "--json", "encoder_weights.hdf5"),
        ("check", "encoder.json", "--repair", "encoder_weights.hdf5"),
        ("bench", "x.onnx", "--against", "encoder.json", "--json", "encoder_weights.hdf5"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("named", [False, True])
def test_weights_beside_an_architecture_are_an_input(
    command: tuple[str, ...],
    named: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("encoder.json", "encoder_weights.hdf5"):
        (tmp_path / name).write_bytes((DATA / name).read_bytes())
    (tmp_path / "encoder_weights.npz").symlink_to("encoder_weights.hdf5")
    given = ["--weights", "encoder_weights.hdf5"] if named else []
    assert run([*command, *given, "--force"]) == 6
    assert "error QC605" in capsys.readouterr().err
    after = (tmp_path / "encoder_weights.hdf5").read_bytes()
    assert after == (DATA / "encoder_weights.hdf5").read_bytes()


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_the_files_of_a_saved_model_are_inputs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "variables").mkdir()
    for each in ("saved_model.pb", "variables/variables.index"):
        (tmp_path / each).write_bytes(b"model")
    command = ["export", str(tmp_path), "--via-tensorflow", *NO_TENSORFLOW, "--force"]
    assert run([*command, "-o", str(tmp_path / name)]) == 6
    assert "error QC605" in capsys.readouterr().err


def test_a_file_beside_a_whole_model_is_no_input(write_model: WriteModel, tmp_path: Path) -> None:
    beside = tmp_path / "model_weights.h5"
    beside.write_bytes(b"old")
    assert run(["export", str(write_model()), "-o", str(beside), "--force"]) == 0
    assert beside.read_bytes() != b"old"


def test_a_link_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"victim")
    (tmp_path / "link").symlink_to("victim")
    write(tmp_path / "link", b"new", force=True)
    assert (tmp_path / "victim").read_bytes() == b"victim"
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("name", ["", "missing/a"])
def test_directories_and_missing_directories_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError):
        write(tmp_path / name, b"data", force=True)
    assert names(tmp_path) == []


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(OutputError, match="not a regular file"):
        write(Path("/dev/null"), b"data", force=True)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def socket_(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


def file_of_a_process(path: Path) -> None:
    """A link of the system's to a file, as ``/dev/stdout`` is where standard output is one."""
    path.symlink_to("/proc/self/exe")


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        pipe,
        socket_,
        Path.mkdir,
        file_of_a_process,
        lambda path: path.symlink_to("/dev/null"),
        lambda path: path.symlink_to("/dev/no-such-device"),
    ],
)
@pytest.mark.parametrize("write_to", [require_writable, require_writable_folder])
def test_what_is_no_place_of_files_is_not_replaced_by_links(
    write_to: Callable[..., None], make: Callable[[Path], None], force: bool, tmp_path: Path
) -> None:
    make(tmp_path / "target")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "link of it").symlink_to("link")
    for name in ("link", "link of it"):
        if write_to is require_writable_folder and (tmp_path / name).is_dir():
            continue
        with pytest.raises(OutputError, match=r"^(?!.*--force).* not a ") as found:
            write_to(tmp_path / name, force=force)
        assert found.value.code == "QC603"
        assert (tmp_path / name).is_symlink()


def test_no_folder_is_made_among_devices() -> None:
    with pytest.raises(OutputError) as found:
        require_writable_folder(Path("/dev/qconvert-no-such-folder"), force=True)
    assert found.value.code == "QC603"


def test_shared_memory_is_for_files() -> None:
    require_writable(Path("/dev/shm/qconvert-no-such-file"), force=False)


def test_a_failing_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write(path, b"new", force=True)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a", b"new", force=False)
    assert names(tmp_path) == []


@pytest.fixture
def days_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets two days pass."""
    now = time.time()
    return lambda: monkeypatch.setattr(time, "time", lambda: now + 2 * 86_400)


def test_old_leftovers_are_removed_and_fresh_ones_kept(
    tmp_path: Path, days_later: Callable[[], None]
) -> None:
    (tmp_path / ".qconvert-1.part").write_bytes(b"")
    write(tmp_path / "a", b"data", force=False)
    assert names(tmp_path) == [".qconvert-1.part", "a"]
    days_later()
    write(tmp_path / "b", b"data", force=False)
    assert names(tmp_path) == ["a", "b"]


def test_no_other_run_removes_what_keeps_an_old_file_while_others_are_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"old")
    os.utime(tmp_path / "a", (0, 0))
    right = Path.replace

    def replace(part: Path, target: Path) -> Path:
        if target.name == "b":
            write(tmp_path / "c", b"of another run", force=False)
            raise OSError(5, "Input/output error")
        return right(part, target)

    with pytest.raises(OutputError), Outputs(force=True) as outputs:
        outputs.file(tmp_path / "a", b"new")
        outputs.file(tmp_path / "b", b"new")
        monkeypatch.setattr(Path, "replace", replace)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a", "c"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the file system has no hard links, but for a moment."""
    if not links:
        monkeypatch.setattr(os, "link", refused)
    with (
        pytest.raises(OutputError, match="exists already") as found,
        Outputs(force=False) as outputs,
    ):
        outputs.file(tmp_path / "a", b"1")
        outputs.file(tmp_path / "b", b"2")
        (tmp_path / "b").write_bytes(b"of somebody else")
    assert found.value.code == "QC604"
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").read_bytes() == b"of somebody else"


def test_a_file_appears_without_hard_links_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refused)
    write(tmp_path / "a", b"data", force=False)
    assert names(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"data"


def test_a_new_file_has_one_name(tmp_path: Path) -> None:
    write(tmp_path / "a", b"data", force=False)
    assert (tmp_path / "a").stat().st_nlink == 1


@pytest.mark.parametrize(("name", "code"), [("full/x", "QC606"), ("full", "QC603")])
def test_a_folder_that_appears_meanwhile_is_kept(name: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError) as found, Outputs(force=False) as outputs:
        outputs.folder(tmp_path / "full", FILES)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"of somebody else")
    assert found.value.code == code
    assert (tmp_path / name).read_bytes() == b"of somebody else"
    assert names(tmp_path) == ["full"]


def refused(*_: object, **named: object) -> None:
    raise PermissionError(1, "Operation not permitted")


FILES = {"a": b"1", "b": b"2"}


@pytest.mark.parametrize("name", ["new", "empty"])
def test_a_folder_is_written_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / name, FILES, force=False)
    assert {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} == FILES
    assert set(names(tmp_path)) == {"empty", name}


def test_a_folder_that_exists_stays_the_same_one(tmp_path: Path) -> None:
    """It may be a mount point, or belong to others as well."""
    before = tmp_path.stat()
    write_folder(tmp_path, FILES, force=False)
    after = tmp_path.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


def test_a_folder_that_is_a_mount_point_gets_the_files(tmp_path: Path) -> None:
    with small_disk(tmp_path, 64) as mounted:
        if not mounted:
            pytest.skip("not permitted to mount")
        require_writable_folder(tmp_path, force=False)
        write_folder(tmp_path, FILES, force=False)
        assert names(tmp_path) == ["a", "b"]


def test_a_folder_with_content_needs_force_and_loses_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "mine").write_bytes(b"precious")
    with pytest.raises(OutputError, match="not empty; --force"):
        write_folder(tmp_path, FILES, force=False)
    assert (tmp_path / "a").read_bytes() == b"old"
    write_folder(tmp_path, FILES, force=True)
    assert (tmp_path / "a").read_bytes() == b"1"
    assert (tmp_path / "mine").read_bytes() == b"precious"


def test_no_input_in_the_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"model")
    with pytest.raises(OutputError, match="is an input"):
        write_folder(tmp_path, FILES, force=True, inputs=[tmp_path / "b"])
    assert names(tmp_path) == ["b"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("a/b", "does not exist"), ("a/..", "does not exist"), ("file", "not a directory")],
)
def test_a_folder_that_cannot_be(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=words):
        write_folder(tmp_path / name, FILES, force=True)
    assert names(tmp_path) == ["file"]


def test_a_failing_write_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_folder(tmp_path / "new", FILES, force=False)
    assert names(tmp_path) == []


def test_files_of_one_command_appear_at_its_end(tmp_path: Path) -> None:
    with Outputs(force=False) as outputs:
        outputs.file(tmp_path / "a", b"1")
        outputs.folder(tmp_path / "folder", FILES)
        assert all(name.endswith(".part") for name in names(tmp_path))
    assert names(tmp_path) == ["a", "folder"]


def test_after_an_error_there_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(RuntimeError), Outputs(force=True) as outputs:
        outputs.file(tmp_path / "a", b"1")
        outputs.file(tmp_path / "old", b"new")
        outputs.folder(tmp_path / "folder", FILES)
        raise RuntimeError
    assert names(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


@pytest.mark.parametrize("failing", ["a", "old", "filled", "empty", "new"])
def test_a_rename_that_fails_undoes_the_others(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever it is: one of a file, of one that is replaced, of folders."""
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "empty").mkdir()
    (tmp_path / "filled").mkdir()
    (tmp_path / "filled" / "a").write_bytes(b"mine")
    right = Path.replace

    def replace(part: Path, target: Path) -> Path:
        if target.name == failing or target.parent.name == failing:
            raise OSError(5, "Input/output error")
        return right(part, target)

    with pytest.raises(OutputError, match="Input/output error"), Outputs(force=True) as outputs:
        outputs.file(tmp_path / "a", b"1")
        outputs.file(tmp_path / "old", b"new")
        for name in ("empty", "filled", "new"):
            outputs.folder(tmp_path / name, FILES)
        monkeypatch.setattr(Path, "replace", replace)
    assert names(tmp_path) == ["empty", "filled", "old"]
    assert (tmp_path / "old").read_bytes() == b"old"
    assert names(tmp_path / "empty") == [] and names(tmp_path / "filled") == ["a"]
    assert (tmp_path / "filled" / "a").read_bytes() == b"mine"


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_an_error_that_nobody_expects_undoes_the_renames_too(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").write_bytes(b"old")
    right = Path.replace

    def replace(part: Path, target: Path) -> Path:
        if target.name == "b":
            raise error
        return right(part, target)

    with pytest.raises(error), Outputs(force=True) as outputs:
        outputs.file(tmp_path / "a", b"1")
        outputs.file(tmp_path / "b", b"2")
        monkeypatch.setattr(Path, "replace", replace)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"old"
    assert names(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("detour", ["", "inner/..", "link"])
def test_two_outputs_cannot_be_one_file(detour: str, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OutputError, match="two outputs") as found, Outputs(force=True) as outputs:
        outputs.file(tmp_path / "a", b"1")
        outputs.file(tmp_path / detour / "a", b"2")
    assert found.value.code == "QC607" and names(tmp_path) == ["inner", "link"]


@pytest.mark.parametrize(
    "command",
    [
        ("check", "--report", "a", "--reproducer", "a"),
        ("check", "--report", "a", "--reproducer", "inner/../a"),
        ("check", "--json", "a", "--repair", "link/a"),
        ("check", "--json", "a", "--report", "a"),
        ("explain", "--layer", "fc", "--json", "a", "--html", "a"),
        ("export", "-o", "a", "--json", "link/a"),
        ("check", "--report", "inner", "--json", "inner/a"),
        ("check", "--report", "inner", "--json", "inner/b/../a"),
        ("check", "--reproducer", "inner", "--report", "link/inner/a"),
        ("check", "--report", "a", "--repair", "a/b"),
        ("check", "--report", ".", "--repair", "a", "--force"),
    ],
    ids=" ".join,
)
def test_outputs_of_a_command_are_apart_before_anything_runs(
    command: tuple[str, ...],
    write_model: WriteModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    name, *options = command
    assert run([name, str(write_model()), *options, *NO_TENSORFLOW]) == 6
    assert "error QC607" in capsys.readouterr().err
    assert names(tmp_path) == ["inner", "link", "model.h5"]


@pytest.mark.parametrize(
    "command",
    [
        ("export", "-o", "-"),
        ("weights", "-o", "-"),
        ("check", "--report", "-"),
        ("check", "--reproducer", "-"),
        ("check", "--repair", "-"),
        ("explain", "--layer", "fc", "--html", "-"),
    ],
    ids=" ".join,
)
def test_standard_output_is_refused_where_nothing_is_written_to_it(
    command: tuple[str, ...],
    write_model: WriteModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    name, *options = command
    assert run([name, str(write_model()), *options, "--force"]) == 6
    assert capsys.readouterr().err.startswith("qconvert: error QC603: -: is standard output")
    assert names(tmp_path) == ["model.h5"]


@pytest.mark.parametrize("words", [("-o", "./-"), ("--json", "./-"), ("-o", "../{here}/-")])
def test_a_file_may_be_called_a_dash(
    words: tuple[str, str], write_model: WriteModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    option, path = words
    assert run(["export", str(write_model()), option, path.format(here=tmp_path.name)]) == 0
    assert "-" in names(tmp_path)


def test_standard_output_is_no_file_by_its_other_name(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(write_model())
    assert run(["export", model, "-o", "/dev/stdout", "--force"]) == 6
    assert "error QC603" in capsys.readouterr().err
    assert run(["export", model, "--json", "/dev/stdout"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_standard_output_lies_in_no_folder(
    write_model: WriteModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["check", str(write_model()), "--samples", "1", "--report", ".", "--json", "-"]
    assert run([*words, "--force", *NO_TENSORFLOW]) == 5
    assert "report.json" in names(tmp_path)


def test_a_file_and_others_share_a_folder_that_was_empty(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with Outputs(force=False) as outputs:
        outputs.file(tmp_path / "folder" / "c", b"3")
        outputs.folder(tmp_path / "folder", FILES)
    assert names(tmp_path / "folder") == ["a", "b", "c"]


def test_signals_wait_for_the_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Path.replace

    def replace(part: Path, target: Path) -> Path:
        signal.raise_signal(signal.SIGINT)
        return right(part, target)

    with pytest.raises(KeyboardInterrupt), Outputs(force=True) as outputs:
        outputs.file(tmp_path / "a", b"1")
        outputs.file(tmp_path / "b", b"2")
        monkeypatch.setattr(Path, "replace", replace)
    assert names(tmp_path) == ["a", "b"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_folder_that_cannot_be_made_durable_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a failing device; a file system that has no such thing is none."""
    (tmp_path / "a").write_bytes(b"old")
    right = os.fsync
    for number, kept in ((5, b"old"), (22, b"new")):

        def fsync(descriptor: int, number: int = number) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            right(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        with nullcontext() if kept == b"new" else pytest.raises(OutputError):
            write(tmp_path / "a", b"new", force=True)
        assert (tmp_path / "a").read_bytes() == kept
        assert names(tmp_path) == ["a"]


def test_old_folders_of_killed_runs_are_removed(
    tmp_path: Path, days_later: Callable[[], None]
) -> None:
    old = tmp_path / ".qconvert-1.part"
    old.mkdir()
    (old / "report.json").write_bytes(b"")
    days_later()
    write_folder(tmp_path / "new", FILES, force=False)
    assert names(tmp_path) == ["new"]


def test_the_file_and_its_report_appear_together(
    write_model: WriteModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, target, report = write_model(), tmp_path / "m.onnx", tmp_path / "r.json"
    command = ["export", str(model), "-o", str(target), "--check", "--json", str(report)]
    right = os.link

    def link(part: Path, to: Path) -> None:
        if to == report:
            raise OSError(28, "No space left on device")
        right(part, to)

    def replace(part: Path, to: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", link)
        patched.setattr(Path, "replace", replace)
        assert run([*command, *NO_TENSORFLOW]) == 6
    assert names(tmp_path) == ["model.h5"]
    assert run([*command, *NO_TENSORFLOW]) == 5
    assert names(tmp_path) == ["m.onnx", "model.h5", "r.json"]
    assert json.loads(report.read_text())["onnx"]["path"] == str(target)


def test_reports_of_files_whose_names_are_not_utf8_can_be_read(
    write_model: WriteModel, tmp_path: Path
) -> None:
    target, report = tmp_path / os.fsdecode(b"\xff.onnx"), tmp_path / "r.json"
    model = write_model().rename(target.with_suffix(".h5"))
    command = ["export", str(model), "-o", str(target), "--check", "--json", str(report)]
    assert run([*command, *NO_TENSORFLOW]) == 5
    assert run(["report", str(report), "--format", "json", "-o", str(tmp_path / "copy.json")]) == 5
    assert json.loads(report.read_text())["onnx"]["path"] == str(tmp_path / r"\xff.onnx")


def test_a_name_that_is_not_utf8_is_spelled_alike_everywhere(
    write_model: WriteModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In reports, where samples come from too, in errors, and by programs that take UTF-8 alone."""
    monkeypatch.chdir(tmp_path)
    samples, file = os.fsdecode(b"\xff.npy"), os.fsdecode(b"\xff.onnx")
    model = str(write_model())
    np.save(samples, np.zeros((1, 3), np.float32))
    given = ["--inputs", samples, "--json", "r.json", *NO_TENSORFLOW]
    assert run(["check", model, *given]) == 5
    assert run(["report", "r.json"]) == 5
    assert capsys.readouterr().out.count(r"1 sample of \xff.npy") == 2
    assert run(["check", model, file]) == 4
    assert capsys.readouterr().err.startswith(r"qconvert: error QC107: \xff.onnx: ")
    assert run(["export", model, "-o", file]) == 0
    assert run(["bench", file, "--rounds", "1", "--batch", "1", "--threads", "1"]) == 0
    assert r"\xff.onnx: " in capsys.readouterr().out


def test_a_signal_just_before_signals_wait_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(number: int, handler: object) -> None:
        monkeypatch.undo()
        raise SystemExit(129)

    with pytest.raises(SystemExit), Outputs(force=False) as outputs:
        outputs.file(tmp_path / "one", b"1")
        monkeypatch.setattr(signal, "signal", first)
    assert not list(tmp_path.iterdir())
