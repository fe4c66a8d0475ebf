"""Which layer a variable belongs to, from its name or its position."""

import numpy as np
import pytest

from qconvert.modelfile import Json, StoredWeight
from qconvert.modelfile.contents import ByName, ByPosition
from qconvert.modelfile.layers import layer_tree
from qconvert.modelfile.malformed import MalformedError
from qconvert.modelfile.model import Array
from qconvert.modelfile.nesting import assign


def layer(name: str, class_name: str = "Dense", *, trainable: bool = True) -> dict[str, Json]:
    config: dict[str, Json] = {"name": name, "trainable": trainable, "kernel_initializer": None}
    return {"class_name": class_name, "config": config}


def plain(name: str, class_name: str = "Flatten") -> dict[str, Json]:
    return {"class_name": class_name, "config": {"name": name}}


def wrapper(name: str, inside: Json) -> dict[str, Json]:
    return {"class_name": "PruneLowMagnitude", "config": {"name": name, "layer": inside}}


def model(*layers: Json, name: str = "model") -> dict[str, Json]:
    return {"class_name": "Functional", "config": {"name": name, "layers": list(layers)}}


def by_name(config: dict[str, Json], **groups: str) -> dict[str, str]:
    """Assign variables, given and returned as names with blanks in between."""
    stored = {
        group: tuple(StoredWeight(name, np.array(0, np.float32)) for name in names.split())
        for group, names in groups.items()
    }
    weights = assign(layer_tree(config), ByName(stored))
    return {path: " ".join(w.name for w in found) for path, found in weights.items()}


def nested(names: str, *layers: Json) -> dict[str, str]:
    """As `by_name`, for the one nested model ``m`` with these layers."""
    return by_name(model(model(*layers, name="m")), m=names)


def test_scopes_name_the_layers_of_a_nested_model() -> None:
    found = nested("b/k a/k a/b b/s", plain("in"), layer("a"), layer("b"))
    assert found == {"m/b": "b/k b/s", "m/a": "a/k a/b"}


def test_a_scope_may_have_further_scopes_before_and_behind_it() -> None:
    found = nested("x/m/a/k a/bn/gamma", layer("a"), layer("bn"))
    assert found == {"m/a": "x/m/a/k a/bn/gamma"}


def test_layers_of_one_name_in_two_models_are_told_apart_by_the_models() -> None:
    p, q = model(layer("a"), name="p"), model(layer("a"), name="q")
    assert nested("q/a/k p/a/k", p, q) == {"m/q/a": "q/a/k", "m/p/a": "p/a/k"}


def test_a_wrapper_goes_by_its_own_name_and_by_the_inner_one() -> None:
    found = nested("x/kernel w/mask b/k", wrapper("w", layer("x")), layer("b"))
    assert found == {"m/w": "x/kernel w/mask", "m/b": "b/k"}


def test_strange_scopes_are_paired_in_order() -> None:
    found = nested("old/k old/bn/g older/k", layer("a"), plain("f"), layer("b"))
    assert found == {"m/a": "old/k old/bn/g", "m/b": "older/k"}


def test_names_of_another_session_do_not_mislead() -> None:
    """``d`` and ``d_1`` were saved, the architecture says ``d_1`` and ``d_2``."""
    assert nested("d/k d_1/k", layer("d_1"), layer("d_2")) == {"m/d_1": "d/k", "m/d_2": "d_1/k"}
    config = model(layer("d_1"), plain("f"), layer("d_2"))
    assert by_name(config, d="d/k", f="", d_1="d_1/k") == {"d_1": "d/k", "d_2": "d_1/k"}


def test_frozen_layers_come_last_in_order() -> None:
    found = nested("x/k y/k", layer("a", trainable=False), layer("b"))
    assert found == {"m/b": "x/k", "m/a": "y/k"}


@pytest.mark.parametrize("names", ["old/k", "old/k older/k oldest/k", "a/k old/k older/k"])
def test_other_counts_of_scopes_are_not_guessed_at(names: str) -> None:
    with pytest.raises(MalformedError, match=r"'m' have \d scopes for 2 layers"):
        nested(names, layer("a"), layer("b"))


def test_a_stored_layer_that_the_architecture_lacks_is_refused() -> None:
    with pytest.raises(MalformedError, match="holds weights of 'b', which the architecture lacks"):
        by_name(model(layer("a")), a="a/k", b="b/k")


def test_an_input_layer_that_only_the_architecture_lists_is_not_counted() -> None:
    config = model(plain("in", "InputLayer"), layer("a"), layer("b"))
    assert by_name(config, x="x/k", y="y/k") == {"a": "x/k", "b": "y/k"}


def by_position(config: dict[str, Json], *values: tuple[str, float]) -> dict[str, list[float]]:
    arrays: dict[tuple[str, ...], Array] = {
        tuple(path.split("/")): np.array(value, np.float32) for path, value in values
    }
    weights = assign(layer_tree(config), ByPosition(arrays))
    return {path: [float(w.value) for w in found] for path, found in weights.items()}


def test_layers_are_numbered_within_a_class_and_a_model() -> None:
    config = model(layer("z", "QConv2D"), layer("y"), layer("x", "QConv2D"), model(layer("w")))
    found = by_position(
        config,
        ("layers/q_conv2d/vars/0", 0),
        ("layers/q_conv2d_1/vars/0", 1),
        ("layers/dense/vars/0", 2),
        ("layers/functional/layers/dense/vars/0", 3),
    )
    assert found == {"z": [0], "x": [1], "y": [2], "model/w": [3]}


@pytest.mark.parametrize(
    ("class_name", "group"),
    [
        ("QConv2DBatchnorm", "q_conv2d_batchnorm"),
        ("QDepthwiseConv2DBatchnorm", "q_depthwise_conv2d_batchnorm"),
        ("Conv2DTranspose", "conv2d_transpose"),
        ("FQDense", "fq_dense"),
        ("MaxPooling2D", "max_pooling2d"),
        ("TFOpLambda", "tf_op_lambda"),
        ("_Mine", "private__mine"),
    ],
)
def test_groups_are_named_by_the_class_in_snake_case(class_name: str, group: str) -> None:
    assert by_position(model(layer("a", class_name)), (f"layers/{group}/vars/0", 1)) == {"a": [1]}


def test_own_variables_come_before_those_of_sublayers() -> None:
    found = by_position(
        model(layer("a", "QConv2DBatchnorm")),
        ("layers/q_conv2d_batchnorm/batchnorm/vars/0", 2),
        ("layers/q_conv2d_batchnorm/vars/1", 1),
        ("layers/q_conv2d_batchnorm/vars/0", 0),
    )
    assert found == {"a": [0, 1, 2]}


def test_a_wrapper_comes_after_its_inner_layer_and_repeats_nothing() -> None:
    inside = "layers/prune_low_magnitude/layer"
    own = "layers/prune_low_magnitude/vars"
    found = by_position(
        model(wrapper("w", layer("a"))),
        (f"{own}/0", 5),
        (f"{own}/1", 5),
        (f"{own}/2", 7),
        (f"{inside}/batchnorm/vars/0", 9),
        (f"{inside}/vars/0", 5),
        (f"{inside}/vars/1", 6),
    )
    assert found == {"w": [5, 6, 9, 5, 7]}


def test_a_variable_without_a_scope_goes_with_averages() -> None:
    """QAdaptiveActivation's first one, in two of them, by name and of another session."""
    layers = layer("a"), plain("p", "QAdaptiveActivation"), plain("q", "QAdaptiveActivation")
    rest = "Variable:0 {0}/ema_min {0}/ema_max Variable:0 {1}/ema_min {1}/ema_max"
    for first, second, dense in (("p", "q", "a"), ("p_8", "q_9", "a_7")):
        found = nested(f"{dense}/k {rest.format(first, second)}", *layers)
        assert found == {
            "m/a": f"{dense}/k",
            "m/p": f"Variable:0 {first}/ema_min {first}/ema_max",
            "m/q": f"Variable:0 {second}/ema_min {second}/ema_max",
        }


def test_averages_stand_behind_what_is_trained() -> None:
    """Keras writes the counter of a trainable layer first, and its averages last."""
    found = nested(
        "Variable:0 a/k p/ema_min p/ema_max", plain("p", "QAdaptiveActivation"), layer("a")
    )
    assert found == {"m/a": "a/k", "m/p": "Variable:0 p/ema_min p/ema_max"}
