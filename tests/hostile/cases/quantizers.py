"""Quantizers that QKeras would guess at, run, or compute nonsense with."""

import json

from tests.hostile.building import hdf5, model, option
from tests.hostile.case import Case, Make


def quantized(by: object) -> Make:
    return hdf5(model(option("kernel_quantizer", by)))


def activated(by: object) -> Make:
    return hdf5(model(option("activation", by, layer=2)))


def nested(depth: int) -> Make:
    """Quantizers whose bits are quantizers; the text of it, which ``json`` would not write."""
    before, after = json.dumps(model(option("kernel_quantizer", "INNER"))).split('"INNER"')
    opening = '{"class_name": "quantized_bits", "config": {"bits": '
    return hdf5(f"{before}{opening * depth}4{'}}' * depth}{after}")


def config(**changed: object) -> dict[str, object]:
    options: dict[str, object] = {"bits": 4, "integer": 0, "symmetric": 0, "alpha": 1.0}
    return {"class_name": "quantized_bits", "config": options | changed}


TEXTS = (
    (41, "quantized_bits(4,0)garbage; import os", "QC401", "text after the closing"),
    (42, "quantized_bits((4),0)", "QC401", "second '('"),
    (42, "quantized_bits(4,0((((", "QC401", "second '('"),
    (43, "quantized_bits(4,0,alpha=auto)", "QC401", "auto without quotes"),
    (44, "quantized_bits(0x10)", "QC401", "expected a number"),
    (45, "quantized_bits(nan)", "QC401", "nan without quotes"),
    (45, "quantized_bits(inf)", "QC401", "inf without quotes"),
    (45, "quantized_bits(-3)", "QC404", "outside 1..32"),
    (45, "quantized_bits(99999999999999999999)", "QC401", "a whole number of more than 18 digits"),
    (46, "set_internal_sigmoid('real')", "QC402", "set_internal_sigmoid"),
    (47, "__builtins__", "QC402", "__builtins__"),
    (47, "np", "QC402", "np"),
    (48, "get", "QC402", "get"),
    (48, "deserialize", "QC402", "deserialize"),
    (48, "keras_export", "QC402", "keras_export"),
    (48, "range", "QC402", "range"),
    (49, f"quantized_bits({'1,' * 200_000}1)", "QC401", "at most 512"),
    (49, f"quantized_bits{'(' * 5000}", "QC401", "at most 512"),
    (49, "", "QC401", "begin with a name"),
    (50, "open('x')", "QC402", "open"),
    (50, "__import__('os').system('x')", "QC401", "second '('"),
)
OBJECTS = (
    ("an option too many", config(evil=1), "QC403"),
    ("an option missing", {"class_name": "quantized_bits"}, "QC405"),
    ("Lambda as a quantizer", {"class_name": "Lambda", "config": {}}, "QC402"),
    ("os as a quantizer", config() | {"module": "os"}, "QC405"),
    ("a number as a quantizer", 7, "QC405"),
    ("a list as a quantizer", ["quantized_bits"], "QC405"),
)
CASES = (
    *(
        Case(row, f"{text[:40]!r} as a quantizer", quantized(text), code, 3, says)
        for row, text, code, says in TEXTS
    ),
    Case(43, "alpha=None, as later QKeras reads it", quantized("quantized_bits(4,0,alpha=None)"),
         "", 0),
    *(Case(51, name, quantized(value), code, 3) for name, value, code in OBJECTS),
    Case(51, "10 quantizers in each other", nested(10), "QC403", 3, "not a whole number"),
    Case(51, "1,000 quantizers in each other", nested(1000), "QC204", 4, "--limit json-depth"),
    Case(52, "31 integer bits", quantized("quantized_bits(4,31)"), "QC404", 3, "outside"),
    Case(52, "more integer bits than bits", quantized("quantized_bits(4,9,alpha=1)"), "", 0),
    Case(52, "symmetric without a sign",
         quantized("quantized_bits(4,0,symmetric=1,keep_negative=False,alpha=1)"), "", 0),
    Case(52, "powers of two up to 0", quantized("quantized_po2(4,0)"), "QC404", 3, "not positive"),
    Case(52, "powers of two up to -1", quantized("quantized_po2(4,-1)"), "QC404", 3, "-1.0 is not"),
    Case(52, "10,000 bits", activated("quantized_relu(10000,2)"), "QC404", 3, "outside"),
    Case(53, "stochastic in training only", activated("stochastic_ternary(1)"), "", 0),
    Case(53, "a random activation", activated("bernoulli"), "QC402", 3, "random"),
    Case(53, "a scale of each batch", activated("quantized_bits(4,alpha='auto')"), "QC406", 3),
)  # fmt: skip
