"""What TensorFlow computes of every case, stored so that targets run without it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

import qconvert
from qconvert.checking import seeded
from qconvert.ir import F32
from qconvert.runners.tf import TensorFlowRunner
from scripts.targeted.cases import CASES, EXACT, ROOT, WHOLE, Case

FOLDER: Final = ROOT / "tests" / "targets" / "expected"
_INDEX: Final = "index.json"
_SAMPLES: Final = 24


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Inputs by name, and TensorFlow's results by part of the model and name of the output."""

    inputs: Mapping[str, F32]
    results: Mapping[str, Mapping[str, F32]]


def read(name: str) -> Expected:
    """What is stored for a case; `ValueError` if its model has changed since."""
    if json.loads((FOLDER / _INDEX).read_bytes())["models"].get(name) != digest(CASES[name]):
        raise ValueError(f"{name} is not the model that was run: scripts/targets.py --renew {name}")
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    parts: dict[str, dict[str, F32]] = {}
    for key, array in arrays.items():
        part, _, tensor = key.partition(":")
        parts.setdefault(part, {})[tensor] = array
    return Expected(parts.pop("input"), parts)


def renew(name: str) -> None:
    """Run a case in TensorFlow, the first sample by itself, and store what comes out."""
    case = CASES[name]
    samples = seeded(qconvert.load(case.model, weights=case.weights), _SAMPLES)
    with TensorFlowRunner(case.model, case.weights) as tensorflow:
        batches = [_run(case, tensorflow, batch) for batch in samples.batches]
        versions = tensorflow.versions
    arrays = {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(FOLDER / f"{name}.npz", allow_pickle=False, **arrays)
    _note(name, case, versions)


def versions() -> Mapping[str, str]:
    """Of TensorFlow and what else computed the results."""
    found: Mapping[str, str] = json.loads((FOLDER / _INDEX).read_bytes())["versions"]
    return found


def digest(case: Case) -> str:
    """SHA-256 of the files of a model."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in case.paths)).hexdigest()


def _run(case: Case, tensorflow: TensorFlowRunner, batch: Mapping[str, F32]) -> dict[str, F32]:
    trace = tensorflow.run(batch)
    found = {f"input:{name}": array for name, array in batch.items()}
    found |= {f"{WHOLE}:{name}": array for name, array in trace.outputs.items()}
    return found | ({f"{EXACT}:{case.exact}": trace.layers[case.exact]} if case.exact else {})


def _note(name: str, case: Case, versions: Mapping[str, str]) -> None:
    path = FOLDER / _INDEX
    index = json.loads(path.read_bytes()) if path.is_file() else {"models": {}}
    models = dict(sorted({**index["models"], name: digest(case)}.items()))
    text = json.dumps({"versions": dict(versions), "models": models}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
