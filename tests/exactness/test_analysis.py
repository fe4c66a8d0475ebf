from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from qconvert.exactness import Analysis, Certificate, Doubt, Free, Reach, analyse
from qconvert.exactness.certificate import BIAS_LAST
from qconvert.frontend import build_graph
from qconvert.ir import F32, Graph, Grid, Input, Node, Op, Output, validate
from qconvert.ir.ops import Dense, Merge, Quantize, Recurrence
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.modelfile import read_model
from qconvert.reference import evaluate
from tests.exactness.samples import inside

F = np.float32
DATA = Path(__file__).resolve().parents[1] / "data"
FOUR_BITS = QuantizedBits(4, 0, alpha=1.0)


def loop(state: tuple[Op, ...], kernel: F32) -> Graph:
    """``h = h' @ kernel + x`` over time, where h' is the state through the ops *state*."""
    nodes, name = [], "h"
    for i, op in enumerate(state):
        nodes.append(Node(f"h{i}", op, (name,), (None, 2)))
        name = f"h{i}"
    nodes += [
        Node("recurrent", Dense(kernel, None), (name,), (None, 2)),
        Node("new", Merge("add"), ("x", "recurrent"), (None, 2)),
    ]
    inputs = (Input("x", (None, 2)), Input("h", (None, 2)))
    body = Graph("body", inputs, tuple(nodes), (Output("h", "new"),), ())
    whole = Graph(
        "model",
        (Input("sequence", (None, 5, 2)),),
        (Node("y", Recurrence(body), ("sequence",), (None, 5, 2)),),
        (Output("y", "y"),),
        (),
    )
    validate(whole)
    return whole


KERNEL = np.array([[0.5, -1], [0.25, 0.75]], F)


def sampled(graph: Graph, domain: Grid, count: int = 64) -> Mapping[str, F32]:
    random = np.random.default_rng(0)
    shape = tuple(n or 3 for n in graph.inputs[0].shape[1:])
    codes = random.integers(domain.lo, domain.hi, (count, *shape), endpoint=True)
    ends = random.choice([domain.lo, domain.hi], (count, *shape))
    half = np.where(random.random((count, *(1 for _ in shape))) < 0.5, codes, ends)
    return evaluate(graph, {graph.inputs[0].name: (half * domain.step).astype(F)})


def require_within(found: Analysis, values: Mapping[str, F32]) -> int:
    """The number of values whose reach is known, all of which are in it."""
    known = {name: r for name, r in found.values.items() if isinstance(r, Reach)}
    for name, reach in known.items():
        assert inside(values[name], reach), name
    return len(known)


def test_a_quantized_state_has_a_range_and_the_loop_is_certified() -> None:
    graph, domain = loop((Quantize(FOUR_BITS),), KERNEL), Grid(-8, 7, -3)
    found = analyse(graph, {"sequence": domain})
    assert isinstance(found.certificates["y"], Certificate)
    assert require_within(found, sampled(graph, domain)) == 2


def test_the_first_states_count_too() -> None:
    """Behind the first step no state is 0 again."""
    identity, domain = np.eye(2, dtype=F), Grid(1, 7, -3)
    graph = loop((Quantize(FOUR_BITS),), identity)
    found = analyse(graph, {"sequence": domain})
    assert require_within(found, sampled(graph, domain)) == 2


def test_a_loop_assumes_what_any_of_its_ops_does() -> None:
    """The second product takes more bits, and has no bias."""
    relu = Quantize(QuantizedRelu(4))
    biased = Dense(np.eye(2, dtype=F), np.array([0.1, 0.3], F))
    found = analyse(loop((relu, biased, relu), KERNEL * 1023), {"sequence": Grid(-8, 7, -3)})
    certificate = found.certificates["y"]
    assert isinstance(certificate, Certificate) and certificate.bits is not None
    assert certificate.bits > 10 and BIAS_LAST in certificate.assumptions


def test_a_state_that_grows_has_no_range() -> None:
    found = analyse(loop((), KERNEL * 4), {"sequence": Grid(-8, 7, -3)})
    assert isinstance(found.certificates["y"], Doubt)
    assert found.values["y"] is None


def test_an_input_without_a_domain_is_free() -> None:
    found = analyse(loop((Quantize(FOUR_BITS),), KERNEL))
    assert found.values["sequence"] == Free()
    assert isinstance(found.certificates["y"], Doubt)


@pytest.mark.parametrize(
    "file", ["encoder.json", "jet_mlp.h5", "jet_deepsets.h5", "mnist_cnn.keras", "pruned_cnn.h5"]
)
def test_values_of_trained_models_lie_in_their_reach(file: str) -> None:
    weights = DATA / "encoder_weights.hdf5" if file == "encoder.json" else None
    graph = build_graph(read_model(DATA / file, weights))
    domain = Grid(-128, 127, -5)
    found = analyse(graph, {graph.inputs[0].name: domain})
    assert require_within(found, sampled(graph, domain)) >= len(graph.nodes) // 2
