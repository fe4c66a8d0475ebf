import pytest

from qconvert.modelfile import Json
from qconvert.modelfile.layers import layer_tree
from qconvert.modelfile.malformed import MalformedError


def layer(name: str, class_name: str = "Dense") -> dict[str, Json]:
    return {"class_name": class_name, "config": {"name": name}}


def model(*layers: Json, name: str = "model") -> dict[str, Json]:
    return {"class_name": "Functional", "config": {"name": name, "layers": list(layers)}}


def test_paths_lead_through_nested_models() -> None:
    inner = model(layer("c"), name="inner")
    (a, outer) = layer_tree(model(layer("a"), model(inner, layer("b"), name="outer")))
    assert [leaf.path for leaf in (*a.leaves, *outer.leaves)] == ["a", "outer/inner/c", "outer/b"]


def test_an_old_sequential_is_a_bare_list() -> None:
    (node,) = layer_tree({"class_name": "Sequential", "config": [layer("a")]})
    assert node.path == "a"


def test_the_package_of_a_class_is_not_in_its_name() -> None:
    (node,) = layer_tree(model(layer("a", "qkeras>QDense")))
    assert node.class_name == "QDense"


def test_a_wrapper_knows_the_layers_inside() -> None:
    inside: Json = {"name": "w", "layer": {"class_name": "W", "config": {"layer": layer("x")}}}
    inside["layer"]["config"]["name"] = "v"  # type: ignore[index,call-overload]
    (node,) = layer_tree(model({"class_name": "Wrapper", "config": inside}))
    assert (node.path, node.inner, node.children) == ("w", ("v", "x"), None)


#: Before a name that has one.
OTHER = "a layer name with other characters than A to Z, a to z, 0 to 9 and _ . / > : -: "


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"class_name": "Model", "config": {}}, "the architecture lists no layers"),
        ({"class_name": "Model", "config": {"layers": {}}}, "the architecture lists no layers"),
        (model("text"), "a layer in 'the model' has no class name"),
        (model({"config": {"name": "a"}}), "a layer in 'the model' has no class name"),
        (model({"class_name": "Dense", "config": {}}), "not a layer name: 'None'"),
        (model(layer("")), "not a layer name: ''"),
        (model(layer("a\n::error::")), OTHER + r"'a\n::error::'"),
        (model(layer("\x1b[31m")), OTHER + r"'\x1b[31m'"),
        (model(layer("<script>")), OTHER + "'<script>'"),
        (
            model(layer("x" * 201)),
            "the name of a layer has 201 characters: limit 200 (--limit name-length=N raises it)",
        ),
        (model({**layer("a"), "name": "b"}), "a layer has two names: 'b' and 'a'"),
        (model(layer("a"), layer("a")), "two layers are called 'a'"),
        (model(layer("m/a"), model(layer("a"), name="m")), "two layers are called 'm/a'"),
    ],
)
def test_layers_that_cannot_be_told_apart_are_refused(config: dict[str, Json], reason: str) -> None:
    with pytest.raises(MalformedError) as caught:
        layer_tree(config)
    assert str(caught.value) == reason
