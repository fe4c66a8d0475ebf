"""Everything that reads a stranger's bytes, with bytes, texts, files and models that nobody wrote.

Hypothesis draws structures, atheris bytes that take new branches of our code; docs/FUZZING.md says
what each target is and what must hold. Prints a line for each target: cases tried, accepted and
refused, crashes and hangs of the processes that get files, which were survived, failures, and the
seconds of the slowest case. Failing inputs, as small as they could be made, are written into a
folder. Exits 1 if there are any.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.fuzzing.guided import Guided
from scripts.fuzzing.tally import HEADER, Budget, Tally, saved
from scripts.fuzzing.targets import Share, every, tried

_ROOT = Path(__file__).resolve().parents[1]


def tallies(chosen: list[Share], options: argparse.Namespace) -> Iterator[Tally]:
    """What became of each target, in their order."""
    whole = sum(each.share for each in chosen)
    for each in chosen:
        seconds = options.minutes * 60 * each.share / whole
        yield from tried(each.target, Budget(seconds, options.cases, options.seed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60, help="for all targets together")
    parser.add_argument("--cases", type=int, help="of each target, instead of any time")
    parser.add_argument("--seed", type=int, default=0, help="another one draws other cases")
    parser.add_argument("--target", action="append", metavar="NAME", help="only these")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="to change architectures of")
    parser.add_argument("--failures", type=Path, default=_ROOT / "build" / "fuzz", metavar="FOLDER")
    parser.add_argument("--list", action="store_true", help="what the targets are, and no more")
    return parser.parse_args()


def main() -> int:
    """0 if nothing failed."""
    options = _arguments()
    known = every(options.models)
    unknown = [name for name in options.target or () if name not in known]
    if unknown:
        print(f"there is no target {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    chosen = [known[name] for name in options.target or known]
    if options.list:
        print(*(f"{each.target.name:22}{each.target.what}" for each in chosen), sep="\n")
        return 0
    if find_spec("atheris") is None and any(isinstance(each.target, Guided) for each in chosen):
        print("atheris is missing: pip install -e '.[fuzz]'")
        return 2
    print(" | ".join(HEADER), flush=True)
    failures = 0
    for tally in tallies(chosen, options):
        print(" | ".join(tally.row()), flush=True)
        for path in saved(tally, options.failures):
            print(f"    {path}", flush=True)
        failures += len(tally.failures)
    print(f"{failures} failures")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
