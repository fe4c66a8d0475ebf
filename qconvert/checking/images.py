"""A picture as the input of a model: its pixels are the codes of a declared domain."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from qconvert.errors import BadFileError, UsageError, WitnessError
from qconvert.ir import F32, Graph, Input, Shape
from qconvert.modelfile.source import read_all
from qconvert.runners.interface import InputDomain, numbers

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

#: Names of pictures.
SUFFIXES: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
#: Formats without loss, of which everybody reads the same pixels.
_FORMATS: Final = ("PNG", "BMP")
#: Pillow's names of one, three and four channels.
_MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
#: Pillow's modes of which another one keeps every number; of palettes, that without transparency.
_KEPT: Final[Mapping[str, frozenset[str]]] = {
    "L": frozenset({"1", "L"}),
    "RGB": frozenset({"1", "L", "P", "RGB"}),
    "RGBA": frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"}),
}
#: What Pillow calls a coding of 16 bits; of some of them it keeps 8.
_DEEP: Final = ";16"
_PIXELS: Final = (0, 255)
_MOST_BYTES: Final = 256 << 20


def is_image(path: Path) -> bool:
    """Whether *path* is called as a picture."""
    return path.suffix.lower() in SUFFIXES


def image_of(graph: Graph, path: Path, domains: Mapping[str, InputDomain]) -> dict[str, F32]:
    """One sample of a picture, by the name of the model's only input.

    The *domains* say what pixels from 0 to 255 stand for. `UsageError` where they do not, or
    where the picture does not fit the input; `BadFileError` for a file that is no picture.
    """
    if len(graph.inputs) != 1:
        names = ", ".join(source.name for source in graph.inputs)
        raise UsageError("QC711", f"a picture is one input; the model has {names}")
    (source,) = graph.inputs
    domain = domains.get(source.name)
    if domain is None or (domain.lo, domain.hi) != _PIXELS:
        raise UsageError(
            "QC011",
            f"say what the pixels of {path} stand for, with a domain of 256 numbers: uint8/255, "
            "uint8/256, or uint8 for the pixels themselves",
        )
    pixels = _pixels(path, source)
    return {source.name: numbers(domain, pixels.astype(np.float64)[np.newaxis])}


def _pixels(path: Path, source: Input) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """In the shape of the input, without the batch."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise WitnessError(
            "QC725", f"reading {path} takes Pillow: pip install 'qconvert[images]'"
        ) from error
    data = read_all(path, _MOST_BYTES)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            image.verify()  # all parts of a PNG to its end; the picture is of no use afterwards
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            # Before any pixel is decoded: the size alone may be hostile.
            shape, mode = _fitting(path, image, source)
            _require_kept(image, mode)
            return np.asarray(image.convert(mode)).reshape(shape)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        unknown = isinstance(error, UnidentifiedImageError)
        text = "neither PNG nor BMP" if unknown else f"not a picture to be used: {error}"
        raise BadFileError("QC715", path, text) from error


def _fitting(path: Path, image: "Image", source: Input) -> tuple[tuple[int, ...], str]:
    """The input's shape, and the mode in which the picture has as many pixels."""
    width, height = image.size
    for channels, mode in _MODES.items():
        for shape in ((height, width, channels), (height, width), (height * width * channels,)):
            if _fits(source.shape[1:], shape) and (channels == 1 or len(shape) != 2):
                return shape, mode
    wanted = "x".join("?" if n is None else str(n) for n in source.shape[1:])
    raise UsageError(
        "QC712",
        f"{path} is {height} pixels high and {width} wide, and the input {source.name!r} takes "
        f"{wanted}: scale and crop it as in training",
    )


def _require_kept(image: "ImageFile", mode: str) -> None:
    """`ValueError` for a picture of which *mode* would have other numbers than its own."""
    if image.mode == "P" and image.palette is None:
        raise ValueError("it lacks its palette")
    if image.mode.startswith("I") or any(_DEEP in str(tile[3]) for tile in image.tile):
        raise ValueError("its pixels have 16 bits; save it with 8, as in training")
    transparent = "transparency" in image.info and mode != "RGBA"
    if transparent or image.mode not in _KEPT[mode]:
        what = f"{image.mode} with transparency" if transparent else image.mode
        raise ValueError(
            f"its pixels are {what}, and the input takes {mode}; convert it as in training"
        )


def _fits(wanted: Shape, shape: tuple[int, ...]) -> bool:
    return len(wanted) == len(shape) and all(
        n is None or n == m for n, m in zip(wanted, shape, strict=True)
    )
