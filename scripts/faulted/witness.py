"""A process that answers as TensorFlow's does, from the reference, until it is to fail.

It stands for an interpreter (``--tf-python``), of which the fault is in the environment.

    FAULT=kill:run       it is killed at the first request of this kind
    FAULT=lie:run        it answers that with something else
    FAULT=wrong:run      its first result is another number
    FAULT=late:run       it is killed at the second such request
    FAULT=mute:run       it does not answer that
    FAULT=huge:run       its first result says that it has 4 TiB
    FAULT=               it does all that is asked for
"""

import json
import os
import signal
import sys
import time
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from qconvert.frontend import build_graph
from qconvert.ir import Graph
from qconvert.modelfile import read_model
from qconvert.runners.npz import write_npz
from qconvert.runners.reference import ReferenceRunner

_OUTPUT: Final = "output:"
_LONG: Final = 3600
_VERSIONS: Final = {"tensorflow": "none", "qkeras": "none"}


class Witness:
    """The answers to requests for one model."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._reference = ReferenceRunner(graph)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """As `qconvert.runners.tf_worker` answers."""
        match request["do"]:
            case "load":
                return self._described()
            case "run":
                return self._run(request)
            case "weights":
                weights = {
                    f"{layer.name}/{role}": weight.effective
                    for layer in self._graph.layers
                    for role, weight in layer.weights.items()
                }
                return _written(request, weights)
            case "folded":
                return _written(request, {})
            case "predict":
                none = {"different": 0, "elements": 1, "max_abs": 0.0}
                return {"differences": {each.name: none for each in self._graph.outputs}}
            case other:
                raise ValueError(other)

    def _described(self) -> dict[str, Any]:
        graph = self._graph
        return {
            "versions": _VERSIONS,
            "inputs": [{"name": x.name, "shape": list(x.shape)} for x in graph.inputs],
            "outputs": [x.name for x in graph.outputs],
            "layers": [x.name for x in graph.layers],
        }

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        with np.load(request["inputs"]) as arrays:
            inputs = dict(arrays)
        forced = {}
        if request.get("forced"):
            with np.load(request["forced"]) as arrays:
                forced = dict(arrays)
        trace = self._reference.run(inputs, forced)
        outputs = {f"{_OUTPUT}{name}": value for name, value in trace.outputs.items()}
        return _written(request, {**trace.layers, **outputs})


def _written(request: dict[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
    if _fault() == ("wrong", request["do"]) and arrays:
        first = next(iter(arrays))
        arrays = {**arrays, first: arrays[first] + np.float32(1)}
    write_npz(Path(request["outputs"]), arrays)
    if _fault() == ("huge", request["do"]):
        enlarge(Path(request["outputs"]))
    return {"keys": list(arrays)}


def enlarge(path: Path) -> None:
    """Let the first array of a file say that it is larger than any memory."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    first = next(iter(members))
    members[first] = members[first].replace(b"'shape': (", b"'shape': (1099511627776, ", 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _fault() -> tuple[str, str]:
    kind, _, request = os.environ["FAULT"].partition(":")
    return kind, request


def main() -> None:
    """Serve, and fail where it is asked for."""
    witness: Witness | None = None
    (kind, at), seen = _fault(), 0
    for line in sys.stdin:
        request = json.loads(line)
        do = request["do"]
        seen += do == at
        if do == at and (kind == "kill" or (kind == "late" and seen == 2)):
            os.kill(os.getpid(), signal.SIGKILL)
        if do == at and kind == "mute":
            time.sleep(_LONG)
        if do == "load":
            witness = Witness(build_graph(read_model(Path(request["model"]))))
        assert witness is not None
        answer = {"keys": ["lie"]} if kind == "lie" and do == at else witness.answer(request)
        print(json.dumps({"id": request["id"], **answer}), flush=True)


if __name__ == "__main__":
    main()
