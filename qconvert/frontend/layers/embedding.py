"""``Embedding``: rows of a table."""

from qconvert.frontend.assembly import Assembly
from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.layers.masking import column, refuse_keras3
from qconvert.frontend.weights import expect_shape, weight
from qconvert.ir.stock import Embedding, StepMask

#: From here on float32 does not hold all whole numbers.
_MOST_ROWS = 1 << 24


def embedding(call: Call) -> Parsed:
    """``Embedding``; the numbers come as floats, as all inputs do."""
    c = call.config
    rows, width = c.integer("input_dim"), c.integer("output_dim")
    c.ignore("input_length")
    c.expect("sparse", False)
    c.expect("quantization_config", None)
    mask_zero = c.flag("mask_zero", default=False)
    if mask_zero:
        refuse_keras3(c)
    if rows > _MOST_ROWS:
        c.refuse(f"input_dim={rows}: float32 inputs tell {_MOST_ROWS} numbers apart")
    c.done()
    table = call.weights.take("embeddings")["embeddings"]
    expect_shape("embeddings", table, (rows, width))
    shape, weights = call.shape(), {"embeddings": weight(table, None)}
    if not mask_zero:
        return Parsed((Embedding(table),), weights)
    whole = Assembly.of((shape,))
    mask = whole.chain((column(shape), StepMask(0.0)), *whole.inputs)
    graph = whole.graph("layer", [whole.add(Embedding(table), *whole.inputs)])
    return Parsed(weights=weights, graph=graph, masks={0: mask})
