"""The faults of a writer: kills, signals, full disks, closed folders, calls that fail."""

import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from scripts.faulted.row import Row
from scripts.faulted.running import after, environment, excused, run
from scripts.faulted.subject import OLD, Subject

#: Something that happens once.
Fault: TypeAlias = Callable[[Subject], Row]

_NOBODY: Final = 65534
#: Writes two files of one command again and again, with contents of one letter each.
LOOP: Final = """
import signal, sys
from pathlib import Path
from qconvert import cli
from qconvert.output import Outputs
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, cli._terminate)
# Which is ignored where all this runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
folder, size = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for i in range(1 << 30):
    with Outputs(force=True) as outputs:
        for name in ("one", "two"):
            outputs.file(folder / name, bytes([65 + i % 26]) * size)
"""
#: The same limits for `LOOP` and for `export`: bash knows them all.
_LIMITED: Final = 'ulimit -{} {}; shift; exec "$@"'


def typical_seconds(subject: Subject) -> float:
    """How long the export takes here."""
    subject.prepare()
    start = time.perf_counter()
    run(subject.command)
    return time.perf_counter() - start


def killed(subject: Subject, count: int, number: signal.Signals) -> Row:
    """*count* exports that get a signal at a random moment; only after SIGKILL a part may stay."""
    row = Row(f"export, {number.name} at a random moment", number is signal.SIGKILL)
    longest, source = typical_seconds(subject), random.Random(0)
    for _ in range(count):
        subject.prepare()
        end = run(subject.command, happening=after(source.uniform(0, longest), number))
        subject.judge(row, *excused(end, number))
    return row


def killed_while_writing(
    folder: Path, count: int, number: signal.Signals = signal.SIGKILL, loop: str = LOOP
) -> Row:
    """A process that does nothing but write, *count* times ended while it does."""
    row = Row(f"writing, {number.name} at a random moment", number is signal.SIGKILL)
    source, size = random.Random(1), 1 << 20
    for _ in range(count):
        for path in folder.iterdir():
            path.unlink()
        delay = source.uniform(0.05, 0.15)

        def happening(process: "subprocess.Popen[str]", delay: float = delay) -> None:
            assert process.stdout is not None
            process.stdout.readline()
            after(delay, number)(process)

        end = run([sys.executable, "-c", loop, str(folder), str(size)], happening=happening)
        # What it says is Python's own traceback.
        row.count(replace(end, text=""))
        _judge_letters(row, folder, size)
    return row


def _judge_letters(row: Row, folder: Path, size: int) -> None:
    """Each file is of one letter and whole; which was the newer one nobody knows."""
    for path in folder.iterdir():
        if path.name not in ("one", "two"):
            row.left.append(path.name)
            continue
        data = path.read_bytes()
        whole = len(data) == size and len(set(data)) == 1
        row.new += whole
        if not whole:
            row.mixtures.append(f"{path.name}: {len(data)} bytes, {len(set(data))} letters")


def _once(row: Row, subject: Subject, command: Sequence[str], *, codes: set[int]) -> Row:
    subject.prepare()
    subject.judge(row, run(command), codes)
    return row


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[bool]:
    """A file system of so many KiB at *folder*, if this user may mount one."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def full_disk(subject: Subject) -> Row:
    """A disk that has half of the room, or else a limit of file sizes."""
    half = len(subject.new) // 2048
    subject.folder.mkdir(exist_ok=True)
    with small_disk(subject.folder, half) as mounted:
        if mounted:
            return _once(Row("disk full"), subject, subject.command, codes={6})
    return Row("disk full: not permitted to mount")


def limited_size(subject: Subject) -> Row:
    """A limit of file sizes of half of the file."""
    script = _LIMITED.format("f", len(subject.new) // 2048)
    command = ["bash", "-c", script, "bash", "--", *subject.command]
    return _once(Row("file size limit"), subject, command, codes={6})


def closed_folder(subject: Subject) -> Row:
    """A folder that another user may not write to."""
    command = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    # The interpreter may lie in a folder that only its owner can read.
    command += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        open_to_all = Path(shutil.copy(subject.model, folder))
        open_to_all.chmod(0o644)
        public = replace(subject, model=open_to_all, folder=folder / "out")
        return _once(Row("folder of another user"), public, [*command, *public.command], codes={6})


def full_output(subject: Subject) -> Row:
    """Standard output that is full: the file is there all the same."""
    command = ["bash", "-c", '"$@" >/dev/full', "bash", *subject.command]
    return _once(Row("standard output full"), subject, command, codes={6})


def link(subject: Subject) -> Row:
    """A symbolic link at the target is replaced, and the file behind it stays."""
    row = Row("symbolic link at the target")
    subject.prepare()
    victim = subject.folder.parent / "victim"
    victim.write_bytes(OLD)
    subject.target.unlink()
    subject.target.symlink_to(victim)
    subject.judge(row, run(subject.command))
    if victim.read_bytes() != OLD or subject.target.is_symlink():
        row.wrong.append("the file behind the link was written")
    return row


def failing_calls(subject: Subject, calls: Sequence[str], error: str = "EIO") -> Iterator[Row]:
    """Each of *calls* to fail at its first, second, ... use, until there is none any more."""
    for call in calls:
        # What the system does not remove stays, until the next run tries again.
        row = Row(f"n-th {call} fails", "unlink" in call)
        for n in range(1, 200):
            subject.prepare()
            inject = f"inject={call}:error={error}:when={n}"
            log = subject.folder.parent / "strace"
            command = ["strace", "-f", "-o", str(log), "-e", f"trace={call}", "-e", inject]
            end = run([*command, *subject.command])
            if "INJECTED" not in log.read_text(errors="replace"):
                break
            subject.judge(row, end, (0, 6))
        yield row


def order(subject: Subject) -> Row:
    """Written, made durable, renamed, and the folder made durable: in this order."""
    row = Row("order of system calls")
    subject.prepare()
    log = subject.folder.parent / "strace"
    calls = "trace=openat,write,fsync,rename,renameat,renameat2"
    subject.judge(row, run(["strace", "-f", "-y", "-o", str(log), "-e", calls, *subject.command]))
    found = order_in(log.read_text(errors="replace"), subject.folder)
    if found != ["write", "fsync", "rename", "fsync folder"]:
        row.wrong.append(f"the order was {found}")
    return row


def order_in(trace: str, folder: Path) -> list[str]:
    """The calls of strace that concern files in *folder*, without repetitions."""
    found: list[str] = []
    for line in trace.splitlines():
        # Of what is written to standard output the folder may be a part.
        match = re.search(
            rf"\b(write|fsync|rename)(?:at2?)?\((?:\d+<|\"){re.escape(str(folder))}", line
        )
        if match is None:
            continue
        name = "fsync folder" if f"<{folder}>" in line else match[1]
        if found[-1:] != [name]:
            found.append(name)
    return found


def same_bytes(subject: Subject, settings: Mapping[str, Mapping[str, str]]) -> Row:
    """The same file under other clocks, time zones and languages, and in another folder."""
    row = Row("other clock, time zone, locale")
    for more in settings.values():
        subject.prepare()
        subject.judge(row, run(subject.command, env=environment(**more), cwd=subject.folder))
    if row.new < row.runs:
        row.wrong.append("other bytes")
    return row


def at_once(subject: Subject, count: int) -> Row:
    """*count* exports to one path at the same time."""
    row = Row(f"{count} exports to one path")
    subject.prepare()
    with ThreadPoolExecutor(count) as pool:
        ends = list(pool.map(lambda _: run(subject.command), range(count)))
    for end in ends:
        subject.judge(row, end)
    return row


def memory(subject: Subject, first: int, step: int, enough: int) -> Row:
    """Limits of the address space from *first* MiB on, until *enough* exports were good."""
    row, limit = Row("memory limit sweep"), first
    while row.new < enough and limit < 4096:
        subject.prepare()
        script = _LIMITED.format("v", limit << 10)
        subject.judge(row, run(["bash", "-c", script, "bash", "--", *subject.command]), (0, 7))
        limit += step
    return row


SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "C": {"LC_ALL": "C", "TZ": "UTC"},
    "far": {"TZ": "Pacific/Kiritimati", "LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"},
    "epoch": {"SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "1"},
    "hash": {"PYTHONHASHSEED": "2", "HOME": "/nowhere"},
}
#: That change a file or its names.
CALLS: Final = ("write", "fsync", "rename", "link,linkat", "unlink,unlinkat")
#: All but kills, which are many, and calls, which take long.
SINGLE: Final[Sequence[Fault]] = (
    full_disk,
    limited_size,
    closed_folder,
    full_output,
    link,
    order,
)
