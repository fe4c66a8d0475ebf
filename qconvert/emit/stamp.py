"""What a check found, written into the file that it checked.

An entry of its own in ``metadata_props``: without it the file is byte for byte the one that was
checked, whose hash the stamp has.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Final

import onnx

from qconvert.emit.metadata import as_json, content_of, require_sha256

#: The key in ``metadata_props``.
KEY: Final = "qconvert.check"
SCHEMA: Final = "qconvert.stamp/1"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A verdict; the SHA-256 of the canonical ``report``, and of the ``file`` without the stamp.

    ``conditions`` are what has to hold where the file runs.
    """

    verdict: str
    passed: bool
    conditions: tuple[str, ...]
    report: str
    file: str


def add_stamp(model: onnx.ModelProto, stamp: Stamp) -> None:
    """Write *stamp* into *model*, in the place of one that it has."""
    plain = without_stamp(model)
    plain.metadata_props.add(key=KEY, value=as_json({"schema": SCHEMA, **asdict(stamp)}))
    model.CopyFrom(plain)


def read_stamp(model: onnx.ModelProto) -> Stamp | None:
    """What `add_stamp` wrote; `None` if there is none, `ValueError` if it is damaged."""
    content = content_of(model, KEY, SCHEMA)
    if content is None:
        return None
    try:
        return Stamp(
            str(content["verdict"]),
            content["passed"] is True,
            tuple(str(text) for text in content["conditions"]),
            require_sha256(content["report"]),
            require_sha256(content["file"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the metadata is damaged: {error!r}") from error


def without_stamp(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of *model* as it was checked."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    kept = [entry for entry in model.metadata_props if entry.key != KEY]
    del plain.metadata_props[:]
    plain.metadata_props.extend(kept)
    return plain


def sha256_of(model: onnx.ModelProto) -> str:
    """The hash of *model* as a file, without a stamp."""
    plain = without_stamp(model) if any(e.key == KEY for e in model.metadata_props) else model
    return hashlib.sha256(plain.SerializeToString(deterministic=True)).hexdigest()
