import subprocess
import sys

import pytest

PROGRAM = """
import qconvert
{first}
assert callable(qconvert.check) and callable(qconvert.export)
assert qconvert.check.__module__ == "qconvert.api.checking"
from qconvert import check
assert check is qconvert.check
assert set(qconvert.__all__) <= set(dir(qconvert))
try:
    qconvert.nothing
except AttributeError as error:
    assert "nothing" in str(error)
else:
    raise AssertionError
"""


@pytest.mark.parametrize(
    "first", ["", "import qconvert.checking", "import qconvert.report.terminal"]
)
def test_the_public_functions_are_there_whatever_was_imported_before(first: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM.format(first=first)], check=True)
