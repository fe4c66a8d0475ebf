"""Convolutions with numbers that none can have."""

import numpy as np

from tests.hostile.building import Config, hdf5, model, option
from tests.hostile.case import Case, Make

_OPTIONS: Config = {
    "name": "d",
    "filters": 4,
    "kernel_size": [3, 3],
    "strides": [1, 1],
    "padding": "valid",
    "data_format": "channels_last",
    "dilation_rate": [1, 1],
    "groups": 1,
    "activation": "linear",
    "use_bias": False,
    "kernel_quantizer": "quantized_bits(4,0,alpha=1)",
}


def convolution(**changed: object) -> Make:
    """``x -> d -> a`` of a convolution with some options *changed*."""

    def change(config: Config) -> None:
        option("batch_input_shape", [None, 8, 8, 4], 0)(config)
        config["config"]["layers"][1] |= {"class_name": "QConv2D", "config": _OPTIONS | changed}

    kernel = np.ones((3, 3, 4, 4), np.float32)
    return hdf5(model(change), {"x": {}, "d": {"d/kernel:0": kernel}, "a": {}})


CASES = (
    Case(37, "a convolution", convolution(), "", 0),
    Case(37, "strides of 0", convolution(strides=[0, 1]), "QC321", 4, "strides"),
    Case(37, "negative strides", convolution(strides=[-1, -1]), "QC321", 4, "strides"),
    Case(37, "three strides", convolution(strides=[1, 1, 1]), "QC321", 4, "strides"),
    Case(37, "a kernel of 0", convolution(kernel_size=[0, 0]), "QC321", 4, "kernel_size"),
    Case(37, "a kernel as text", convolution(kernel_size="3"), "QC321", 4, "kernel_size"),
    Case(37, "a dilation of -1", convolution(dilation_rate=[-1, -1]), "QC321", 4, "dilation_rate"),
    Case(37, "3 groups of 4 channels", convolution(groups=3), "QC321", 4, "groups"),
    Case(37, "0 groups", convolution(groups=0), "QC321", 4, "groups"),
    Case(37, "a kernel beyond its input", convolution(kernel_size=[9, 9]), "QC501", 4),
    Case(38, "padding of another name", convolution(padding="evil"), "QC322", 3, "padding"),
    Case(38, "padding as a number", convolution(padding=1), "QC321", 4, "padding"),
    Case(38, "another order of axes", convolution(data_format="evil"), "QC322", 3, "data_format"),
)
