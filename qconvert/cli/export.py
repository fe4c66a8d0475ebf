"""The commands that write files of a model: ``export`` and ``weights``."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from qconvert.amounts import amount
from qconvert.cli.checked import add_json, print_json, show_report, tell_where
from qconvert.cli.checked import checked as check_of
from qconvert.cli.github import failures_on_github, tell_github
from qconvert.cli.options import (
    DIALECT,
    DOMAIN,
    FORCE,
    MODEL,
    OPSET,
    OUTPUT,
    OUTPUT_OR_STDOUT,
    QUIET,
    STDOUT,
    ReadingFlags,
    beside,
    options_of,
    reading_options,
    sources_of,
)
from qconvert.cli.showing import say

if TYPE_CHECKING:
    from qconvert.api import Exported
    from qconvert.report.written import Written


@click.command(short_help="Write a model as an ONNX file.")
@MODEL
@click.option("--output", "-o", type=OUTPUT, help="The ONNX file [default: MODEL with .onnx].")
@reading_options
@DIALECT
@OPSET
@click.option(
    "--io", type=click.Choice(["float32", "quantized"]), default="float32", show_default=True,
    help="Inputs and outputs: numbers, or integers where a quantizer or --domain gives a meaning.",
)  # fmt: skip
@DOMAIN
@click.option(
    "--packed-weights", is_flag=True,
    help="Store weights of up to 4 bits in as many: a smaller file that runs as the other does.",
)  # fmt: skip
@click.option(
    "--vnni", is_flag=True,
    help="Store 8-bit weights for x86 CPUs with VNNI: faster, and on others wrong by default.",
)  # fmt: skip
@FORCE
@QUIET
@click.option(
    "--check", "checked", is_flag=True,
    help="Check the file that was written, and write the verdict into it.",
)  # fmt: skip
@click.option(
    "--json", "json_file", type=OUTPUT_OR_STDOUT,
    help="Also tell what was written as JSON, with --check the report; - is standard output.",
)  # fmt: skip
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
    quiet: bool,
    checked: bool,
    json_file: Path | None,
    **reading: Unpack[ReadingFlags],
) -> None:
    """Write MODEL (.h5, .keras, .json with --weights, SavedModel folder) as an ONNX file."""
    from qconvert import api
    from qconvert.modelfile.magic import require_possible_model
    from qconvert.output import Outputs
    from qconvert.places import place_of_system, require_apart, require_writable
    from qconvert.report.written import next_line, to_json, written

    if checked:
        context.with_resource(failures_on_github(model))
    target = beside(model, ".onnx") if output is None else output
    sources = [target, *sources_of(model, reading)]
    quiet = quiet or json_file == STDOUT
    require_apart(target, None if json_file == STDOUT else json_file)
    if json_file and json_file != STDOUT:
        require_writable(json_file, force=force, inputs=sources)
    if output is None:
        # Else the place beside it is blamed, which nobody named.
        require_possible_model(model)
    require_writable(target, force=force, inputs=sources[1:])
    exported = api.export(
        model,
        dialect=dialect,
        opset=opset,
        io=io,
        # Of floats they are for the proofs alone.
        domains=() if checked and io == "float32" else domains,
        packed_weights=packed_weights,
        vnni=vnni,
        **reading,
    )
    exported = replace(exported, path=target)
    data = exported.data
    found = written(exported.model, data, target, len(exported.layers))
    lines = () if quiet else tuple(_describe(exported, found))
    if checked:
        from qconvert.api.stamping import stamped
        from qconvert.report import to_json as report_to_json

        report = check_of(model, exported, domains=domains, quiet=quiet, **reading)
        data, text = stamped(exported, report), report_to_json(report)
    else:
        text = to_json(found)
    with Outputs(force=force, inputs=sources[1:]) as outputs:
        outputs.file(target, data)
        add_json(outputs, text, json_file)
    print_json(text, json_file)
    _tell(lines)
    if checked:
        show_report(model, report, quiet=quiet)
        tell_where(json_file, quiet=quiet)
        tell_github(report)
        context.exit(report.exit_code)
    # What stands for a file of this command alone is not there for the next one.
    if not quiet and not any(map(place_of_system, sources)):
        click.echo(next_line(model, target, options_of(reading)))


@click.command(short_help="Write the weights that layers compute with.")
@MODEL
@click.option(
    "--output", "-o", type=OUTPUT, help="A .npz or .safetensors [default: MODEL with .weights.npz]."
)
@reading_options
@FORCE
@QUIET
def weights(
    model: Path, output: Path | None, force: bool, quiet: bool, **reading: Unpack[ReadingFlags]
) -> None:
    """Write the weights that the layers of MODEL compute with, quantized, with all behind them.

    LAYER/ROLE are the numbers computed with, LAYER/ROLE:raw those of the file, and where they are
    integers times scales LAYER/ROLE:codes and LAYER/ROLE:scale. docs/INSPECT.md tells more.
    """
    from qconvert import api
    from qconvert.modelfile.magic import require_possible_model

    if output is None:
        require_possible_model(model)
    target = beside(model, ".weights.npz") if output is None else output
    count = api.save_weights(model, target, force=force, **reading)
    if not quiet:
        say(f"{target}: {amount(count, 'weight')}")


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _describe(exported: "Exported", found: "Written") -> Iterator[str]:
    from qconvert.emit.metadata import read_metadata
    from qconvert.report.described import interface_lines, requirement_lines
    from qconvert.report.notes import note_lines
    from qconvert.report.written import lines_of

    metadata = read_metadata(exported.model)
    yield from lines_of(found)
    yield from requirement_lines(metadata)
    yield from interface_lines(metadata)
    yield from exported.divided
    yield from exported.without_effect
    yield from note_lines(exported.notes.items())
