"""How fast and how small exported files are, on networks of the usual kinds (architectures.py).

For each: milliseconds a call beside tf2onnx's file and TensorFlow (the faster of ``predict`` and
``tf.function``), the share of the machine's int8 peak, sizes, whether the results are
``model(x)``'s, and the operators that take the time. Exits 1 where an expectation is missed.
Names as arguments choose some networks. Measure on an idle machine.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import qconvert
from qconvert.api import bench
from qconvert.benchmarking import Benchmark
from qconvert.benchmarking.document import to_json
from qconvert.benchmarking.programs import EAGER, MEASURED, TF2ONNX
from qconvert.benchmarking.results import Operator, Spread, Timing, Unlike

#: Softmax, which runtimes round each in their way.
ROUNDING: Final = frozenset({"jet_tagger"})
WIDE: Final = frozenset({"wide_cnn", "wide_normalized_cnn"})
BATCHES: Final = (1, 32)
LEAST_RATIO: Final = 4.0
LEAST_OF_PEAK: Final = 0.7
MOST_OF_SIZE: Final = 0.25
#: Layers that take less of the time are not told.
LEAST_SHARE: Final = 0.03
#: What a ratio of equally fast programs may be measured as.
NOISE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Network:
    """What was measured of one."""

    name: str
    found: Benchmark

    def ratios(self, batch: int) -> dict[str, Spread]:
        """By program: how many times as long it takes as the file, with one thread."""
        return {
            program: timing.ratio
            for program, timing in self._timings(batch)
            if timing.ratio is not None
        }

    def own(self, batch: int) -> Timing:
        """What the file takes."""
        return dict(self._timings(batch))[MEASURED]

    @property
    def size(self) -> float | None:
        """The file's part of the size of tf2onnx's."""
        sizes = {column.program: column.bytes for column in self.found.columns}
        theirs = sizes.get(TF2ONNX)
        return None if theirs is None else self.found.bytes / theirs

    @property
    def unlike(self) -> Unlike | None:
        """How the outputs compare with those of ``model(x)``."""
        columns = {column.program: column for column in self.found.columns}
        return columns[EAGER].unlike

    @property
    def floats(self) -> tuple[Operator, ...]:
        """The sums of products that do not run on codes."""
        return tuple(x for x in self.found.operators if x.integer is False)

    def _timings(self, batch: int) -> Iterator[tuple[str, Timing]]:
        for column in self.found.columns:
            for setting in column.settings[:1]:
                yield from ((column.program, t) for t in setting.timings if t.batch == batch)


def measured(name: str, folder: Path, rounds: int) -> Network:
    """Export the network and time it with one thread."""
    model, file = folder / f"{name}.h5", folder / f"{name}.onnx"
    qconvert.export(model, file)
    return Network(name, bench(file, model, batches=BATCHES, threads=(1,), rounds=rounds))


def lines(network: Network) -> Iterator[str]:
    """One line a batch, and what takes the time."""
    found = network.found
    size = "" if network.size is None else f", {network.size:.2f} of tf2onnx's"
    macs = "" if found.macs is None else f", {found.macs / 1e6:.2f} M multiplications"
    yield f"{network.name}: {found.bytes} bytes{size}{macs}; {_equal(network)}"
    for batch in BATCHES:
        own = network.own(batch)
        peak = "" if own.of_peak is None else f"{own.of_peak.median:5.0%} of int8 peak"
        yield f"  batch {batch:3}: {own.seconds.median * 1e3:9.3f} ms  {peak}"
        for program, ratio in network.ratios(batch).items():
            yield (
                f"    {program:24}{ratio.median:8.2f} times as long"
                f" ({ratio.least:.2f}..{ratio.largest:.2f})"
            )
    for column in found.columns:
        for failure in {column.failure, *(s.failure for s in column.settings)} - {None}:
            yield f"    {column.program} failed: {failure}"
    yield from _shares(found.operators)


def _equal(network: Network) -> str:
    unlike = network.unlike
    if unlike is None:
        return "not compared with TensorFlow"
    if not unlike.differing:
        return "equal"
    counted = f"{unlike.differing} of {unlike.elements} outputs differ from model(x)"
    return f"{counted}, by {unlike.largest:.3g} at most"


def _shares(operators: Sequence[Operator]) -> Iterator[str]:
    """The operators of the layers that take most of the time with the largest batch."""
    total = sum(each.seconds for each in operators)
    groups: dict[tuple[str, ...], list[Operator]] = defaultdict(list)
    for each in operators:
        groups[each.layers].append(each)
    costs = {layers: sum(x.seconds for x in each) for layers, each in groups.items()}
    for layers in sorted(groups, key=lambda each: -costs[each]):
        if costs[layers] >= LEAST_SHARE * total:
            kinds = dict.fromkeys(x.kind for x in groups[layers])
            float_ = "  FLOAT" if any(x.integer is False for x in groups[layers]) else ""
            named = ", ".join(layers[:4]) or "(no layer)"
            yield f"    {costs[layers] / total:4.0%} {named}: {', '.join(kinds)}{float_}"


def missed(network: Network) -> Iterator[str]:
    """The expectations that are not met."""
    largest, name = max(BATCHES), network.name
    ratios = network.ratios(largest)
    if TF2ONNX in ratios and ratios[TF2ONNX].median < LEAST_RATIO:
        floats = len(network.floats)
        yield (
            f"{name}: {ratios[TF2ONNX].median:.2f} times as fast as tf2onnx's file at batch"
            f" {largest}, not {LEAST_RATIO:g}; {floats} sums of products run in floats"
        )
    for batch in BATCHES:
        for program, ratio in network.ratios(batch).items():
            if ratio.median < NOISE:
                yield f"{name}: slower than {program} at batch {batch}: {ratio.median:.2f}"
    if network.size is not None and network.size > MOST_OF_SIZE:
        yield f"{name}: {network.size:.2f} of the size of tf2onnx's file, not {MOST_OF_SIZE:g}"
    peak = network.own(largest).of_peak
    if name in WIDE and peak is not None and peak.median < LEAST_OF_PEAK:
        yield f"{name}: {peak.median:.0%} of the int8 peak, not {LEAST_OF_PEAK:.0%}"
    if name not in ROUNDING and (network.unlike is None or network.unlike.differing):
        yield f"{name}: {_equal(network)}"


def built(folder: Path, names: Sequence[str]) -> list[str]:
    """Have the networks written, all if none is named, by a process that has TensorFlow."""
    command = [sys.executable, Path(__file__).with_name("architectures.py"), folder, *names]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return [path.stem for path in sorted(folder.glob("*.h5"), key=lambda x: x.stat().st_mtime_ns)]


def main() -> int:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, metavar="FOLDER", help="one file a network")
    options = parser.parse_args()
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in built(Path(folder), options.names):
            network = measured(name, Path(folder), options.rounds)
            print("\n".join(lines(network)), flush=True)
            faults += missed(network)
            if options.json is not None:
                options.json.mkdir(parents=True, exist_ok=True)
                (options.json / f"{name}.json").write_text(to_json(network.found))
    print("\n".join(["", *(f"MISSED {fault}" for fault in faults)]))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
