"""Time and size of the page of a report of 300 layers with every histogram.

Once all layers pass, and once all differ from the first on. Exits 1 where a limit is missed.
"""

import sys
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from qconvert.report.html.check import check_page
from scripts.browsing.large_report import large_report

SECONDS: Final = 2.0
BYTES: Final = 1_000_000


def main() -> int:
    """Print a line for each report."""
    missed = False
    for title, fault in (("passing", None), ("differing", 0)):
        report = large_report(fault=fault)
        start = time.perf_counter()
        size = len(check_page(report).encode())
        seconds = time.perf_counter() - start
        missed |= seconds >= SECONDS or size >= BYTES
        print(f"{title:<10}{seconds:6.2f} s  {size:>9,} bytes")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
