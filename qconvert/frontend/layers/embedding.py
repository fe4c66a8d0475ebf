"""``Embedding``: rows of a table."""

from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.weights import expect_shape, weight
from qconvert.ir.stock import Embedding

#: From here on float32 does not hold all whole numbers.
_MOST_ROWS = 1 << 24


def embedding(call: Call) -> Parsed:
    """``Embedding``; the numbers come as floats, as all inputs do."""
    c = call.config
    rows, width = c.integer("input_dim"), c.integer("output_dim")
    c.ignore("input_length")
    c.expect("sparse", False)
    c.expect("quantization_config", None)
    if c.flag("mask_zero", default=False):
        c.refuse("mask_zero=True: what depends on the mask is not supported")
    if rows > _MOST_ROWS:
        c.refuse(f"input_dim={rows}: float32 inputs tell {_MOST_ROWS} numbers apart")
    c.done()
    table = call.weights.take("embeddings")["embeddings"]
    expect_shape("embeddings", table, (rows, width))
    call.shape()
    return Parsed((Embedding(table),), {"embeddings": weight(table, None)})
