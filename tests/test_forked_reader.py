"""Readers that are forked answer, fail and end as those that are started."""

import os
from pathlib import Path

import pytest

from qconvert.modelfile import DEFAULT_LIMITS, isolated
from qconvert.modelfile.isolated import confined
from qconvert.modelfile.malformed import MalformedError
from tests.forked_reader import Forked, ForkedReaders

ONNX = {"do": "onnx", "limits": {"function_nodes": 10}}


def test_they_say_what_started_ones_say(forked_readers: ForkedReaders, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    told = []
    with path.open("rb") as file:
        for started in (isolated.started, forked_readers.started):
            with started((file.fileno(),), DEFAULT_LIMITS) as reader:
                packages = confined(DEFAULT_LIMITS, ("onnx", "numpy"))
                reader.ask({**ONNX, "file": file.fileno(), **packages})
                with pytest.raises(MalformedError) as found:
                    reader.answer()
                told.append((found.value.code, str(found.value)))
    assert told[0] == told[1] and told[0][0] == "QC702"


@pytest.mark.parametrize("signal", [9, 11])
def test_one_that_is_killed_is_told_and_gone(forked_readers: ForkedReaders, signal: int) -> None:
    with forked_readers.started((), DEFAULT_LIMITS) as reader:
        process = reader._process
        assert isinstance(process, Forked)
        os.kill(process.number, signal)
        reader.ask({})
        with pytest.raises(MalformedError, match=f"crashed the isolated reader .signal {signal},"):
            reader.answer()
    assert process.returncode == -signal
    with pytest.raises(ProcessLookupError):
        os.kill(process.number, 0)


def test_one_that_nobody_asks_is_gone(forked_readers: ForkedReaders) -> None:
    with forked_readers.started((), DEFAULT_LIMITS) as reader:
        process = reader._process
    assert isinstance(process, Forked) and process.returncode == -9


def test_others_are_started(
    forked_readers: ForkedReaders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    less = DEFAULT_LIMITS.with_values({"reader_memory": 1 << 30})
    with forked_readers.started((), less) as reader:
        assert not isinstance(reader._process, Forked)
    monkeypatch.setattr(isolated, "READER", tmp_path)
    with forked_readers.started((), DEFAULT_LIMITS) as reader:
        assert not isinstance(reader._process, Forked)
