"""``qconvert`` and ``python -m qconvert``."""

import os
import sys
from typing import NoReturn


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


def _open_standard_streams() -> None:
    """Else files take the places of those that are closed, and become those of other processes."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    main()
