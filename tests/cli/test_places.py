"""Where outputs can be: files are not spelled as folders, nor mounted by themselves."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import qconvert
from qconvert import api
from qconvert.cli import run
from qconvert.errors import OutputError
from qconvert.output import write
from qconvert.places import require_writable
from tests.cli.conftest import WriteModel

NO_TENSORFLOW = ("--tf-python", "/nowhere/python")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


#: An output of each command, a file.
OUTPUTS = (
    ("export", "-o"),
    ("export", "--json"),
    ("weights", "-o"),
    ("check", "--json"),
    ("check", "--repair"),
    ("explain", "--layer", "fc", "--json"),
    ("explain", "--layer", "fc", "--html"),
    ("bench", "--json"),
    ("report", "--format", "html", "-o"),
)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("end", ["/", "//", "/."])
@pytest.mark.parametrize("command", OUTPUTS, ids=" ".join)
def test_no_file_is_written_where_a_folder_is_named(
    command: tuple[str, ...],
    end: str,
    there: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nor is a file of that name replaced."""
    monkeypatch.chdir(tmp_path)
    if there:
        Path("new").touch()
    name, *options = command
    assert run([name, "no.h5", *options, f"new{end}"]) == 6
    told = f"qconvert: error QC601: new{end}: the directory does not exist\n"
    assert capsys.readouterr().err == told
    assert names(tmp_path) == ["new"] * there


def test_no_file_is_written_where_a_folder_is_named_in_python(
    write_model: WriteModel, tmp_path: Path
) -> None:
    model, new = write_model(), f"{tmp_path / 'new'}/"
    for write_to in (
        lambda: qconvert.export(model, new),
        lambda: api.save_weights(model, new),
        lambda: qconvert.check(model, repair=new),
    ):
        with pytest.raises(OutputError, match="/new/: the directory does not exist"):
            write_to()
    assert names(tmp_path) == ["model.h5"]


def test_a_folder_may_be_named_as_one(write_model: WriteModel, tmp_path: Path) -> None:
    words = ["check", str(write_model()), "--samples", "1", "--report", f"{tmp_path / 'new'}/"]
    assert run([*words, *NO_TENSORFLOW]) == 5
    assert "report.json" in names(tmp_path / "new")
    with pytest.raises(OutputError, match="is a directory, not a file: give the name of one in it"):
        qconvert.export(write_model(), f"{tmp_path / 'new'}/")


def test_a_file_is_no_folder_of_outputs(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model()
    assert run(["export", str(model), "-o", str(model / "x.onnx")]) == 6
    told = f"error QC601: {model / 'x.onnx'}: {model} is not a directory\n"
    assert told in capsys.readouterr().err


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file that another one is mounted at."""
    path = tmp_path / "a mount \\040"
    for each in (path, tmp_path / "other"):
        each.write_bytes(b"old")
    command = ["mount", "--bind", str(tmp_path / "other"), str(path)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("not permitted to mount")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize("force", [True, False])
def test_a_file_that_is_mounted_is_told_before_the_work(mounted: Path, force: bool) -> None:
    with pytest.raises(OutputError, match=r"is mounted by itself.*: mount its folder") as found:
        require_writable(mounted, force=force)
    assert found.value.code == "QC603"
    require_writable(mounted.parent / "other", force=True)
    link = mounted.parent / "link"
    link.symlink_to(mounted)
    write(link, b"new", force=True)
    assert (mounted.read_bytes(), link.read_bytes()) == (b"old", b"new")


def test_where_linux_does_not_tell_of_mounts_files_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qconvert.places._MOUNTS", tmp_path / "none")
    write(tmp_path / "a", b"old", force=True)
    write(tmp_path / "a", b"new", force=True)
    assert (tmp_path / "a").read_bytes() == b"new"
