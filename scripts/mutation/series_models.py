"""Networks on rows and series, whose bugs are in matrices, quantizers and steps of time."""

from qkeras import (
    QGRU,
    QLSTM,
    QActivation,
    QBidirectional,
    QConv1D,
    QDense,
    QSimpleRNN,
)
from tensorflow_model_optimization.python.core.sparsity.keras.prune import prune_low_magnitude
from tf_keras import Input, Model
from tf_keras.layers import (
    Activation,
    Add,
    Average,
    BatchNormalization,
    Concatenate,
    Flatten,
    GlobalAveragePooling1D,
    LeakyReLU,
    Masking,
    Maximum,
    ReLU,
    Subtract,
    UpSampling1D,
    ZeroPadding1D,
)

from scripts.mutation.options import AUTOMATIC, EIGHT_BITS, EPSILON, FOUR_BITS, PLAIN, SIX_BITS


def linear() -> Model:
    """Matrices, weights of every kind, and what several inputs go into."""
    # As long as it is wide, so that a lost transposition gives no error.
    series = Input((4, 4), name="series")
    x = QActivation(SIX_BITS, name="steps")(series)
    rows = QDense(4, name="rows", **PLAIN)(x)
    causal = QConv1D(
        4, 3, padding="causal", dilation_rate=2, activation="quantized_bits(4, 0, alpha=2)",
        name="causal", **PLAIN,
    )(x)  # fmt: skip
    minus = Subtract(name="minus")([causal, rows])
    total = Add(name="total")([x, rows, causal])
    average = Average(name="average")([rows, causal])
    larger = Maximum(name="larger")([x, causal])
    padded = ZeroPadding1D((2, 1), name="padded")(x)
    repeated = UpSampling1D(2, name="repeated")(x)
    leaky = LeakyReLU(alpha=0.25, name="leaky")(rows)
    capped = ReLU(max_value=1.5, negative_slope=0.5, threshold=0.25, name="capped")(rows)
    softer = Activation("relu6", name="softer")(rows)
    square = QDense(4, activation="quantized_relu(4, 2)", name="square", **PLAIN)(
        Flatten(name="flat")(QActivation(SIX_BITS, name="again")(rows))
    )
    small = QActivation(SIX_BITS, name="small")(QDense(4, name="narrow", **PLAIN)(square))
    pruned = prune_low_magnitude(QDense(4, name="pruned", **PLAIN))(small)
    kinds = {
        "binary": "binary(alpha=1)",
        "binary_auto": "binary()",
        "ternary": "ternary(alpha=1, threshold=0.5)",
        "ternary_auto": "ternary()",
        "po2": "quantized_po2(4)",
        "bounded_po2": "quantized_po2(4, 0.5)",
        "automatic": AUTOMATIC,
        "narrow_range": "quantized_bits(3, 0, 1, alpha=1)",
        "wide_range": "quantized_bits(8, 0, 0, alpha=1)",
        "stretched": "quantized_bits(3, 1, 0, alpha=0.5)",
    }
    dense = [
        QDense(4, kernel_quantizer=q, bias_quantizer=EIGHT_BITS, name=f"{name}_kernel")(small)
        for name, q in kinds.items()
    ]
    # Scales by channel that no bytes of one scale hold.
    by_channel = "quantized_bits(8, 0)"
    sums = QDense(4, kernel_quantizer=by_channel, use_bias=False, name="sums")(small)
    normalized = QActivation(SIX_BITS, name="rounded")(
        BatchNormalization(epsilon=EPSILON, name="normalized")(sums)
    )
    off_grid = QDense(6, kernel_quantizer="quantized_bits(3, 1, alpha=1)", name="off_grid")(small)
    outputs = [minus, total, average, larger, padded, repeated, leaky, capped, softer, pruned]
    return Model(series, [*outputs, *dense, normalized, off_grid], name="linear")


def quantizers() -> Model:
    """One activation quantizer beside the other, on inputs chosen for their grids."""
    kinds = {
        "bits": "quantized_bits(4, 1, alpha=1)",
        "bits_narrow": "quantized_bits(5, 0, 1, alpha=1)",
        "bits_unsigned": "quantized_bits(4, 0, 0, 0, alpha=1)",
        "bits_stretched": "quantized_bits(4, 0, alpha=2)",
        "bits_wide": "quantized_bits(12, 3, alpha=1)",
        "sign": "binary(alpha=1)",
        "sign_01": "binary(use_01=True, alpha=1)",
        "levels": "ternary(alpha=1, threshold=0.5)",
        "tanh": "quantized_tanh(4)",
        "tanh_narrow": "quantized_tanh(4, symmetric=True)",
        "sigmoid": "quantized_sigmoid(4)",
        "relu": "quantized_relu(4, 1)",
        "relu_leaky": "quantized_relu(6, 2, negative_slope=0.25)",
        "relu_bounded": "quantized_relu(6, 3, relu_upper_bound=3.0, is_quantized_clip=False)",
        "relu_sigmoid": "quantized_relu(6, 2, use_sigmoid=1)",
        "po2": "quantized_po2(4)",
        "relu_po2": "quantized_relu_po2(4)",
        "smooth": "smooth_sigmoid",
        "hard": "hard_tanh",
    }
    x = Input((64,), name="x")
    return Model(x, [QActivation(q, name=n)(x) for n, q in kinds.items()], name="quantizers")


def sequences() -> Model:
    """Steps that are left out, and what layers over time make of them."""
    cell = {
        "activation": "quantized_tanh(4)", "state_quantizer": SIX_BITS,
        "recurrent_quantizer": FOUR_BITS, **PLAIN,
    }  # fmt: skip
    gates = cell | {"recurrent_activation": "quantized_sigmoid(3)"}
    series = Input((5, 4), name="series")
    x = QActivation(SIX_BITS, name="steps")(series)
    masked = Masking(0.0, name="masked")(x)
    other = Masking(0.5, name="other")(x)
    kept = QLSTM(3, return_sequences=True, return_state=True, name="kept", **gates)
    left_out, *states = kept(masked)
    backwards = QGRU(3, return_sequences=True, go_backwards=True, name="backwards", **gates)
    resumed = QLSTM(3, return_sequences=True, name="resumed", **gates)(masked, initial_state=states)
    both = QBidirectional(QGRU(3, return_sequences=True, **gates), name="both")(masked)
    agreed = QSimpleRNN(3, name="agreed", **cell)(Add(name="sum")([masked, other]))
    longer = Concatenate(axis=1, name="longer")([masked, other])
    joined = QSimpleRNN(3, name="joined", **cell)(longer)
    lost = QSimpleRNN(3, name="lost", **cell)(QActivation(EIGHT_BITS, name="again")(masked))
    mean = GlobalAveragePooling1D(name="mean")(other)
    outputs = [left_out, backwards(masked), resumed, both, agreed, joined, lost, mean]
    return Model(series, outputs, name="sequences")


def stairs() -> Model:
    """Real functions and powers of two, of any numbers and of integer sums."""
    kinds = {
        "tanh": "quantized_tanh(4, use_real_tanh=True)",
        "sigmoid": "quantized_sigmoid(4, use_real_sigmoid=True)",
        "powers": "quantized_relu_po2(4)",
        "both_powers": "quantized_po2(4)",
        "floored": "quantized_relu_po2(4, log2_rounding='floor')",
    }
    x = Input((96,), name="x")
    free = [QActivation(q, name=f"free_{n}")(x) for n, q in kinds.items() if n != "sigmoid"]
    codes = QActivation("quantized_bits(4, 1, alpha=1)", name="codes")(x)
    y = QDense(16, kernel_quantizer=FOUR_BITS, bias_quantizer=FOUR_BITS, name="dense")(codes)
    return Model(x, free + [QActivation(q, name=n)(y) for n, q in kinds.items()], name="stairs")
