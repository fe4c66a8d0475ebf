import numpy as np
import pytest

from qconvert.checking import from_user, seeded
from qconvert.checking.declared import described, read_domains
from qconvert.errors import UsageError
from qconvert.ir import Graph, Grid, Quotients


@pytest.mark.parametrize(
    ("text", "grid"),
    [
        ("uint8/256", Grid(0, 255, -8)),
        ("uint8", Grid(0, 255, 0)),
        ("uint8/255", Quotients(0, 255, 255)),
        ("int4/8", Grid(-8, 7, -3)),
        ("grid(0.25,-1,2)", Grid(-4, 8, -2)),
        (f"uint8/{2**149}", Grid(0, 255, -149)),
        (f"uint8/{'0' * 60}255", Quotients(0, 255, 255)),
        (f"grid({2.0**104},0,{2.0**128 - 2.0**104})", Grid(0, (1 << 24) - 1, 104)),
        ("x=grid(2, 0, 6)", Grid(0, 3, 1)),
    ],
)
def test_a_domain_is_a_grid(graph: Graph, text: str, grid: Grid | Quotients) -> None:
    assert read_domains(graph, [text]) == {"x": grid}


def test_float_declares_nothing(graph: Graph) -> None:
    assert read_domains(graph, ["x=float"]) == {}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["y=uint8"], "declares no input of the model"),
        (["uint8", "x=int8"], "two domains"),
        (["uint32"], "1 to 24 bits"),
        (["uint8/0"], "divides by 0"),
        (["x=int24/00"], "divides by 0"),
        (["grid(0.25,0.1,1)"], "multiples of the step"),
        (["grid(1,3,1)"], "in order"),
        (["grid(1,a,1)"], "three numbers"),
        ([f"uint8/{'9' * 5000}"], r"divides by more than 2\*\*149"),
        ([f"uint8/{2**149 + 1}"], r"divides by more than 2\*\*149"),
        ([f"grid(1,0,{'9' * 5000})"], "no numbers that small or large"),
        (["grid(1,nan,1)"], "no numbers that small or large"),
        ([f"grid({2.0**-150},0,0)"], "no numbers that small or large"),
        ([f"grid({2.0**-149},0,1e300)"], "no numbers that small or large"),
        ([f"grid({2.0**128},0,0)"], "no numbers that small or large"),
        (["pixels"], "no domain; the forms"),
    ],
)
def test_what_is_no_domain_is_a_wrong_usage(graph: Graph, texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_domains(graph, texts)


def test_chosen_samples_lie_in_the_domain_and_reach_its_ends(graph: Graph) -> None:
    grid = Grid(-3, 12, -2)
    samples = seeded(graph, 128, domains={"x": grid})
    assert samples.description.endswith("x is a multiple of 0.25 from -0.75 to 3")
    x = np.concatenate([batch["x"] for batch in samples.batches])
    assert set((x * 4).ravel().tolist()) == set(range(-3, 13))


@pytest.mark.parametrize("wrong", [0.1, 4.0, -1.0])
def test_the_user_s_samples_have_to_lie_in_the_domain(graph: Graph, wrong: float) -> None:
    grid = Grid(-3, 12, -2)
    x = np.zeros((5, 2), np.float32)
    assert sum(map(len, list(from_user(graph, x, domains={"x": grid}).batches))) > 0
    x[3, 1] = wrong
    with pytest.raises(UsageError, match=r"input 'x': the element at \[3, 1\] is not in its"):
        list(from_user(graph, x, domains={"x": grid}).batches)


def test_description() -> None:
    assert described("x", Grid(0, 255, -8)) == "x is a multiple of 0.00390625 from 0 to 0.996094"
