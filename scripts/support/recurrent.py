"""Recurrent layers and layers behind a mask, with the options that change numbers."""

from typing import Any, Final

from scripts.support.families import BITS, KERNEL, WIDE, Family, Inner, Options, Shape, several

#: From nothing, from a step, and from steps: each of each layer is a hundred operations.
STEPS: Final[tuple[Shape, ...]] = ((3, 3),)
RECURRENT: Final[dict[str, Any]] = KERNEL | {
    "units": 2,
    "recurrent_quantizer": BITS,
    "state_quantizer": WIDE,
}
#: What recurrent layers have in common.
LOOPS: Final[tuple[Options, ...]] = (
    {},
    {"return_sequences": True},
    {"go_backwards": True},
    {"use_bias": False},
    {"state_quantizer": None},
)
#: What recurrent layers return for steps that are left out.
GAPS: Final[tuple[Options, ...]] = (
    {"return_sequences": True},
    {"return_sequences": True, "go_backwards": True},
    {"zero_output_for_mask": True},
)
MASKED: Final[tuple[Family, ...]] = (
    Family("Masking", STEPS, ({}, {"mask_value": -1.0})),
    Family("QSimpleRNN", STEPS, GAPS, RECURRENT, masked=True),
    Family("QLSTM", STEPS, GAPS, RECURRENT, masked=True),
    Family("QGRU", STEPS, GAPS, RECURRENT, masked=True),
    Family(
        "QBidirectional",
        STEPS,
        ({}, {"merge_mode": "sum"}),
        {"layer": Inner("QLSTM", RECURRENT | {"return_sequences": True})},
        masked=True,
    ),
    Family("LSTM", STEPS, GAPS, {"units": 2}, masked=True),
    Family("GRU", STEPS, GAPS[:1], {"units": 2}, masked=True),
    Family("GlobalAveragePooling1D", STEPS, masked=True),
    Family(
        "TimeDistributed", STEPS, ({"layer": Inner("QDense", KERNEL | {"units": 3})},), masked=True
    ),
)

LOOPING: Final[tuple[Family, ...]] = (
    Family("QSimpleRNN", STEPS, LOOPS, RECURRENT),
    Family("QLSTM", STEPS, (*LOOPS[:3], {"implementation": 2}), RECURRENT),
    Family("QGRU", STEPS, (*LOOPS, {"reset_after": True}), RECURRENT),
    Family(
        "QBidirectional",
        STEPS,
        tuple({"merge_mode": mode} for mode in ("concat", "sum", "mul", "ave")),
        {"layer": Inner("QLSTM", RECURRENT)},
    ),
    *several("SimpleRNN LSTM", STEPS, {"units": 2}, {"units": 2, "return_sequences": True}),
    Family("GRU", STEPS, ({}, {"reset_after": False}), {"units": 2}),
    Family("Bidirectional", STEPS, ({"layer": Inner("GRU", {"units": 2})},)),
    Family(
        "TimeDistributed",
        STEPS,
        ({"layer": Inner("QDense", KERNEL | {"units": 2})},),
    ),
)
