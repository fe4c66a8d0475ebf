"""A picture is read with its own numbers, or not at all."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qconvert.checking.declared import read_domains
from qconvert.checking.images import image_of
from qconvert.errors import BadFileError, LimitError
from qconvert.ir import Graph, Input
from qconvert.modelfile import Limits


def _taking(shape: tuple[int, ...]) -> Graph:
    return Graph("m", (Input("x", (None, *shape)),), (), (), ())


def _chunk_left_out(kind: bytes, data: bytes) -> bytes:
    """A PNG without one of its chunks: length, kind, content, checksum."""
    at = data.index(kind) - 4
    return data[:at] + data[at + 12 + int.from_bytes(data[at : at + 4], "big") :]


def _saved(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


_DEEP_GRAY = Image.fromarray(np.full((1, 3), 0x1234, np.uint16))


def _deep_colours() -> bytes:
    """A PNG of 16 bits in each of three channels, which Pillow reads, and does not write."""
    return _png(3, 1, 16, b"\0" + bytes(range(18)))


def _png(width: int, height: int, bits: int, rows: bytes) -> bytes:
    """A PNG of three channels with these *rows*, which may be none of its size."""
    head = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(x)) + kind + x + struct.pack(">I", zlib.crc32(kind + x))
        for kind, x in chunks
    )


@pytest.mark.parametrize(
    ("data", "channels", "says"),
    [
        (_saved(_DEEP_GRAY), 1, "16 bits"),
        (_deep_colours(), 3, "16 bits"),
        (_saved(Image.new("RGB", (3, 1))), 1, "its pixels are RGB, and the input takes L"),
        (_saved(Image.new("RGBA", (3, 1))), 3, "its pixels are RGBA, and the input takes RGB"),
        (_saved(Image.new("P", (3, 1))), 1, "its pixels are P, and the input takes L"),
        (_chunk_left_out(b"IDAT", _saved(Image.new("L", (3, 1)))), 1, "not a picture to be used: "),
        (b"\x89PNG\r\n\x1a\n", 1, "not a picture to be used: "),
        (b"GIF89a", 1, "neither PNG nor BMP"),
        (_chunk_left_out(b"IEND", _saved(Image.new("L", (3, 1)))), 1, "truncated"),
        (_chunk_left_out(b"PLTE", _saved(Image.new("P", (3, 1)))), 3, "palette"),
    ],
    ids=[
        "gray of 16 bits",
        "colours of 16 bits",
        "colours",
        "alpha",
        "palette",
        "no IDAT",
        "nothing",
        "GIF",
        "cut",
        "no PLTE",
    ],
)
def test_a_picture_of_other_numbers_than_the_input_takes_is_refused(
    data: bytes, channels: int, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(data)
    graph = _taking((1, 3, channels))
    with pytest.raises(BadFileError, match=says) as caught:
        image_of(graph, path, read_domains(graph, ["uint8/255"]))
    assert caught.value.code == "QC715"


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("L", 3), ("P", 3), ("RGB", 3)])
def test_pictures_whose_numbers_are_kept_are_read(mode: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new(mode, (3, 1), 1).save(path)
    graph = _taking((1, 3, channels))
    pixels = image_of(graph, path, read_domains(graph, ["uint8"]))
    assert pixels["x"].shape == (1, 1, 3, channels)


def test_a_picture_is_measured_before_it_is_decoded(tmp_path: Path) -> None:
    """Of 128 million pixels, of which the file has none; and a warning would be an error here."""
    path = tmp_path / "x.png"
    path.write_bytes(_png(11_500, 11_600, 8, b""))
    graph = Graph("m", (Input("x", (None, None, None, 3)),), (), (), ())
    domains = read_domains(graph, ["uint8"])
    tracemalloc.start()
    with pytest.raises(LimitError, match="samples of 1,600,800,000 bytes: limit ") as caught:
        image_of(graph, path, domains)
    assert caught.value.code == "QC320"
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
    with pytest.raises(BadFileError, match="not a picture to be used"):
        image_of(graph, path, domains, Limits(tensor_bytes=1 << 31))
