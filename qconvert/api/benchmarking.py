"""How fast an ONNX file is, and what else runs the same model."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from qconvert.benchmarking import MOST_ROUNDS, MOST_THREADS, Against, Benchmark, Plan, Timed
from qconvert.benchmarking import bench as measured
from qconvert.benchmarking.same_model import doubts, require_same_model
from qconvert.checking import CheckedFile
from qconvert.checking.onnx_file import read_onnx
from qconvert.emit.metadata import read_metadata
from qconvert.errors import UsageError, naming_file
from qconvert.modelfile import DEFAULT_LIMITS, name_of
from qconvert.opening import AnyPath, Source, read_for_keras, require_no_keras_options
from qconvert.shortage import telling_shortages


@telling_shortages
def bench(
    onnx: AnyPath,
    against: AnyPath | object | None = None,
    *,
    weights: AnyPath | None = None,
    via_tensorflow: bool = False,
    batches: Sequence[int] = (1, 32),
    threads: Sequence[int] = (1, 0),
    rounds: int = 9,
    tf_python: AnyPath | None = None,
    limits: Mapping[str, int] | None = None,
    told: Callable[[str], None] | None = None,
) -> Benchmark:
    """Time an ONNX file, and beside it all that runs the Keras model *against* which it is held.

    Each number of samples in *batches* with each number of *threads*, 0 for as many as each
    program takes by itself; *rounds* is how often every program has its turn. A program that
    fails is said to; `WitnessError` if the file itself does not run, `UsageError` if it takes or
    returns something else than the model, `LimitError` if its samples take more memory than a
    tensor may. *weights*, *via_tensorflow*, *tf_python* and *limits* are those of `load`; *told*
    hears what is done.
    """
    _require_several("batches", batches)
    _require_several("threads", threads)
    _require_at_least("rounds", 1, [rounds])
    _require_at_least("batches", 1, batches)
    _require_at_least("threads", 0, threads)
    _require_at_most("rounds", rounds, MOST_ROUNDS)
    _require_at_most("threads", max(threads), MOST_THREADS)
    if against is None:
        given = {"weights": weights, "via_tensorflow": via_tensorflow, "tf_python": tf_python}
        require_no_keras_options(onnx, given)
    within = DEFAULT_LIMITS.with_values(limits or {})
    plan = Plan(tuple(dict.fromkeys(batches)), tuple(dict.fromkeys(threads)), rounds, within)
    hear = told or (lambda _: None)
    timed = Timed(Path(onnx), *read_onnx(Path(onnx), within))
    if against is None:
        return measured(timed, None, plan, hear)
    _require_numbers(timed)
    source = Source(against, weights, via_tensorflow, tf_python=tf_python, limits=limits or {})
    with read_for_keras(source) as (file, keras):
        with naming_file(timed.path, UsageError):
            require_same_model(file, timed.model, within)
        read = CheckedFile(name_of(file.path), file.sha256)
        # Nobody can compute the hash of a live model.
        notes = () if source.is_live else tuple(doubts(file.sha256, timed.model))
        beside = Against(read, keras.model, keras.weights, source.python, notes)
        return measured(timed, beside, plan, hear)


def _require_several(what: str, given: object) -> None:
    if isinstance(given, str) or not isinstance(given, Collection):
        raise UsageError("QC003", f"{what} are several numbers such as (1, 32), not {given!r}")


def _require_at_least(what: str, least: int, wanted: Collection[int]) -> None:
    """`UsageError` also for no number at all, and for what is no whole number."""
    found = [number for number in wanted if not isinstance(number, int) or number < least]
    if found or not wanted:
        said = f"not {found[0]!r}" if found else "and there are none"
        raise UsageError("QC003", f"{what} are whole numbers from {least} on, {said}")


def _require_at_most(what: str, wanted: int, most: int) -> None:
    if wanted > most:
        raise UsageError("QC003", f"there are at most {most:,} {what}, not {wanted:,}")


def _require_numbers(timed: Timed) -> None:
    """`UsageError` if the file takes or returns codes, which its model does not."""
    described = read_metadata(timed.model)
    if described is not None and described.has_codes:
        raise UsageError(
            "QC002",
            f"{timed.path} takes or returns integers, and its model numbers: export it without "
            "--io quantized to measure both",
        )
