"""A random small layer from its seed."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np

from qconvert.exactness import Reach, analyse
from qconvert.ir import Op
from qconvert.ir.ops import Quantize, Relu
from scripts.certified import linear, moving, others
from scripts.certified.chances import Random, chance
from scripts.certified.layer import Small, small
from scripts.certified.linear import Drawn
from scripts.certified.quantizers import behind

Make: TypeAlias = Callable[[Random], Drawn]

#: How often each kind is drawn, and how.
KINDS: Final[Mapping[str, tuple[int, Make]]] = {
    "Dense": (6, linear.dense),
    "Dense of two parts": (2, linear.mixed),
    "Conv": (6, linear.conv),
    "Depthwise": (2, linear.depthwise),
    "ConvTranspose": (3, linear.conv_transpose),
    "Pool": (2, others.pool),
    "Reduce": (2, others.reduce),
    "Merge": (3, others.merge),
    "Concat": (1, moving.concat),
    "MatMul": (2, others.matmul),
    "Affine": (2, others.affine),
    "Scale": (1, others.scale),
    "WithConstant": (2, others.with_constant),
    "Rectifier": (1, others.rectifier),
    "Divide": (1, others.quotient),
    "Quantizer": (4, others.quantizer),
    "Movement": (2, moving.movement),
    "Where": (1, moving.choice),
    "StepMask": (1, moving.mask),
    "Embedding": (1, moving.table),
    "Recurrence": (1, others.recurrence),
}


def random_layer(seed: int) -> Small:
    """The same for the same seed; half of them with a rectifier or a quantizer behind."""
    random = np.random.default_rng(seed)
    weights = np.array([weight for weight, _ in KINDS.values()])
    kind = list(KINDS)[int(random.choice(len(KINDS), p=weights / weights.sum()))]
    sources, op = KINDS[kind][1](random)
    plain = small(seed, kind, sources, op)
    if chance(random):
        return plain
    reach = analyse(plain.graph, plain.domains).values[plain.graph.nodes[-1].name]
    return small(
        seed, kind, sources, op, _behind(random, reach if isinstance(reach, Reach) else None)
    )


def _behind(random: Random, reach: Reach | None) -> list[Op]:
    rectified: list[Op] = [Relu()] if chance(random, 0.3) else []
    return rectified if reach is None else [*rectified, Quantize(behind(random, reach))]
