"""Recurrent layers and layers behind a mask, with the options that change numbers."""

from typing import Any, Final

from scripts.support.families import BITS, KERNEL, SERIES, WIDE, Family, Inner, Options, several

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
    Family("Masking", SERIES, ({}, {"mask_value": -1.0})),
    Family("QSimpleRNN", SERIES, GAPS, RECURRENT, masked=True),
    Family("QLSTM", SERIES, GAPS, RECURRENT, masked=True),
    Family("QGRU", SERIES, GAPS, RECURRENT, masked=True),
    Family(
        "QBidirectional",
        SERIES,
        ({}, {"merge_mode": "sum"}),
        {"layer": Inner("QLSTM", RECURRENT | {"return_sequences": True})},
        masked=True,
    ),
    Family("LSTM", SERIES, GAPS, {"units": 2}, masked=True),
    Family("GRU", SERIES, GAPS[:1], {"units": 2}, masked=True),
    Family("GlobalAveragePooling1D", SERIES, masked=True),
    Family(
        "TimeDistributed", SERIES, ({"layer": Inner("QDense", KERNEL | {"units": 3})},), masked=True
    ),
)

LOOPING: Final[tuple[Family, ...]] = (
    Family("QSimpleRNN", SERIES, LOOPS, RECURRENT),
    Family("QLSTM", SERIES, (*LOOPS[:3], {"implementation": 2}), RECURRENT),
    Family("QGRU", SERIES, (*LOOPS, {"reset_after": True}), RECURRENT),
    Family(
        "QBidirectional",
        SERIES,
        tuple({"merge_mode": mode} for mode in ("concat", "sum", "mul", "ave")),
        {"layer": Inner("QLSTM", RECURRENT)},
    ),
    *several("SimpleRNN LSTM", SERIES, {"units": 2}, {"units": 2, "return_sequences": True}),
    Family("GRU", SERIES, ({}, {"reset_after": False}), {"units": 2}),
    Family("Bidirectional", SERIES, ({"layer": Inner("GRU", {"units": 2})},)),
    Family(
        "TimeDistributed",
        SERIES,
        ({"layer": Inner("QDense", KERNEL | {"units": 2})},),
    ),
)
