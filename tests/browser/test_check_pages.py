"""Pages of reports as people see them, in Chromium: a pass, a failure, and 300 layers."""

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from qconvert.checking.results import Report
from qconvert.report.html.check import check_page
from scripts import screenshots
from scripts.browsing.devtools import Browser, Page, Screen, chromium
from scripts.browsing.large_report import large_report
from tests.report.contrast import contrast
from tests.report.hostile import hostile

AXE: Final = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
PHONE: Final = Screen(390, 844, phone=True)
NAMES: Final = ("passing", "failing", "large")
#: What axe finds wrong, as its rules and the elements.
VIOLATIONS: Final = """
axe.run().then(found => JSON.stringify(
  found.violations.map(rule => [rule.id, rule.nodes.map(node => node.html)])))
"""

Paths: TypeAlias = Mapping[str, Path]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def pages(browser: Browser, shared_tensorflow: None) -> Paths:
    """The pages of real checks and of a large report; screenshots of them are kept."""
    return {
        name: screenshots.take(name, report, browser, screenshots.BUILD)
        for name, report in screenshots.reports().items()
    }


def value(page: Page, expression: str) -> Any:
    return page.value(expression)


def style(page: Page, selector: str, name: str) -> str:
    found: str = value(page, f"getComputedStyle(document.querySelector('{selector}')).{name}")
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("screen", [Screen(), Screen(dark=True), PHONE], ids=repr)
def test_a_page_asks_for_nothing_and_nothing_of_it_is_blocked(
    name: str, screen: Screen, pages: Paths, browser: Browser
) -> None:
    page = browser.open(pages[name], screen)
    assert page.requested() == [pages[name].as_uri()]
    assert page.logged() == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_no_page_is_wider_than_the_screen(
    name: str, width: int, pages: Paths, browser: Browser
) -> None:
    page = browser.open(pages[name], Screen(width, 844, phone=width < 500))
    assert value(page, "document.documentElement.scrollWidth") <= width


def test_what_is_blocked_or_asked_for_or_too_wide_is_seen(
    browser: Browser, pages: Paths, tmp_path: Path
) -> None:
    """Else the tests above could not fail."""
    text = pages["passing"].read_text(encoding="utf-8")
    path = tmp_path / "page.html"
    path.write_text(text.replace("<main>", '<main style="color: red"><img src="a.png">'))
    blocked = browser.open(path, PHONE).logged()
    assert len(blocked) == 2 and all("Content Security Policy" in line for line in blocked)
    loose = text.replace("default-src 'none'", "default-src file:")
    path.write_text(loose.replace("<main>", f'<main><img src="a.png"><pre>{"x" * 1000}</pre>'))
    page = browser.open(path, PHONE)
    assert page.requested() == [path.as_uri(), path.with_name("a.png").as_uri()]
    assert value(page, "document.documentElement.scrollWidth") > 390


@pytest.mark.parametrize(
    ("name", "headline", "told"),
    [
        ("passing", "Equal but for rounding, which is bounded", "It passes: SAMPLED is required."),
        ("failing", "Results differ", "The first layer that differs is qconv2d_2"),
        ("large", "Results differ", "300 layers (162 PROVEN, 18 BOUNDED, 120 DIFFERS)"),
    ],
)
@pytest.mark.parametrize("screen", [Screen(), PHONE], ids=repr)
def test_the_verdict_is_seen_without_scrolling(
    name: str, headline: str, told: str, screen: Screen, pages: Paths, browser: Browser
) -> None:
    page = browser.open(pages[name], screen)
    assert value(page, "document.querySelector('h1').innerText") == headline
    assert told in value(page, "document.querySelector('.callout').innerText")
    bottom = value(page, "document.querySelector('.callout').getBoundingClientRect().bottom")
    assert bottom < screen.height


@pytest.mark.parametrize("dark", [False, True])
def test_a_layer_that_differs_looks_unlike_one_that_passes(
    dark: bool, pages: Paths, browser: Browser
) -> None:
    page = browser.open(pages["failing"], Screen(dark=dark))
    fills = {style(page, f".g > a.v{mark} rect", "fill") for mark in "PDd"}
    assert len(fills) == 3
    assert style(page, ".layers .vP", "color") != style(page, ".layers .vD", "color")
    background = style(page, "body", "backgroundColor")
    assert background == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("mark", "PBSUDd")
def test_letters_of_verdicts_can_be_read_on_their_nodes(
    mark: str, dark: bool, pages: Paths, browser: Browser
) -> None:
    """Which axe does not look at in drawings."""
    page = browser.open(pages["passing"], Screen(dark=dark))
    colours = (style(page, f".legend .v{mark} {part}", "fill") for part in ("text", "rect"))
    letter, node = ([int(n) for n in re.findall(r"\d+", colour)] for colour in colours)
    assert contrast(letter, node) >= 4.5


def test_a_node_of_the_graph_leads_to_its_layer_which_opens(pages: Paths, browser: Browser) -> None:
    page = browser.open(pages["large"], Screen())
    opened = "document.getElementById('l77').closest('details').open"
    assert value(page, opened) is False
    click = "new MouseEvent('click', {bubbles: true})"
    value(page, f"document.querySelector('.g a[href=\"#l77\"]').dispatchEvent({click})")
    value(page, "new Promise(done => setTimeout(done, 100))")
    assert value(page, "location.hash") == "#l77"
    assert value(page, opened) is True
    top = value(page, "document.getElementById('l77').getBoundingClientRect().top")
    assert 0 <= top < 900


def test_the_keyboard_reaches_every_node(pages: Paths, browser: Browser) -> None:
    page = browser.open(pages["failing"], Screen())
    value(page, "document.querySelector('.graph .scroll').focus()")
    reached = []
    for _ in range(7):
        for kind in ("rawKeyDown", "keyUp"):
            page.ask("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)
        reached.append(value(page, "document.activeElement.getAttribute('href')"))
    assert reached == [f"#l{i}" for i in range(1, 8)]
    focused = style(page, ".g a:focus-visible rect", "strokeWidth")
    assert focused == "4px"


@pytest.mark.parametrize("name", ["passing", "failing"])
@pytest.mark.parametrize("screen", [Screen(), Screen(dark=True), PHONE], ids=repr)
def test_axe_finds_nothing_wrong(name: str, screen: Screen, pages: Paths, browser: Browser) -> None:
    assert violations(browser.open(pages[name], screen)) == []


def test_axe_finds_what_is_wrong(pages: Paths, browser: Browser, tmp_path: Path) -> None:
    text = pages["passing"].read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.html"
    wrong.write_text(
        text.replace(' lang="en"', "").replace("<title>Histogram of results</title>", "")
    )
    assert [rule for rule, _ in violations(browser.open(wrong, Screen()))] == [
        "html-has-lang",
        "svg-img-alt",
    ]


def test_sections_that_are_closed_are_printed(pages: Paths, browser: Browser) -> None:
    page = browser.open(pages["large"], Screen())
    shown = "[...document.querySelectorAll('details > div')].map(each => each.checkVisibility())"
    assert value(page, shown).count(True) == 1
    page.show_on(Screen(794, 1123, media="print"))
    assert value(page, shown) == [True] * 300


def test_a_hostile_report_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    report = hostile(large_report(30, fault=20))
    assert isinstance(report, Report)
    path = tmp_path / "hostile.html"
    path.write_text(check_page(report), encoding="utf-8")
    page = browser.open(path, PHONE)
    assert page.requested() == [path.as_uri()] and page.logged() == []
    assert value(page, "document.documentElement.scrollWidth") <= 390


def test_pictures_of_the_documentation_are_there_and_small() -> None:
    for name in NAMES:
        picture = screenshots.IMAGES / f"report-{name}.png"
        assert 0 < picture.stat().st_size < screenshots.LIMIT


def violations(page: Page) -> list[tuple[str, list[str]]]:
    page.value(f"{AXE};0")
    found: list[tuple[str, list[str]]] = json.loads(value(page, VIOLATIONS))
    return found
