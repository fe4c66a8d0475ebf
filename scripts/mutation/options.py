"""Options that layers of several models have."""

FOUR_BITS = "quantized_bits(4, 0, alpha=1)"
SIX_BITS = "quantized_bits(6, 2, alpha=1)"
EIGHT_BITS = "quantized_bits(8, 3, alpha=1)"
NIBBLE = "quantized_relu(4, 2)"
#: Without an alpha a kernel gets a scale of its own in each channel.
AUTOMATIC = "quantized_bits(4, 0)"
PLAIN = {"kernel_quantizer": FOUR_BITS, "bias_quantizer": EIGHT_BITS}
EPSILON = 2.0**-8
