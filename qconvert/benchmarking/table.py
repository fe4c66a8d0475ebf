"""A benchmark for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from rich.console import Console
from rich.text import Text

from qconvert.amounts import amount
from qconvert.benchmarking.results import Benchmark, Column, Operator, Setting, Timing, Unlike
from qconvert.report.columns import aligned
from qconvert.report.escape import printable
from qconvert.report.failure import lines_of

_HEADER: Final = (
    "program",
    "batch",
    "ms",
    "of all rounds",
    "samples/s",
    "ratio",
    "of all rounds",
    "of int8 peak",
    "start-up ms",
    "peak MB",
)
_KERNELS: Final = ("operator", "number", "ms", "share", "sums of", "layers")
_NATURE: Final = {True: "codes", False: "floats", None: ""}
#: Kind, number, seconds, nature and layers of operators.
_Row: TypeAlias = tuple[str, str, float, str, str]
#: Operators that take less of the time are not told one by one.
_LEAST_SHARE: Final = 0.02
_MOST_LAYERS: Final = 4
#: Share of the time of the largest batch below which another one is recommended.
_WORTH_TELLING: Final = 0.9


def show(found: Benchmark, console: Console) -> None:
    """Print the benchmark; *console* decides about colours."""
    for line in _lines(found):
        console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)


def _lines(found: Benchmark) -> Iterator[Text]:
    yield from _head(found)
    for threads in dict.fromkeys(s.threads for c in found.columns for s in c.settings):
        yield Text()
        yield Text(_threads(threads), "bold")
        yield from aligned([_HEADER, *_rows(found.columns, threads)], right=range(1, len(_HEADER)))
        peak = found.peak.get(threads)
        if peak is not None:
            yield Text(f"  int8 peak: {peak.median / 1e9:.0f} G multiplications/s", "dim")
        yield from _fewer_at_a_time(found.columns[0], threads)
    yield Text()
    yield from _files(found)
    yield from _operators(found.operators)


def _head(found: Benchmark) -> Iterator[Text]:
    macs = "" if found.macs is None else f", {_count(found.macs)} multiplications a sample"
    yield Text(f"{printable(str(found.file.path))}: {found.bytes} bytes{macs}", "bold")
    rounds = f"medians of {amount(found.rounds, 'round')}"
    yield Text(_environment(found.environment), "dim")
    if found.against is not None:
        yield Text(f"beside {printable(str(found.against.path))}")
    for note in found.notes:
        yield Text(f"note: {printable(note)}", "yellow")
    what = "" if found.against is None else "; a ratio above 1: the file is faster"
    yield Text(f"{rounds}{what}", "dim")


def _environment(known: Mapping[str, str]) -> str:
    """The versions of what runs, and where."""
    where = {"machine", "processor", "processors"}
    versions = ", ".join(f"{name} {known[name]}" for name in known if name not in where)
    processors = amount(int(known["processors"]), "processor")
    return printable(f"{versions}; {known['processor'] or known['machine']}, {processors}")


def _threads(threads: int) -> str:
    return amount(threads, "thread") if threads else "default threads"


def _rows(columns: Sequence[Column], threads: int) -> Iterator[Sequence[str]]:
    for column in columns:
        for setting in column.settings:
            if setting.threads == threads:
                yield from _of_setting(column.program, setting)


def _fewer_at_a_time(own: Column, threads: int) -> Iterator[Text]:
    """That a smaller batch takes less time a sample, if it clearly does: sums leave the caches."""
    timings = [t for s in own.settings if s.threads == threads for t in s.timings]
    if not timings:
        return
    largest = max(timings, key=lambda each: each.batch)
    best = min(timings, key=lambda each: each.seconds.median / each.batch)
    share = best.seconds.median / best.batch * largest.batch / largest.seconds.median
    apart = best.seconds.largest / best.batch < largest.seconds.least / largest.batch
    if share < _WORTH_TELLING and apart:
        counted = amount(best.batch, "sample")
        yield Text(
            f"  calls of {counted} take {share:.2f} of the time a sample that calls of "
            f"{largest.batch} take: give the file fewer at a time"
        )


def _of_setting(program: str, setting: Setting) -> Iterator[Sequence[str]]:
    for number, timing in enumerate(setting.timings):
        startup, peak = setting.startup, setting.peak
        yield (
            program if number == 0 else "",
            *_timed(timing),
            f"{startup * 1e3:.1f}" if number == 0 and startup is not None else "",
            f"{peak / 1e6:.0f}" if number == 0 and peak is not None else "",
        )
    if setting.failure is not None:
        yield (program, "", "failed", *[""] * (len(_HEADER) - 3))


def _timed(timing: Timing) -> tuple[str, ...]:
    ms, ratio = timing.seconds, timing.ratio
    return (
        str(timing.batch),
        f"{ms.median * 1e3:.3f}",
        f"{ms.least * 1e3:.3f}..{ms.largest * 1e3:.3f}",
        f"{timing.batch / ms.median:.0f}",
        "" if ratio is None else f"{ratio.median:.2f}",
        "" if ratio is None else f"{ratio.least:.2f}..{ratio.largest:.2f}",
        "" if timing.of_peak is None else f"{timing.of_peak.median:.0%}",
    )


def _files(found: Benchmark) -> Iterator[Text]:
    """Sizes beside that of the file, unlike outputs, and why there is nothing."""
    for column in found.columns:
        said = []
        if column.bytes is not None and column.program != found.columns[0].program:
            said.append(f"{column.bytes} bytes, {column.bytes / found.bytes:.1f} times the file")
        if column.unlike is not None:
            said.append(_unlike(column.unlike))
        if said:
            yield Text(f"{column.program}: {'; '.join(said)}")
        if column.uncompared is not None:
            told = "\n  ".join((f"{column.program}: not compared", *lines_of(column.uncompared)))
            yield Text(told, "yellow")
        failures = dict.fromkeys([column.failure, *(s.failure for s in column.settings)])
        for failure in filter(None, failures):
            yield Text("\n  ".join((f"{column.program} failed", *lines_of(failure))), "yellow")


def _unlike(unlike: Unlike) -> str:
    counted = f"{unlike.differing} of {unlike.elements} outputs differ from the file's"
    return f"{counted}, by {unlike.largest:.3g} at most" if unlike.differing else counted


def _operators(operators: Sequence[Operator]) -> Iterator[Text]:
    if operators:
        total = sum(each.seconds for each in operators)
        rows = [*_kinds(operators), *_single(operators, total)]
        yield Text()
        yield Text("operators as deployed: one thread, the largest batch", "bold")
        cells = (
            (kind, number, f"{s * 1e3:.3f}", f"{s / (total or 1.0):.0%}", nature, layers)
            for kind, number, s, nature, layers in rows
        )
        yield from aligned([_KERNELS, *cells], right=(1, 2, 3))


def _kinds(operators: Sequence[Operator]) -> list[_Row]:
    """One row for all of a kind."""
    kinds: dict[str, list[Operator]] = {}
    for each in operators:
        kinds.setdefault(printable(each.kind), []).append(each)
    rows = [
        (kind, str(len(all_)), sum(each.seconds for each in all_), "", "")
        for kind, all_ in kinds.items()
    ]
    return sorted(rows, key=lambda row: -row[2])


def _single(operators: Sequence[Operator], total: float) -> list[_Row]:
    """One row for each that takes a share of the time."""
    return [
        (
            f"  {printable(each.kind)}",
            "",
            each.seconds,
            _NATURE[each.integer],
            printable(_joined(each)),
        )
        for each in sorted(operators, key=lambda each: -each.seconds)
        if each.seconds >= _LEAST_SHARE * total
    ]


def _joined(operator: Operator) -> str:
    shown = operator.layers[:_MOST_LAYERS]
    more = len(operator.layers) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more else [])])


def _count(number: int) -> str:
    return f"{number / 1e6:.2f} M" if number >= 1e6 else str(number)
