"""What the page of a report says, and that nothing of a model gets to act in it."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

import qconvert.report.html
from qconvert.checking.repair.moves import Repair, Unrepaired
from qconvert.checking.results import Report, Verdict, WitnessResult
from qconvert.checking.witness import Witness
from qconvert.report.html.check import check_page
from scripts.bench_report import BYTES
from scripts.browsing.large_report import large_report
from tests.report.contrast import contrast
from tests.report.hostile import hostile
from tests.report.page_reader import PageReader

SHEETS: Final = Path(qconvert.report.html.__file__).parent
KINDS: Final = ("passing", "failing", "bounded", "by_value", "ignoring")
#: Attributes that a browser takes for an address, or for something to run.
ADDRESSES: Final = frozenset(
    {"src", "srcset", "action", "formaction", "data", "poster", "xlink:href"}
)


@pytest.fixture(params=KINDS)
def report(request: pytest.FixtureRequest) -> Report:
    found: Report = request.getfixturevalue(request.param)
    return found


def section_of(page: str, number: int) -> str:
    """The text of a layer's section."""
    begin = page.index(f'id="l{number}"')
    return PageReader(
        page[page.rindex("<details", 0, begin) : page.index("</details>", begin)]
    ).text


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_a_model_does_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    found = hostile(request.getfixturevalue(kind))
    assert isinstance(found, Report)
    page = check_page(found)
    reader = PageReader(page)
    assert not reader.all("script", "img", "iframe", "object", "embed", "form", "base", "use")
    attributes = {name for element in reader.elements for name in element.attributes}
    assert not {name for name in attributes if name.startswith("on")} | attributes & ADDRESSES
    assert "style" not in attributes
    assert all(re.fullmatch(r"#[a-z]+[0-9]*", address) for address in reader.values("href"))
    assert not {"\x1b", "\u202e", "\x00", "\r"} & set(page)
    assert r"<script>alert(1)</script><img src=x" in reader.text
    assert r"=cmd()\u{1b}[31m\u{202e}\u{0}\u{d}\u{a}{{ 7 * 7 }}" in reader.text


def test_layers_that_do_not_count_are_told_with_the_reason(ignoring: Report) -> None:
    text = PageReader(check_page(ignoring)).text
    assert "Layer conv does not count" in text and r"ignored: issue \u{1b}[31m 12" in text
    assert "layers that are ignored are not part" in text
    # In the table and above the layer's section: else a page that passes has a red DIFFERS.
    assert text.count("(DIFFERS)") == 2 == text.count("(SAMPLED)")
    assert "The first layer that differs" not in text


def test_links_go_to_places_of_the_page(report: Report) -> None:
    reader = PageReader(check_page(report))
    places = reader.values("id")
    assert len(places) == len(set(places))
    assert {address.removeprefix("#") for address in reader.values("href")} <= set(places)


def test_headings_tables_and_drawings_are_named_for_those_who_do_not_see(report: Report) -> None:
    reader = PageReader(check_page(report))
    levels = [int(element.tag[1]) for element in reader.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all("scope" in element.attributes for element in reader.all("th"))
    for element, after in pairwise(reader.elements):
        if element.tag == "svg" and "aria-hidden" not in element.attributes:
            named = "aria-label" in element.attributes or (after.tag == "title" and after.text)
            assert element.attributes["role"] in ("img", "group") and named


def test_the_same_report_gives_the_same_page_however_long_it_took(report: Report) -> None:
    later = replace(report, seconds=(("samples", 99.0),))
    assert check_page(report) == check_page(later)


def test_the_verdict_says_what_it_means_for_a_release(
    passing: Report, bounded: Report, failing: Report
) -> None:
    assert "Right on all samples, but not proven" in PageReader(check_page(passing)).text
    text = PageReader(check_page(bounded)).text
    assert "This is no pass: PROVEN is required, which is not known of act" in text
    text = PageReader(check_page(failing)).text
    assert "Do not release this file. The first layer that differs is act: ONNX Runtime" in text


@pytest.mark.parametrize("verdict", [Verdict.PROVEN, Verdict.BOUNDED, Verdict.SAMPLED])
def test_a_page_never_says_more_than_is_known(passing: Report, verdict: Verdict) -> None:
    layers = tuple(
        replace(layer, finding=replace(layer.finding, verdict=verdict)) for layer in passing.layers
    )
    finding = replace(passing.outputs[0].finding, verdict=verdict)
    outputs = (replace(passing.outputs[0], finding=finding),)
    text = PageReader(check_page(replace(passing, layers=layers, outputs=outputs))).text
    assert ("Equal for all inputs: proven" in text) == (verdict is Verdict.PROVEN)
    assert ("What other inputs give is not known" in text) == (verdict is Verdict.SAMPLED)


def test_a_difference_of_an_output_or_a_repair_alone_is_told(passing: Report) -> None:
    wrong = replace(passing.outputs[0].finding, verdict=Verdict.DIFFERS, reason="no shape")
    by_output = replace(passing, outputs=(replace(passing.outputs[0], finding=wrong),))
    assert "Do not release this file. output y: no shape." in PageReader(check_page(by_output)).text
    left = Unrepaired("act", "nothing is near enough", 7, 3, (("conv", 0.5),))
    by_repair = PageReader(check_page(replace(passing, repair=Repair((), (left,), None)))).text
    assert "act, channel 7: nothing is near enough" in by_repair


def test_the_first_difference_is_told_with_its_place_its_values_and_its_reproducer(
    failing: Report,
) -> None:
    text = PageReader(check_page(failing)).text
    begin = text.index("First difference")
    told = text[begin : text.index("What was compared")]
    assert "At [3, 1, 0], the sample first" in told
    assert re.search(r"TensorFlow\s*0\.1\s", told) and re.search(r"ONNX Runtime\s*0\.25", told)
    assert r"shown\u{1b}: act by itself" in told
    assert "Weight kernel: 1 of 4 elements differ" in told


def test_what_was_not_checked_is_told_with_its_reason(failing: Report, by_value: Report) -> None:
    text = PageReader(check_page(failing)).text
    assert "TensorFlow was not run: the worker; was killed by signal 9" in text
    assert "Not compared: no counterpart (conv)" in text
    assert "Weight act/bias: no counterpart in QKeras" in text
    assert "TensorFlow's predict at y: unlike its model(x), 3 of 100 elements differ" in text
    text = PageReader(check_page(by_value)).text
    assert "1 of 2 layers were not found in the file" in text
    assert "The file was not written by qconvert" in text
    assert r"Input x: the tensor 'in\u{1b}[31m'" in text
    assert "Output y: compared on the samples alone" in text


def test_an_output_that_was_not_checked_is_told(passing: Report) -> None:
    lost = replace(passing.outputs[0].finding, verdict=Verdict.UNCHECKED, reason="not in the file")
    page = check_page(replace(passing, outputs=(replace(passing.outputs[0], finding=lost),)))
    assert "Output y: not in the file" in PageReader(page).text


def test_nothing_compared_is_no_pass(passing: Report) -> None:
    lost = WitnessResult(Witness.NUMPY, (), "no memory")
    reader = PageReader(check_page(replace(passing, samples=0, witnesses=(lost,))))
    assert "Not everything was checked" in reader.text
    assert "NumPy was not run: no memory" in reader.text
    assert "there were no samples" in reader.text


def test_assumptions_and_conditions_are_told_once(bounded: Report) -> None:
    text = PageReader(check_page(bounded)).text
    rests = text[text.index("What the verdict rests on") : text.index("Graph of layers")]
    assert "no dust since conv" in rests
    assert rests.count(r"on x86 needs a CPU with \u{1b}[31m VNNI") == 1


def test_a_layer_has_its_argument_its_headroom_and_its_kernel(bounded: Report) -> None:
    page = check_page(bounded)
    conv, act = section_of(page, 1), section_of(page, 2)
    assert "No state is next to a boundary: 0 of 4096 states: 77 numbers tried" in conv
    assert "12 bits of headroom" in conv and "Runs as QLinearConv" in conv
    assert "Equal: TensorFlow = ONNX Runtime = NumPy (1,024 numbers)" in conv
    assert "3 states; off by 1 step at most, in 3 of 4096 states" in act
    assert "From conv." in act and r"Note: of \u{1b}[31m note" in act


def test_saturated_and_unused_codes_are_told_and_marked(passing: Report) -> None:
    page = check_page(passing)
    conv, act = section_of(page, 1), section_of(page, 2)
    assert "8 raw weights; 2 (25.0 %) beyond the clip range -2 to 1.75" in conv
    assert "2 of 16 codes used, 14 unused, in steps of 0.25" in act
    assert "3 (75.0 %) at the lowest, -2; 1 (25.0 %) at the highest, 1.75" in act
    marked = page[page.index('id="l2"') :]
    assert re.search(r'<path class="s" d="M0 0[^"]+"/>', marked)
    (unused,) = re.findall(r'<path class="u"[^>]* d="([^"]+)"', marked)
    assert unused.count("v4") == 14


def test_differing_pairs_are_told_with_places_and_values(failing: Report) -> None:
    told = section_of(check_page(failing), 2)
    assert "Equal: TensorFlow = NumPy (1,024 numbers)" in told
    assert (
        "TensorFlow ≠ ONNX Runtime: 12 of 1,024, all beyond rounding, by up to 1 step; first at"
        " [3, 1, 0]: TensorFlow 0.1, ONNX Runtime 0.25, NumPy nan"
    ) in told
    assert "Differences from TensorFlow, of 2 x 3 x 2: by place, by channel" in told


def test_what_differs_by_rounding_is_not_called_equal(passing: Report) -> None:
    conv, act = passing.layers
    first, second = act.finding.comparisons
    rounded = replace(first.difference, differing=5, beyond=0, largest=1e-7, largest_ulp=3)
    comparisons = (replace(first, difference=rounded, largest_steps=None), second)
    layer = replace(act, finding=replace(act.finding, comparisons=comparisons))
    told = section_of(check_page(replace(passing, layers=(conv, layer))), 2)
    assert "Equal: TensorFlow = NumPy (1,024 numbers)" in told
    assert "TensorFlow ≠ ONNX Runtime: 5 of 1,024, all by rounding, by up to 1e-07 (3 ulp)" in told


def test_only_what_differs_by_itself_is_open_among_many_layers() -> None:
    reader = PageReader(check_page(large_report(60, fault=40)))
    sections = reader.all("details")
    assert [i for i, each in enumerate(sections) if "open" in each.attributes] == [40]


@pytest.mark.parametrize("fault", [None, 0])
def test_a_report_of_300_layers_stays_small(fault: int | None) -> None:
    """With a histogram of every weight and result, and maps of errors where all is wrong."""
    page = check_page(large_report(300, fault))
    assert len(page.encode()) < BYTES
    reader = PageReader(page)
    assert len([e for e in reader.all("svg") if e.has_class("h")]) == 500
    assert len([e for e in reader.all("svg") if e.has_class("m")]) == (600 if fault == 0 else 0)


def test_provenance_names_everything_that_took_part(passing: Report) -> None:
    text = PageReader(check_page(replace(passing, inputs_sha256="2" * 64))).text
    provenance = text[text.rindex("Provenance") :]
    for part in ("0" * 64, "1" * 64, "2" * 64, "part 1.2", "Linux x86_64", "qconvert.report/1"):
        assert part in provenance


def channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def palette(sheet: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", sheet))


@pytest.mark.parametrize("dark", [False, True])
def test_colours_can_be_told_apart(dark: bool) -> None:
    """Text has a contrast of 4.5 with what it stands on, drawings have one of 3 (WCAG AA)."""
    light_sheet, dark_sheet = (SHEETS / "style.css").read_text().split("@media screen", 1)
    colours = palette(light_sheet) | (palette(dark_sheet) if dark else {})
    text = [("text", each) for each in ("page", "raised", "good-fill", "warn-fill", "bad-fill")]
    text += [(each, "page") for each in ("muted", "accent", "good", "warn", "bad")]
    text += [("muted", "raised")]
    drawings = [("accent", "raised"), ("good", "good-fill"), ("warn", "warn-fill")]
    drawings += [("bad", "bad-fill")]
    for first, second in text:
        assert contrast(channels(colours[first]), channels(colours[second])) >= 4.5, (first, second)
    for first, second in drawings:
        assert contrast(channels(colours[first]), channels(colours[second])) >= 3, (first, second)


def test_the_sheet_has_no_colours_but_those_that_are_compared() -> None:
    own = (SHEETS / "check.css").read_text()
    assert not re.search(r"#[0-9a-f]|rgb|hsl", own)
    assert set(re.findall(r"var\(--([a-z-]+)\)", own)) <= set(
        palette((SHEETS / "style.css").read_text())
    )
