"""TensorFlow's process as a converter of what TensorFlow alone can read."""

from collections.abc import Sequence
from pathlib import Path

import onnx

from qconvert.errors import BadFileError, Problem, UnsupportedError, WitnessError
from qconvert.frontend.opaque import Converted, StockLayer
from qconvert.frontend.problems import Unsupported
from qconvert.ir.ops import Opaque
from qconvert.ir.shapes import Shape
from qconvert.runners.npz import write_npz
from qconvert.runners.process import Answer, Json, Worker


class Assistant(Worker):
    """A context in which TensorFlow converts."""

    def to_h5(self, folder: Path, output: Path) -> None:
        """Write the model of a SavedModel *folder* to *output*; `UnsupportedError` if it cannot."""
        answer = self.ask("convert", {"model": str(folder), "output": str(output)})
        if "refused" in answer:
            reason = f"TensorFlow does not read the SavedModel folder: {answer['refused']}"
            raise UnsupportedError([Problem("QC130", "", reason)])
        if not output.is_file():
            raise WitnessError("QC723", "the worker wrote no model")

    def to_opaque(self, layer: StockLayer) -> Converted:
        """A stock layer in ONNX, by tf2onnx; the frontend's `Unsupported` if that cannot."""
        weights, output = self.folder / "weights.npz", self.folder / "fragment.onnx"
        write_npz(weights, {str(i): stored.value for i, stored in enumerate(layer.weights)})
        answer = self.ask(
            "opaque",
            {
                "class_name": layer.class_name,
                "config": _as_json(layer.config),
                "shapes": [list(shape) for shape in layer.shapes],
                "names": list(layer.names),
                "arguments": _as_json(layer.arguments),
                "weights": str(weights),
                "output": str(output),
            },
        )
        if "refused" in answer:
            raise Unsupported(f"tf2onnx converts no such {layer.class_name}: {answer['refused']}")
        return _converted(layer, answer, _fragment(output))


def _fragment(path: Path) -> bytes:
    """A complete ONNX model."""
    try:
        data = path.read_bytes()
        path.unlink()
        onnx.load_model_from_string(data)
    except Exception as error:
        # The parser of protobuf has no public base class of its errors.
        raise WitnessError("QC723", f"the worker wrote no ONNX model: {error}") from error
    return data


def _converted(layer: StockLayer, answer: Answer, fragment: bytes) -> Converted:
    match answer:
        case {"converter": str(converter), "shape": list(shape), "roles": list(roles)} if len(
            roles
        ) == len(layer.weights):
            op = Opaque(layer.class_name, converter, fragment, layer.shapes, _shape(shape))
            return Converted(op, tuple(None if role is None else str(role) for role in roles))
        case _:
            raise WitnessError("QC723", f"the worker did not describe the layer: {sorted(answer)}")


def _shape(sizes: Sequence[Json]) -> Shape:
    if not all(n is None or (type(n) is int and n > 0) for n in sizes[1:]):
        raise WitnessError("QC723", f"the worker says that the layer returns {sizes}")
    return (None, *(n if isinstance(n, int) else None for n in sizes[1:]))


def _as_json(value: object) -> Json:
    """A configuration as it came from a file, which is JSON."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_as_json(each) for each in value]
        case _ if isinstance(value, dict):
            return {str(key): _as_json(each) for key, each in value.items()}
        case _:
            raise BadFileError("QC203", "the model", f"{type(value).__name__} in a configuration")
