"""How fast and how small exported files are, on networks of the usual kinds (architectures.py).

For each: milliseconds a call beside tf2onnx's file, TensorFlow and the file of the dialect
``float``, the share of the machine's int8 peak, sizes, whether the results are ``model(x)``'s, and
the operators that take the time. Of trained networks the first layers read floats. Exits 1 where
an expectation is missed. Names as arguments choose some networks. Measure on an idle machine.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import qconvert
from qconvert.api import bench
from qconvert.benchmarking import Benchmark
from qconvert.benchmarking.document import to_json
from qconvert.benchmarking.inputs import drawn
from qconvert.benchmarking.measure import measure
from qconvert.benchmarking.programs import EAGER, KERAS, MEASURED, TF2ONNX
from qconvert.benchmarking.results import Operator, Spread, Timing, Unlike
from qconvert.benchmarking.running import CONVERTING, ONNX_RUNTIME, Program
from qconvert.runners.npz import write_npz
from scripts.benched.tables import Rows, as_markdown

_DATA: Final = Path(__file__).resolve().parents[1] / "tests" / "data"
#: Networks without a quantizer of their inputs, so that the sums of their first layers are floats.
TRAINED: Final = {
    "trained_jet_tagger": _DATA / "jet_mlp.h5",
    "trained_mnist_cnn": _DATA / "mnist_cnn.keras",
}
#: Softmax and sums of floats, which runtimes round each in their way.
ROUNDING: Final = frozenset({"jet_tagger", "dense_of_floats", *TRAINED})
WIDE: Final = frozenset({"wide_cnn", "wide_normalized_cnn"})
BATCHES: Final = (1, 32)
LEAST_RATIO: Final = 4.0
LEAST_OF_PEAK: Final = 0.7
MOST_OF_SIZE: Final = 0.25
#: Layers that take less of the time are not told.
LEAST_SHARE: Final = 0.03
#: What a ratio of equally fast programs may be measured as.
NOISE: Final = 0.95
FLOAT: Final = "--dialect float"
_HEADER: Final = (
    "network",
    "batch",
    "ms",
    "tf2onnx's file takes",
    "TensorFlow takes",
    f"`{FLOAT}` takes",
    "of int8 peak",
    "size",
    "packed",
)


@dataclass(frozen=True, slots=True)
class Network:
    """What was measured of one; *floats* is what the dialect ``float`` takes, by batch.

    *packed* is how many bytes its file has with packed weights.
    """

    name: str
    found: Benchmark
    floats: Mapping[int, Spread]
    packed: int

    def ratios(self, batch: int) -> dict[str, Spread]:
        """By program: how many times as long it takes as the file, with one thread."""
        timings = self._timings(batch)
        others = {program: timing.ratio for program, timing in timings if timing.ratio is not None}
        return {**others, FLOAT: self.floats[batch]}

    def own(self, batch: int) -> Timing:
        """What the file takes."""
        return dict(self._timings(batch))[MEASURED]

    @property
    def size(self) -> float | None:
        """The file's part of the size of tf2onnx's."""
        return self._part(self.found.bytes)

    @property
    def packed_size(self) -> float | None:
        """The same with packed weights."""
        return self._part(self.packed)

    @property
    def unlike(self) -> Unlike | None:
        """How the outputs compare with those of ``model(x)``."""
        columns = {column.program: column for column in self.found.columns}
        return columns[EAGER].unlike

    @property
    def in_float(self) -> tuple[Operator, ...]:
        """The sums of products that do not run on codes."""
        return tuple(x for x in self.found.operators if x.integer is False)

    def _part(self, size: int) -> float | None:
        sizes = {column.program: column.bytes for column in self.found.columns}
        theirs = sizes.get(TF2ONNX)
        return None if theirs is None else size / theirs

    def _timings(self, batch: int) -> Iterator[tuple[str, Timing]]:
        for column in self.found.columns:
            for setting in column.settings[:1]:
                yield from ((column.program, t) for t in setting.timings if t.batch == batch)


def measured(name: str, model: Path, folder: Path, rounds: int, *, vnni: bool) -> Network:
    """Export the network and time it with one thread."""
    file, floats, packed = (folder / f"{name}{of}.onnx" for of in ("", "-float", "-packed"))
    exported = qconvert.export(model, file, vnni=vnni)
    qconvert.export(model, floats, dialect="float")
    qconvert.export(model, packed, vnni=vnni, packed_weights=True)
    inputs = {batch: folder / f"{name}-{batch}.npz" for batch in BATCHES}
    for batch, path in inputs.items():
        write_npz(path, drawn(exported.model, batch))
    found = bench(file, model, batches=BATCHES, threads=(1,), rounds=rounds)
    compared = by_turns(file, floats, inputs, rounds)
    return Network(name, found, compared, packed.stat().st_size)


def by_turns(file: Path, other: Path, inputs: Mapping[int, Path], rounds: int) -> dict[int, Spread]:
    """By batch: how many times as long *other* takes as *file*, within each round."""
    programs = [Program(each.name, ONNX_RUNTIME, each, inputs) for each in (file, other)]
    first, second = measure(programs, 1, rounds, lambda _: None)
    if failure := first.failure or second.failure:
        sys.exit(failure.coded)
    return {
        batch: Spread.of([b / a for a, b in zip(first.rounds[batch], seconds, strict=True)])
        for batch, seconds in second.rounds.items()
    }


def lines(network: Network) -> Iterator[str]:
    """One line a batch, and what takes the time."""
    found = network.found
    size = "" if network.size is None else f", {network.size:.3f} of tf2onnx's"
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


def rows(networks: Sequence[Network], options: str = "") -> Rows:
    """One a network and batch behind the header; sizes are parts of tf2onnx's file's.

    *options* are those of the export that are not the defaults.
    """
    return [_HEADER, *(_row(each, batch, options) for each in networks for batch in BATCHES)]


def _row(network: Network, batch: int, options: str) -> Sequence[str]:
    own, ratios = network.own(batch), network.ratios(batch)
    # TensorFlow Lite is another program.
    names = [name for name, kind in KERAS.items() if kind != CONVERTING and name in ratios]
    tensorflow = [ratios[name].median for name in names]
    return (
        f"`{network.name}`{options and f' with `{options}`'}",
        str(batch),
        f"{own.seconds.median * 1e3:.3f}",
        f"{ratios[TF2ONNX].median:.2f}" if TF2ONNX in ratios else "",
        f"{min(tensorflow):.2f}" if tensorflow else "",
        f"{ratios[FLOAT].median:.2f}",
        "" if own.of_peak is None else f"{own.of_peak.median:.0%}",
        *("" if part is None else f"{part:.3f}" for part in (network.size, network.packed_size)),
    )


def missed(network: Network) -> Iterator[str]:
    """The expectations that are not met."""
    largest, name = max(BATCHES), network.name
    ratios = network.ratios(largest)
    if name not in TRAINED and TF2ONNX in ratios and ratios[TF2ONNX].median < LEAST_RATIO:
        floats = len(network.in_float)
        yield (
            f"{name}: {ratios[TF2ONNX].median:.2f} times as fast as tf2onnx's file at batch"
            f" {largest}, not {LEAST_RATIO:g}; {floats} sums of products run in floats"
        )
    for batch in BATCHES:
        for program, ratio in network.ratios(batch).items():
            if ratio.median < NOISE and ratio.largest < 1:
                yield f"{name}: slower than {program} at batch {batch}: {ratio.median:.2f}"
    if network.size is not None and network.size > MOST_OF_SIZE:
        yield f"{name}: {network.size:.3f} of the size of tf2onnx's file, not {MOST_OF_SIZE:g}"
    peak = network.own(largest).of_peak
    if name in WIDE and peak is not None and peak.median < LEAST_OF_PEAK:
        yield f"{name}: {peak.median:.0%} of the int8 peak, not {LEAST_OF_PEAK:.0%}"
    if name not in ROUNDING and (network.unlike is None or network.unlike.differing):
        yield f"{name}: {_equal(network)}"


def models(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The networks, all if none is named; those that are not trained are built in *folder*."""
    trained = {name: path for name, path in TRAINED.items() if not names or name in names}
    others = [name for name in names if name not in TRAINED]
    built = _built(folder, others) if others or not names else {}
    return {**built, **trained}


def _built(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Written by a process that has TensorFlow, all if none is named."""
    command = [sys.executable, Path(__file__).with_name("architectures.py"), folder, *names]
    ended = subprocess.run(list(map(str, command)), check=False, stdout=subprocess.DEVNULL)
    if ended.returncode:
        # It has said what is wrong, such as a network that it does not know.
        sys.exit(ended.returncode)
    paths = sorted(folder.glob("*.h5"), key=lambda path: path.stat().st_mtime_ns)
    return {path.stem: path for path in paths}


def main() -> int:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, metavar="FOLDER", help="one file a network")
    parser.add_argument("--vnni", action="store_true", help="files for CPUs with VNNI alone")
    parser.add_argument("--markdown", action="store_true", help="a table as in docs/BENCH.md last")
    options = parser.parse_args()
    networks: list[Network] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, model in models(folder, options.names).items():
            network = measured(name, model, folder, options.rounds, vnni=options.vnni)
            print("\n".join(lines(network)), flush=True)
            networks.append(network)
            if options.json is not None:
                options.json.mkdir(parents=True, exist_ok=True)
                (options.json / f"{name}.json").write_text(to_json(network.found))
    faults = [fault for network in networks for fault in missed(network)]
    print("\n".join(["", *(f"MISSED {fault}" for fault in faults)]))
    if options.markdown:
        print(f"\n{as_markdown(rows(networks, '--vnni' if options.vnni else ''))}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
