"""Forks the isolated reader: what each process of it imports is imported once.

Started as the reader is. Takes messages from the socket at standard input: the program, the numbers
by which it knows its files, and descriptors of its input, its output, how it ends, and the files.
"""

import fcntl
import gc
import json
import os
import runpy
import signal
import socket
import sys

sys.path.extend(sys.argv[1:])

import h5py  # noqa: F401
import numpy as np  # noqa: F401
import onnx.checker
import onnx.numpy_helper
import onnx.shape_inference  # noqa: F401

#: Beyond all numbers that a program may know files by.
FREE = 500


def become(program: str, targets: list[int], given: list[int]) -> None:
    """Go on as the reader, with its files and no others."""
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD, FREE) for each in given]
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.closerange(3, FREE)
    for each, target in zip(moved, (0, 1, *targets), strict=True):
        os.dup2(each, target)
        os.set_inheritable(target, True)
    os.closerange(FREE, FREE + len(moved) + 8)
    sys.argv, sys.path = [program], [program, *STANDARD]
    code = 1
    try:
        runpy.run_path(program, run_name="__main__")
        sys.stdout.flush()
        code = 0
    finally:
        # Python would take all modules apart.
        os._exit(code)


def supervise(program: str, targets: list[int], given: list[int]) -> None:
    """Fork it, and tell its number and how it ended."""
    first, second, status, *files = given
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        become(program, targets, [first, second, *files])
    for each in (first, second, *files):
        os.close(each)
    os.write(status, b"%d\n" % child)
    _, how = os.waitpid(child, 0)
    os.write(status, b"%d\n" % os.waitstatus_to_exitcode(how))
    os._exit(0)


STANDARD = [path for path in sys.path[1:] if path not in sys.argv[1:]]


def main() -> None:
    """Until the other end is closed."""
    connection = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Else forks write to what they share when they look for cycles.
    gc.freeze()
    while True:
        message, given, _, _ = socket.recv_fds(connection, 1 << 16, 64)
        if not message:
            return
        if os.fork() == 0:
            connection.close()
            program, targets = json.loads(message)
            supervise(program, targets, list(given))
        for each in given:
            os.close(each)


main()
