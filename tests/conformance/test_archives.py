"""Which of a layer's layers a ``.keras`` archive means, whose variables have no names."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.frontend import build_graph
from qconvert.modelfile import read_model


@pytest.mark.parametrize("use_bias", [True, False])
def test_the_projections_of_an_attention(tf: ModuleType, tmp_path: Path, use_bias: bool) -> None:
    """Query, key and value have kernels of one shape here."""
    attention = tf.keras.layers.MultiHeadAttention(2, 3, use_bias=use_bias, name="heads")
    x = tf.keras.Input((5, 4))
    model = tf.keras.Model(x, attention(x, x))
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    model.save(tmp_path / "model.keras")
    layer = build_graph(read_model(tmp_path / "model.keras")).layers[-1]
    names = {f"heads/{role}:0": weight.raw for role, weight in layer.weights.items()}
    assert {variable.name for variable in attention.weights} == names.keys()
    for variable in attention.weights:
        assert_array_equal(names[variable.name], variable.numpy())
