"""The order in which files hold the weights of ``MultiHeadAttention``."""

from typing import Final

from qconvert.frontend.weights import Weights
from qconvert.modelfile import StoredWeight

#: The dense layers of the heads as Keras builds them.
ROLES: Final = ("query", "key", "value", "attention_output")
#: From archives a layer's layers come in the reversed order of attributes (``_output_dense``).
ROLES_IN_ARCHIVES: Final = ("value", "query", "attention_output", "key")


def in_keras_order(class_name: str, stored: tuple[StoredWeight, ...]) -> tuple[StoredWeight, ...]:
    """A layer's variables as ``set_weights`` takes them, which archives list in another order."""
    if class_name != "MultiHeadAttention" or Weights(stored).named or len(stored) % 4:
        return stored
    count = len(stored) // 4
    parts = {role: stored[i * count :][:count] for i, role in enumerate(ROLES_IN_ARCHIVES)}
    return tuple(one for role in ROLES for one in parts[role])
