"""``qconvert`` and ``python -m qconvert``."""

import os
import signal
import sys
from typing import Final, NoReturn

from qconvert.ending import ENDING

_STDOUT: Final = 1


def main() -> NoReturn:
    """Run the command line and exit; every outcome has one of the documented codes."""
    _open_standard_streams()
    try:
        # Imported here, so that an interrupt while it is imported has its code too.
        from qconvert.cli import run

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except MemoryError:
        sys.stderr.write("qconvert: error QC801: out of memory\n")
        sys.exit(7)
    finally:
        _end_undisturbed()


def _open_standard_streams() -> None:
    """Else files take the places of those that are closed, and become those of other processes.

    Nothing can be written to what stands for standard output: a result would be lost.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if descriptor == _STDOUT else os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(_STDOUT, "w", closefd=False)  # noqa: SIM115 - a descriptor


def _end_undisturbed() -> None:
    """Else a second signal shows where in Python's clean-up it came, and what that leaves."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
