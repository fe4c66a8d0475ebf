"""Targets of `guided_targets.py` under atheris, which looks for bytes that take new branches.

Takes a line of JSON for each: its name, an empty folder, seconds, a number of cases (0: any) and a
seed. A process of its own is forked for it, for libFuzzer ends it, and leaves in the folder
``said.txt`` and ``result.json``, or what libFuzzer writes there of a case that crashed or hung the
process. A line answers when it has ended.
"""

import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Final

import atheris

_PACKAGE: Final = Path(__file__).resolve().parents[2] / "qconvert"
#: What computes with models, and parses nothing: half of the time to start would be for it.
_COMPUTING: Final = ("checking", "exactness", "numerics", "reference", "runners")
_UNSEEN: Final = [
    ".".join(path.relative_to(_PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for folder in _COMPUTING
    for path in (_PACKAGE / folder).rglob("*.py")
]

with atheris.instrument_imports(
    include=["qconvert"], exclude=_UNSEEN, enable_loader_override=False
):
    from scripts.fuzzing.guided_targets import TARGETS

#: Bytes of a case, and seconds after which it hangs.
_LONGEST: Final = 1 << 15
_HANGS: Final = 20
#: Seconds for what is around the cases.
_AROUND: Final = 60


class Trial:
    """Counts cases, and ends the process after the last one."""

    def __init__(self, name: str, folder: Path, seconds: float, cases: int) -> None:
        self._attempt = TARGETS[name].attempt
        self._folder = folder
        self._deadline = time.monotonic() + seconds
        self._cases = cases
        self._outcomes: Counter[str] = Counter()
        self._slowest = 0.0

    def one(self, data: bytes) -> None:
        """Try a case."""
        begin = time.monotonic()
        try:
            self._outcomes[self._attempt(data)] += 1
        except Exception:  # whatever it is, it is what is looked for
            self._end(traceback.format_exc(), data)
        self._slowest = max(self._slowest, time.monotonic() - begin)
        done = self._cases and self._outcomes.total() >= self._cases
        if done or time.monotonic() > self._deadline:
            self._end(None, b"")

    def _end(self, failure: str | None, content: bytes) -> None:
        result = {
            "outcomes": self._outcomes,
            "slowest": self._slowest,
            "failure": failure,
            "content": content.hex(),
        }
        (self._folder / "result.json").write_text(json.dumps(result))
        os._exit(0)  # libFuzzer would go on


def fuzz(name: str, place: Path, seconds: float, cases: int, seed: int) -> None:
    """Fuzz the target, until the process ends."""
    said = os.open(place / "said.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(said, sys.stdout.fileno())
    os.dup2(said, sys.stderr.fileno())
    tempfile.tempdir = str(place)
    corpus = place / "corpus"
    corpus.mkdir()
    for i, content in enumerate(TARGETS[name].begin()):
        (corpus / f"{i}").write_bytes(content)
    trial = Trial(name, place, seconds, cases)
    options = (f"-seed={seed}", f"-timeout={_HANGS}", f"-max_len={_LONGEST}", "-rss_limit_mb=2048")
    atheris.Setup([sys.argv[0], str(corpus), *options, f"-artifact_prefix={place}/"], trial.one)
    atheris.Fuzz()


def main() -> None:
    """Fork for each line."""
    for line in sys.stdin:
        name, folder, seconds, cases, seed = json.loads(line)
        child = os.fork()
        if child == 0:
            fuzz(name, Path(folder), seconds, cases, seed)
        end = os.pidfd_open(child)
        if not select.select([end], [], [], seconds + _AROUND)[0]:
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(end)
        print(flush=True)


if __name__ == "__main__":
    main()
