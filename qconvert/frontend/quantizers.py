"""Quantizers and activation functions of a model's configuration, as ops.

Knows QKeras's classes and the forms in which files hold them: a text, or a dictionary in
several dialects.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal, assert_never

from qconvert.errors import similar
from qconvert.frontend.flavour import Flavour
from qconvert.frontend.problems import short
from qconvert.frontend.quantizer_classes import CLASSES
from qconvert.frontend.quantizer_options import Options
from qconvert.frontend.quantizer_text import Call, QuantizerError, parse
from qconvert.ir.ops import Elementwise, Function, Op, Quantize, Relu, Softmax
from qconvert.ir.quantizers import (
    Binary,
    HardFunction,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedUlaw,
    Quantizer,
    Ternary,
    is_data_dependent,
)

#: What has a QKeras name and no meaning here, with the reason.
_REFUSED: Final[Mapping[str, str]] = {
    "bernoulli": "it draws random numbers, at inference too",
}
#: Bits of a logarithmic quantizer on an activation, whose levels are listed in the ONNX file.
_LARGEST_TABLE: Final = 16
_DICT_KEYS: Final = frozenset(
    {
        "__passive_serialization__",
        "build_config",
        "class_name",
        "config",
        "module",
        "registered_name",
        "shared_object_id",
    }
)
#: Functions of QKeras whose names Keras 3 has for others.
_SHARED: Final = ("hard_sigmoid", "hard_tanh")
#: Options that QKeras had before the release 0.9.0, with the reason why they are not read.
_FORMER: Final[Mapping[tuple[str, str], str]] = {
    ("quantized_tanh", "integer"): (
        "integer is an option of QKeras before 2021, whose quantized_tanh has half as many levels;"
        " QKeras 0.9.0 computes something else and cannot load it"
    )
}
#: Options of later QKeras versions, without effect where they are None.
_LATER: Final = frozenset({"post_training_scale"})
_PACKAGES: Final = frozenset({"builtins", "keras", "qkeras", "tf_keras"})
#: Names of Keras that are not one of `Function`.
_STOCK: Final[Mapping[str, tuple[Op, ...]]] = {
    "linear": (),
    "relu": (Relu(),),
    "relu6": (Relu(max_value=6.0),),
    "silu": (Elementwise(Function.SWISH),),
}
#: Names that Keras 3 alone has, or has for another function.
_KERAS_3: Final[Mapping[str, tuple[Op, ...]]] = {
    "hard_sigmoid": (Elementwise(Function.HARD_SIGMOID_3),),
    "leaky_relu": (Relu(slope=0.2),),
}


def quantizer(
    identifier: object, role: Literal["kernel", "other"], flavour: Flavour = Flavour.QKERAS
) -> Quantizer | None:
    """The quantizer of a weight; `QuantizerError` if there is none like it here.

    Layers set ``alpha='auto_po2'`` where a quantizer in the role of a kernel has none.
    """
    if identifier is None:
        return None
    result = _quantizer(_resolve(identifier))
    return _scaled(_with_kernel_scale(result) if role == "kernel" else result, flavour)


def activation(
    identifier: object,
    *,
    qkeras: bool,
    rank: int,
    flavour: Flavour = Flavour.QKERAS,
    freezing: bool = False,
) -> tuple[Op, ...]:
    """The ops of ``activation=`` on a tensor of *rank* axes, batch included.

    ``qkeras`` tells whether the layer is QKeras's, which knows QKeras's names first (its
    ``hard_sigmoid`` is another function than Keras's); stock layers know Keras's alone, and
    quantizers as dictionaries. With Keras 3, Keras's names win in QKeras's layers too where the
    name stands in a dictionary, as ``.keras`` files have it. Scales that depend on the batch are
    allowed where they are to be frozen (*freezing*).
    """
    if identifier is None:
        return ()
    resolved = _resolve(identifier)
    keras_first = flavour.keras3 and isinstance(identifier, dict) and resolved in _SHARED
    by_qkeras = qkeras and not keras_first
    if isinstance(resolved, str) and not (by_qkeras and _is_hard_function(resolved)):
        return _stock_function(resolved, rank, flavour)
    if isinstance(identifier, str) and not qkeras:
        raise QuantizerError(
            "QC402", f"{identifier!r} is a text that only QKeras's layers understand"
        )
    result = _scaled(_quantizer(resolved), flavour)
    if is_data_dependent(result) and not freezing:
        raise QuantizerError(
            "QC406",
            "alpha='auto' and 'auto_po2' on an activation compute the scale from the whole batch,"
            " so that one sample's result depends on the others; --freeze-scales SAMPLES"
            " (freeze_scales=samples) computes it once, from samples of yours",
        )
    if isinstance(result, QuantizedUlaw) and result.bits > _LARGEST_TABLE:
        raise QuantizerError(
            "QC402",
            f"quantized_ulaw: {result.bits} bits on an activation need a table of"
            f" {2 ** (result.bits - 1)} levels; at most {_LARGEST_TABLE} bits are supported",
        )
    return (Quantize(result),)


def _scaled(q: Quantizer, flavour: Flavour) -> Quantizer:
    """Automatic scales as this QKeras computes them."""
    if flavour is Flavour.V3 and isinstance(q, QuantizedBits | Binary):
        _refuse_one_end(q)
    match q:
        case QuantizedHswish(rounding=rounding):
            inner = _scaled(rounding, flavour)
            return replace(q, rounding=inner) if isinstance(inner, QuantizedBits) else q
        case QuantizedBits() if _is_nan(q):
            raise QuantizerError(
                "QC404", "quantized_bits: one bit with alpha='auto' is NaN in QKeras"
            )
        case QuantizedBits(alpha="auto_po2") | Binary(alpha="auto_po2"):
            if flavour is Flavour.V3:
                _refuse_one_end(q)
            later = flavour.later
            return replace(q, codes_of_last_scale=later) if isinstance(q, QuantizedBits) else q
        case _:
            return q


def _refuse_one_end(q: QuantizedBits | Binary) -> None:
    """``keras.ops.clip`` takes no None, as Keras 2's does."""
    if (q.min_po2_exponent is None) != (q.max_po2_exponent is None):
        raise QuantizerError(
            "QC402",
            "min_po2_exponent and max_po2_exponent are only one of them given, with which"
            " qkeras-v3 fails",
        )


def _is_nan(q: QuantizedBits) -> bool:
    return q.bits == 1 and q.alpha == "auto" and q.post_training_scale is None


def _with_kernel_scale(result: Quantizer) -> Quantizer:
    match result:
        case QuantizedBits(alpha=None) | QuantizedLinear(alpha=None):
            return replace(result, alpha="auto_po2", symmetric=True)
        case QuantizedHswish(rounding=QuantizedBits(alpha=None) as rounding):
            return replace(result, rounding=replace(rounding, alpha="auto_po2", symmetric=True))
        case Binary(alpha=None) | Ternary(alpha=None):
            return replace(result, alpha="auto_po2")
        case _:
            return result


def _quantizer(resolved: Options | str) -> Quantizer:
    match resolved:
        case Options():
            return CLASSES[resolved.name].read(resolved)
        case str():
            if not _is_hard_function(resolved):
                raise QuantizerError("QC402", f"{resolved!r} is not a quantizer")
            return HardFunction(resolved)
        case _:
            assert_never(resolved)


def _is_hard_function(name: str) -> bool:
    return name in {function.value for function in HardFunction}


def _stock_function(name: str, rank: int, flavour: Flavour) -> tuple[Op, ...]:
    if flavour.keras3 and name in _KERAS_3:
        return _KERAS_3[name]
    if name == "softmax":
        return (Softmax(axis=rank - 1),)
    if name in _STOCK:
        return _STOCK[name]
    if name in {function.value for function in Function}:
        return (Elementwise(Function(name)),)
    hint = similar(name, (*CLASSES, *_STOCK, *(function.value for function in Function)))
    raise QuantizerError("QC402", f"{name!r} is not a known activation{hint}")


def _resolve(identifier: object) -> Options | str:
    """The options of a quantizer class, or the name of a function."""
    if isinstance(identifier, str):
        return _from_call(parse(identifier))
    if not isinstance(identifier, dict):
        raise QuantizerError("QC405", f"{short(identifier)} is not a quantizer or activation")
    _check_dict(identifier)
    match identifier:
        case {"class_name": "function", "config": str(name)}:
            return _known(name.removeprefix("qkeras>"))
        case {"class_name": str(name), "config": dict(config)}:
            return _from_config(name.removeprefix("qkeras>"), config)
        case _:
            raise QuantizerError("QC405", f"{short(identifier)} is not a quantizer or activation")


def _from_call(call: Call) -> Options | str:
    name = _known(call.name)
    if name not in CLASSES:
        if call.called:
            hint = similar(name, CLASSES)
            raise QuantizerError(
                "QC402", f"{name!r} is no quantizer, and takes no arguments here{hint}"
            )
        return name
    parameters = CLASSES[name].parameters
    if len(call.args) > len(parameters):
        raise QuantizerError(
            "QC403", f"{name}: {len(call.args)} arguments, at most {len(parameters)}"
        )
    positional = dict(zip(parameters, call.args, strict=False))
    twice = positional.keys() & call.kwargs.keys()
    if twice:
        raise QuantizerError("QC403", f"{name}: {min(twice)} is given twice")
    return _options(name, {**positional, **call.kwargs})


def _from_config(name: str, config: dict[object, object]) -> Options:
    if _known(name) not in CLASSES:
        raise QuantizerError("QC402", f"{name!r} is not a quantizer{similar(name, CLASSES)}")
    given = {str(key): value for key, value in config.items()}
    return _options(name, {k: v for k, v in given.items() if not (k in _LATER and v is None)})


def _options(name: str, values: Mapping[str, object]) -> Options:
    known = {*CLASSES[name].parameters, *CLASSES[name].named}
    unknown = sorted(values.keys() - known)
    if unknown and (name, unknown[0]) in _FORMER:
        raise QuantizerError("QC403", f"{name}: {_FORMER[name, unknown[0]]}")
    if unknown:
        raise QuantizerError(
            "QC403", f"{name}: QKeras has no option {short(unknown[0])}{similar(unknown[0], known)}"
        )
    return Options(name, values)


def _known(name: str) -> str:
    if name in _REFUSED:
        raise QuantizerError("QC402", f"{name}: {_REFUSED[name]}")
    return name


def _check_dict(identifier: Mapping[object, object]) -> None:
    """The other keys of Keras's dictionaries must not speak of something else."""
    unknown = identifier.keys() - _DICT_KEYS
    if unknown:
        raise QuantizerError(
            "QC405", f"a quantizer with the unknown key {short(min(unknown, key=str))}"
        )
    module = identifier.get("module")
    if module is not None and str(module).split(".")[0] not in _PACKAGES:
        raise QuantizerError("QC405", f"a quantizer from the module {short(module)}")
    registered = identifier.get("registered_name")
    if registered is not None and _plain(registered) != _plain(identifier.get("class_name")):
        raise QuantizerError("QC405", f"a quantizer registered as {short(registered)}")


def _plain(name: object) -> str:
    return str(name).removeprefix("qkeras>")
