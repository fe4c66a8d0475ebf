"""F3 and F5: HDF5 files and archives whose bytes are changed, in the isolated reader.

What is accepted, a second reader has to see in the same way.
"""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st

import qconvert
from qconvert.errors import QConvertError
from qconvert.modelfile import DEFAULT_LIMITS, ModelFile, read_model
from qconvert.modelfile.contents import ByName, ByPosition
from scripts.fuzzing import seeds
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.mutations import Mutated, Repacked, mutated, repacked
from scripts.fuzzing.tally import WrongError, outcome_of

_SECOND: Final = Path(__file__).with_name("second_reader.py")
#: Seconds of the reader, so that files that hang it do not take the whole time.
_LIMITS: Final = DEFAULT_LIMITS.with_values({"reader_seconds": 10})
#: The second one, who has no limits.
_SECONDS: Final = 60
_READERS: Final = ("pyfive", "h5py")


def attempt(case: Mutated | Repacked) -> str:
    """Read the file, and have another reader read it if it is accepted."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        path.write_bytes(case.content())
        try:
            model = read_model(path, limits=_LIMITS)
        except QConvertError as error:
            return outcome_of(error)
        _require_same(model, path)
        return _loaded(path)


def _loaded(path: Path) -> str:
    """What becomes of the file behind the reader."""
    try:
        qconvert.load(path, limits={"reader-seconds": _LIMITS.reader_seconds})
    except QConvertError as error:
        return outcome_of(error)
    return ""


def _require_same(model: ModelFile, path: Path) -> None:
    assert model.stored is not None
    found = dict(arrays(model))
    ours = [_told(array) for array in found.values()]
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "weights.h5"
        plain.write_bytes(_hdf5_in(path))
        theirs = _seen(plain, list(found))
    if ours != theirs:
        wrong = [name for name, a, b in zip(found, ours, theirs, strict=True) if a != b]
        raise WrongError(f"another reader sees something else in {wrong}")


def _hdf5_in(path: Path) -> bytes:
    content = path.read_bytes()
    if not zipfile.is_zipfile(io.BytesIO(content)) or content.startswith(b"\x89HDF"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("model.weights.h5")


def arrays(model: ModelFile) -> Iterator[tuple[str, Any]]:
    """All that was read, by its path in the HDF5 file."""
    assert model.stored is not None
    contents = model.stored.contents
    match contents.stored:
        case ByName(layers):
            for layer, weights in layers.items():
                for one in weights:
                    yield f"{contents.group}/{layer}/{one.name}", one.value
        case ByPosition(found):
            for parts, value in found.items():
                yield "/".join(parts), value


def _told(array: Any) -> list[Any]:  # noqa: ANN401
    """As the second reader tells it."""
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return [array.dtype.str, list(array.shape), digest]


def _seen(path: Path, names: list[str]) -> list[Any]:
    """What the first of the readers says that can read the file."""
    for reader in _READERS:
        command = [sys.executable, str(_SECOND), str(path), reader, json.dumps(names)]
        try:
            done = subprocess.run(command, capture_output=True, check=True, timeout=_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            continue
        found: list[Any] = json.loads(done.stdout)
        return found
    raise WrongError("no other reader can read the file")


HDF5: Final = Drawn(
    name="hdf5-bytes",
    what="HDF5 files with changed bytes, against a second reader",
    inputs=mutated(seeds.files()),
    attempt=attempt,
    content=Mutated.content,
    suffix=".h5",
)
ARCHIVE: Final = Drawn(
    name="archive-bytes",
    what="archives with changed bytes or entries, against a second reader",
    inputs=st.one_of(mutated(seeds.archives()), repacked(seeds.archives())),
    attempt=attempt,
    content=lambda case: case.content(),
    suffix=".keras",
)
