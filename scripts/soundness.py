"""Try to refute certificates: random small layers, in many orders and runtimes, against integers.

Every layer of which all ops are certified (the analysis calls them proven) is evaluated with its
sums in ten orders, by the NumPy reference, by ONNX Runtime with graph optimizations off and on,
a share by ONNX's own evaluator, and with ``--tensorflow`` by TensorFlow's kernels and by QKeras's
quantizers: on extremes, on inputs that drive sums to their bounds, and on random ones. All results
have to equal the exact ones bit for bit, and to lie within the reach that the analysis states.
Prints what was tried, and each counterexample in full; there being one makes the exit code 1.

``--converse`` draws sums that pass 2**24 steps by little instead, and counts for how many two
programs are seen to differ; there being none makes the exit code 1. Layers are numbered by seeds
(``--first``, ``--count``), so that a run can be cut into parts.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.certified.converse import Differences, differences
from scripts.certified.examine import Tally, examined

T = TypeVar("T")

#: Layers in one ONNX file.
_TOGETHER: Final = 250
#: Counterexamples that are printed.
_SHOWN: Final = 10
#: Pairs of programs that are printed.
_SHOWN_PAIRS: Final = 20


def main() -> int:
    """Try the layers and print what was found."""
    arguments = _arguments()
    seeds = range(arguments.first, arguments.first + arguments.count)
    parts = [seeds[i : i + _TOGETHER] for i in range(0, len(seeds), _TOGETHER)]
    if arguments.converse:
        return _converse(parts, arguments.jobs)
    return _soundness(parts, arguments.jobs, with_tensorflow=arguments.tensorflow)


def _soundness(parts: Sequence[range], jobs: int, *, with_tensorflow: bool) -> int:
    whole = Tally()
    for tally in _mapped(partial(examined, with_tensorflow=with_tensorflow), parts, jobs):
        room = max(0, _SHOWN - len(whole.counterexamples))
        for counterexample in tally.counterexamples[:room]:
            print(f"COUNTEREXAMPLE {counterexample}", flush=True)
        whole.add(tally)
    print("\n".join(_table(whole)))
    return int(bool(whole.counterexamples))


def _converse(parts: Sequence[range], jobs: int) -> int:
    whole = Differences()
    for found in _mapped(differences, parts, jobs):
        whole.add(found)
    print(f"{whole.layers:,} layers whose largest partial sum is beyond 2**24 steps by little")
    print(f"{whole.exhibited:9,}  with an input for which two programs differ")
    print(f"{whole.inexact:9,}  with an input for which one differs from the exact sum, rounded")
    for (first, second), count in whole.pairs.most_common(_SHOWN_PAIRS):
        print(f"{count:9,}  {first} and {second}")
    return int(not whole.exhibited)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="how many layers to draw")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="of the first layer")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--converse", action="store_true", help="sums just beyond the bound")
    parser.add_argument("--tensorflow", action="store_true", help="run TensorFlow and QKeras too")
    return parser.parse_args()


def _mapped(action: Callable[[range], T], parts: Sequence[range], jobs: int) -> Iterator[T]:
    """In this process, or in several that are started anew: TensorFlow does not survive a fork."""
    if jobs == 1:
        results = map(action, parts)
        yield from _with_progress(results, parts)
        return
    with get_context("spawn").Pool(jobs) as pool:
        yield from _with_progress(pool.imap(action, parts), parts)


def _with_progress(results: Iterable[T], parts: Sequence[range]) -> Iterator[T]:
    for part, result in zip(parts, results, strict=True):
        yield result
        print(f"seeds up to {part[-1]}", file=sys.stderr, flush=True)


def _table(tally: Tally) -> Iterator[str]:
    yield f"{tally.certified.total():,} layers certified, {tally.refused.total():,} not"
    for (kind, argument), count in sorted(tally.certified.items()):
        yield f"{count:9,}  {kind}: {argument}"
    yield "bits of the largest partial sum, of those with exact sums:"
    for bits, count in sorted(tally.bits.items(), reverse=True):
        yield f"{count:9,}  {bits}"
    yield "not certified:"
    for (kind, reason), count in sorted(tally.refused.items()):
        yield f"{count:9,}  {kind}: {reason}"
    yield f"{tally.evaluations.total():,} results compared with the exact ones:"
    for program, count in sorted(tally.evaluations.items()):
        yield f"{count:13,}  {program}"
    yield f"{len(tally.counterexamples)} counterexamples"


if __name__ == "__main__":
    sys.exit(main())
