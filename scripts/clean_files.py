"""Whether TensorFlow makes the same model of a file and of the clean one that `check` gives it.

Of every model below the folders: the weights that layers compute with, and what every layer
returns, bit by bit. Exits 1 if any differs.

    .venv/bin/python scripts/clean_files.py tests/data FOLDER...
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from qconvert.errors import QConvertError
from qconvert.ir import F32
from qconvert.modelfile import KerasFiles, ModelFile, read_model, write_clean
from qconvert.runners.tf import TensorFlowRunner

SUFFIXES: Final = frozenset({".h5", ".hdf5", ".json", ".keras"})
SAMPLES: Final = 2


class Loader(TensorFlowRunner):
    """TensorFlow's process, for one model after the other."""

    def everything(self, files: KerasFiles) -> dict[str, F32]:
        """The weights of a model and the results of its layers, on the same inputs each time."""
        self._model, self._weights = files.model, files.weights
        self.reload()
        trace = self.run(inputs_of(self.load().inputs))
        return {
            **{f"weight {name}": value for name, value in self.effective_weights().items()},
            **{f"folded {name}": value for name, value in self.folded_weights().items()},
            **{f"layer {name}": value for name, value in trace.layers.items()},
            **{f"output {name}": value for name, value in trace.outputs.items()},
        }


def inputs_of(shapes: Mapping[str, tuple[int | None, ...]]) -> dict[str, F32]:
    """Numbers between -2 and 2; lengths that are left open are 3."""
    rng = np.random.default_rng(0)
    known = {name: [SAMPLES, *(n or 3 for n in shape[1:])] for name, shape in shapes.items()}
    return {name: rng.uniform(-2, 2, shape).astype(np.float32) for name, shape in known.items()}


def models(folders: list[Path]) -> Iterator[tuple[Path, ModelFile]]:
    """Every file that is a whole model, or an architecture with its weights beside it."""
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            try:
                yield path, read_model(path)
            except QConvertError as error:
                print(f"not read  {path}: {error.code}")


def different(loader: Loader, path: Path, file: ModelFile) -> list[str]:
    """The names of what is not the same in the two."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        clean = write_clean(file, Path(folder))
        seconds = time.perf_counter() - begin
        expected = loader.everything(KerasFiles(path, file.weights_path))
        found = loader.everything(clean)
    print(f"{len(expected):4} arrays, written in {seconds:.2f} s  {path}", flush=True)
    names = [name for name in expected if not np.array_equal(
        expected[name], found.get(name, np.empty(0)), equal_nan=True)]  # fmt: skip
    return [*names, *(found.keys() - expected.keys())]


def main() -> int:
    """Compare all; the number of models that differ decides the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--python", type=Path, help="The interpreter of TensorFlow's process.")
    arguments = parser.parse_args()
    compared = wrong = 0
    first = next(models(arguments.folders))
    with Loader(*(first[0], first[1].weights_path), python=arguments.python) as loader:
        loader.load()
        for path, file in models(arguments.folders):
            try:
                names = different(loader, path, file)
            except QConvertError as error:
                print(f"not loaded  {path}: {str(error).splitlines()[0][:150]}")
                continue
            compared += 1
            wrong += bool(names)
            if names:
                print(f"DIFFERS  {path}: {', '.join(names)}")
    print(f"{compared} models compared, {wrong} differ")
    return int(wrong > 0 or not compared)


if __name__ == "__main__":
    sys.exit(main())
