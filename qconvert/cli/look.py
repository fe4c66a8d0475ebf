"""The commands that tell something: ``inspect``, ``bench`` and ``doctor``."""

import sys
from pathlib import Path
from typing import Unpack

import click

from qconvert.cli.checked import add_json, print_json
from qconvert.cli.options import (
    DOMAIN,
    FORCE,
    LIMITS,
    MODEL,
    OUTPUT_OR_STDOUT,
    PATH,
    QUIET,
    STDOUT,
    TF_PYTHON,
    VIA_TENSORFLOW,
    WEIGHTS,
    ReadingFlags,
    reading_options,
)
from qconvert.cli.showing import console, say, tell


@click.command(short_help="Show layers, bits, sums, costs and sizes.")
@MODEL
@reading_options
@DOMAIN
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@QUIET
@click.option(
    "--optimized", is_flag=True,
    help="Of an ONNX file: which layer ONNX Runtime runs as which kernel, and why not on integers.",
)  # fmt: skip
def inspect(
    model: Path,
    domains: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    optimized: bool,
    **reading: Unpack[ReadingFlags],
) -> None:
    """Show layers, quantizers, sums, costs and sizes of MODEL, which may be an ONNX file too.

    docs/INSPECT.md says what each column means.
    """
    from qconvert import api
    from qconvert.report.inspection import show, to_json

    summary = api.inspect(model, domains=domains, optimized=optimized, **reading)
    if as_json:
        click.echo(to_json(summary), nl=False)
    elif not quiet:
        show(summary, console(sys.stdout))


@click.command(short_help="Time an ONNX file, and other programs beside it.")
@click.argument("onnx", type=PATH)
@click.option("--against", type=PATH, metavar="MODEL", help="Its Keras model, to measure too.")
@WEIGHTS
@VIA_TENSORFLOW
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
@TF_PYTHON
@LIMITS
@click.option(
    "--json",
    "json_file",
    type=OUTPUT_OR_STDOUT,
    help="Also write the numbers as JSON; - is standard output.",
)
@FORCE
@QUIET
def bench(
    onnx: Path,
    against: Path | None,
    weights: Path | None,
    via_tensorflow: bool,
    batches: tuple[int, ...],
    threads: tuple[int, ...],
    rounds: int,
    tf_python: Path | None,
    limits: dict[str, int],
    json_file: Path | None,
    force: bool,
    quiet: bool,
) -> None:
    """Time the file ONNX, and TensorFlow, TensorFlow Lite and tf2onnx's file of the same model.

    Each program has a process of its own; they take turns, and ratios are those within a round. A
    program that fails says why; if all beside the file do, the exit code is 5.
    """
    from qconvert import api
    from qconvert.benchmarking.document import to_json
    from qconvert.benchmarking.table import show
    from qconvert.modelfile import files_of
    from qconvert.output import Outputs
    from qconvert.places import require_writable

    sources = [onnx, *(files_of(against, weights) if against else ())]
    quiet = quiet or json_file == STDOUT
    if json_file and json_file != STDOUT:
        require_writable(json_file, force=force, inputs=sources)
    found = api.bench(
        onnx,
        against,
        weights=weights,
        via_tensorflow=via_tensorflow,
        batches=batches,
        threads=threads,
        rounds=rounds,
        tf_python=tf_python,
        limits=limits,
        told=tell if sys.stderr.isatty() and not quiet else None,
    )
    with Outputs(force=force, inputs=sources) as outputs:
        add_json(outputs, to_json(found), json_file)
    print_json(to_json(found), json_file)
    if not quiet:
        show(found, console(sys.stdout))
    if json_file and not quiet:
        say(f"numbers  {json_file}")
    found.require_beside()


@click.command(short_help="Say what is installed, what conflicts, and how to mend it.")
@TF_PYTHON
@QUIET
@click.pass_context
def doctor(context: click.Context, tf_python: Path | None, quiet: bool) -> None:
    """Say what is installed, what conflicts, and which commands mend it.

    Nothing is imported and nothing is changed. The exit code is 0 if check can run, 5 if not.
    """
    from qconvert.report.doctor import describe, diagnose
    from qconvert.runners.environment import probe

    here = probe(Path(sys.executable))
    diagnosis = diagnose(here, here if tf_python is None else probe(tf_python))
    if not quiet:
        for line in describe(diagnosis):
            click.echo(line)
    context.exit(0 if diagnosis.ready else 5)
