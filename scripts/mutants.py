"""Plant one bug at a time, and see that `check` finds it where it is.

Three kinds of bugs, each in a table: ``source``, in a copy of the converter
(``mutation/mutants.toml``), checked on models that TensorFlow has computed once; ``file``, in
exported files of trained models (``mutation/*_files.py``), checked with the NumPy reference in
TensorFlow's place, after TensorFlow has confirmed each model (`mutation/subjects.py`; not with
``--unconfirmed``); and ``checker``, faults of the checker itself (``mutation/faults.toml``).

A bug is killed if the verdict is DIFFERS, or UNCHECKED where ONNX Runtime fails, and the first
difference is at the expected layer, or if the layer has the condition that it works on other
processors alone. A fault of the checker is killed if its case shows it: a bug
in a file that it does not find, or not where it is, or a right file that it does not pass, or of
which it says less. No bug in a file is equivalent: a sample of the model's domain is found on
which results differ, or the bug shows on other processors alone and is told of as a condition.

Prints a line for each, and how many of each class and kind were killed; exits 1 unless all were,
and the package itself passes. ``--records`` keeps what TensorFlow computed.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.mutation.file_mutant import FileMutant
from scripts.mutation.files import FILE_MUTANTS
from scripts.mutation.outcome import Outcome
from scripts.mutation.planting import (
    PARTS,
    ROOT,
    Fault,
    SourceMutant,
    check_files,
    check_source,
    copied,
    findings,
    planted,
    read_rows,
    recorded,
    with_bug,
)

KINDS: Final = ("source", "file", "checker")
#: The class of the checker's own faults.
_CHECKER: Final = "G35"
_FILES: Final = {mutant.id: mutant for mutant in FILE_MUTANTS}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mutant: ``where`` it is, what was ``found``, and why.

    ``state`` is killed or SURVIVED.
    """

    state: str
    kind: str
    gap: str
    id: str
    where: str
    found: str
    message: str


@dataclass(frozen=True, slots=True)
class Run:
    """One state of the package, the models with what TensorFlow computed of them, and workers."""

    package: Path
    folder: Path
    pool: ThreadPoolExecutor

    def of_sources(self, mutants: Sequence[SourceMutant]) -> Iterator[Result]:
        """Bugs in the converter."""
        models = tuple(dict.fromkeys(mutant.model for mutant in mutants))
        _require_passing(models, self.pool.map(self._unchanged, models))
        for mutant, outcome in zip(mutants, self.pool.map(self._source, mutants), strict=True):
            remarked = mutant.remark in outcome.remarks.get(mutant.layer, "")
            killed = outcome.names(mutant.layer, mutant.verdict) and remarked
            yield _result(mutant, "source", mutant.file, mutant.layer, outcome, killed=killed)

    def _unchanged(self, model: str) -> Outcome:
        return check_source(self.folder, model, self.package)

    def _source(self, mutant: SourceMutant) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="mutant-") as name:
            return check_source(self.folder, mutant.model, with_bug(self.package, name, mutant))

    def of_files(self, mutants: Sequence[FileMutant], *, confirmed: bool) -> Iterator[Result]:
        """Bugs in exported files."""
        models = tuple(dict.fromkeys(mutant.model for mutant in mutants))
        if confirmed:
            _require_passing(models, self.pool.map(self._confirmed, models))
        groups = [[m for m in mutants if m.model == model] for model in models]
        for group, found in zip(groups, self.pool.map(self._files, groups), strict=True):
            outcomes, samples = found
            _require_passing((group[0].model,), (outcomes[group[0].model],))
            yield from (_of_file(m, outcomes[m.id], samples[m.id]) for m in group)

    def _confirmed(self, model: str) -> Outcome:
        (found,) = findings("examine_files.py", "confirm", self.folder, model, package=self.package)
        return Outcome(**{key: value for key, value in found.items() if key != "case"})

    def _files(
        self, mutants: Sequence[FileMutant]
    ) -> tuple[dict[str, Outcome], dict[str, int | None]]:
        """What was found of each and of the right file, and how many samples show each."""
        ids = [mutant.id for mutant in mutants]
        outcomes = check_files(self.folder, [mutants[0].model, *ids], self.package)
        reached = findings("examine_files.py", "reach", self.folder, *ids, package=self.package)
        return outcomes, {line["case"]: line["samples"] for line in reached}

    def of_checker(self, faults: Sequence[Fault]) -> Iterator[Result]:
        """The checker's own faults; `RuntimeError` if it has their cases wrong without any."""
        cases = list(dict.fromkeys(fault.case for fault in faults))
        right = check_files(self.folder, cases, self.package) if cases else {}
        if wrong := [case for case in cases if not _is_right(case, right[case])]:
            raise RuntimeError(f"without any fault, {wrong} are judged wrong")
        for fault, outcome in zip(faults, self.pool.map(self._fault, faults), strict=True):
            as_before = fault.case in _FILES or outcome.verdict == right[fault.case].verdict
            killed = outcome.verdict != "CRASHED" and not (
                as_before and _is_right(fault.case, outcome)
            )
            yield _result(fault, "checker", fault.file, fault.case, outcome, killed=killed)

    def _fault(self, fault: Fault) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="mutant-") as name:
            copy = with_bug(self.package, name, fault)
            return check_files(self.folder, [fault.case], copy)[fault.case]


def _is_right(case: str, outcome: Outcome) -> bool:
    """Whether a bug in a file was found where it is, with the file to blame; or none passes."""
    if case not in _FILES:
        return outcome.passes
    blamed = outcome.message.startswith(("TensorFlow differs", "NumPy differs"))
    mutant = _FILES[case]
    remarked = mutant.remark in outcome.remarks.get(mutant.remarked, "")
    return outcome.names(mutant.layer, mutant.verdict) and remarked and not blamed


def _of_file(mutant: FileMutant, outcome: Outcome, samples: int | None) -> Result:
    found = _is_right(mutant.id, outcome)
    shown = samples is not None or mutant.verdict == "PASSES"
    result = _result(mutant, "file", mutant.model, mutant.layer, outcome, killed=found and shown)
    seen = "changes nothing here" if samples is None else f"seen in {samples} samples"
    said = outcome.remarks.get(mutant.remarked, result.message)
    return replace(result, message=f"{seen}: {said}")


def _result(
    mutant: SourceMutant | FileMutant | Fault,
    kind: str,
    where: str,
    wanted: str,
    outcome: Outcome,
    *,
    killed: bool,
) -> Result:
    gap = _CHECKER if isinstance(mutant, Fault) else mutant.gap
    found = f"{outcome.verdict} {outcome.place or 'nowhere'}"
    named = found if killed else f"{found} instead of {wanted}"
    state = "killed" if killed else "SURVIVED"
    return Result(state, kind, gap, mutant.id, where, named, outcome.message)


def _require_passing(models: Sequence[str], outcomes: Iterable[Outcome]) -> None:
    """`RuntimeError` if the package itself does not pass."""
    for model, outcome in zip(models, outcomes, strict=True):
        if not outcome.passes:
            raise RuntimeError(f"without any bug, {model} does not pass: {outcome}")


def _table(results: Sequence[Result]) -> Iterator[str]:
    """How many of each class and kind were killed."""
    total = Counter((r.gap, r.kind) for r in results)
    killed = Counter((r.gap, r.kind) for r in results if r.state == "killed")
    for gap in sorted({r.gap for r in results}):
        kinds = (f"{k} {killed[gap, k]} of {total[gap, k]}" for k in KINDS if total[gap, k])
        yield "\t".join([gap, *kinds])


def _chosen(
    options: argparse.Namespace,
) -> tuple[list[SourceMutant], list[FileMutant], list[Fault]]:
    sources = [SourceMutant(**row) for row in read_rows(options.table)]
    faults = [Fault(**row) for row in read_rows(options.faults)]
    planting: list[SourceMutant | Fault] = [*sources, *faults]
    for mutant in planting:
        planted((ROOT / "qconvert" / mutant.file).read_text(encoding="utf-8"), mutant)
    if options.one_each:
        sources = list({(m.gap, m.file): m for m in reversed(sources)}.values())[::-1]
    sources, faults = sources[options.first :: options.each], faults[options.first :: options.each]
    return (
        [m for m in sources if _is_chosen(options, "source", m.id)],
        [m for m in FILE_MUTANTS[:: options.every] if _is_chosen(options, "file", m.id)],
        [m for m in faults if _is_chosen(options, "checker", m.id)],
    )


def _is_chosen(options: argparse.Namespace, kind: str, name: str) -> bool:
    return kind in options.kinds and (not options.ids or name in options.ids)


def arguments() -> argparse.Namespace:
    """The command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--records", type=Path, help="where to keep TensorFlow's results")
    parser.add_argument("--table", type=Path, default=PARTS / "mutants.toml")
    parser.add_argument("--faults", type=Path, default=PARTS / "faults.toml")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--unconfirmed", action="store_true", help="do not ask TensorFlow")
    parser.add_argument("--every", type=int, default=1, help="only every so many bugs in files")
    parser.add_argument(
        "--one-each", action="store_true", help="of bugs in the converter one of a class and file"
    )
    parser.add_argument("--each", type=int, default=1, help="only each so-many-th of the others")
    parser.add_argument("--first", type=int, default=0, help="which of these is the first")
    parser.add_argument("ids", nargs="*", help="only these mutants")
    return parser.parse_args()


def main() -> int:
    """Check the mutants, or those that were asked for."""
    options = arguments()
    sources, files, faults = _chosen(options)
    results: list[Result] = []
    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as temporary,
        ThreadPoolExecutor(options.jobs) as pool,
    ):
        # Mutants of one run are mutants of one package, whatever happens to its files meanwhile.
        package = copied(ROOT, temporary)
        folder = recorded(options.records or Path(temporary) / "records", package)
        run = Run(package, folder, pool)
        for result in chain(
            run.of_sources(sources),
            run.of_files(files, confirmed=not options.unconfirmed),
            run.of_checker(faults),
        ):
            results.append(result)
            print("\t".join(astuple(result)), flush=True)
    print(*_table(results), sep="\n")
    alive = sum(result.state == "SURVIVED" for result in results)
    print(f"{len(results) - alive} of {len(results)} mutants killed, each at its layer")
    return 1 if alive or not results else 0


if __name__ == "__main__":
    sys.exit(main())
