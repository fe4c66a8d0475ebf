import os
import signal
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from tests.forked_reader import forked_reader, forked_readers
from tests.shared_tensorflow import shared_process, shared_tensorflow

__all__ = ["forked_reader", "forked_readers", "shared_process", "shared_tensorflow"]

# The machines are shared: the same examples each time, and no judgement by the clock.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
# What a test computes is not to come from a cache of the user's.
os.environ["QCONVERT_CACHE"] = "off"
# What a shell runs in the background ignores it, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS: Final = Path(__file__).parent
#: The files that take longest, the slowest of them first: begun late, one of them would be all
#: that is left for one process to do while the others have nothing.
LONGEST: Final = (
    "mutation/test_mutants.py",
    "conformance/test_support.py",
    "hostile/test_faults.py",
    "hostile/test_audit.py",
    "scripts/test_example_models.py",
    "docs/test_pages.py",
    "v3/test_models.py",
    "fuzz/test_short_run.py",
    "examples/test_examples.py",
    "checking/test_helped.py",
    "checking/test_end_to_end.py",
    "hostile/test_onnx_files.py",
    "conformance/test_masks.py",
    "fuzz/test_planted_bugs.py",
    "scripts/test_random_models.py",
    "hostile/test_table.py",
    "hostile/test_outputs.py",
    "checking/test_repair_end_to_end.py",
    "conformance/test_explanations.py",
    "checking/test_saturation.py",
    "browser/test_check_pages.py",
    "conformance/test_tables.py",
    "checking/test_scans_end_to_end.py",
    "v3/test_quantizers.py",
    # Long after `v3/test_models.py`, which builds the models of both.
    "v3/test_clean.py",
    "runners/test_tf.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and leave the order of the others as it is."""
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
