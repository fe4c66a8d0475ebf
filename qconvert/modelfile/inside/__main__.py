"""Reads files of strangers in a process of its own, which a bad one may crash or hang.

A stand-alone program that imports nothing of qconvert, started as ``python -I -S -B FOLDER`` with
an empty environment. It takes one JSON object from standard input and writes one to standard
output: ``{}``, the contents, or ``{"code", "message", "limit"}`` of a refusal. Files are the
descriptors that it inherits; results lie where `answer.Place` says.

hdf5    {file, results} -> {config, of_file, of_weights, by_name | by_position, groups, unused}
archive {file, results} -> the same and {metadata}
onnx    {file, limits} -> {}, of a file that is valid
write   {file, output, of_file, group, of_weights, by_name | by_position, groups} -> {}
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

# A folder that is started is no package; now it is.
if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    __package__ = "inside"
from .refusal import RefusalError

if TYPE_CHECKING:
    from typing import TypeAlias

    Json: TypeAlias = Any

#: Characters of an error that nobody expected.
MOST_WORDS = 300


def main() -> None:
    """Answer one request."""
    request = json.loads(sys.stdin.buffer.read())
    confine(request["confined"])
    sys.path.extend(request["path"])
    try:
        answer = answered(request)
    except RefusalError as refusal:
        answer = {"code": refusal.code, "message": str(refusal), "limit": refusal.limit}
    except MemoryError:
        answer = {"code": "QC801", "message": "reading took too much memory"}
        answer["limit"] = "reader_memory"
    except ImportError as error:
        answer = {"code": "QC725", "message": f"the isolated reader lacks a package: {error}"}
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:MOST_WORDS]
        answer = {"code": "QC108", "message": f"made the isolated reader fail: {reason}"}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()


def confine(limits: dict[str, int]) -> None:
    """Take away what the system gives at will: memory, time, large files, core dumps."""
    for name, most in limits.items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        # SIGXCPU, by which the parent knows what happened, comes below the hard limit alone.
        end = most + (name == "RLIMIT_CPU")
        if hard != resource.RLIM_INFINITY:
            most, end = min(most, hard), min(end, hard)
        resource.setrlimit(kind, (most, end))


def answered(request: Json) -> Json:
    """What is asked for; modules are imported here, after the limits are set."""
    if request["do"] == "write":
        from .writing import write_hdf5

        write_hdf5(request, request["file"])
        return {}
    if request["do"] == "onnx":
        from .onnx_model import require_valid

        require_valid(request["file"], request["limits"])
        return {}
    from .answer import Results
    from .values import Budget

    budget = Budget(request["limits"], Results(request["results"]))
    if request["do"] == "archive":
        from .archive import read_archive

        with open(request["file"], "rb", closefd=False) as file:
            return read_archive(file, request["results"], budget)
    from .hdf5 import read_hdf5

    return read_hdf5(request["file"], budget)


if __name__ == "__main__":
    main()
