import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.numerics import fold_batch_normalization

VARIANCE = np.array([3.0, 0.0, 15.0], np.float32)
GAMMA = np.array([2.0, 1.0, -4.0], np.float32)
BETA = np.array([1.0, 2.0, 3.0], np.float32)
MEAN = np.array([1.0, -1.0, 0.5], np.float32)


def test_kernel_and_bias_are_scaled_by_output_channel() -> None:
    """The reciprocal roots are 1/2, 1 and 1/4."""
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    bias = np.array([5.0, 6.0, 7.0], np.float32)
    folded = fold_batch_normalization(
        kernel, bias, gamma=GAMMA, beta=BETA, mean=MEAN, variance=VARIANCE, epsilon=1.0
    )
    assert_array_equal(folded.kernel, [[0, 1, -2], [3, 4, -5]])
    assert_array_equal(folded.bias, [5, 9, -3.5])


@pytest.mark.parametrize("multiplier", [1, 3])
def test_a_depthwise_kernel_is_scaled_by_input_and_multiplier(multiplier: int) -> None:
    kernel = np.ones((2, 2, 3 // multiplier, multiplier), np.float32)
    folded = fold_batch_normalization(
        kernel,
        None,
        gamma=None,
        beta=BETA,
        mean=MEAN,
        variance=VARIANCE,
        epsilon=1.0,
        depthwise=True,
    )
    assert_array_equal(folded.kernel[1, 0].ravel(), [0.5, 1, 0.25])
    assert_array_equal(folded.bias, [0.5, 3, 2.875])
