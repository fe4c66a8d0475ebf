"""The table of bad inputs: complete, documented, some of it tried, and its checks turn red."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qconvert.codes import explanations
from scripts import hostile
from scripts.attacked import document
from scripts.attacked.rows import ROWS
from scripts.attacked.trial import Outcome, tried
from tests.hostile.case import Call
from tests.hostile.commands import EVERY

#: Of each way to fail one case, by row and name; the script tries all.
SHORT = (
    (7, "a report, to inspect"),
    (8, "a pipe as report"),
    (9, "a model of somebody else"),
    (10, "a superblock"),
    (10, "a tree in itself"),
    (11, "2 GiB to unpack in a second"),
    (19, "a report of 257 MiB"),
    (23, "Lambda, to inspect"),
    (36, "a huge axis, timed"),
    (36, "large inputs, timed"),
    (60, "external storage"),
    (61, "a link to a pipe"),
    (63, "virtual, checked"),
    (66, "an entry ../../evil"),
    (68, "a report with half a surrogate"),
    (70, "a closed folder"),
    (71, "weights in a file beside it: symlink"),
    (72, "custom operator"),
    (74, "a picture that is missing"),
    (74, "a pipe as picture"),
    (75, "TensorFlow: huge:run"),
    (76, "both packages called qkeras"),
    (77, "a name that acts"),
    (77, "a pipe as configuration"),
    (78, "both closed"),
    (78, "a check in a folder that is gone"),
    (78, "an output in a folder that is gone: export -o ./-"),
    (78, "an output in a folder that is gone: check --report report"),
)


def called(row: int, name: str) -> Call:
    """The one case of that name."""
    (found,) = (call for call in EVERY if (call.row, call.name) == (row, name))
    return found


def in_this(code: str, **more: object) -> Outcome:
    """A program in the place of qconvert, which leaves everything else as it is."""
    call = Call(0, "planted", lambda _: [], "", 0, **more)  # type: ignore[arg-type]
    return tried(call, ("-c", code), limit=20)


@pytest.mark.parametrize(("row", "name"), SHORT)
def test_nothing_is_wrong_with_any_of_them(row: int, name: str) -> None:
    outcome = tried(called(row, name))
    assert outcome.holds, hostile.shown(outcome)


def test_every_row_has_cases_and_every_case_a_row() -> None:
    assert {call.row for call in EVERY} == ROWS.keys() == set(range(1, 80))
    names = [(call.row, call.name) for call in EVERY]
    assert len(set(names)) == len(names)
    assert {call.code for call in EVERY} - {""} <= explanations().keys()


def test_the_page_is_current() -> None:
    assert document.PAGE.read_text(encoding="utf-8") == document.page()


def test_what_does_nothing_holds() -> None:
    assert in_this("print('done')").holds


PLANTED: dict[str, tuple[str, Callable[[Outcome], object]]] = {
    "another exit code": ("raise SystemExit(3)", lambda o: o.wrong_code),
    "another code": ("print('qconvert: error QC107: no')", lambda o: o.wrong_code),
    "a traceback": ("1 / 0", lambda o: o.traceback),
    "a file that stays": ("open('x', 'w')", lambda o: o.left == ("x",)),
    "a temporary file that stays": (
        "import tempfile; tempfile.mkstemp()", lambda o: len(o.left) == 1),
    "a file that is read": ("open('/etc/passwd')", lambda o: o.opened == ("/etc/passwd",)),
    "the environment": ("open('/proc/self/environ')", lambda o: len(o.opened) == 1),
    "a file by a way round": (f"open('{document.PAGE.parent}/../../../../../../etc/passwd')",
                              lambda o: len(o.opened) == 1),
    "what is not watched": ("import os, sys\nos.environ.pop('QCONVERT_WATCH')\n"
                            "os.execv(sys.executable, [sys.executable, '-c', 'exec(\"1\")'])",
                            lambda o: o.ran),
    "a file that is looked for": ("import os\ntry: os.open('/etc/no', 0)\nexcept OSError: 0",
                                  lambda o: o.opened == ("/etc/no",)),
    "a file that C code reads": (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-I', '-S', '-c', 'open(\"/etc/passwd\")'])",
        lambda o: o.opened == ("/etc/passwd",)),
    "a program": ("import os; os.system('true')", lambda o: o.ran),
    "a program by fork": ("import subprocess; subprocess.run(['/bin/true'])", lambda o: o.ran),
    "a text as code": ("exec('1')", lambda o: o.ran),
    "marshalled code": ("import marshal; marshal.loads(marshal.dumps(1))", lambda o: o.ran),
    "a pickle": ("import pickle; pickle.loads(b'cos\\nsystem\\n.')", lambda o: o.ran),
    "the network": ("import socket; socket.socket().connect_ex(('127.0.0.1', 9))",
                    lambda o: o.ran),
    "a colour": ("print('\\x1b[31m')", lambda o: o.active),
    "a command to a CI job": ("print('::error::')", lambda o: o.active),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_whatever_is_wrong_is_seen(name: str) -> None:
    code, seen = PLANTED[name]
    outcome = in_this(code)
    assert seen(outcome) and not outcome.holds, hostile.shown(outcome)


def test_a_hang_is_ended_and_seen() -> None:
    call = Call(0, "planted", lambda _: [], "", 0)
    outcome = tried(call, ("-c", "import time; time.sleep(60)"), limit=1)
    assert outcome.hung and not outcome.holds and outcome.seconds < 30


def test_an_input_that_is_changed_is_seen() -> None:
    def prepare(folder: Path) -> list[str]:
        (folder / "model.h5").write_bytes(b"model")
        return []

    call = Call(0, "planted", prepare, "", 0, opens=("model.h5",))
    assert tried(call, ("-c", "open('model.h5', 'w')")).left == ("model.h5",)


def test_outputs_and_files_of_the_user_are_allowed() -> None:
    code = "open('out', 'w'); open('/etc/hostname')"
    assert in_this(code, outputs=("out",), opens=("/etc/hostname",)).holds


def test_totals_count_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hostile.py", "1"])
    monkeypatch.setattr(hostile, "tried", lambda _: in_this("1 / 0"))
    assert hostile.main() == 1
    assert "wrong codes: 2; tracebacks: 2;" in capsys.readouterr().out
