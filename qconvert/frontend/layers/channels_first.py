"""Where Keras cannot compute with the channels first, or does so wrongly."""

from qconvert.frontend.call import Call
from qconvert.frontend.flavour import Flavour
from qconvert.frontend.layers.windows import Window
from qconvert.frontend.problems import Unsupported
from qconvert.ir.ops import Conv, ConvTranspose
from qconvert.ir.shapes import Shape, infer_shape


def refuse_causal(call: Call, window: Window) -> None:
    """Note where QKeras pads the channels."""
    if window.padding == "causal" and window.channels_first and call.qkeras:
        call.config.refuse("padding='causal' with channels_first, where QKeras pads the channels")


def refuse_in_one_dimension(call: Call, window: Window, *, use_bias: bool) -> None:
    """Note what qkeras-v3's ``QConv1D`` cannot run."""
    if not call.qkeras or call.flavour is not Flavour.V3 or len(window.size) > 1:
        return
    if window.padding == "causal":
        call.config.refuse("padding='causal', which qkeras-v3 cannot run")
    if window.channels_first and use_bias:
        call.config.refuse("data_format='channels_first' with a bias, which qkeras-v3 cannot run")


def require_clear_bias(call: Call, window: Window, op: Conv | ConvTranspose, shape: Shape) -> None:
    """Raise where Keras 3 takes the bias for one of the last axis.

    ``keras.ops.add`` looks at lengths alone, and at the last axis first.
    """
    if not window.channels_first or not call.flavour.keras3 or call.qkeras or op.bias is None:
        return
    *_, last, filters = infer_shape(op, shape)
    if last is None or last == filters:
        raise Unsupported(
            "data_format='channels_first' with a bias as long as the last axis of the result, to"
            " which Keras 3 adds it"
        )
