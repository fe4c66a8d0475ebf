"""Exported files, and what else might have been written: edits that ONNX Runtime makes much of."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from qconvert.emit import to_onnx
from qconvert.frontend import build_graph
from qconvert.ir import Graph
from qconvert.modelfile import read_model

Array: TypeAlias = npt.NDArray[Any]
Edit: TypeAlias = Callable[[onnx.ModelProto], None]

DATA: Final = Path(__file__).resolve().parents[1] / "data"
FILES: Final = ("encoder.json", "jet_mlp.h5", "jet_deepsets.h5", "mnist_cnn.keras", "pruned_cnn.h5")


def graph_of(file: str) -> Graph:
    """A graph of a model in tests/data."""
    weights = DATA / "encoder_weights.hdf5" if file == "encoder.json" else None
    return build_graph(read_model(DATA / file, weights))


def exported(file: str, edit: Edit | None = None, dialect: str = "qdq") -> onnx.ModelProto:
    """A model in tests/data as ONNX, edited."""
    model = to_onnx(graph_of(file), dialect=dialect)
    if edit:
        edit(model)
    return model


def constant(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    """An initializer."""
    found: onnx.TensorProto = next(t for t in model.graph.initializer if t.name == name)
    return found


def change(model: onnx.ModelProto, name: str, to: Callable[[Array], Array]) -> None:
    """Give an initializer other contents."""
    tensor = constant(model, name)
    tensor.CopyFrom(numpy_helper.from_array(to(numpy_helper.to_array(tensor)), name))


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    """An operator."""
    found: onnx.NodeProto = next(each for each in model.graph.node if each.name == name)
    return found


def insert(
    model: onnx.ModelProto,
    before: str,
    kind: str,
    constants: Mapping[str, Array] = {},
    place: int = 0,
) -> None:
    """An operator of *kind* between an input of the operator *before* and that itself."""
    reader = node(model, before)
    result = f"{before}/{kind}"
    new = helper.make_node(kind, [reader.input[place], *constants], [result], result)
    reader.input[place] = result
    model.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in constants.items())
    model.graph.node.insert(list(model.graph.node).index(reader), new)


def own_scales(model: onnx.ModelProto, layer: str, channels: int, axis: int = 1) -> None:
    """The same int8 weights with a scale a channel: the one of several layers keeps them safe."""
    dequantize = node(model, f"{layer}/DequantizeLinear")
    scale = numpy_helper.to_array(constant(model, dequantize.input[1]))
    own = {
        f"{layer}/scales": np.full(channels, scale),
        f"{layer}/zeros": np.zeros(channels, np.int8),
    }
    dequantize.input[1:] = own
    dequantize.attribute.append(helper.make_attribute("axis", axis))
    model.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in own.items())


def signed_weights(model: onnx.ModelProto) -> None:
    """The 8-bit weights of jet_deepsets as int8, beside uint8 activations (EXACTNESS.md, G04)."""
    for name in ("phi2", "phi3"):
        change(model, f"{name}/kernel", _signed)
    change(model, node(model, "phi2/DequantizeLinear").input[2], _signed)


def signed_everywhere(model: onnx.ModelProto) -> None:
    """Activations of jet_deepsets as int8, too (G05)."""
    signed_weights(model)
    change(model, node(model, "q_activation/QuantizeLinear").input[2], _signed)


def interrupted(model: onnx.ModelProto) -> None:
    """In jet_deepsets an operator between dequantized codes and a product (G02)."""
    signed_weights(model)
    own_scales(model, "phi2", 32)
    insert(model, "phi2/MatMul", "Relu")


def weights_only(model: onnx.ModelProto) -> None:
    """Quantized weights of jet_deepsets at a product with floats (G03)."""
    signed_weights(model)
    codes, product = node(model, "phi1/Cast"), node(model, "phi1/Mul")
    name = "phi1/DequantizeLinear"
    new = helper.make_node("DequantizeLinear", [codes.input[0], product.input[1]], [name], name)
    codes.CopyFrom(new)
    model.graph.node.remove(product)
    node(model, "phi1/MatMul").input[1] = name
    own_scales(model, "phi1", 32)


def _signed(codes: Array) -> Array:
    return (codes.astype(np.int16) - 128).astype(np.int8)
