"""What arrays, requests and the objects of Keras are called here."""

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
#: Objects of Keras, which has no types.
Layer: TypeAlias = Any
Json: TypeAlias = Any
Config: TypeAlias = dict[str, Any]
