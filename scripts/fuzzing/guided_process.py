"""One target of `guided_targets.py` under atheris, which looks for bytes that take new branches.

A process of its own, for libFuzzer ends it: started with a target, an empty folder, seconds, a
number of cases (0: any) and a seed. It leaves ``result.json`` in the folder, or what libFuzzer
writes there of a case that crashed or hung the process.
"""

import json
import os
import sys
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


def main(name: str, folder: str, seconds: str, cases: str, seed: str) -> None:
    """Fuzz the target."""
    place = Path(folder)
    corpus = place / "corpus"
    corpus.mkdir()
    for i, content in enumerate(TARGETS[name].begin()):
        (corpus / f"{i}").write_bytes(content)
    trial = Trial(name, place, float(seconds), int(cases))
    options = (f"-seed={seed}", f"-timeout={_HANGS}", f"-max_len={_LONGEST}", "-rss_limit_mb=2048")
    atheris.Setup([sys.argv[0], str(corpus), *options, f"-artifact_prefix={place}/"], trial.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
