"""A picture as the input of a model: its pixels are the codes of a declared domain."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.checking.fitting import require_small
from qconvert.errors import (
    BadFileError,
    LimitError,
    QConvertError,
    UsageError,
    WitnessError,
    naming_file,
)
from qconvert.ir import F32, Graph, Input, Shape
from qconvert.modelfile import DEFAULT_LIMITS, Limits
from qconvert.modelfile.source import read_all
from qconvert.runners.interface import InputDomain, numbers

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

Pixels: TypeAlias = npt.NDArray[np.uint8]

#: Names of pictures.
SUFFIXES: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
#: How files begin of formats without loss, of which everybody reads the same pixels.
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_BMP: Final = b"BM"
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


def image_of(
    graph: Graph,
    path: Path,
    domains: Mapping[str, InputDomain],
    limits: Limits = DEFAULT_LIMITS,
) -> dict[str, F32]:
    """One sample of a picture, by the name of the model's only input.

    The *domains* say what pixels from 0 to 255 stand for. `UsageError` where they do not, or
    where the picture does not fit the input; `BadFileError` for a file that is no picture,
    `LimitError` for one of more numbers than a tensor may have.
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
    # Pixels are exact as float32, and may be too many for twice as many bytes.
    return {source.name: numbers(domain, _pixels(path, source, limits).astype(np.float32))}


def _pixels(path: Path, source: Input, limits: Limits) -> Pixels:
    """In the shape of the input, as the only one of a batch."""
    try:
        from PIL import BmpImagePlugin, PngImagePlugin
    except ImportError as error:
        raise WitnessError(
            "QC725", f"reading {path} takes Pillow: pip install 'qconvert[images]'"
        ) from error
    data = read_all(path, _MOST_BYTES)
    # These know no limit of their own, of which `PIL.Image.open` would warn.
    formats = {_PNG: PngImagePlugin.PngImageFile, _BMP: BmpImagePlugin.BmpImageFile}
    kind = next((kind for magic, kind in formats.items() if data.startswith(magic)), None)
    if kind is None:
        raise BadFileError("QC715", path, "neither PNG nor BMP")
    with _telling_damage(path):
        with kind(io.BytesIO(data)) as image:
            # Before any pixel is decoded: the size alone may be hostile.
            shape, mode = _fitting(path, image, source)
            with naming_file(path, LimitError):
                require_small(source.name, shape, 1, limits)
            image.verify()  # all parts of a PNG to its end; the picture is of no use afterwards
        with kind(io.BytesIO(data)) as image:
            _require_kept(image, mode)
            return np.asarray(image.convert(mode)).reshape(shape)


@contextmanager
def _telling_damage(path: Path) -> Iterator[None]:
    """Within, whatever Pillow raises is about the picture; of what it reads, it warns of nothing.

    It meets damage with errors of any kind.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (QConvertError, MemoryError):
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise BadFileError("QC715", path, f"not a picture to be used: {reason}") from error


def _fitting(path: Path, image: "Image", source: Input) -> tuple[tuple[int, ...], str]:
    """The shape of one sample, and the mode in which the picture has as many pixels."""
    width, height = image.size
    for channels, mode in _MODES.items():
        for shape in ((height, width, channels), (height, width), (height * width * channels,)):
            if _fits(source.shape[1:], shape) and (channels == 1 or len(shape) != 2):
                return (1, *shape), mode
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
