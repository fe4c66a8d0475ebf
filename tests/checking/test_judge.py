import pytest

from qconvert.checking.compare import Difference
from qconvert.checking.judge import altered, diagnose, inheritance, judge, with_inherited
from qconvert.checking.results import Verdict, WeightResult, weakest
from qconvert.checking.witness import Witness
from qconvert.ir import Graph, Input, Layer, Node, Output
from qconvert.ir.ops import Merge, Relu

TF, ORT, NUMPY, DEPLOYED = (
    Witness.TENSORFLOW,
    Witness.ORT,
    Witness.NUMPY,
    Witness.DEPLOYED,
)
SAME, OTHER = Difference(4), Difference(4, 1, 1, 0.5, 3)
Pair = tuple[Witness, Witness]


def three(
    tf_ort: Difference, tf_numpy: Difference, numpy_ort: Difference
) -> dict[Pair, Difference]:
    return {(TF, ORT): tf_ort, (TF, NUMPY): tf_numpy, (NUMPY, ORT): numpy_ort}


EQUAL = three(SAME, SAME, SAME)


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        (three(OTHER, SAME, OTHER), "ONNX Runtime differs from TensorFlow and NumPy"),
        (three(SAME, OTHER, OTHER), "NumPy differs from TensorFlow and ONNX Runtime"),
        (three(OTHER, OTHER, SAME), "TensorFlow differs from ONNX Runtime and NumPy"),
        (three(OTHER, OTHER, OTHER), "TensorFlow, ONNX Runtime and NumPy all differ"),
        ({(NUMPY, ORT): OTHER}, "ONNX Runtime differs from NumPy"),
        (
            EQUAL | {(ORT, DEPLOYED): OTHER, (TF, DEPLOYED): OTHER},
            "the deployed run differs from the instrumented run",
        ),
        ({(TF, DEPLOYED): OTHER}, "the deployed run differs from TensorFlow"),
    ],
)
def test_the_odd_one_out_is_named(differences: dict[Pair, Difference], words: str) -> None:
    assert diagnose(differences) == words
    assert judge(differences).verdict is Verdict.DIFFERS


def test_equal_on_all_witnesses_is_sampled() -> None:
    assert judge(EQUAL).verdict is Verdict.SAMPLED


def test_differences_within_rounding_are_bounded_and_say_where_it_rounds() -> None:
    within = Difference(4, 2, 0, 2.0**-24, 1)
    found = judge(three(within, SAME, within), rounding="exponentials")
    assert (found.verdict, found.reason) == (Verdict.BOUNDED, "rounding: exponentials")
    assert diagnose(three(within, SAME, within)) == ""


def test_one_element_beyond_rounding_differs() -> None:
    within, beyond = Difference(4, 2, 0, 2.0**-24, 1), Difference(4, 2, 1, 0.5, 9)
    found = judge(three(beyond, within, beyond))
    assert found.verdict is Verdict.DIFFERS
    assert found.reason == "ONNX Runtime differs from TensorFlow and NumPy"


def test_a_missing_witness_is_no_pass_though_the_rest_is_within_rounding() -> None:
    assert judge({(TF, NUMPY): Difference(4, 2, 0, 2.0**-24, 1)}).verdict is Verdict.UNCHECKED


def test_nothing_compared_is_unchecked() -> None:
    assert judge({}).verdict is Verdict.UNCHECKED
    nothing = three(Difference(), Difference(), Difference())
    assert judge(nothing).verdict is Verdict.UNCHECKED


def test_a_missing_witness_is_unchecked_and_named() -> None:
    found = judge({(TF, NUMPY): SAME})
    assert found.verdict is Verdict.UNCHECKED
    assert found.reason == "no counterpart in ONNX Runtime"


def test_a_difference_counts_more_than_a_missing_witness() -> None:
    assert judge({(TF, NUMPY): OTHER}).verdict is Verdict.DIFFERS


def test_a_witness_that_failed_on_the_way_is_no_pass() -> None:
    found = judge(EQUAL, failed={TF})
    assert (found.verdict, found.reason) == (Verdict.UNCHECKED, "TensorFlow failed on the way")


def test_wrong_weights_make_the_layer_differ_by_itself() -> None:
    weight = WeightResult("conv", "kernel", Verdict.DIFFERS, Difference(40, 3, 3, 1.0, 1))
    found = judge(EQUAL, weights=[weight], inherited_from=("before",))
    assert found.verdict is Verdict.DIFFERS
    assert found.reason == "effective weights differ (kernel 3 of 40)"
    assert found.inherited_from == ()


def test_another_weight_in_the_file_makes_the_layer_differ() -> None:
    stored = Difference(40, 2, 2, 1e-6, 1)
    weight = WeightResult("conv", "kernel", Verdict.DIFFERS, Difference(40), stored)
    found = judge(EQUAL, weights=[weight])
    assert (found.verdict, found.reason) == (
        Verdict.DIFFERS,
        "the file's weights differ (kernel 2 of 40)",
    )


def test_unchecked_weights_are_no_pass() -> None:
    weight = WeightResult("conv", "kernel", Verdict.UNCHECKED, Difference())
    assert judge(EQUAL, weights=[weight]).verdict is Verdict.UNCHECKED


def test_largest_difference_is_told_in_steps_of_the_grid() -> None:
    steps = [c.largest_steps for c in judge(three(OTHER, SAME, OTHER), step=0.125).comparisons]
    assert steps == [4.0, 0.0, 4.0]


def test_the_weakest_verdict_wins_and_none_is_unchecked() -> None:
    assert weakest((Verdict.SAMPLED, Verdict.DIFFERS, Verdict.UNCHECKED)) is Verdict.DIFFERS
    assert weakest(()) is Verdict.UNCHECKED


def diamond() -> Graph:
    """``x -> a -> (b, hidden -> c) -> add -> same``, where *same* does nothing."""
    shape = (None, 2)
    names = (("a", "x"), ("b", "a"), ("hidden", "a"), ("c", "hidden"))
    nodes = [Node(name, Relu(), (source,), shape) for name, source in names]
    nodes.append(Node("add", Merge("add"), ("b", "c"), shape))
    layers = [Layer(name, "ReLU", name) for name in ("a", "b", "c", "add")]
    layers.append(Layer("same", "Dropout", "add"))
    return Graph("d", (Input("x", shape),), tuple(nodes), (Output("same", "add"),), tuple(layers))


def inherited(*differing: str, absent: str = "") -> dict[str, tuple[str, ...]]:
    layers = {
        name: {(TF, ORT): OTHER if name in differing else SAME}
        for name in ("a", "b", "c", "add", "same")
        if name != absent
    }
    return inheritance(diamond(), layers)


def test_a_layer_that_differs_first_differs_by_itself() -> None:
    assert inherited("b", "add", "same") == {
        "a": (),
        "b": (),
        "c": (),
        "add": ("b",),
        "same": ("b",),
    }


def test_a_layer_behind_equal_values_differs_by_itself() -> None:
    assert inherited("a", "add") == {"a": (), "b": (), "c": (), "add": (), "same": ()}


def test_inheritance_looks_through_layers_that_were_not_compared() -> None:
    assert inherited("a", "b", "add", absent="c")["add"] == ("a",)


def test_what_follows_from_other_weights_in_the_file_inherits_from_their_layer() -> None:
    layers = {"a": three(SAME, SAME, SAME), "add": three(OTHER, SAME, OTHER)}
    assert inheritance(diamond(), layers, {"c"})["add"] == ("c",)
    assert inheritance(diamond(), layers, {"a"})["add"] == (), "a was seen to be right"
    of_the_model = {"add": {(TF, NUMPY): OTHER}}
    assert inheritance(diamond(), of_the_model, {"c"})["add"] == (), "no file has a part in this"


def test_weights_of_the_file_that_nobody_can_tell_are_not_known_to_be_others() -> None:
    found = [
        WeightResult(name, "kernel", Verdict.DIFFERS, Difference(4), stored)
        for name, stored in {
            "other": Difference(4, 1, 1, 0.5, 9),
            "unknown": Difference(4, 1, 1, float("inf"), 9),
            "rounded": Difference(4, 1, 0, 1e-9, 1),
            "right": Difference(4),
            "absent": None,
        }.items()
    ]
    assert altered(found) == {"other"}


def test_a_layer_is_to_blame_if_one_pair_disagrees_there_first() -> None:
    layers = {
        "a": {(TF, ORT): OTHER, (TF, NUMPY): SAME},
        "b": {(TF, ORT): OTHER, (TF, NUMPY): OTHER},
    }
    assert inheritance(diamond(), layers)["b"] == ()


def test_what_follows_from_a_fault_is_no_rounding_though_every_layer_fits_its_inputs() -> None:
    shape = (None, 4)
    nodes = tuple(
        Node(name, Relu(), (before,), shape) for before, name in zip("xabc", "abcd", strict=True)
    )
    layers = tuple(Layer(name, "ReLU", name) for name in "abcd")
    graph = Graph("g", (Input("x", shape),), nodes, (Output("y", "d"),), layers)
    within, faulty = Difference(4, 2, 0, 1e-7, 1), Difference(4, 1, 1, 0.5, 9)
    compared = {
        "a": three(within, SAME, within),
        "b": three(faulty, SAME, faulty),
        "c": three(within, SAME, within),
        "d": three(SAME, SAME, SAME),
    }
    found = with_inherited(graph, compared)
    verdicts = {name: judge(differences).verdict for name, differences in found.items()}
    assert verdicts == {
        "a": Verdict.BOUNDED,
        "b": Verdict.DIFFERS,
        "c": Verdict.DIFFERS,
        "d": Verdict.SAMPLED,
    }
    assert inheritance(graph, found)["b"] == ()
    assert inheritance(graph, found)["c"] == ("b",)
