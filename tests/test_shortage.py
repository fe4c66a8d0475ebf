"""What lacks memory or stack is one error of qconvert's, whoever calls."""

import errno
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import qconvert
from qconvert import api, opening
from qconvert.cli import run
from qconvert.errors import BadFileError, LimitError, QConvertError
from qconvert.shortage import shortage

#: Each function of the Python interface that reads a model, called.
CALLS: Mapping[str, Callable[[], object]] = {
    "load": lambda: qconvert.load("m.h5"),
    "effective_weights": lambda: qconvert.effective_weights("m.h5"),
    "save_weights": lambda: api.save_weights("m.h5", "weights.npz"),
    "export": lambda: qconvert.export("m.h5"),
    "check": lambda: qconvert.check("m.h5"),
    "explain": lambda: qconvert.explain("m.h5", "d"),
    "inspect": lambda: api.inspect("m.h5"),
    "diff": lambda: qconvert.diff("m.h5", "n.h5"),
}
LACKS = (
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    ImportError("libx.so: failed to map segment from shared object"),
    RecursionError("maximum recursion depth exceeded"),
    OSError(errno.EMFILE, "Too many open files"),
    RuntimeError("can't start new thread"),
)


@pytest.mark.parametrize("lack", LACKS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("name", CALLS)
def test_python_gets_the_error_of_the_command_line(
    name: str, lack: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise lack

    monkeypatch.setattr(opening, "read_model", fail)
    with pytest.raises(LimitError) as found:
        CALLS[name]()
    assert found.value.code == "QC801" and found.value.__cause__ is lack


def test_the_command_line_tells_of_a_stack_that_is_too_small(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(opening, "read_model", lambda *_, **__: run_deep())
    assert run(["inspect", "m.h5"]) == 7
    assert capsys.readouterr().err.startswith("qconvert: error QC801: the model is too deep")


def run_deep() -> None:
    run_deep()


def test_a_damaged_file_may_be_a_lack_of_memory() -> None:
    error = BadFileError("QC111", Path("m.h5"), "damaged")
    assert shortage(error) is None
    error.__context__ = MemoryError()
    assert isinstance(shortage(error), LimitError)


def test_other_errors_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    bug = ValueError("a bug")

    def fail(*_: object, **__: object) -> None:
        raise bug

    monkeypatch.setattr(opening, "read_model", fail)
    with pytest.raises(ValueError, match="a bug"):
        qconvert.load("m.h5")
    assert not isinstance(bug, QConvertError)
