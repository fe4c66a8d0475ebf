"""The report of a check as a page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from qconvert.checking.results import LayerResult, Report, Verdict, WeightResult
from qconvert.report import words
from qconvert.report.document import SCHEMA
from qconvert.report.html import captions, comparisons, release
from qconvert.report.html.graph import graph_of, mark_of
from qconvert.report.html.heatmap import HeatMap, heat_map
from qconvert.report.html.histogram import (
    ResultFigure,
    WeightFigure,
    result_figure,
    weight_figure,
)
from qconvert.report.html.page import page
from qconvert.report.repair import repair_lines

#: Layers of a report all of whose sections are open.
_FEW: Final = 12
#: Layers whose error maps are shown in full: the first ones that differ, and not by inheritance.
_FULL_MAPS: Final = 3
#: Links in a list of layers that have something in common.
_LINKS: Final = 8
_MANTISSA: Final = 24


@dataclass(frozen=True, slots=True)
class Section:
    """What the page shows of one layer, besides its result."""

    number: int
    layer: LayerResult
    weights: tuple[WeightResult, ...]
    results: ResultFigure | None
    errors: HeatMap | None
    open: bool


def check_page(report: Report) -> str:
    """One file of HTML that shows the whole of *report*; the same report gives the same text."""
    conclusion = release.conclusion(report)
    numbers = {layer.name: i for i, layer in enumerate(report.layers, 1)}
    content: Mapping[str, object] = {
        "report": report,
        "conclusion": conclusion,
        "numbers": numbers,
        "ignored": dict(report.ignored),
        "graph": graph_of(report.layers),
        "sections": _sections(report),
        "first": report.first_difference,
        "gaps": tuple(release.gaps(report)),
        "pairs": release.pairs(report),
        "repairs": [line.plain for line in repair_lines(report.repair)],
        "schema": SCHEMA,
        "most_links": _LINKS,
        "verdicts": tuple(Verdict),
        "mantissa": _MANTISSA,
        "captions": captions,
        "comparisons": comparisons,
        "words": words,
        "mark_of": mark_of,
        "figure_of": _figure_of,
        "sentence": _sentence,
        "proven": any(layer.finding.proof for layer in report.layers),
    }
    title = f"{report.verdict.value}: {_file_name(report.model.path)} - qconvert check"
    return page("check.html.j2", title, content, ("check.css",))


def _sections(report: Report) -> Sequence[Section]:
    of_layers: dict[str, list[WeightResult]] = {}
    for weight in report.weights:
        of_layers.setdefault(weight.layer, []).append(weight)
    own = [layer.name for layer in report.layers if _is_own_fault(layer)]
    full = set(own[:_FULL_MAPS])
    return [
        Section(
            number,
            layer,
            tuple(of_layers.get(layer.name, ())),
            None if layer.results is None else result_figure(layer.results),
            None if layer.errors is None else heat_map(layer.errors, full=layer.name in full),
            len(report.layers) <= _FEW or _is_own_fault(layer),
        )
        for number, layer in enumerate(report.layers, 1)
    ]


def _is_own_fault(layer: LayerResult) -> bool:
    """Whether it differs, and not because of what it computes from alone."""
    return layer.finding.verdict is Verdict.DIFFERS and not layer.finding.inherited_from


def _figure_of(weight: WeightResult) -> WeightFigure | None:
    if weight.raw is None or weight.effective is None:
        return None
    return weight_figure(weight.raw, weight.effective)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _file_name(path: str | None) -> str:
    return "a model in memory" if path is None else re.split(r"[/\\]", path)[-1]
