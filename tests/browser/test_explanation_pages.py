"""Pages of explanations as people see them, in Chromium."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest

import qconvert
from qconvert.report.explanation.page import to_html
from scripts.browsing.devtools import Browser, Page, Screen, chromium

DATA: Final = Path(__file__).parents[1] / "data"
AXE: Final = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
PHONE: Final = Screen(390, 844, phone=True)
#: What axe finds wrong, as its rules and the elements.
VIOLATIONS: Final = """
axe.run().then(found => JSON.stringify(
  found.violations.map(rule => [rule.id, rule.nodes.map(node => node.html)])))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a convolution with padding, whose table is wider than a phone."""
    explanation = qconvert.explain(
        DATA / "encoder.json",
        "conv2d_0_m",
        (0, 3, 2),
        weights=DATA / "encoder_weights.hdf5",
        tf_python="/nowhere/python",
    )
    page = tmp_path_factory.mktemp("pages") / "explanation.html"
    page.write_text(to_html(explanation), encoding="utf-8")
    return page


def violations(page: Page) -> Any:
    page.value(f"{AXE};0")
    return json.loads(str(page.value(VIOLATIONS)))


@pytest.mark.parametrize("screen", [Screen(), Screen(dark=True), PHONE], ids=repr)
def test_a_page_asks_for_nothing_and_nothing_of_it_is_blocked(
    screen: Screen, path: Path, browser: Browser
) -> None:
    page = browser.open(path, screen)
    assert page.requested() == [path.as_uri()]
    assert page.logged() == []


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_no_page_is_wider_than_the_screen(width: int, path: Path, browser: Browser) -> None:
    page = browser.open(path, Screen(width, 844, phone=width < 500))
    assert page.value("document.documentElement.scrollWidth") == width
    table = "document.querySelector('.scroll')"
    # It scrolls by itself where it is too wide.
    scrolls = page.value(f"{table}.scrollWidth > {table}.clientWidth")
    assert scrolls is (width < 1000)


@pytest.mark.parametrize("screen", [Screen(), Screen(dark=True), PHONE], ids=repr)
def test_everybody_can_use_a_page(screen: Screen, path: Path, browser: Browser) -> None:
    assert violations(browser.open(path, screen)) == []


def test_what_cannot_be_read_is_seen(path: Path, browser: Browser, tmp_path: Path) -> None:
    """Else the test above could not fail."""
    page = tmp_path / "page.html"
    text = path.read_text(encoding="utf-8").replace(' lang="en"', "")
    page.write_text(text.replace('tabindex="0"', ""), encoding="utf-8")
    found = {rule for rule, _ in violations(browser.open(page, PHONE))}
    assert {"html-has-lang", "scrollable-region-focusable"} <= found
