"""A convolution of codes with so many sums that a channel of what follows has no line."""

import numpy as np

from qconvert.ir.ops import BatchNormalization, Conv


def many_sums(seed: int, inputs: int, outputs: int, bits: int) -> tuple[Conv, BatchNormalization]:
    """The convolution, with weights of so many bits, and a normalization."""
    random = np.random.default_rng(seed)
    largest = (1 << (bits - 1)) - 1
    codes = random.integers(-largest, largest + 1, (3, 3, inputs, outputs))
    kernel = np.ldexp(codes.astype(np.float32), -bits - 1)
    mean, beta = random.normal(0, 1, (2, outputs)).astype(np.float32)
    gamma = random.choice([-1, 1], outputs) * random.uniform(0.1, 2, outputs)
    variance = random.uniform(0.2, 3, outputs).astype(np.float32)
    norm = BatchNormalization(mean, variance, gamma.astype(np.float32), beta, 1e-3, fused=True)
    return Conv(kernel, None, (1, 1), (1, 1), ((1, 1), (1, 1))), norm
