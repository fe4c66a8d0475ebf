"""The command line; each command imports what it needs, so that ``--help`` is quick."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO, TypedDict, TypeVar, Unpack

import click

from qconvert.errors import QConvertError

if TYPE_CHECKING:
    from rich.console import Console

    from qconvert.api import Exported, Failed, Progress, Scanning
    from qconvert.checking.results import Report

_Command = TypeVar("_Command", bound=Callable[..., None])

_PATH = click.Path(path_type=Path)
_MODEL = click.argument("model", type=_PATH)
_WEIGHTS = click.option(
    "--weights", "-w", type=_PATH, help="Weights (.h5) of a MODEL that is an architecture (.json)."
)
_DIALECT = click.option(
    "--dialect",
    type=click.Choice(["qdq", "float"]),
    default="qdq",
    show_default=True,
    help="How quantization is written: QuantizeLinear pairs, or plain float operations.",
)
_OPSET = click.option("--opset", type=int, default=21, show_default=True, help="ONNX opset.")
_DOMAIN = click.option(
    "--domain", "domains", multiple=True, metavar="INPUT=DOMAIN",
    help="What an input can be: uint8/255, int16, grid(STEP,LO,HI) or float.",
)  # fmt: skip
_FORCE = click.option("--force", is_flag=True, help="Replace an existing output file.")
_SAMPLES = click.option("--samples", type=click.IntRange(min=1), help="How many samples to run.")
_SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of chosen inputs."
)
_TF_PYTHON = click.option(
    "--tf-python", type=_PATH, help="Python interpreter that has TensorFlow and QKeras."
)
_VIA_TENSORFLOW = click.option(
    "--via-tensorflow",
    is_flag=True,
    help="MODEL is a SavedModel folder that you trust: TensorFlow reads it, in its own process.",
)
_OPAQUE = click.option(
    "--opaque",
    type=click.Choice(["tf2onnx"]),
    help="Have stock Keras layers that are not known converted by this program.",
)
_FREEZE_SCALES = click.option(
    "--freeze-scales",
    type=_PATH,
    help="Samples (.npy, .npz), of which activations with alpha='auto' get their scale for good.",
)
_AGAIN_SECONDS = 3


class _Reading(TypedDict):
    """How MODEL is read."""

    weights: Path | None
    via_tensorflow: bool
    opaque: str | None
    tf_python: Path | None
    freeze_scales: Path | None


def _reading(command: _Command) -> _Command:
    """The options of `_Reading`."""
    for option in (_WEIGHTS, _VIA_TENSORFLOW, _OPAQUE, _TF_PYTHON, _FREEZE_SCALES):
        command = option(command)
    return command


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"qconvert {version('qconvert')}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
    help="Show the version and exit.",
)  # fmt: skip
def cli() -> None:
    """QKeras models to ONNX files that give the same answers, checked layer by layer."""


@cli.command()
@_MODEL
@click.option("--output", "-o", type=_PATH, help="The ONNX file [default: MODEL with .onnx].")
@_reading
@_DIALECT
@_OPSET
@click.option(
    "--io", type=click.Choice(["float32", "quantized"]), default="float32", show_default=True,
    help="Inputs and outputs: numbers, or integers where a quantizer or --domain gives a meaning.",
)  # fmt: skip
@_DOMAIN
@click.option(
    "--packed-weights", is_flag=True,
    help="Store weights of up to 4 bits in as many: a smaller file that runs as the other does.",
)  # fmt: skip
@click.option(
    "--vnni", is_flag=True,
    help="Store 8-bit weights for x86 CPUs with VNNI: three times as fast, wrong on others.",
)  # fmt: skip
@_FORCE
@click.option(
    "--check", "checked", is_flag=True,
    help="Check the file that was written, and write the verdict into it.",
)  # fmt: skip
@click.option(
    "--json", "json_file", type=_PATH, help="With --check: also write the report as JSON."
)
@click.pass_context
def export(
    context: click.Context,
    model: Path,
    output: Path | None,
    dialect: str,
    opset: int,
    io: str,
    domains: tuple[str, ...],
    packed_weights: bool,
    vnni: bool,
    force: bool,
    checked: bool,
    json_file: Path | None,
    **reading: Unpack[_Reading],
) -> None:
    """Write MODEL (.h5, .keras, .json with --weights, SavedModel folder) as an ONNX file."""
    from qconvert import api
    from qconvert.output import require_writable

    target = _beside(model, ".onnx") if output is None else output
    sources = [target, *_sources(model, reading)]
    if json_file and not checked:
        raise click.UsageError("--json is the report of --check")
    if json_file:
        require_writable(json_file, force=force, inputs=sources)
    exported = api.export(
        model,
        target,
        dialect=dialect,
        opset=opset,
        io=io,
        # Of floats they are for the proofs alone.
        domains=() if checked and io == "float32" else domains,
        packed_weights=packed_weights,
        vnni=vnni,
        force=force,
        **reading,
    )
    for line in _describe(exported, target):
        click.echo(line)
    if checked:
        report = _check(model, target, domains=domains, **reading)
        api.stamp(target, report)
        _write_report(report, json_file, force=force, sources=sources)
        context.exit(report.exit_code)


@cli.command()
@_MODEL
@click.argument("onnx", type=_PATH, required=False)
@_reading
@click.option("--inputs", type=_PATH, help="Samples: .npy, or .npz by name of the model's input.")
@_SAMPLES
@_SEED
@_DOMAIN
@click.option(
    "--require", type=click.Choice(["proven", "bounded", "sampled"], case_sensitive=False),
    default="sampled", show_default=True, help="The weakest verdict that passes.",
)  # fmt: skip
@click.option(
    "--scan", is_flag=True,
    help="Try every float32 number where theorems do not decide about a quantizer: minutes.",
)  # fmt: skip
@click.option("--json", "json_file", type=_PATH, help="Also write the report as JSON.")
@click.option(
    "--reproducer", type=_PATH, metavar="DIR",
    help="If something differs, write the first wrong layer by itself and a script to this folder.",
)  # fmt: skip
@click.option(
    "--repair", type=_PATH, metavar="ONNX",
    help="Move constants until all codes are TensorFlow's, check that, and write it to this file.",
)  # fmt: skip
@_FORCE
@click.pass_context
def check(
    context: click.Context,
    model: Path,
    onnx: Path | None,
    inputs: Path | None,
    samples: int | None,
    seed: int,
    domains: tuple[str, ...],
    require: str,
    scan: bool,
    json_file: Path | None,
    reproducer: Path | None,
    repair: Path | None,
    force: bool,
    **reading: Unpack[_Reading],
) -> None:
    """Compare every layer of MODEL in TensorFlow, ONNX Runtime and NumPy.

    Without an ONNX file the model is exported to memory first; in one of another converter layers
    are found by their values. The exit code is 0 if everything was compared, nothing differs
    beyond rounding, and the verdict is at least the required one.
    """
    from qconvert.output import require_writable

    sources = [path for path in (onnx, inputs, *_sources(model, reading)) if path is not None]
    if json_file:
        require_writable(json_file, force=force, inputs=sources)
    report = _check(
        model,
        onnx,
        inputs=inputs,
        samples=samples,
        seed=seed,
        domains=domains,
        require=require,
        scan=scan,
        reproducer=reproducer,
        repair=repair,
        force=force,
        **reading,
    )
    if reproducer and report.reproducer is None:
        click.echo(f"reproducer  {reproducer} is not written: {_nothing_to_reproduce(report)}")
    if repair and report.repair.path is None:
        click.echo(f"repair  {repair} is not written: {_nothing_to_repair(report)}")
    _write_report(report, json_file, force=force, sources=sources)
    context.exit(report.exit_code)


@cli.command()
@_MODEL
@_reading
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--optimized", is_flag=True,
    help="Of an ONNX file: which layer ONNX Runtime runs as which kernel, and why not on integers.",
)  # fmt: skip
def inspect(model: Path, as_json: bool, optimized: bool, **reading: Unpack[_Reading]) -> None:
    """Show layers, quantizers, bits, grids and sizes of MODEL, which may be an ONNX file too."""
    from qconvert import api
    from qconvert.report.inspection import show, to_json

    summary = api.inspect(model, optimized=optimized, **reading)
    if as_json:
        click.echo(to_json(summary), nl=False)
    else:
        show(summary, _console(sys.stdout))


@cli.command()
@_MODEL
@click.option("--output", "-o", type=_PATH, help="The .npz [default: MODEL with .weights.npz].")
@_reading
@_FORCE
def weights(model: Path, output: Path | None, force: bool, **reading: Unpack[_Reading]) -> None:
    """Write the weights that the layers of MODEL compute with, quantized, to an .npz file.

    Its arrays are LAYER/ROLE, and where the values lie on a power-of-two grid LAYER/ROLE:codes
    and LAYER/ROLE:scale, whose product they are.
    """
    from qconvert import api

    target = _beside(model, ".weights.npz") if output is None else output
    count = api.save_weights(model, target, force=force, **reading)
    click.echo(f"{target}: {count} weights")


@cli.command()
@click.argument("onnx", type=_PATH)
@click.option("--against", type=_PATH, metavar="MODEL", help="Its Keras model, to measure too.")
@_WEIGHTS
@click.option(
    "--batch", "batches", multiple=True, type=click.IntRange(min=1), default=(1, 32),
    show_default=True, help="How many samples a call has; can be given again.",
)  # fmt: skip
@click.option(
    "--threads", multiple=True, type=click.IntRange(min=0), default=(1, 0), show_default=True,
    help="How many threads compute, 0 for each program's own choice; can be given again.",
)  # fmt: skip
@click.option(
    "--rounds", type=click.IntRange(min=1), default=9, show_default=True,
    help="How often every program has its turn.",
)  # fmt: skip
@_TF_PYTHON
@click.option("--json", "json_file", type=_PATH, help="Also write the numbers as JSON.")
@_FORCE
def bench(
    onnx: Path,
    against: Path | None,
    weights: Path | None,
    batches: tuple[int, ...],
    threads: tuple[int, ...],
    rounds: int,
    tf_python: Path | None,
    json_file: Path | None,
    force: bool,
) -> None:
    """Time the file ONNX, and TensorFlow, TensorFlow Lite and tf2onnx's file of the same model.

    Each program has a process of its own; they take turns, and ratios are those within a round.
    """
    from qconvert import api, output
    from qconvert.benchmarking.document import to_json
    from qconvert.benchmarking.table import show

    sources = [path for path in (onnx, against, weights) if path is not None]
    if json_file:
        output.require_writable(json_file, force=force, inputs=sources)
    found = api.bench(
        onnx,
        against,
        weights=weights,
        batches=batches,
        threads=threads,
        rounds=rounds,
        tf_python=tf_python,
        told=_tell if sys.stderr.isatty() else None,
    )
    show(found, _console(sys.stdout))
    if json_file:
        output.write(json_file, to_json(found).encode(), force=force, inputs=sources)
        click.echo(f"numbers  {json_file}")


@cli.command()
@_TF_PYTHON
@click.pass_context
def doctor(context: click.Context, tf_python: Path | None) -> None:
    """Say what is installed, what conflicts, and which commands mend it.

    Nothing is imported and nothing is changed. The exit code is 0 if check can run, 5 if not.
    """
    from qconvert.report.doctor import describe, diagnose
    from qconvert.runners.environment import probe

    here = probe(Path(sys.executable))
    diagnosis = diagnose(here, here if tf_python is None else probe(tf_python))
    for line in describe(diagnosis):
        click.echo(line)
    context.exit(0 if diagnosis.ready else 5)


def _sources(model: Path, reading: _Reading) -> list[Path]:
    """The files that a model is read from."""
    return [path for path in (model, reading["weights"], reading["freeze_scales"]) if path]


def _beside(model: Path, suffix: str) -> Path:
    """The output's default name; a folder such as ``.`` has none to change."""
    return model.with_suffix(suffix) if model.name else model / f"model{suffix}"


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command *arguments*; errors are one message on standard error."""
    for stream in (sys.stdout, sys.stderr):
        # Names in a model may have characters that the terminal's encoding lacks.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _terminate)
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
        return 141
    return code


def _invoke(arguments: Sequence[str]) -> int:
    try:
        # Not click's own main, which makes code 1 of a pipe that was closed.
        with cli.make_context("qconvert", list(arguments)) as context:
            cli.invoke(context)
        return 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", 130)
    except QConvertError as error:
        return _fail(str(error), error.exit_code)
    except MemoryError:
        return _fail("out of memory", 7)
    except BrokenPipeError:
        raise
    except Exception as error:
        remedy = "set QCONVERT_DEBUG=1 for the traceback"
        return _fail(f"internal: {type(error).__name__}: {error} ({remedy})", 70)


def _fail(message: str, code: int) -> int:
    from qconvert.report.escape import printable

    if os.environ.get("QCONVERT_DEBUG"):
        traceback.print_exc()
    lines = "\n".join(printable(line) for line in message.split("\n"))
    click.echo(f"qconvert: error: {lines}", err=True)
    return code


def _terminate(_: int, __: object) -> NoReturn:
    # As an exception, so that temporary files and the worker process go away. Where a library
    # swallows it (onnxruntime does, while it is imported), the next alarm raises it again.
    signal.alarm(_AGAIN_SECONDS)
    raise SystemExit(143)


def _silence(stream: TextIO) -> None:
    """Keep the interpreter from complaining about *stream* when it flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _check(
    model: Path,
    onnx: Path | None,
    *,
    inputs: Path | None = None,
    samples: int | None = None,
    seed: int = 0,
    domains: tuple[str, ...] = (),
    require: str = "sampled",
    scan: bool = False,
    reproducer: Path | None = None,
    repair: Path | None = None,
    force: bool = False,
    **reading: Unpack[_Reading],
) -> "Report":
    from qconvert import api
    from qconvert.report.terminal import show

    with _watch() as (progress, failed, scanning):
        report = api.check(
            model,
            onnx,
            inputs=inputs,
            samples=samples,
            seed=seed,
            domains=domains,
            require=require,
            scan=scan,
            progress=progress,
            failed=failed,
            scanning=scanning,
            reproducer=reproducer,
            repair=repair,
            force=force,
            **reading,
        )
    show(report, _console(sys.stdout))
    return report


def _write_report(
    report: "Report", path: Path | None, *, force: bool, sources: Sequence[Path]
) -> None:
    """Write *report* as JSON, if it is wanted."""
    from qconvert.output import write
    from qconvert.report import to_json

    if path is not None:
        write(path, to_json(report).encode(), force=force, inputs=sources)
        click.echo(f"report  {path}")


def _nothing_to_reproduce(report: "Report") -> str:
    from qconvert.checking.results import Verdict

    differs = report.verdict is Verdict.DIFFERS
    return "no sample was run" if differs else "nothing differs beyond rounding"


def _nothing_to_repair(report: "Report") -> str:
    if report.repair.unrepaired:
        return "not everything can be repaired"
    return "there is nothing to move" if report.passed else "the check does not pass with it"


def _describe(exported: "Exported", path: Path) -> Iterator[str]:
    from qconvert.emit.metadata import read_metadata
    from qconvert.report.described import interface_lines
    from qconvert.report.notes import note_lines

    yield f"{path}: {len(exported.layers)} layers, {path.stat().st_size} bytes"
    yield from interface_lines(read_metadata(exported.model))
    yield from note_lines(exported.notes.items())


def _console(stream: TextIO) -> "Console":
    from rich.console import Console

    class Piped(Console):
        """Leaves a closed pipe to `run`; rich would exit with code 1."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Piped(file=stream, highlight=False, markup=False, emoji=False)


@contextmanager
def _watch() -> Iterator[tuple["Progress | None", "Failed", "Scanning | None"]]:
    """Who hears of a check while it runs, on standard error.

    Failures of witnesses, and for people only a bar, which is gone at the end.
    """
    if not sys.stderr.isatty():
        yield None, lambda witness, failure: click.echo(_failure(witness, failure), err=True), None
        return
    from rich.progress import Progress

    with Progress(console=_console(sys.stderr), transient=True) as bar:
        task = bar.add_task("starting the witnesses", total=None)
        yield (
            lambda done, total: bar.update(
                task, completed=done, total=total, description="comparing samples"
            ),
            lambda witness, failure: bar.console.print(_failure(witness, failure), soft_wrap=True),
            lambda layer, done, total: bar.update(
                task, completed=done, total=total, description=f"all numbers of {layer}"
            ),
        )


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _failure(witness: str, failure: str) -> str:
    from qconvert.report.failure import lines_of

    return "\n  ".join((f"qconvert: {witness} failed", *lines_of(failure)))
