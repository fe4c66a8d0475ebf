"""Runs programs in forks of this process, which has imported what each would else import anew.

Takes a line of JSON for each: its command, where it imports from, the files of its output and of
its errors, and after how many seconds it ends. Answers with its exit code when it has ended.
"""

import json
import os
import runpy
import signal
import sys

import numpy as np  # noqa: F401
import onnx.reference.ops  # noqa: F401

READ, WRITE = os.O_RDONLY, os.O_WRONLY | os.O_CREAT


def become(command: list[str], path: list[str], out: str, err: str, seconds: int) -> None:
    """Go on as that program, in this process."""
    for number, (name, how) in enumerate(((os.devnull, READ), (out, WRITE), (err, WRITE))):
        os.dup2(os.open(name, how), number)
    signal.alarm(seconds)
    sys.argv = command
    sys.path[:0] = path
    runpy.run_path(command[0], run_name="__main__")


def main() -> None:
    """Fork for each line; in the fork this returns when its program has ended."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(*json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


main()
