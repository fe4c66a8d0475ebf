"""Screenshots of the pages of three reports: light and dark, on a phone, printed.

One of a check that passes, one of an ONNX file with a wrong weight, one of 300 layers. All go to
``build/screenshots``, with the pages themselves; small ones to ``docs/images``. Needs Chromium.
"""

import io
import sys
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import onnx
from onnx import numpy_helper
from PIL import Image

import qconvert
from qconvert.checking.results import Report
from qconvert.report.html.check import check_page
from scripts.browsing.devtools import Browser, Screen, chromium
from scripts.browsing.large_report import large_report

ROOT: Final = Path(__file__).resolve().parents[1]
BUILD: Final = ROOT / "build" / "screenshots"
IMAGES: Final = ROOT / "docs" / "images"
#: From the root, so that no page has the name of a folder of whoever takes it.
MODEL: Final = Path("tests/data/mnist_cnn.keras")
DOMAINS: Final = ("uint8/255",)
SCREENS: Final[Mapping[str, Screen]] = {
    "light": Screen(),
    "dark": Screen(dark=True),
    "phone": Screen(390, 844, phone=True),
}
#: Pixels of a page from its top on; one of 300 layers has more than Chromium draws.
MOST: Final = 8000
#: By report the element that its picture in the documentation begins with.
STARTS: Final[Mapping[str, str]] = {"passing": "#table", "failing": "body", "large": "#graph"}
#: What such a picture shows, in pixels, and its colours.
SMALL: Final = (Screen(1080, 1000), 900, 48)
#: Bytes of such a picture at most.
LIMIT: Final = 60_000


def reports() -> dict[str, Report]:
    """A check that passes, one of a file with a wrong weight, and 300 layers without a check."""
    with chdir(ROOT):
        exported = qconvert.export(MODEL).model
        return {
            "passing": qconvert.check(MODEL, exported, domains=DOMAINS),
            "failing": qconvert.check(MODEL, broken(exported), domains=DOMAINS),
            "large": large_report(fault=180),
        }


def broken(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with one code of its second convolution's kernel three steps off."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    kernels = [tensor for tensor in result.graph.initializer if len(tensor.dims) == 4]
    codes = numpy_helper.to_array(kernels[1]).copy()
    codes[0, 0, 1, 2] += np.int8(3)
    kernels[1].CopyFrom(numpy_helper.from_array(codes, kernels[1].name))
    return result


def take(name: str, report: Report, browser: Browser, folder: Path) -> Path:
    """Write the page of *report*, and how it looks on all `SCREENS` and on paper; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.html"
    path.write_text(check_page(report), encoding="utf-8")
    for kind, screen in SCREENS.items():
        page = browser.open(path, screen)
        path.with_name(f"{name}-{kind}.png").write_bytes(page.screenshot(MOST))
    path.with_suffix(".pdf").write_bytes(page.pdf())
    return path


def small(path: Path, browser: Browser, start: str) -> bytes:
    """A part of a page, from the element *start* on, as a small PNG."""
    screen, height, colours = SMALL
    picture = Image.open(io.BytesIO(browser.open(path, screen).screenshot(height, start)))
    few = picture.convert("RGB").quantize(colours, Image.Quantize.MAXCOVERAGE)
    stream = io.BytesIO()
    few.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def main() -> int:
    """Take them all; 1 if a small one is not."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    found = {}
    with chromium() as browser:
        for name, report in reports().items():
            found[name] = small(take(name, report, browser, BUILD), browser, STARTS[name])
            (IMAGES / f"report-{name}.png").write_bytes(found[name])
            print(f"{name:<8} {len(found[name]):>7,} bytes")
    return int(any(len(data) >= LIMIT for data in found.values()))


if __name__ == "__main__":
    sys.exit(main())
