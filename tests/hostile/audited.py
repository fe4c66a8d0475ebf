"""Reads and exports files under an audit hook; prints what Python did besides, as JSON.

Started by its path with a JSON file: ``files`` are lists of a model and those that may be opened
for it, ``warm`` those that are read before anybody watches, so that all modules are there,
``plants`` statements that are executed as if reading did it: the files are read with each of them.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import qconvert
from qconvert.errors import QConvertError
from qconvert.modelfile.isolated import READER

#: Whatever else raises an event is harmless: times, memory, the end of processes.
FORBIDDEN = frozenset(
    {"code", "compile", "ctypes", "exec", "ftplib", "gc", "glob", "http", "import", "marshal"}
    | {"mmap", "os", "pickle", "pty", "shutil", "socket", "sqlite3", "syslog", "tempfile"}
    | {"urllib", "webbrowser"}
)
#: Its own files, such as the version of this package.
INTERPRETER = (sys.prefix, sys.base_prefix)
HARMLESS = ("mmap.__new__", "os.putenv")


class Watch:
    """An audit hook that can be told what is allowed at the moment."""

    def __init__(self) -> None:
        self.allowed: frozenset[str] | None = None
        self.found: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Note what is forbidden."""
        if self.allowed is not None and self._is_forbidden(event, arguments):
            allowed, self.allowed = self.allowed, None
            self.found.append(f"{event} {arguments!r}"[:300])
            self.allowed = allowed

    def _is_forbidden(self, event: str, arguments: tuple[object, ...]) -> bool:
        assert self.allowed is not None
        if event in ("open", "os.listdir"):
            path = arguments[0]
            # The version of this package is looked up again where a folder of packages has changed.
            listed = event == "os.listdir" and path in sys.path
            own = isinstance(path, int) or listed or str(path).startswith(INTERPRETER)
            return not own and str(path) not in self.allowed
        if event == "subprocess.Popen":
            _, command, folder, _ = arguments
            return command != [sys.executable, "-I", "-S", "-B", str(READER)] or folder != "/"
        return event.split(".")[0] in FORBIDDEN and event not in HARMLESS


def read(path: Path) -> None:
    """As far as the model lets it."""
    with contextlib.suppress(QConvertError):
        qconvert.export(path)


def watched(watch: Watch, files: list[list[str]], plant: str) -> Iterator[str]:
    """What was found, behind the name of the file."""
    # A call raises no event of its own, unlike `exec`, which would be seen in the plant's place.
    made: dict[str, Callable[[], object]] = {}
    exec(f"def planted(): {plant or 'pass'}", made)
    for path, *others in files:
        watch.allowed = frozenset([path, *others, "/dev/null"])
        read(Path(path))
        with contextlib.suppress(Exception):
            made["planted"]()
        watch.allowed = None
        yield from (f"{path}: {one}" for one in watch.found)
        watch.found = []


def main() -> None:
    """Read all."""
    request = json.loads(Path(sys.argv[1]).read_text())
    for path in request["warm"]:
        read(Path(path))
    watch = Watch()
    sys.addaudithook(watch)
    files, plants = request["files"], request["plants"]
    print(json.dumps({plant: list(watched(watch, files, plant)) for plant in plants}))


if __name__ == "__main__":
    main()
