"""Every bad file ends in one error with its code, in time, and leaves nothing behind."""

import time
import warnings
from pathlib import Path

import pytest

import qconvert
from qconvert.codes import explanations
from qconvert.errors import QConvertError
from tests.hostile.case import Case
from tests.hostile.cases import EVERY

pytestmark = pytest.mark.usefixtures("forked_reader")

#: Seconds, on a machine that does much else.
IN_TIME = 60


def written(case: Case, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, of entries that are there twice
        return case.make(folder)


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.name)
def test_a_file_ends_in_its_error(case: Case, tmp_path: Path) -> None:
    path = written(case, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    begin = time.monotonic()
    if not case.code:
        assert qconvert.load(path, limits=case.limits).layers
        return
    with pytest.raises(QConvertError) as caught:
        qconvert.load(path, limits=case.limits)
    error = caught.value
    assert (error.code, error.exit_code) == (case.code, case.exit_code), str(error)
    assert case.says in str(error)
    assert error.lines[0].startswith((str(path), str(tmp_path)))
    assert all(line.startswith("  ") for line in str(error).splitlines()[1:])
    assert time.monotonic() - begin < IN_TIME
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_that_no_process_can_be_given(tmp_path: Path) -> None:
    with pytest.raises(QConvertError) as caught:
        qconvert.load(tmp_path / "a\0b")
    assert caught.value.code == "QC107"


def test_every_code_is_explained() -> None:
    assert {case.code for case in EVERY} - {""} <= explanations().keys()


def test_cases_are_told_apart_and_are_many() -> None:
    assert len(EVERY) >= 150
