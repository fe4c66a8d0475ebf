"""``qconvert`` and ``python -m qconvert``."""

import os
import signal
import sys
from typing import NoReturn

from qconvert.ending import ENDING


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
    """Else files take the places of those that are closed, and become those of other processes."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        # Nothing can be written to this, so that no result is lost without a word.
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")


def _end_undisturbed() -> None:
    """Else a second signal shows where in Python's clean-up it came, and what that leaves."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
