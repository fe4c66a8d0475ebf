"""Names for the types that every module shares."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

F32: TypeAlias = npt.NDArray[np.float32]
#: Lengths of all axes, batch first; ``None`` is known only when the model runs.
Shape: TypeAlias = tuple[int | None, ...]
