"""TensorFlow with QKeras as a witness, in a process of its own."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from qconvert.errors import WitnessError
from qconvert.ir import F32
from qconvert.runners.npz import read_npz, write_npz
from qconvert.runners.process import Answer, Worker, limit
from qconvert.runners.traces import NOTHING, Trace

OUTPUT = "output:"
#: The environment's name for the seconds that TensorFlow may take for an answer.
SECONDS = "QCONVERT_TF_SECONDS"
_SECONDS = 600


@dataclass(frozen=True, slots=True)
class TensorFlowModel:
    """A model as TensorFlow has loaded it; ``layers`` are the trace keys in order of execution."""

    inputs: Mapping[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]
    layers: tuple[str, ...]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How one output of graph mode (``predict``) differs from eager mode."""

    different: int
    elements: int
    max_abs: float


class TensorFlowRunner(Worker):
    """A context in which the real Keras model runs: the ground truth.

    Entering it starts the loading, too, and does not wait for it.
    """

    seconds = SECONDS

    def __init__(
        self,
        model: Path,
        weights: Path | None = None,
        *,
        python: Path | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__(python, timeout=timeout or limit(SECONDS, _SECONDS))
        self._model = model
        self._weights = weights
        self._loaded: TensorFlowModel | None = None
        self._written_files = 0
        self._batch: tuple[int, Path] | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        self.reload()
        return self

    def reload(self) -> None:
        """Begin to load the file, which may hold another model than before."""
        self._loaded = None
        weights = None if self._weights is None else str(self._weights.resolve())
        self.send("load", {"model": str(self._model.resolve()), "weights": weights})

    def load(self) -> TensorFlowModel:
        """Wait until the model is loaded."""
        if self._loaded is None:
            self._loaded = _described(self.receive())
        return self._loaded

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of what computes, and the settings that change numbers."""
        return self.load().versions

    def start(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> None:
        """Begin to run a batch, given by names of input layers.

        The layers behind those in *forced* compute with these results instead of the true ones.
        """
        self.load()
        outputs = self._new_file()
        request = {"inputs": self._written("inputs", inputs), "outputs": str(outputs)}
        if forced:
            request["forced"] = self._written("forced", forced)
        self.send("run", request)
        self._batch = (len(next(iter(inputs.values()))), outputs)

    def finish(self) -> Trace:
        """Wait for the results of the batch that was started."""
        assert self._batch is not None
        size, outputs = self._batch
        arrays = self._received(outputs)
        self._batch = None
        trace = Trace(
            {name: arrays[name] for name in arrays if not name.startswith(OUTPUT)},
            {name.removeprefix(OUTPUT): arrays[name] for name in arrays if name.startswith(OUTPUT)},
        )
        self._require_complete(trace, size)
        return trace

    def run(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> Trace:
        """What every layer returns in ``model(x, training=False)``, and the outputs."""
        self.start(inputs, forced)
        return self.finish()

    def predict_differences(self, inputs: Mapping[str, F32]) -> Mapping[str, Disagreement]:
        """How far ``model.predict`` disagrees with ``model(x)``, by output."""
        model = self.load()
        self.send("predict", {"inputs": self._written("inputs", inputs)})
        answer = self.receive()
        differences = _disagreements(answer)
        if set(differences) != set(model.outputs):
            raise WitnessError(
                "QC723", f"the worker compared {sorted(differences)}, not {model.outputs}"
            )
        return differences

    def effective_weights(self) -> Mapping[str, F32]:
        """The weights as QKeras computes with them, by ``layer/role``."""
        return self._asked("weights")

    def folded_weights(self) -> Mapping[str, F32]:
        """Weights with a batch normalization in them before they are quantized."""
        return self._asked("folded")

    def quantizer(self, layer: str) -> str:
        """The quantizer that a layer ends with, by its trace key: its class and all options."""
        self.load()
        return str(self.ask("quantizer", {"layer": layer}).get("quantizer"))

    def quantized(self, layer: str, x: F32, size: int | None = None) -> F32:
        """What that quantizer makes of numbers (n,), in one tensor or in several of *size*."""
        self.load()
        outputs = self._new_file()
        request = {"layer": layer, "size": size, "outputs": str(outputs)}
        self.send("quantize", {**request, "inputs": self._written("numbers", {"x": x})})
        (y,) = self._received(outputs).values()
        return y

    def _asked(self, request: str) -> Mapping[str, F32]:
        self.load()
        outputs = self._new_file()
        self.send(request, {"outputs": str(outputs)})
        return self._received(outputs)

    def _new_file(self) -> Path:
        self._written_files += 1
        return self.folder / f"{self._written_files}.npz"

    def _written(self, name: str, arrays: Mapping[str, F32]) -> str:
        path = self.folder / f"{name}.npz"
        write_npz(path, arrays)
        return str(path)

    def _received(self, path: Path) -> dict[str, F32]:
        """The arrays that the worker says it wrote."""
        keys = self.receive().get("keys")
        try:
            arrays = read_npz(path)
            path.unlink()
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise WitnessError("QC723", f"the worker wrote no results: {error}") from error
        if list(arrays) != keys:
            raise WitnessError("QC723", f"the worker announced {keys} and wrote {list(arrays)}")
        return arrays

    def _require_complete(self, trace: Trace, size: int) -> None:
        model = self.load()
        missing = (set(model.layers) - set(trace.layers)) | (
            set(model.outputs) - set(trace.outputs)
        )
        if missing:
            raise WitnessError("QC723", f"the worker returned nothing for {sorted(missing)}")
        for name, value in trace.outputs.items():
            if value.shape[:1] != (size,):
                raise WitnessError("QC723", f"output {name} is {value.shape} for a batch of {size}")


def _described(answer: Answer) -> TensorFlowModel:
    match answer:
        case {
            "versions": dict(versions),
            "inputs": list(inputs),
            "outputs": list(outputs),
            "layers": list(layers),
        } if outputs:
            return TensorFlowModel(
                dict(map(_input, inputs)),
                tuple(map(str, outputs)),
                tuple(map(str, layers)),
                {key: str(value) for key, value in versions.items()},
            )
        case _:
            raise WitnessError("QC723", f"the worker did not describe the model: {sorted(answer)}")


def _input(item: object) -> tuple[str, tuple[int | None, ...]]:
    match item:
        case {"name": str(name), "shape": list(shape)}:
            return name, tuple(shape)
        case _:
            raise WitnessError("QC723", f"the worker described an input as {item}")


def _disagreements(answer: Answer) -> dict[str, Disagreement]:
    found = answer.get("differences")
    result: dict[str, Disagreement] = {}
    for name, item in found.items() if isinstance(found, dict) else ():
        match item:
            case {
                "different": int(different),
                "elements": int(elements),
                "max_abs": int() | float() as distance,
            }:
                result[name] = Disagreement(different, elements, float(distance))
            case _:
                raise WitnessError("QC723", f"the worker described a difference as {item}")
    return result
