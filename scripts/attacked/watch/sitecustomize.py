"""Notes what an interpreter does that a file could have made it do; each finds this at its start.

``QCONVERT_WATCH`` is the file of notes, a line of JSON each: the event of `sys.audit` and its
arguments. Files of the interpreter and of this project are not noted.
"""

import json
import os
import sys
from pathlib import Path
from types import CodeType, FrameType

ROOT = Path(__file__).resolve().parents[3]
OWN = tuple(
    f"{path}{os.sep}"
    for path in (
        sys.prefix,
        os.path.realpath(sys.prefix),
        sys.base_prefix,
        ROOT / "qconvert",
        ROOT / "scripts",
    )
)
#: What makes methods of texts that it wrote itself.
MAKERS = ("/attr/", "/cattrs/", "/collections/__init__.py", "/dataclasses.py")
#: What runs the program itself, which has no caller.
START = ""
LOADERS = (START, "<frozen importlib._bootstrap_external>", "<frozen zipimport>")
ALWAYS = frozenset(
    {"os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pickle.find_class"}
    | {"pty.spawn", "socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen"}
)


def is_noted(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether this is more than an interpreter does for itself."""
    match event, arguments:
        case "open", (str() | bytes() | os.PathLike() as path, *_):
            return not os.fsdecode(path).startswith(OWN)
        case "exec", (CodeType(co_filename=name), *_):
            own = name.startswith((*OWN, "<frozen "))
            return not own and caller() != START and not any(each in caller() for each in MAKERS)
        case "marshal.loads", _:
            return caller() not in LOADERS
        case "ctypes.dlopen", (name, *_):
            return name is not None
        case _:
            return event in ALWAYS


def caller() -> str:
    """The file of the code that did what is looked at."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return START if frame is None else frame.f_code.co_filename


def watch(to: str) -> None:
    """Begin."""
    notes = os.open(to, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if is_noted(event, arguments):
            line = json.dumps([event, *(str(each)[:500] for each in arguments)])
            os.write(notes, f"{line}\n".encode())

    sys.addaudithook(note)


if "QCONVERT_WATCH" in os.environ:
    watch(os.environ["QCONVERT_WATCH"])
