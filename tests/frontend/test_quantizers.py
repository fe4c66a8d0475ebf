from typing import Any

import numpy as np
import pytest

from qconvert.frontend.flavour import Flavour
from qconvert.frontend.problems import Malformed
from qconvert.frontend.quantizer_text import QuantizerError
from qconvert.frontend.quantizers import activation, quantizer
from qconvert.frontend.weights import weight
from qconvert.ir.ops import Elementwise, Function, Op, Quantize, Relu, Softmax
from qconvert.ir.quantizers import (
    Binary,
    FrozenScale,
    HardFunction,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
    Quantizer,
    Ternary,
)

SCALES = FrozenScale((0.5, 1.0), (2,))
BITS_4 = {"bits": 4, "integer": 1, "symmetric": 0, "keep_negative": True, "alpha": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("quantized_bits", QuantizedBits()),
        ("quantized_bits(4,1)", QuantizedBits(4, 1)),
        ("quantized_bits(4,1,1,0,0.5)", QuantizedBits(4, 1, True, False, 0.5)),
        ("quantized_bits(4,alpha=1)", QuantizedBits(4, alpha=1.0)),
        ("quantized_bits(4,alpha=True)", QuantizedBits(4, alpha=1.0)),
        ("quantized_bits(4,alpha='auto')", QuantizedBits(4, symmetric=True, alpha="auto")),
        ("quantized_bits(4,0,1,1,'auto',0,1)", QuantizedBits(4, 0, True, True, "auto", 1)),
        (
            "quantized_relu(4,2,1,0.25,0,3.5,0)",
            QuantizedRelu(4, 2, True, 0.25, 3.5, is_quantized_clip=False),
        ),
        ("quantized_tanh(4,0,1,True)", QuantizedTanh(4, True, True)),
        ("quantized_sigmoid(4,1,1)", QuantizedSigmoid(4, True, True)),
        ("quantized_po2(4,1,0,1,'floor')", QuantizedPo2(4, 1.0, True, "floor")),
        (
            "quantized_relu_po2(4,2,0.5,0,1,'floor')",
            QuantizedReluPo2(4, 2.0, 0.5, True, "floor"),
        ),
        ("binary(1,0.5)", Binary(True, 0.5)),
        ("stochastic_binary(0.5,6.0)", Binary(False, 0.5)),
        ("ternary(0.5,0.25,0,3)", Ternary(0.5, 0.25, 3)),
        ("stochastic_ternary(0.5,0.25,8.0,True,3)", Ternary(0.5, 0.25, 3)),
        ("hard_tanh", HardFunction.HARD_TANH),
        (
            "quantized_bits(4,1,0,1,None,0,None,0.5,None,0)",
            QuantizedBits(4, 1, qnoise_factor=0.5, use_ste=False),
        ),
        (
            "quantized_bits(4,1,0,1,'auto_po2',0,1,1.0,None,1,0,2,-3,4)",
            QuantizedBits(4, 1, True, True, "auto_po2", 1, 1.0, True, 2, -3, 4),
        ),
        (
            "quantized_bits(4,alpha='auto_po2',scale_axis=[0 2],elements_per_scale=[1 2])",
            QuantizedBits(4, 0, True, True, "auto_po2", (0, 2), elements_per_scale=(1, 2)),
        ),
        (
            "quantized_bits(4,alpha='auto',post_training_scale=[0.5 1])",
            QuantizedBits(4, 0, True, True, "auto", None, 1.0, True, None, None, None, SCALES),
        ),
        (
            "quantized_linear(4,-1,0,0,0.5,0,1,0.5)",
            QuantizedLinear(4, -1, False, False, 0.5, 1, 0.5),
        ),
        (
            "quantized_hswish(4,1,1,0.5,0,2,0.25,relu_shift=2,relu_upper_bound=5)",
            QuantizedHswish(QuantizedBits(4, 1, True, True, 0.5, 2, 0.25), 2.0, 5.0),
        ),
        ("quantized_ulaw(4,1,1,10.0)", QuantizedUlaw(4, 1, True, 10.0)),
        (
            "quantized_relu(4,1,0,0.25,0,None,1,0.5,None,0)",
            QuantizedRelu(4, 1, False, 0.25, qnoise_factor=0.5, use_ste=False),
        ),
        (
            "quantized_relu(4,1,1,0.25,enable_fast_inference=True)",
            QuantizedRelu(4, 1, use_ste=False),
        ),
        (
            "quantized_po2(4,qnoise_factor=0.5,use_ste=0)",
            QuantizedPo2(4, qnoise_factor=0.5, use_ste=False),
        ),
        ("quantized_relu_po2(4,qnoise_factor=0.5)", QuantizedReluPo2(4, qnoise_factor=0.5)),
        (
            "binary(alpha='auto_po2',scale_axis=1,elements_per_scale=2,min_po2_exponent=-1)",
            Binary(False, "auto_po2", 1, 2, -1),
        ),
    ],
)
def test_positional_arguments_are_in_the_order_of_qkeras(text: str, expected: Quantizer) -> None:
    assert quantizer(text, "other") == expected


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ({"class_name": "quantized_bits", "config": BITS_4}, QuantizedBits(4, 1)),
        (
            {
                "class_name": "quantized_bits",
                "config": {**BITS_4, "alpha": [0.5, 1], "qnoise_factor": 1.0},
                "__passive_serialization__": True,
            },
            QuantizedBits(4, 1, alpha=(0.5, 1.0)),
        ),
        (
            {
                "module": "qkeras.quantizers",
                "class_name": "qkeras>quantized_bits",
                "config": BITS_4,
                "registered_name": "quantized_bits",
                "shared_object_id": 3,
            },
            QuantizedBits(4, 1),
        ),
        ({"class_name": "function", "config": "binary_tanh"}, HardFunction.BINARY_TANH),
        (None, None),
    ],
)
def test_reads_every_form_that_files_hold(identifier: object, expected: Quantizer | None) -> None:
    assert quantizer(identifier, "other") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("quantized_bits(4)", QuantizedBits(4, symmetric=True, alpha="auto_po2")),
        ("quantized_bits(4,alpha=1.0)", QuantizedBits(4, alpha=1.0)),
        ("quantized_bits(1)", QuantizedBits(1, symmetric=True, alpha="auto_po2")),
        ("binary", Binary(alpha="auto_po2")),
        ("ternary", Ternary(alpha="auto_po2")),
        ("quantized_linear(4)", QuantizedLinear(4, alpha="auto_po2")),
        (
            "quantized_hswish(4)",
            QuantizedHswish(QuantizedBits(4, symmetric=True, alpha="auto_po2")),
        ),
        ("quantized_ulaw(4)", QuantizedUlaw(4)),
        ("quantized_po2(4)", QuantizedPo2(4)),
        ("quantized_relu(4)", QuantizedRelu(4)),
    ],
)
def test_a_kernel_without_alpha_gets_an_automatic_scale(text: str, expected: Quantizer) -> None:
    assert quantizer(text, "kernel") == expected


@pytest.mark.parametrize(
    ("identifier", "qkeras", "expected"),
    [
        (None, True, ()),
        ("linear", True, ()),
        ("relu", True, (Relu(),)),
        ("softmax", False, (Softmax(axis=2),)),
        ("tanh", True, (Elementwise(Function.TANH),)),
        ("hard_sigmoid", True, (Quantize(HardFunction.HARD_SIGMOID),)),
        ("hard_sigmoid", False, (Elementwise(Function.HARD_SIGMOID),)),
        ("quantized_relu(4,1)", True, (Quantize(QuantizedRelu(4, 1)),)),
        (
            {"class_name": "quantized_bits", "config": BITS_4},
            False,
            (Quantize(QuantizedBits(4, 1)),),
        ),
        ({"class_name": "function", "config": "relu", "module": "builtins"}, False, (Relu(),)),
        (
            {"class_name": "function", "config": "hard_tanh"},
            True,
            (Quantize(HardFunction.HARD_TANH),),
        ),
    ],
)
def test_activations(identifier: object, qkeras: bool, expected: tuple[Op, ...]) -> None:
    assert activation(identifier, qkeras=qkeras, rank=3) == expected


@pytest.mark.parametrize(
    "identifier",
    [
        "quantized_relu(4)",
        "quantized_bits",
        "binary_tanh",
        "relu(1)",
        "np",
        "get",
        "set_internal_sigmoid",
    ],
)
def test_stock_layers_know_no_names_of_qkeras(identifier: str) -> None:
    with pytest.raises(QuantizerError):
        activation(identifier, qkeras=False, rank=2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("quantized_bits(4,alpha='auto')", "the whole batch"),
        ("ternary('auto_po2')", "the whole batch"),
        ("binary(alpha='auto')", "the whole batch"),
        ("bernoulli", "random"),
        ("quantized_linear(4,alpha='auto')", "--freeze-scales"),
        ("quantized_hswish(4,alpha='auto_po2')", "the whole batch"),
        ("quantized_ulaw(17)", "65536 levels"),
    ],
)
def test_refuses_activations_that_depend_on_more_than_their_input(text: str, reason: str) -> None:
    with pytest.raises(QuantizerError, match=reason):
        activation(text, qkeras=True, rank=2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("quantized_bits(0)", "outside 1..32"),
        ("quantized_bits(33)", "outside 1..32"),
        ("quantized_bits(4.0)", "not a whole number"),
        ("quantized_bits(True)", "not a whole number"),
        ("quantized_bits(4,-31)", "outside -30..30"),
        ("quantized_relu(4,-1)", "outside 0..30"),
        ("quantized_bits(4,0,2)", "not a flag"),
        ("quantized_bits(4,alpha='on')", "alpha='on'"),
        ("quantized_bits(4,alpha=1e39)", "no finite float32"),
        ("quantized_bits(4,beta=1)", "no option 'beta'"),
        ("quantized_bits(4,bits=4)", "given twice"),
        ("quantized_bits(1,alpha='auto')", "NaN"),
        ("quantized_bits(4,qnoise_factor='on')", "not a number"),
        ("quantized_bits(4,use_ste=2)", "not a flag"),
        ("quantized_bits(4,alpha='auto',min_po2_exponent=-2)", "need alpha='auto_po2'"),
        ("quantized_bits(4,alpha='auto_po2',elements_per_scale=2)", "needs a scale_axis"),
        (
            "quantized_bits(4,alpha='auto_po2',scale_axis=[0 1],elements_per_scale=[2 2 2])",
            "lists of one length",
        ),
        (
            "quantized_bits(4,alpha='auto_po2',scale_axis=0,elements_per_scale=[2 2])",
            "lists of one length",
        ),
        ("quantized_bits(4,alpha='auto_po2',scale_axis=0,elements_per_scale=0)", "outside 1.."),
        ("quantized_bits(4,alpha='auto_po2',scale_axis=[])", "expected a number"),
        ("quantized_bits(4,post_training_scale=0.5)", "fails in QKeras"),
        ("quantized_bits(4,alpha='auto',post_training_scale=0)", "not positive"),
        ("quantized_bits(4,alpha='auto',post_training_scale='x')", "no array"),
        ("quantized_linear(4,alpha=0)", "divides by 0"),
        ("quantized_linear(4,use_ste=False)", "no option 'use_ste'"),
        ("quantized_hswish(4,relu_shift=0)", "must be positive"),
        ("quantized_hswish(4,keep_negative=False)", "not an option"),
        ("quantized_hswish(1,alpha='auto')", "NaN"),
        ("quantized_ulaw(4,u=0)", "not positive"),
        ("quantized_relu(32)", "bits=32 are NaN in QKeras"),
        ("quantized_relu(4,negative_slope=0.3)", "power of two"),
        ("quantized_tanh(8,integer=0)", "before 2021"),
        ("quantized_relu(33,negative_slope=0.25)", "outside 1..32"),
        ("quantized_tanh(33)", "outside 1..32"),
        ("quantized_sigmoid(32)", "whose 2**32 is 0 in int32"),
        ("quantized_po2(1)", "outside 2..32"),
        ("quantized_po2(4,0)", "not positive"),
        ("quantized_po2(4,log2_rounding='up')", "not one of"),
        ("binary(0,1,True)", "fails in QKeras"),
        ("binary(0,1,0,0)", "at most 3"),
        ("ternary(1,0.5,True)", "fails in QKeras"),
        ("ternary('auto',0.5)", "fails in QKeras"),
        ("stochastic_ternary(1,1.0)", "fails in QKeras"),
        ("relu", "not a quantizer"),
        ("hard_tanh(1)", "takes no arguments"),
    ],
)
def test_checks_names_types_and_ranges(text: str, reason: str) -> None:
    with pytest.raises(QuantizerError) as caught:
        quantizer(text, "other")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "identifier",
    [
        7,
        ["quantized_bits"],
        {"class_name": "Lambda", "config": {}},
        {"class_name": "quantized_bits"},
        {"class_name": "quantized_bits", "config": BITS_4, "module": "os"},
        {"class_name": "quantized_bits", "config": BITS_4, "registered_name": "system"},
        {"class_name": "quantized_bits", "config": BITS_4, "code": "x"},
        {"class_name": "quantized_bits", "config": {**BITS_4, "bits": {"class_name": "x"}}},
        {"class_name": "function", "config": "system"},
        {"class_name": "quantized_bits", "config": {**BITS_4, "alpha": [[1.0], [2.0]]}},
        {"class_name": "binary", "config": {"alpha": [1.0]}},
    ],
)
def test_refuses_other_dictionaries(identifier: object) -> None:
    with pytest.raises(QuantizerError):
        quantizer(identifier, "other")


@pytest.mark.parametrize(
    ("value", "expected"),
    [([0.5, 2.0], (0.5, 2.0)), ([[[0.5, 2.0]]], (0.5, 2.0)), (0.25, 0.25), ([[3]], (3.0,))],
)
def test_alpha_may_be_a_numpy_array(value: object, expected: Any) -> None:
    """Which older files hold as nested lists alone."""
    array = {"class_name": "__numpy__", "config": {"value": value, "dtype": "float32"}}
    for alpha in (array, value):
        entry = {"class_name": "quantized_bits", "config": {**BITS_4, "alpha": alpha}}
        assert quantizer(entry, "kernel") == QuantizedBits(4, 1, alpha=expected)


def test_a_numpy_array_over_several_axes_is_no_alpha() -> None:
    alpha = {"class_name": "__numpy__", "config": {"value": [[0.5], [2.0]], "dtype": "float32"}}
    with pytest.raises(QuantizerError, match="alpha"):
        quantizer({"class_name": "quantized_bits", "config": {**BITS_4, "alpha": alpha}}, "other")


def test_a_frozen_scale_may_be_a_numpy_array() -> None:
    scale = {"class_name": "__numpy__", "config": {"value": [[[0.5, 2.0]]], "dtype": "float32"}}
    entry = {**BITS_4, "alpha": "auto_po2", "post_training_scale": scale}
    found = activation({"class_name": "quantized_bits", "config": entry}, qkeras=True, rank=2)
    expected = FrozenScale((0.5, 2.0), (1, 1, 2))
    assert found == (
        Quantize(QuantizedBits(4, 1, True, alpha="auto_po2", post_training_scale=expected)),
    )


def test_variables_round_the_noise_to_float32() -> None:
    """QKeras then subtracts it from 1 in float32."""
    found = quantizer("quantized_bits(4,qnoise_factor=0.1,use_variables=True)", "other")
    assert found == QuantizedBits(4, qnoise_factor=0.10000000149011612)


@pytest.mark.parametrize(("axis", "elements"), [(3, 1), (0, 3)])
def test_scales_that_do_not_fit_a_weight_are_an_error(axis: int, elements: int) -> None:
    quantized = QuantizedBits(
        4, 0, True, alpha="auto_po2", scale_axis=axis, elements_per_scale=elements
    )
    with pytest.raises(Malformed, match="do not fit"):
        weight(np.ones((2, 2), np.float32), quantized)


@pytest.mark.parametrize(
    "text", ["quantized_bits(4,0,1,alpha='auto_po2',{})", "binary(alpha='auto_po2',{})"]
)
@pytest.mark.parametrize("end", ["min", "max"])
def test_one_end_of_the_exponents_fails_in_qkeras_v3_alone(text: str, end: str) -> None:
    one = text.format(f"{end}_po2_exponent=-2")
    assert quantizer(one, "kernel", Flavour.MASTER)
    with pytest.raises(QuantizerError, match="only one of them"):
        quantizer(one, "kernel", Flavour.V3)
    assert quantizer(text.format("min_po2_exponent=-2,max_po2_exponent=1"), "kernel", Flavour.V3)
