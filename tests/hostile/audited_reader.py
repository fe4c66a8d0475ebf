"""The isolated reader under an audit hook, which ends it at what no reader may do.

It begins when the reader opens the file: h5py, for one, starts ``uname`` when it is imported.
"""

import runpy
import sys
from pathlib import Path

INSIDE = Path(__file__).parents[2] / "qconvert" / "modelfile" / "inside"
FORBIDDEN = ("ctypes", "exec", "ftplib", "http", "marshal.load", "os.exec", "os.fork", "os.listdir",
             "os.posix_spawn", "os.system", "pickle", "shutil", "socket", "subprocess", "tempfile",
             "urllib")  # fmt: skip
#: Of the reader's own modules, which may be imported still.
MODULES = (".py", ".pyc")


class Watch:
    """An audit hook that begins when a file is opened by its descriptor."""

    begun = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """End the process at what is forbidden."""
        if event == "open":
            path = arguments[0]
            self.begun |= isinstance(path, int) and "inside.hdf5" in sys.modules
            own = isinstance(path, int) or str(path).endswith(MODULES)
            if self.begun and not own:
                raise SystemExit(f"{event} {arguments!r}")
        elif self.begun and event.startswith(FORBIDDEN) and not is_import(event, arguments):
            raise SystemExit(f"{event} {arguments!r}")


def is_import(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether the reader's own code is loaded."""
    if event == "os.listdir":
        return str(arguments[0]) in sys.path or str(arguments[0]).startswith(str(INSIDE))
    name = getattr(arguments[0], "co_filename", "") if arguments else ""
    return event == "marshal.loads" or (event == "exec" and name.endswith(".py"))


sys.addaudithook(Watch())
sys.argv[0] = str(INSIDE)
sys.path[0] = str(INSIDE)
runpy.run_path(str(INSIDE), run_name="__main__")
