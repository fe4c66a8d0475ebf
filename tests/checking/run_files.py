"""Runs every ONNX file in a folder with ONNX Runtime's defaults: FOLDER RESULTS [OPTION=VALUE].

Each has its inputs in an .npz beside it. The results go to one .npz, by file.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime


def main(folder: Path, results: Path, *entries: str) -> None:
    found = {}
    for path in sorted(folder.glob("*.onnx")):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        for entry in entries:
            options.add_session_config_entry(*entry.split("=", 1))
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        with np.load(path.with_suffix(".npz")) as inputs:
            (found[path.stem],) = session.run(None, dict(inputs))
    np.savez(results, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
