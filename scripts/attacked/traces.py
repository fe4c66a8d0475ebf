"""What the audit hook and strace have seen of a command, and what of it nobody asked for."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.hostile.case import Call

ROOT: Final = Path(__file__).resolve().parents[2]
#: Files of the system and of this project; among them is none that a case names.
_SYSTEM: Final = (
    *(
        f"{path}{os.sep}"
        for path in (sys.prefix, sys.base_prefix, ROOT, Path(sys.prefix).resolve())
    ),
    *("/lib/", "/lib64/", "/usr/lib/", "/usr/share/locale/", "/usr/share/zoneinfo/"),
    *("/sys/bus/pci/", "/sys/devices/", "/sys/fs/cgroup/"),
)
_FILES: Final = frozenset(
    {str(ROOT), *sys.path, "/etc/ld.so.cache", "/etc/localtime", "/etc/os-release", "/dev/null"}
    | {
        "/dev/urandom",
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/sys/vm/overcommit_memory",
        "/proc/self/fd",
        "/proc/self/mountinfo",
        "/proc/self/status",
    }
    | {"/sys/bus/pci/devices"}
)
#: What h5py asks for the kind of processor.
_PROGRAMS: Final = frozenset({"uname"})
_PYTHON: Final = Path(sys.executable).resolve()
#: What is looked for in each folder above.
_SEARCHED: Final = frozenset({"qconvert.toml", "pyproject.toml"})
_PART: Final = re.compile(r"\.qconvert-[0-9a-f]+\.part")
_CALLS: Final = "trace=open,openat,openat2,execve,execveat,connect,bind"
_OPEN: Final = re.compile(r'^open(?:at2?)?\((?:[^"]*, )?"((?:[^"\\]|\\.)*)"')
_EXEC: Final = re.compile(r'^execve(?:at)?\((?:[^"]*, )?"((?:[^"\\]|\\.)*)".* = 0$')
#: But for the system's own list of users, which interpreters ask for where there is no HOME.
_NET: Final = re.compile(r"^((?:connect|bind)\((?!.*/run/nscd/socket).*)")


@dataclass(frozen=True, slots=True)
class Found:
    """Files that were opened and programs that were run without anybody asking for them."""

    opened: tuple[str, ...]
    ran: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Business:
    """What a command in *folder* is entitled to: what its *words* name, and files ``of_ours``."""

    folder: Path
    of_ours: tuple[Path, ...]
    words: Sequence[str]

    def may_open(self, path: str) -> bool:
        """Whether it has to do with a file, or with the folder of one."""
        place = self._place(path)
        if str(place) in _FILES or str(place).startswith(_SYSTEM):
            return True
        named = [self._place(word) for word in self.words]
        folders = {self.folder, *self.folder.parents, *(each.parent for each in named)}
        searched = place.name in _SEARCHED or _PART.fullmatch(place.name) is not None
        return (
            any(place.is_relative_to(each) for each in self.of_ours)
            or place in (*named, *folders)
            or (searched and place.parent in folders)
        )

    def may_run(self, program: str) -> bool:
        """Whether it is an interpreter, or anything at all that a case's own interpreter runs."""
        given = str(self.folder / "python") in self.words
        known = Path(program).name in _PROGRAMS or Path(program).resolve() == _PYTHON
        return given or known or program in self.words

    def may_do(self, note: Sequence[str]) -> bool:
        """Whether something else that the audit hook noted is no more than a process of ours."""
        return note[0] == "subprocess.Popen" and self.may_run(note[1])

    def _place(self, path: str) -> Path:
        return Path(os.path.normpath(self.folder / path))


@dataclass(frozen=True, slots=True)
class Traces:
    """The folder of what one command did."""

    folder: Path

    @property
    def notes(self) -> Path:
        """The file of the audit hook."""
        return self.folder / "notes"

    @property
    def command(self) -> list[str]:
        """What starts a program under strace, where that is installed."""
        if shutil.which("strace") is None:
            return []
        return [
            "strace",
            "-ff",
            "--seccomp-bpf",
            "-qq",
            "-o",
            str(self.folder / "log"),
            "-e",
            _CALLS,
        ]

    def judged(self, folder: Path, temporary: Path, words: Sequence[str], call: Call) -> Found:
        """What is not the command's own business."""
        given = (Path(os.path.normpath(folder / path)) for path in call.opens)
        own = Business(folder, (temporary, self.folder, *given), (*words, *call.outputs))
        notes, calls = list(self._notes()), list(self._calls())
        opened = [note[1] for note in notes if note[0] == "open"]
        opened += _matches(_OPEN, calls)
        ran = [str(note) for note in notes if note[0] != "open" and not own.may_do(note)]
        ran += [path for path in _matches(_EXEC, calls) if not own.may_run(path)]
        ran += _matches(_NET, calls)
        if not self.notes.exists():
            ran.append("nothing was watched")
        return Found(
            tuple(dict.fromkeys(path for path in opened if not own.may_open(path))),
            tuple(dict.fromkeys(ran)),
        )

    def _calls(self) -> Iterator[str]:
        for path in sorted(self.folder.glob("log.*")):
            yield from path.read_text(encoding="utf-8", errors="replace").splitlines()

    def _notes(self) -> Iterator[list[str]]:
        if self.notes.exists():
            yield from map(json.loads, self.notes.read_text(encoding="utf-8").splitlines())


def _matches(pattern: re.Pattern[str], calls: Iterable[str]) -> list[str]:
    return [match[1] for match in map(pattern.match, calls) if match]
