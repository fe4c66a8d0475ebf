"""What scans of quantizers prove, given what can come to each."""

from dataclasses import replace

import numpy as np
import pytest

from qconvert.checking.scans.floats import FINITE, Ranges, positions_of
from qconvert.checking.scans.programs import Scan
from qconvert.checking.scans.reached import magnitude, reached
from qconvert.checking.scans.settled import Scans
from qconvert.checking.tables.enumeration import THIS_MACHINE
from qconvert.exactness import Argument, Certificate, Divided, Doubt, Free, Reach, analyse
from qconvert.exactness.quantizers import UNKNOWN_RANGE
from qconvert.exactness.reach import Values, of_grid
from qconvert.ir import Graph, Grid, Input, Layer, Node, Output, Quantizer
from qconvert.ir.ops import Dense, Quantize
from qconvert.ir.quantizers import (
    QuantizedTanh,
)

TANH = QuantizedTanh(4, use_real_tanh=True)


def single(quantizer: Quantizer) -> Graph:
    shape = (None, 3)
    node, layer = Node("y", Quantize(quantizer), ("x",), shape), Layer("y", "QActivation", "y")
    return Graph("g", (Input("x", shape),), (node,), (Output("y", "y"),), (layer,))


def at(*numbers: float) -> Ranges:
    return Ranges.of((p, p) for p in positions_of(np.array(numbers, np.float32)).tolist())


GRID = of_grid(Grid(-8, 7, -3), 2)


@pytest.mark.parametrize(
    ("values", "numbers", "expected"),
    [
        (GRID, [0.375], [0.375]),
        (GRID, [0.376, 7 / 8 + 1 / 8, -1.125], []),
        (GRID, [-1.0], [-1.0]),
        (Free(), [0.376], [0.376]),
        (None, [0.376], [0.376]),
        (Divided(of_grid(Grid(0, 255, 0), 2), 255), [0.5, -0.5, 1.5], [0.5]),
    ],
)
def test_what_can_come_to_a_quantizer(
    values: Values, numbers: list[float], expected: list[float]
) -> None:
    np.testing.assert_allclose(reached(at(*numbers), values), np.array(expected), rtol=1e-7)


def test_a_range_is_reached_where_a_code_lies_in_it() -> None:
    between = Ranges.of([tuple(positions_of(np.array([0.3, 0.45], np.float32)).tolist())])
    assert reached(between, GRID).tolist() == [0.375]
    assert magnitude(GRID) == 1.0 and magnitude(Free()) is None


LEVELS = (0.0, 0.25, 0.5)


def settled(found: Scan | Doubt, x: Values) -> Certificate | Doubt:
    node = Node("y", Quantize(TANH), ("x",), (None, 3))
    return Scans({"y": found}).settled(node, (x,), (None, Doubt("levels from a table")))[1]


def test_a_scan_without_differences_is_a_proof_for_this_machine() -> None:
    found = settled(Scan(np.inf, 99, False, levels=LEVELS), None)
    assert found == Certificate(Argument.DECIDED, assumptions=(THIS_MACHINE,), numbers=99)
    whole = settled(Scan(np.inf, FINITE, True, levels=LEVELS), GRID)
    assert isinstance(whole, Certificate) and whole.argument is Argument.SCANNED


def test_a_difference_stands_in_the_way_where_it_can_come() -> None:
    found = Scan(np.inf, 99, False, at(0.376), levels=LEVELS)
    for x in (None, Free()):
        doubt = settled(found, x)
        assert isinstance(doubt, Doubt) and "differ (1 number, such as 0.375999" in doubt.reason
    assert isinstance(settled(found, GRID), Certificate)


def test_where_tensorflow_disagrees_with_itself_nothing_is_proven() -> None:
    found = Scan(np.inf, 99, False, ambiguous=at(0.375, 0.376), levels=LEVELS)
    doubt = settled(found, GRID)
    assert isinstance(doubt, Doubt) and "TensorFlow disagrees with itself" in doubt.reason
    finer = of_grid(Grid(0, 2, -1), 2)
    assert isinstance(settled(found, finer), Certificate)


def test_the_limit_of_a_scan_needs_a_range() -> None:
    found = Scan(64.0, 99, False, levels=LEVELS)
    assert isinstance(settled(found, GRID), Certificate)
    wide = settled(found, of_grid(Grid(0, 65, 0), 2))
    assert isinstance(wide, Doubt) and "beyond 64" in wide.reason
    assert settled(found, None) == UNKNOWN_RANGE
    free = settled(found, Free())
    assert isinstance(free, Certificate) and "beyond 64" in free.assumptions[1]


def test_differences_of_numbers_that_overflow_are_assumed_away() -> None:
    found = Scan(np.inf, FINITE, True, at(2.0**125), levels=LEVELS)
    certificate = settled(found, None)
    assert isinstance(certificate, Certificate) and "overflows" in certificate.assumptions[1]
    mixture = settled(Scan(np.inf, FINITE, True, at(2.0**125)), None)
    assert isinstance(mixture, Certificate)
    nearer = settled(Scan(np.inf, FINITE, True, at(2.0**20), levels=LEVELS), Free())
    assert isinstance(nearer, Certificate) and "beyond 1.04858e+06" in nearer.assumptions[1]


def test_no_operators_no_proof() -> None:
    doubt = settled(Doubt("its operators are not those of this quantizer alone"), None)
    assert isinstance(doubt, Doubt) and "levels from a table: its operators" in doubt.reason


def test_what_reads_known_levels_is_proven() -> None:
    graph = single(TANH)
    kernel = np.array([[0.5], [0.25], [0.125]], np.float32)
    more = Node("z", Dense(kernel, None), ("y",), (None, 1))
    longer = replace(graph, nodes=(*graph.nodes, more), outputs=(Output("z", "z"),))
    unknown = analyse(longer)
    assert isinstance(unknown.certificates["y"], Doubt)
    found = Scans({"y": Scan(np.inf, 99, False, levels=LEVELS)})
    known = analyse(longer, None, found.settled)
    assert isinstance(known.certificates["z"], Certificate)
    reach = known.values["y"]
    assert isinstance(reach, Reach) and [
        int(a.item()) for a in (reach.lo, reach.hi, reach.exp)
    ] == [0, 2, -2]
