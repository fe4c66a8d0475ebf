"""The signals that end a command, in a file that start-up can import before anything else."""

import signal
from typing import Final

#: As far as the system has them; SIGALRM is that of `qconvert.cli`.
ENDING: Final = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM")
    if name in signal.Signals.__members__
)
