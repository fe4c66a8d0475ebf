"""What is refused of any layer, whatever parser knows it: its inputs, its arguments, its origin."""

from collections.abc import Iterator
from typing import Final

from qconvert.errors import Problem, UnsupportedError, similar
from qconvert.frontend.config import Config
from qconvert.frontend.layers import LAYERS
from qconvert.frontend.opaque import STOCK, TRY_OPAQUE
from qconvert.frontend.problems import Reason, Unsupported
from qconvert.frontend.topology import LayerSpec, ModelSpec
from qconvert.modelfile import Json, ModelFile

_PACKAGES: Final = frozenset(
    {
        "",
        "builtins",
        "fkeras",
        "keras",
        "qkeras",
        "tensorflow",
        "tensorflow_model_optimization",
        "tf_keras",
    }
)
#: Types of inputs that hold whole numbers.
_INTEGERS: Final = frozenset({"int32", "int64", "uint8"})
_CODE: Final = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "__lambda__"})
_NOT_RUN: Final = "layers run code from the file; nothing of it was executed"


def require_known(layer: LayerSpec, *, opaque: bool) -> None:
    """`Unsupported` for a class that nothing reads; stock layers may be *opaque*."""
    if layer.class_name not in LAYERS and not (opaque and layer.class_name in STOCK):
        raise Unsupported(_unknown(layer.class_name))
    if layer.module.split(".")[0] not in _PACKAGES:
        raise Unsupported(f"{layer.class_name} of the module {layer.module!r}", code="QC303")


def require_no_code(model: ModelFile) -> None:
    """`UnsupportedError` for what is code, or names some, anywhere in a model of any layers."""
    problems = [problem for item in _objects(model.config) for problem in _code_of(item)]
    if problems:
        raise UnsupportedError(list(dict.fromkeys(problems)), model.path)


def _objects(root: Json) -> Iterator[dict[str, Json]]:
    pending = [root]
    while pending:
        match pending.pop():
            case dict(item):
                yield item
                pending += item.values()
            case list(items):
                pending += items


def _code_of(item: dict[str, Json]) -> Iterator[Problem]:
    class_name, module = str(item.get("class_name")), str(item.get("module") or "")
    name = str(item.get("name", ""))
    if class_name.rpartition(">")[2] in _CODE:
        yield Problem("QC301", name, f"{class_name} {_NOT_RUN}")
    if module.split(".")[0] not in _PACKAGES:
        yield Problem("QC303", name, f"{class_name} of the module {module!r}")


def require_plain_input(spec: ModelSpec, layer: LayerSpec) -> None:
    """`Unsupported` for an input of *spec* that is more than floats; `Malformed` options."""
    integers = _feeds_tables(spec, layer.name) and layer.config.get("dtype") in _INTEGERS
    config = Config({k: v for k, v in layer.config.items() if k != "dtype" or not integers})
    config.ignore("batch_shape")
    for option in ("sparse", "ragged", "optional"):
        config.expect(option, False)
    config.done()


def require_plain_call(arguments: Config) -> None:
    """`Unsupported` for arguments that change numbers.

    Inference is meant, so that ``training=False`` says nothing new.
    """
    arguments.expect("training", None, False)
    for option in ("mask", "initial_state", "constants"):
        # Bidirectional is called with the latter, also where they are among its inputs.
        arguments.expect(option, None)
    try:
        arguments.done()
    except Unsupported as error:
        reasons = (f"called with {reason.text}" for reason in error.reasons)
        raise Unsupported(*reasons, code="QC326") from None


def _feeds_tables(spec: ModelSpec, name: str) -> bool:
    """Whether an input is read by embeddings alone, which take whole numbers as floats too."""
    readers = [
        layer.class_name
        for layer in spec.layers
        if any(ref.layer == name for call in layer.calls for ref in call.inputs)
    ]
    return set(readers) == {"Embedding"}


def _unknown(class_name: str) -> Reason:
    if class_name in _CODE:
        text = f"{class_name} {_NOT_RUN}"
        return Reason(text, "QC301")
    if class_name in STOCK:
        text = f"layers of class {class_name} are not supported natively; {TRY_OPAQUE}"
        return Reason(text, "QC302")
    hint = similar(class_name, LAYERS)
    return Reason(f"layers of class {class_name} are not supported{hint}", "QC302")
