"""Nothing that a file names is executed, imported or opened, in either process."""

import os
import shutil
import warnings
from pathlib import Path
from typing import Final

import pytest

import qconvert
from qconvert.errors import QConvertError
from qconvert.modelfile import isolated
from tests.hostile.auditing import DATA, MODELS, audited, audited_with
from tests.hostile.building import hdf5
from tests.hostile.case import Case
from tests.hostile.cases import EVERY, storage
from tests.hostile.cases.storage import SECRET

#: Of each code the first, and all that name other files; `scripts/hostile.py` watches all.
SOME: Final = tuple({case.code: case for case in reversed(EVERY)}.values())
AUDITED: Final = (*SOME, *(case for case in storage.CASES if case not in SOME))


def bad_files(folder: Path) -> list[list[str]]:
    files: list[list[str]] = []
    for i, case in enumerate(AUDITED):
        (folder / f"{i}").mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            files.append([str(case.make(folder / f"{i}"))])
    return files


def test_reading_and_exporting_do_nothing_else(tmp_path: Path) -> None:
    good = [
        [str(DATA / name), *map(str, DATA.glob(f"{Path(name).stem}_weights.hdf5"))]
        for name in MODELS
    ]
    assert audited(tmp_path, [*good, *bad_files(tmp_path)]) == []


PLANTS: Final = (
    "exec('1')",
    "compile('1', 'x', 'eval')",
    "__import__('wave')",
    "open('/etc/hostname')",
    "__import__('socket').socket()",
    "__import__('pickle').loads(b'cos\\nsystem\\n.')",
    "__import__('marshal').loads(b'N')",
    "__import__('subprocess').run(['true'])",
    "__import__('os').system('true')",
    "__import__('os').listdir('/')",
    "__import__('ctypes').CDLL(None)",
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What is seen of each plant, in one process."""
    folder = tmp_path_factory.mktemp("seen")
    return audited_with(folder, [[str(hdf5()(folder))]], ["", *PLANTS])


@pytest.mark.parametrize("plant", PLANTS)
def test_whatever_else_is_done_is_seen(plant: str, seen: dict[str, list[str]]) -> None:
    assert seen[plant]
    assert seen[""] == []


@pytest.fixture
def watched_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "READER", Path(__file__).with_name("audited_reader.py"))


@pytest.mark.usefixtures("watched_reader")
@pytest.mark.parametrize("name", MODELS)
def test_the_reader_opens_what_it_inherits_alone(name: str) -> None:
    assert qconvert.load(DATA / name).layers


@pytest.mark.usefixtures("watched_reader")
@pytest.mark.parametrize(
    "case", [case for case in EVERY if case.code.startswith(("QC51", "QC12"))], ids=lambda c: c.name
)
def test_the_reader_opens_nothing_for_bad_files(case: Case, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = case.make(tmp_path)
    with pytest.raises(QConvertError) as caught:
        qconvert.load(path, limits=case.limits)
    assert caught.value.code == case.code


@pytest.mark.parametrize(
    "case", [case for case in EVERY if case.code == "QC510"], ids=lambda c: c.name
)
def test_no_byte_of_another_file_is_told(case: Case, tmp_path: Path) -> None:
    path = case.make(tmp_path)
    secret = tmp_path / SECRET
    if secret.exists():
        os.utime(secret, (0, 0))
        secret.chmod(0o600)
    with pytest.raises(QConvertError) as caught:
        qconvert.load(path)
    assert "SECRET-FILE-CONTENT" not in str(caught.value)
    assert not secret.exists() or secret.stat().st_atime == 0


@pytest.mark.parametrize(
    "plant", ["open('/etc/hostname')", "__import__('os').system('true')", "exec('1')"]
)
def test_a_reader_that_does_more_is_ended(
    plant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(isolated.READER, tmp_path / "inside")
    module = tmp_path / "inside" / "hdf5.py"
    code = module.read_text()
    first = '    """The variables, by names or by positions;'
    assert code.count(first) == 1
    module.write_text(code.replace(first, f"    {plant}\n{first}"))
    watching = Path(__file__).with_name("audited_reader.py").read_text()
    place = 'Path(__file__).parents[2] / "qconvert" / "modelfile" / "inside"'
    assert watching.count(place) == 1
    (tmp_path / "reader.py").write_text(watching.replace(place, 'Path(__file__).parent / "inside"'))
    monkeypatch.setattr(isolated, "READER", tmp_path / "reader.py")
    with pytest.raises(QConvertError) as caught:
        qconvert.load(hdf5()(tmp_path))
    assert caught.value.code == "QC108"
