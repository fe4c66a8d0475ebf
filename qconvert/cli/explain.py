"""The command ``explain``: one number of a layer, term by term."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from qconvert.cli.checked import add_json, print_json
from qconvert.cli.options import (
    DOMAIN,
    FORCE,
    MODEL,
    OUTPUT,
    OUTPUT_OR_STDOUT,
    PATH,
    QUIET,
    SEED,
    STDOUT,
    ReadingFlags,
    reading_options,
    sources_of,
)
from qconvert.cli.showing import console, say

if TYPE_CHECKING:
    from qconvert.explaining import Explanation


def _index(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Whole numbers with commas between them."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.strip("()[] ").split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{text!r} is none: write whole numbers, as 1,1,0") from None


@click.command(short_help="Explain one number of a layer, term by term.")
@MODEL
@click.option("--layer", required=True, help="The layer's name, as inspect shows it.")
@click.option(
    "--at", metavar="I,J,...", callback=_index,
    help="The index of the number in the layer's result, without the batch, such as 1,1,0.",
)  # fmt: skip
@click.option(
    "--input", "inputs", type=PATH,
    help="Samples: .npy, .npz, or a picture (.png), whose pixels are what --domain says.",
)  # fmt: skip
@click.option("--sample", type=click.IntRange(min=0), help="Which sample, from 0 on.")
@SEED
@DOMAIN
@click.option("--onnx", type=PATH, help="The exported file [default: the model is exported].")
@reading_options
@click.option(
    "--no-run", is_flag=True, help="NumPy alone: neither TensorFlow nor ONNX Runtime is started."
)
@click.option("--all-terms", is_flag=True, help="Show every term of long sums.")
@click.option(
    "--json",
    "json_file",
    type=OUTPUT_OR_STDOUT,
    help="Also write it as JSON; - is standard output.",
)
@click.option("--html", "html_file", type=OUTPUT, help="Also write it as a page.")
@FORCE
@QUIET
def explain(
    model: Path,
    layer: str,
    at: tuple[int, ...] | None,
    inputs: Path | None,
    sample: int | None,
    seed: int,
    domains: tuple[str, ...],
    onnx: Path | None,
    no_run: bool,
    all_terms: bool,
    json_file: Path | None,
    html_file: Path | None,
    force: bool,
    quiet: bool,
    **reading: Unpack[ReadingFlags],
) -> None:
    """Explain one number that a layer of MODEL returns: every term, exactly.

    Inputs, weights as they are stored and as they count, products and sums; what the quantizer
    does; what TensorFlow, ONNX Runtime and NumPy return; what get_weights() would have given.
    """
    from qconvert import api
    from qconvert.report.explanation.terminal import show, show_witnesses

    quiet = quiet or json_file == STDOUT
    files = [path for path in (json_file, html_file) if path not in (None, STDOUT)]
    sources = [path for path in (*sources_of(model, reading), inputs, onnx) if path is not None]
    _require_writable(files, sources, force=force)
    out = console(sys.stdout)
    # Before TensorFlow has started, which takes long; but behind files, if there are some.
    at_once = not (quiet or no_run or files)
    explanation = api.explain(
        model,
        layer,
        at,
        inputs=inputs,
        sample=sample,
        seed=seed,
        domains=domains,
        onnx=onnx,
        witnesses=not no_run,
        found=(lambda found: show(found, out, all_terms=all_terms)) if at_once else None,
        **reading,
    )
    _write(explanation, json_file, html_file, sources, force=force, all_terms=all_terms)
    if quiet:
        return
    if not at_once:
        show(explanation, out, all_terms=all_terms)
    show_witnesses(explanation, out)
    _say_where(json_file, html_file)


def _require_writable(files: list[Path], sources: list[Path], *, force: bool) -> None:
    from qconvert.places import require_apart, require_writable

    require_apart(*files)
    for path in files:
        require_writable(path, force=force, inputs=sources)


def _write(
    explanation: "Explanation",
    json_file: Path | None,
    html_file: Path | None,
    sources: list[Path],
    *,
    force: bool,
    all_terms: bool,
) -> None:
    from qconvert.output import Outputs
    from qconvert.report.explanation.document import to_json
    from qconvert.report.explanation.page import to_html

    with Outputs(force=force, inputs=sources) as outputs:
        add_json(outputs, to_json(explanation), json_file)
        if html_file is not None:
            outputs.file(html_file, to_html(explanation, all_terms=all_terms).encode())
    print_json(to_json(explanation), json_file)


def _say_where(json_file: Path | None, html_file: Path | None) -> None:
    if json_file is not None:
        say(f"explanation  {json_file}")
    if html_file is not None:
        say(f"page  {html_file}")
