"""The arrays of an HDF5 file as another reader sees them: pyfive, which is Python alone.

A stand-alone program, started with the file, the name of a reader (``pyfive`` or ``h5py``) and the
paths of the arrays as JSON. It prints of each its type, its shape and the hash of its bytes, and
of the file the texts in ``model_config``.
"""

import hashlib
import importlib
import json
import sys
from typing import Any

import numpy as np


def told(array: Any) -> list[Any]:  # noqa: ANN401 - of either library
    """Type, shape and hash of an array, in the order of bytes of this machine."""
    values = np.asarray(array[()])
    native = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("=")))
    digest = hashlib.sha256(native.tobytes()).hexdigest()
    return [values.dtype.newbyteorder("=").str, list(values.shape), digest]


def main() -> None:
    """Print what was asked for."""
    path, reader, paths = sys.argv[1:]
    with importlib.import_module(reader).File(path, "r") as file:
        print(json.dumps([told(file[each]) for each in json.loads(paths)]))


if __name__ == "__main__":
    main()
