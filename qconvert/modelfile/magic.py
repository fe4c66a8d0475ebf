"""What kind of file some bytes are, by their content; names and extensions are not asked."""

import re
import struct
from enum import Enum
from pathlib import Path

from qconvert.errors import Problem, UnsupportedError
from qconvert.modelfile.malformed import MalformedError, blaming
from qconvert.modelfile.source import HEAD, Buffer, head_of, require_readable
from qconvert.strict_json import PLAIN, encoding_of

_HDF5 = b"\x89HDF\r\n\x1a\n"
#: Of archives with entries, and without.
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
_POINTER = b"version https://git-lfs.github.com/spec/"
_NO_FILE = "a Git LFS pointer, not the file itself; run: git lfs pull"
#: The smallest number of bytes that HDF5 may stand behind; others are this times a power of two.
_USER_BLOCK = 512
_LARGEST = 40
#: By its version, where a superblock has the size of addresses and the end of the file.
_SUPERBLOCKS = {0: (13, 40), 1: (13, 44), 2: (9, 28), 3: (9, 28)}
_OWN = re.compile(rb'\s*\{\s*"schema"\s*:\s*"qconvert\.([a-z]{1,20})/')
_REPORT = "a report of qconvert check, which qconvert report FILE shows"
_SAVE_AS_H5 = "give the Keras model that it was made from: model.save('model.h5')"


class Format(Enum):
    """The kinds of files that hold a model or a part of one."""

    HDF5 = "HDF5"
    ZIP = "zip archive"
    JSON = "JSON"


def recognise(source: Buffer) -> Format:
    """The format of *source*; an error that names what it is instead if it is none of ours."""
    data = bytes(source[:HEAD])
    if not data:
        raise MalformedError("QC101", "an empty file")
    if data.startswith(_HDF5):
        _refuse_truncated(data, len(source))
        return Format.HDF5
    if data.startswith(ZIP):
        return Format.ZIP
    if is_json(data):
        if document := document_in(data):
            raise UnsupportedError([Problem("QC105", "", f"{document}, and no model")])
        return Format.JSON
    _refuse_other_model(data)
    _refuse_accident(data)
    if encoding := encoding_of(data):
        raise MalformedError("QC209", f"JSON in {encoding}: {PLAIN}")
    if block := _user_block(source):
        raise MalformedError(
            "QC103",
            f"an HDF5 file behind a user block of {block} bytes, which Keras writes none of; "
            "h5unjam takes it away",
        )
    raise MalformedError(
        "QC103",
        f"not an HDF5 file, a Keras archive or a JSON architecture (starts with {data[:8]!r})",
    )


def require_possible_onnx(source: Buffer) -> None:
    """Refuse what is no ONNX file, as what it is instead; its parser knows its own format alone."""
    data = bytes(source[:HEAD])
    if not data:
        raise MalformedError("QC101", "an empty file")
    if document := document_in(data):
        raise MalformedError("QC702", f"{document}, and no ONNX file")
    if data.startswith(_HDF5):
        reason = "an HDF5 file, as Keras models are; give the ONNX file"
        raise UnsupportedError([Problem("QC105", "", reason)])
    _refuse_accident(data)


def require_possible_model(path: Path) -> None:
    """A first look at *path*, before one at an output: whether it is there, and no other model.

    What else is wrong with it is told when it is read.
    """
    require_readable(path)
    with blaming(path):
        _refuse_other_model(head_of(path))


def is_onnx(path: Path) -> bool:
    """Whether *path* is an ONNX file, by its name or else by its content."""
    return path.suffix == ".onnx" or _begins_onnx(head_of(path))


def is_json(head: bytes) -> bool:
    """Whether a file that begins so can be JSON, and none of the other formats."""
    return head.lstrip()[:1] in (b"{", b"[")


def described(head: bytes) -> str | None:
    """What a file that begins so is, and not JSON, if that is known."""
    if head.startswith(_HDF5):
        return "an HDF5 file, as Keras models are"
    if head.startswith(ZIP):
        return "a zip archive, as Keras models are"
    if head.startswith(_PICTURES):
        return "a picture"
    if head.startswith(_POINTER):
        return _NO_FILE
    return "an HTML page" if _begins_page(head) else _other_model(head)


def document_in(source: Buffer) -> str | None:
    """What a file is that qconvert writes and that is no model: it states its schema first."""
    match = _OWN.match(bytes(source[:HEAD]))
    if match is None:
        return None
    what = match[1].decode()
    return _REPORT if what == "report" else f"qconvert's JSON of another kind ({what})"


def _refuse_truncated(data: bytes, length: int) -> None:
    """Compare the length with the end-of-file address in an HDF5 superblock (format spec II.A)."""
    version = data[8] if len(data) > 8 else 0
    if version not in _SUPERBLOCKS:
        return  # damaged, which the reader tells
    size, at = _SUPERBLOCKS[version]
    if len(data) < at + 8:
        raise MalformedError("QC102", f"truncated: {length} bytes of an HDF5 file")
    if data[size] != 8:
        return
    (end,) = struct.unpack_from("<Q", data, at)
    if length < end:
        raise MalformedError("QC102", f"truncated: {length} of {end} bytes")


def _user_block(source: Buffer) -> int:
    """How many bytes stand in front of the HDF5 in *source* (format spec II.A); 0: it is none."""
    places = (_USER_BLOCK << i for i in range(_LARGEST) if _USER_BLOCK << i < len(source))
    return next((at for at in places if source[at : at + len(_HDF5)] == _HDF5), 0)


def _refuse_other_model(data: bytes) -> None:
    if what := _other_model(data):
        raise UnsupportedError([Problem("QC105", "", f"{what}; {_SAVE_AS_H5}")])


def _other_model(data: bytes) -> str | None:
    if data[4:8] == b"TFL3":
        return "a TFLite file"
    if data[:3] == b"\x08\x01\x12":
        return "the graph of a SavedModel directory"
    if _begins_onnx(data):
        return "an ONNX file"
    if data[:1] == b"\x80" and b"\x01" < data[1:2] < b"\x06":
        return "a pickle, which is a program and never opened"
    return None


def _begins_onnx(data: bytes) -> bool:
    """A ModelProto: field 1, the IR version, and then a producer, a graph or an opset."""
    return (
        data[:1] == b"\x08"
        and b"\x02" < data[1:2] < b"\x20"
        and data[2:3] in (b"\x12", b"\x3a", b"\x42")
    )


def _refuse_accident(data: bytes) -> None:
    if data.startswith(_POINTER):
        raise MalformedError("QC104", _NO_FILE)
    if _begins_page(data):
        raise MalformedError("QC103", "an HTML page, not a model; did the download fail?")


def _begins_page(data: bytes) -> bool:
    return data.lstrip()[:200].lower().startswith((b"<!doctype html", b"<html"))
