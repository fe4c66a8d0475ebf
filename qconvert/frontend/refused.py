"""What is refused of any layer, whatever parser knows it: its inputs, its arguments, its origin."""

from typing import Final

from qconvert.errors import similar
from qconvert.frontend.config import Config
from qconvert.frontend.layers import LAYERS
from qconvert.frontend.opaque import STOCK, TRY_OPAQUE
from qconvert.frontend.problems import Reason, Unsupported
from qconvert.frontend.topology import LayerSpec, ModelSpec

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
_CODE: Final = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper"})


def require_known(layer: LayerSpec, *, opaque: bool) -> None:
    """`Unsupported` for a class that nothing reads; stock layers may be *opaque*."""
    if layer.class_name not in LAYERS and not (opaque and layer.class_name in STOCK):
        raise Unsupported(_unknown(layer.class_name))
    if layer.module.split(".")[0] not in _PACKAGES:
        raise Unsupported(f"{layer.class_name} of the module {layer.module!r}", code="QC303")


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
        text = f"{class_name} layers run code from the file; nothing of it was executed"
        return Reason(text, "QC301")
    if class_name in STOCK:
        text = f"layers of class {class_name} are not supported natively; {TRY_OPAQUE}"
        return Reason(text, "QC302")
    hint = similar(class_name, LAYERS)
    return Reason(f"layers of class {class_name} are not supported{hint}", "QC302")
