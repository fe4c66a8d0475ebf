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
_SAMPLES: Final = 24


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Inputs by name, and TensorFlow's results by part of the model and name of the output."""

    inputs: Mapping[str, F32]
    results: Mapping[str, Mapping[str, F32]]


def read(name: str) -> Expected:
    """What is stored for a case; `ValueError` if its model has changed since."""
    if _index()["models"].get(name) != digest(CASES[name]):
        raise ValueError(f"{name} is not the model that was run: scripts/targets.py --renew {name}")
    parts: dict[str, dict[str, F32]] = {}
    for key, array in stored(name).items():
        part, _, tensor = key.partition(":")
        parts.setdefault(part, {})[tensor] = array
    return Expected(parts.pop("input"), parts)


def stored(name: str) -> dict[str, F32]:
    """The arrays of a case by part and name, whatever its model is now."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def renew(name: str) -> None:
    """Run a case in TensorFlow and store what comes out."""
    arrays, versions = computed(CASES[name])
    np.savez_compressed(FOLDER / f"{name}.npz", allow_pickle=False, **arrays)
    _note(name, CASES[name], versions)


def computed(case: Case) -> tuple[dict[str, F32], Mapping[str, str]]:
    """What is stored of a case, the first sample run by itself, and by which TensorFlow."""
    samples = seeded(qconvert.load(case.model, weights=case.weights), _SAMPLES)
    with TensorFlowRunner(case.model, case.weights) as tensorflow:
        batches = [_run(case, tensorflow, batch) for batch in samples.batches]
        versions = tensorflow.versions
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}, versions


def versions() -> Mapping[str, str]:
    """Of TensorFlow and what else computed the results."""
    return dict(_index()["versions"])


def digest(case: Case) -> str:
    """SHA-256 of the files of a model."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in case.paths)).hexdigest()


def _run(case: Case, tensorflow: TensorFlowRunner, batch: Mapping[str, F32]) -> dict[str, F32]:
    trace = tensorflow.run(batch)
    found = {f"input:{name}": array for name, array in batch.items()}
    found |= {f"{WHOLE}:{name}": array for name, array in trace.outputs.items()}
    return found | ({f"{EXACT}:{case.exact}": trace.layers[case.exact]} if case.exact else {})


def _index() -> dict[str, dict[str, str]]:
    path = FOLDER / "index.json"
    found: dict[str, dict[str, str]] = json.loads(path.read_bytes()) if path.is_file() else {}
    return found


def _note(name: str, case: Case, versions: Mapping[str, str]) -> None:
    """Write down which model it was, and what ran it."""
    models = dict(sorted({**_index().get("models", {}), name: digest(case)}.items()))
    text = json.dumps({"versions": dict(versions), "models": models}, indent=1)
    (FOLDER / "index.json").write_text(text + "\n", encoding="utf-8")
