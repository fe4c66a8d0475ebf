"""docs/READING.md lists the limits that there are, with their defaults."""

import re
from pathlib import Path

from qconvert.modelfile import DEFAULT_LIMITS, Limits, read_limits

PAGE = Path(__file__).parents[2] / "docs" / "READING.md"
ROW = re.compile(r"^\| `([a-z-]+)` \| ([\d,]+)(?: (\w+))? \|", re.MULTILINE)


def test_the_page_has_the_limits_and_their_defaults() -> None:
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    texts = [f"{name}={number.replace(',', '')}{unit}" for name, number, unit in rows]
    assert DEFAULT_LIMITS.with_values(read_limits(texts)) == DEFAULT_LIMITS
    assert {text.split("=")[0].replace("-", "_") for text in texts} == set(
        Limits.__dataclass_fields__
    )
