"""Pages in a real browser: what it refuses, and what a person sees."""

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from PIL import Image

from qconvert.explaining import Element, Explanation, Statement, Step, Taken
from qconvert.report.explanation.page import to_html

BROWSER: Final = shutil.which("chromium")
PHONE: Final = 390
#: Half of the margin beside the text on either side, in pixels.
MARGIN: Final = 8
LIGHT: Final = (255, 255, 255)
DARK: Final = (0x14, 0x17, 0x1B)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs chromium")

Browse: TypeAlias = Callable[..., str]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Opens a page; what the browser writes into its console."""

    def opened(text: str, *options: str) -> str:
        path = tmp_path / "page.html"
        path.write_text(text, encoding="utf-8")
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", profile)
        command = [
            str(BROWSER),
            *quiet,
            "--enable-logging=stderr",
            "--v=0",
            *options,
            path.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        return "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)

    return opened


@pytest.fixture
def page() -> str:
    """With words and tables that are wider than a phone."""
    name = "a_layer_whose_name_is_" + "very_" * 30 + "long"
    step = Step("Slice", Element(name, (0,), 0.5), Taken(Element(name, (1,), 0.5)))
    told = Statement("ONNX Runtime", 0.25), Statement("TensorFlow", None, "it is not there " * 9)
    return to_html(
        Explanation(
            *("m.h5", "0" * 64, name, "Slicing", (None, 1), (0,), False, "a sample", 0.5),
            (step,),
            None,
            witnesses=told,
        )
    )


def seen(browse: Browse, page: str, folder: Path, *options: str) -> Image.Image:
    path = folder / "page.png"
    browse(page, f"--screenshot={path}", f"--window-size={PHONE},2000", *options)
    return Image.open(path).convert("RGB")


def test_nothing_of_a_page_is_refused(browse: Browse, page: str) -> None:
    assert not browse(page, "--dump-dom")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("</main>", "<script>document.title = 1</script></main>"),
        ("</main>", '<img src="https://example.org/x.png" alt=""></main>'),
        ("</main>", '<p style="display: none">x</p></main>'),
        ("body {", "body { visibility: hidden;"),
    ],
)
def test_what_is_put_into_a_page_is_refused(
    browse: Browse, page: str, before: str, after: str
) -> None:
    assert "Content Security Policy" in browse(page.replace(before, after, 1), "--dump-dom")


@pytest.mark.parametrize(("scheme", "colour"), [(1, LIGHT), (0, DARK)])
def test_light_and_dark_are_the_readers_choice(
    browse: Browse, page: str, tmp_path: Path, scheme: int, colour: tuple[int, int, int]
) -> None:
    image = seen(browse, page, tmp_path, f"--blink-settings=preferredColorScheme={scheme}")
    assert image.getpixel((0, 0)) == colour


def test_a_page_is_no_wider_than_a_phone(browse: Browse, page: str, tmp_path: Path) -> None:
    edge = (PHONE - MARGIN, 0, PHONE, 2000)
    assert seen(browse, page, tmp_path).crop(edge).getcolors() == [(MARGIN * 2000, LIGHT)]
    # Without this rule words are wider than it.
    wide = page.replace('class="scroll"', "").replace("overflow-wrap: anywhere", "")
    hashed = _with_its_hash(wide)
    assert len(seen(browse, hashed, tmp_path).crop(edge).getcolors() or []) > 1


def _with_its_hash(page: str) -> str:
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return re.sub(r"sha256-[^&']*", f"sha256-{digest}", page, count=1)
