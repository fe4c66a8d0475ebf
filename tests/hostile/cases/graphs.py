"""Architectures that no Keras could have written, or that are code."""

import json
from functools import partial
from pathlib import Path

from tests.hostile.building import WEIGHTS, Config, entry, hdf5, layers, model, option
from tests.hostile.case import Case, Make


def cycle(config: Config) -> None:
    layers(config)[1]["inbound_nodes"] = [[["a", 0, 0, {}]]]


def case_twins(config: Config) -> None:
    """As Keras writes them, too: no file is called by a layer."""
    layers(config)[2]["name"] = layers(config)[2]["config"]["name"] = "D"
    config["config"]["output_layers"] = [["D", 0, 0]]


def unreachable(config: Config) -> None:
    layers(config)[2]["inbound_nodes"] = []


def nothing(config: Config) -> None:
    config["config"]["layers"] = []


def many(count: int, config: Config) -> None:
    config["config"]["layers"] += [
        {
            "class_name": "ReLU",
            "config": {"name": f"r{i}"},
            "name": f"r{i}",
            "inbound_nodes": [[["d", 0, 0, {}]]],
        }
        for i in range(count)
    ]


def multiplied(depth: int) -> Config:
    """Models in models, each of which calls the next one eight times, one call after the other."""
    found: Config = {"class_name": "ReLU", "config": {"name": "r"}, "name": "r"}
    for i in range(depth):
        # Keras counts the calls of a model from 1: 0 is how it was made.
        name, calls = found["name"], range(8 if i else 1)
        found["inbound_nodes"] = [[[name if call else "x", call, 0, {}]] for call in calls]
        config = {
            "name": f"m{i}",
            "layers": [layers(model())[0], found],
            "input_layers": [["x", 0, 0]],
            "output_layers": [[name, 8 if i else 0, 0]],
        }
        found = {"class_name": "Functional", "name": f"m{i}", "config": config}
    return found


def ends(key: str, value: object) -> Config:
    return model(lambda config: config["config"].__setitem__(key, value))


def of_class(class_name: str, **more: object) -> Config:
    return model(lambda config: layers(config)[1].update(class_name=class_name, **more))


def called(*row: object) -> Config:
    return model(entry("inbound_nodes", [[list(row)]], 2))


def input_shape(*shape: object) -> Config:
    return model(option("batch_input_shape", list(shape), 0))


def inside(*shape: object) -> Make:
    """A model in a model, which says that its input has this shape."""
    inner = input_shape(*shape)
    inner["config"] |= {"name": "m", "output_layers": [["d", 0, 0]]}
    inner["config"]["layers"].pop()
    outer = called("m", 1, 0, {})
    outer["config"]["layers"][1] = inner | {"name": "m", "inbound_nodes": [[["x", 0, 0, {}]]]}
    return hdf5(outer, {"x": {}, "m": WEIGHTS["d"], "a": {}})


def sequential(built: list[object]) -> Config:
    """The same layers one behind the other, which were built for this shape."""
    own = [{"class_name": each["class_name"], "config": each["config"]} for each in layers(model())]
    config = {"name": "m", "layers": own[1:], "build_input_shape": built}
    return {"class_name": "Sequential", "config": config}


def called_in_sequential(name: str) -> Config:
    config = sequential([None, 4])
    layers(config)[1]["inbound_nodes"] = [[[name, 0, 0, {}]]]
    return config


def large(folder: Path) -> Path:
    """Layers of 100 MB, each of them right; as text, for so many objects take seconds."""
    one = model(partial(many, 1))
    layer = json.dumps(layers(one)[-1])
    every = ", ".join(layer.replace("r0", f"r{i}") for i in range(1_000_000))
    return hdf5(json.dumps(one).replace(layer, every))(folder)


LAMBDA = {
    "name": "d",
    "function": ["4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAfABTACkBTqkAKQHaAXhyAQ==", None, None],
    "function_type": "lambda",
}

CASES = (
    Case(23, "Lambda", hdf5(of_class("Lambda", config=LAMBDA)), "QC301", 3, "nothing of it was"),
    Case(26, "TFSMLayer", hdf5(of_class("TFSMLayer")), "QC301", 3, "nothing of it was executed"),
    Case(26, "TorchModuleWrapper", hdf5(of_class("TorchModuleWrapper")), "QC301", 3, "executed"),
    Case(26, "a lookup of a file", hdf5(of_class("StringLookup")), "QC302", 3),
    Case(24, "an unknown class", hdf5(of_class("QDens")), "QC302", 3, "similar names: QDense"),
    Case(27, "a class of one's own", hdf5(of_class("MyLayer", registered_name="Mine>MyLayer")),
         "QC302", 3, "MyLayer"),
    Case(27, "a class of one's own package", hdf5(of_class("QDense", module="mine.layers")),
         "QC303", 3, "'mine.layers'"),
    Case(25, "a class with a path", hdf5(of_class("os>system")), "QC302", 3),
    Case(25, "a class of os", hdf5(of_class("QDense", module="os", registered_name="system")),
         "QC303", 3, "'os'"),
    Case(27, "a subclass", hdf5({**model(), "class_name": "Evil"}), "QC304", 3, "'Evil'"),
    Case(28, "a cycle", hdf5(model(cycle)), "QC310", 4, "d"),
    Case(28, "a layer that is its own input", hdf5(called("a", 0, 0, {})), "QC310", 4, "a -> a"),
    Case(29, "a missing layer", hdf5(called("nope", 0, 0, {})), "QC311", 4, "'nope'"),
    Case(29, "a missing output", hdf5(ends("output_layers", [["nope", 0, 0]])),
         "QC311", 4, "'nope'"),
    Case(29, "a missing input", hdf5(ends("input_layers", [["nope", 0, 0]])), "QC311", 4, "'nope'"),
    Case(33, "a missing call", hdf5(called("d", 7, 0, {})), "QC311", 4, "a call of 'd'"),
    Case(33, "result 5 of 1", hdf5(called("d", 0, 5, {})), "QC311", 4, "result 5"),
    Case(33, "a negative result", hdf5(called("d", 0, -1, {})), "QC311", 4, "result -1"),
    Case(33, "a result by name", hdf5(called("d", 0, "x", {})), "QC314", 4),
    Case(33, "a call in a Sequential that is none", hdf5(called_in_sequential("nope")), "QC314", 4,
         "the layer 'a' is called on [[['nope', 0, 0, {}]]] in a Sequential model"),
    Case(33, "the only call in a Sequential", hdf5(called_in_sequential("d")), "", 0),
    Case(33, "a call of nothing", hdf5(called()), "QC313", 4),
    Case(32, "an unconnected layer", hdf5(model(unreachable)), "QC313", 4, "not connected"),
    Case(32, "layers that reach no output", hdf5(model(partial(many, 2))), "", 0),
    Case(32, "no layers", hdf5(model(nothing)), "QC505", 4),
    Case(32, "no outputs", hdf5(ends("output_layers", [])), "QC313", 4, "no outputs"),
    Case(32, "layers as text", hdf5(ends("layers", "x")), "QC313", 4, "lists no layers"),
    Case(32, "a layer as text", hdf5(ends("layers", ["x"])), "QC203", 4, "no class name"),
    Case(30, "names that differ by case", hdf5(model(case_twins), {
        "x": {}, "d": WEIGHTS["d"], "D": {}}), "", 0),
    Case(30, "a layer twice", hdf5(model(partial(many, 1)) | {"config": {
        **model()["config"], "layers": [*layers(model()), layers(model())[1]]}}),
         "QC312", 4, "two layers are called 'd'"),
    Case(34, "2**40 units", hdf5(model(option("units", 1 << 40))), "QC501", 4),
    Case(35, "-8 units", hdf5(model(option("units", -8))), "QC321", 4, "units"),
    Case(35, "'8' units", hdf5(model(option("units", "8"))), "QC321", 4, "units"),
    Case(35, "8.0 units", hdf5(model(option("units", 8.0))), "QC321", 4, "units"),
    Case(35, "8.5 units", hdf5(model(option("units", 8.5))), "QC321", 4, "units"),
    Case(35, "a list of units", hdf5(model(option("units", [2]))), "QC321", 4, "units"),
    Case(35, "true units", hdf5(model(option("units", True))), "QC321", 4, "units"),
    Case(39, "an unknown option", hdf5(model(option("evil", 1))), "QC323", 3, "evil"),
    Case(36, "an input of a terabyte", hdf5(input_shape(None, 10**6, 10**6, 4)), "QC320", 7,
         "--limit tensor-bytes"),
    Case(36, "an input of a gigabyte", hdf5(input_shape(None, 1 << 26, 4)), "QC320", 7,
         "--limit tensor-bytes"),
    *(
        Case(36, f"an input of {axes} axes", hdf5(input_shape(None, *[1] * (axes - 2), 4)),
             "QC320", 7, f"{axes} axes, at most 16")
        for axes in (17, 33, 65)
    ),
    Case(35, "a negative length", hdf5(input_shape(None, -4)), "QC321", 4),
    Case(35, "a length of 0", hdf5(input_shape(None, 0)), "QC321", 4),
    Case(35, "a length as text", hdf5(input_shape(None, "4")), "QC321", 4),
    Case(35, "a length of 2**63", hdf5(input_shape(None, 1 << 63)), "QC321", 4, "layer 'x'"),
    Case(35, "a negative batch", hdf5(input_shape(-1, 4)), "QC321", 4, "layer 'x': [-1, 4]"),
    Case(35, "two shapes", hdf5(model(option("batch_shape", [None, 5], 0))), "QC321", 4,
         "layer 'x': two shapes: [None, 4] and [None, 5]"),
    Case(33, "an input without axes", hdf5(input_shape(None)), "QC318", 4,
         "layer 'd': the last axis of its input of shape (None,) has no length"),
    Case(35, "a negative length in a model in a model", inside(None, -4), "QC321", 4,
         "layer 'm/x': [None, -4] is not a shape"),
    Case(33, "another length in a model in a model", inside(None, 5), "QC315", 4,
         "layer 'm/x': its shape is (None, 5), it is given one of (None, 4)"),
    Case(33, "another number of axes in a model in a model", inside(None, 4, 4), "QC315", 4,
         "layer 'm/x': its shape is (None, 4, 4), it is given one of (None, 4)"),
    Case(35, "a negative length of a Sequential", hdf5(sequential([None, -4])), "QC321", 4,
         "layer 'd_input': [None, -4] is not a shape"),
    Case(40, "10,001 layers", hdf5(model(partial(many, 9998))), "QC324", 7, "--limit layers=N"),
    Case(40, "100 MB of layers", large, "QC208", 7, "--limit config-bytes"),
    Case(40, "a few layers", hdf5(), "QC324", 7, "3 layers: limit 2", {"layers": 2}),
    *(
        Case(33, f"calls that are {value!r}", hdf5(model(entry("inbound_nodes", value, 2))),
             "QC314", 4, told)
        for value, told in (
            (5, "inbound_nodes=5 is not a list"),
            ({"d": 0}, "inbound_nodes={'d': 0} is not a list"),
            (None, "has no inbound_nodes"),
        )
    ),
    Case(40, "10,001 calls", hdf5(model(entry("inbound_nodes", [[["x", 0, 0, {}]]] * 10_001))),
         "QC324", 7, "10,003 calls of layers: limit 10,000"),
    Case(40, "models in models", hdf5(multiplied(12), {"x": {}, "m10": {}}), "QC324", 7,
         "18,407,002,697 calls of layers"),
    Case(40, "a few models in models", hdf5(multiplied(4), {"x": {}, "m2": {}}), "", 0),
    Case(55, "weights of no layer", hdf5(weights={**WEIGHTS, "e": {"k": [1.0]}}),
         "QC505", 4, "'e'"),
)  # fmt: skip
