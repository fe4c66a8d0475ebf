import pytest

from qconvert.frontend.config import Config
from qconvert.frontend.problems import Malformed, Unsupported


def test_an_unread_option_is_an_error_that_names_key_and_value() -> None:
    with pytest.raises(Unsupported, match="unknown option secret=3"):
        Config({"secret": 3}).done()


def test_options_of_training_are_ignored() -> None:
    Config(
        {"name": "a", "trainable": False, "kernel_initializer": {}, "bias_regularizer": None}
    ).done()


def test_all_problems_of_a_layer_are_raised_together() -> None:
    config = Config({"ber": 0.1, "x": 1, "padding": "evil"})
    config.expect("ber", 0)
    config.choice("padding", "valid", "same")
    with pytest.raises(Unsupported) as raised:
        config.done()
    assert len(raised.value.reasons) == 3


@pytest.mark.parametrize("value", [-8, 0, "8", 8.0, True, None, 2**0.5, [8]])
def test_a_count_is_a_positive_whole_number(value: object) -> None:
    config = Config({"filters": value})
    config.integer("filters")
    with pytest.raises(Malformed, match="filters"):
        config.done()


def test_a_missing_option_is_named() -> None:
    config = Config({})
    config.flag("use_bias")
    with pytest.raises(Malformed, match="use_bias is missing"):
        config.done()


def test_one_whole_number_stands_for_all_axes() -> None:
    assert Config({"strides": 2}).integers("strides", 2) == (2, 2)
    assert Config({"strides": [2, 3]}).integers("strides", 2) == (2, 3)


@pytest.mark.parametrize("value", [[2], [2, 2, 2], [0, 1], "22", [2, "2"]])
def test_wrong_tuples_are_refused(value: object) -> None:
    config = Config({"strides": value})
    config.integers("strides", 2)
    with pytest.raises(Malformed, match="strides"):
        config.done()


def test_a_default_stands_for_an_absent_option_only() -> None:
    assert Config({}).integer("groups", default=1) == 1
    assert Config({"groups": 4}).integer("groups", default=1) == 4


@pytest.mark.parametrize(
    "dtype", ["float32", {"class_name": "Policy", "config": {"name": "float32"}}]
)
def test_float32_is_accepted_in_both_forms(dtype: object) -> None:
    Config({"dtype": dtype}).done()


@pytest.mark.parametrize(
    "dtype", ["float16", {"class_name": "Policy", "config": {"name": "mixed_float16"}}]
)
def test_other_dtypes_are_refused(dtype: object) -> None:
    with pytest.raises(Unsupported, match="float32"):
        Config({"dtype": dtype}).done()


def test_a_quantizer_that_is_unknown_is_reported_with_its_option() -> None:
    config = Config({"kernel_quantizer": "bernoulli(4)"})
    assert config.quantizer("kernel_quantizer", "kernel") is None
    with pytest.raises(Unsupported, match="kernel_quantizer: bernoulli"):
        config.done()


def test_nan_is_not_a_number() -> None:
    config = Config({"epsilon": float("nan")})
    config.number("epsilon")
    with pytest.raises(Malformed, match="epsilon"):
        config.done()
