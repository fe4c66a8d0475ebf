"""Write what every error code means, from ``qconvert/codes.toml``, as ``docs/ERRORS.md``.

With ``--check`` only compares it; exits 1 if the page is not current.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from qconvert.codes import explanations

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "ERRORS.md"
_HEAD: Final = """\
# Errors

<!-- Written by scripts/error_table.py from qconvert/codes.toml. -->

Every error has a code, which stays the same over versions: the command line prints it in front of
the message, exceptions have it as `error.code`, and reports where a witness failed. `qconvert help
QC107` prints what stands here, `qconvert help` the list.

| exit code | means |
|---|---|
| 0 | done; of a check: passed |
| 1 | the check found a difference, or less is known than is required |
| 2 | the command line, an option or the configuration is wrong |
| 3 | the model has parts that are not supported |
| 4 | a file is missing, damaged or not what it should be |
| 5 | a witness of the check, or a package, is missing |
| 6 | an output could not be written |
| 7 | a limit of size, time or memory was reached |
| 70 | a bug of qconvert |
| 129, 130, 141, 143 | the terminal was closed, interrupted, the output was closed, terminated |
"""
_PARTS: Final = {
    "0": "The command line",
    "1": "Files",
    "2": "Their JSON",
    "3": "Layers and the graph",
    "4": "Quantizers",
    "5": "Weights",
    "6": "Outputs",
    "7": "ONNX files, inputs and witnesses",
    "8": "Resources",
    "9": "Configuration, and the rest",
}


def page() -> str:
    """The page as it should be."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD
    part = ""
    for code, entry in explanations().items():
        if code[2] != part:
            part = code[2]
            yield f"## {_PARTS[part]}\n"
        yield f"### {code}: {entry.title}\n"
        yield f"{entry.meaning}\n"
        yield f"{entry.remedy}\n"


def main() -> int:
    """Write or compare the page; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    return int(PAGE.read_text(encoding="utf-8") != page())


if __name__ == "__main__":
    sys.exit(main())
