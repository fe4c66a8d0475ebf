"""F4: HDF5 files of every structure, of which a table says what each part of them must get."""

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import h5py
import numpy as np
from hypothesis import strategies as st

import qconvert
from qconvert.errors import QConvertError
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.tally import WrongError, outcome_of
from tests.hostile.building import BIAS, KERNEL, KERNEL_PATH, hdf5
from tests.hostile.cases.chunks import STORED, one_chunk
from tests.hostile.cases.json_texts import TEXT
from tests.hostile.cases.storage import unknown_filter, virtual

#: Writes something in place of something else; the folder has a file and a pipe to refer to.
Put: TypeAlias = Callable[[h5py.File, Path], object]
SECRET: Final = b"SECRET-FILE-CONTENT-" * 4


def _kernel(value: object = KERNEL, **options: object) -> Put:
    return lambda file, _: file.create_dataset(KERNEL_PATH, data=value, **options)


def _of_one_chunk(stored: bytes, mask: int = 0, **options: object) -> Put:
    return lambda file, _: one_chunk(file, stored, mask, **options)


def _declared(shape: object, dtype: object = "f4", **options: object) -> Put:
    return lambda file, _: file.create_dataset(KERNEL_PATH, shape, dtype, **options)


def _as(dtype: str) -> Put:
    return _kernel(np.ones((4, 2), dtype))


def _external(file: h5py.File, folder: Path) -> None:
    file.create_dataset(KERNEL_PATH, (4, 2), "f4", external=[(folder / "secret", 0, 32)])


def _compact(file: h5py.File, _: Path) -> None:
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((4, 2))
    group = file["model_weights/d/d"]
    made = h5py.h5d.create(group.id, b"kernel:0", h5py.h5t.IEEE_F32LE, space, settings)
    h5py.Dataset(made)[()] = KERNEL


#: What lies in place of a kernel of 4 by 2 float32, and the code that it must get.
KERNELS: Final[Mapping[str, tuple[Put, str]]] = {
    "plain": (_kernel(), ""),
    "big-endian": (_kernel(KERNEL.astype(">f4")), ""),
    "compact": (_compact, ""),
    "chunks": (_kernel(chunks=(2, 1)), ""),
    "large chunks": (_kernel(chunks=(4, 2), maxshape=(None, None)), ""),
    "gzip": (_kernel(compression="gzip", compression_opts=9), ""),
    "shuffled": (_kernel(shuffle=True, compression="gzip"), ""),
    "checked": (_kernel(fletcher32=True), ""),
    "lzf": (_kernel(compression="lzf"), "QC512"),
    "scaled": (_kernel(chunks=True, scaleoffset=4), "QC512"),
    "another filter": (lambda file, _: unknown_filter(file), "QC512"),
    "nothing stored": (_declared((4, 2), chunks=(2, 1)), "QC512"),
    "a bomb": (_declared((1 << 40,), chunks=(1024,)), "QC512"),
    **{what: (_of_one_chunk(stored, **options), "QC512") for what, stored, options in STORED},
    "external": (_external, "QC510"),
    "virtual": (lambda file, _: virtual(file), "QC510"),
    "transposed": (_kernel(KERNEL.T), "QC501"),
    "one number": (_kernel(np.float32(1)), "QC501"),
    "no shape": (_kernel(h5py.Empty("f4")), "QC501"),
    "no rows": (_declared((0, 2)), "QC501"),
    "no rows of many": (_declared((0, 1 << 62)), "QC501"),
    "none of many axes": (_declared((0,) * 32), "QC501"),
    "NaN": (_kernel(np.full((4, 2), np.nan, "f4")), "QC503"),
    "half": (_as("f2"), "QC504"),
    "double": (_as(">f8"), "QC504"),
    "long double": (_as("g"), "QC504"),
    "complex": (_as("c8"), "QC504"),
    "flags": (_as("?"), "QC504"),
    "bytes": (_as("S3"), "QC504"),
    "opaque": (_as("V4"), "QC504"),
    "whole numbers": (_as("i8"), "QC502"),
    "compound": (_kernel(np.ones((4, 2), [("a", "f4")])), "QC504"),
    "arrays": (_declared((4, 2), np.dtype(("f4", (1,)))), "QC504"),
    "enumeration": (_declared((4, 2), h5py.enum_dtype({"a": 1}, "i4")), "QC512"),
    "variable length": (_declared((4, 2), h5py.vlen_dtype("f4")), "QC504"),
    "texts": (_declared((4, 2), h5py.string_dtype()), "QC504"),
    "references": (_declared((4, 2), h5py.ref_dtype), "QC504"),
    "a group": (lambda file, _: file.create_group(KERNEL_PATH), "QC514"),
    "a type": (lambda file, _: file.__setitem__(KERNEL_PATH, np.dtype("f4")), "QC514"),
}


def _link(kind: str, place: str, file: h5py.File, folder: Path) -> None:
    target = {
        "soft": h5py.SoftLink("/elsewhere"),
        "to itself": h5py.SoftLink(f"/{place}"),
        "to a file": h5py.ExternalLink(str(folder / "secret"), "/x"),
        "to a pipe": h5py.ExternalLink(str(folder / "pipe"), "/x"),
    }
    del file[place]
    file[place] = target[kind]


_LINKS: Final = {"soft": "QC511", "to itself": "QC511", "to a file": "QC510", "to a pipe": "QC510"}
_PLACES: Final = (KERNEL_PATH, "model_weights/d/d", "model_weights/d", "model_weights")
#: Which link there is instead of a hard one.
LINKS: Final[Mapping[str, tuple[Put, str]]] = {
    "hard": (lambda file, _: None, ""),
    **{
        f"{kind}, {place}": (partial(_link, kind, place), code)
        for place in _PLACES
        for kind, code in _LINKS.items()
    },
}


def _attribute(place: str, name: str, value: object) -> Put:
    return lambda file, _: file[place].attrs.__setitem__(name, value)


def _without(place: str, name: str) -> Put:
    return lambda file, _: file[place].attrs.__delitem__(name)


def _names(place: str, name: str, value: object, code: str) -> tuple[Put, str]:
    return _attribute(place, name, value), code


#: How texts are stored, and lists of names.
TEXTS: Final[Mapping[str, tuple[Put, str]]] = {
    "as it is": (lambda file, _: None, ""),
    "bytes": _names("/", "model_config", TEXT.encode(), ""),
    "fixed": _names("/", "model_config", np.bytes_(TEXT), ""),
    "a list": _names("/", "model_config", [TEXT], ""),
    "a table": _names("/", "model_config", np.array([[TEXT.encode()]]), "QC212"),
    "two": _names("/", "model_config", [TEXT, TEXT], "QC212"),
    "none": _names("/", "model_config", h5py.Empty("S1"), "QC212"),
    "an empty list": _names("/", "model_config", np.empty(0, "S1"), "QC212"),
    "a number": _names("/", "model_config", 1.5, "QC212"),
    "a version of two": _names("/", "keras_version", ["2", "3"], "QC212"),
    "no UTF-8": _names("/", "model_config", b"\xff", "QC209"),
    "empty": _names("/", "model_config", "", "QC202"),
}
#: Lists of names.
LISTS: Final[Mapping[str, tuple[Put, str]]] = {
    "as it is": (lambda file, _: None, ""),
    "of variable length": _names("model_weights", "layer_names", ["x", "d", "a"], ""),
    "in a table": _names("model_weights", "layer_names", np.array([[b"x", b"d", b"a"]]), "QC212"),
    "twice": _names("model_weights", "layer_names", ["d", "d"], "QC312"),
    "another": _names("model_weights", "layer_names", ["x", "e", "a"], "QC502"),
    "upwards": _names("model_weights", "layer_names", ["x", "../model_weights/d", "a"], "QC502"),
    "with a zero": _names("model_weights", "layer_names", np.array([b"x", b"d\0e"]), "QC502"),
    "numbers": _names("model_weights", "layer_names", [1, 2], "QC212"),
    "no layers": (_without("model_weights", "layer_names"), "QC506"),
    "no variables": (_without("model_weights/d", "weight_names"), "QC514"),
    "one variable": _names("model_weights/d", "weight_names", ["d/kernel:0"], "QC502"),
    "the group": _names("model_weights/d", "weight_names", ["d/kernel:0", "d"], "QC514"),
    "of itself": _names("model_weights/d", "weight_names", ["d/kernel:0"] * 2, "QC511"),
    "no name": _names("model_weights/d", "weight_names", ["d/kernel:0", ""], "QC502"),
    "through an array": _names(
        "model_weights/d", "weight_names", ["d/kernel:0", "d/bias:0/x"], "QC502"
    ),
}


def _more(make: Callable[[h5py.File, Path], object]) -> tuple[Put, str]:
    return make, ""


#: What else there is, of which nothing is read.
OTHERS: Final[Mapping[str, tuple[Put, str]]] = {
    "nothing": _more(lambda file, _: None),
    "an array": _more(lambda file, _: file.create_dataset("more", data=BIAS)),
    "a bomb": _more(lambda file, _: file.create_dataset("more", (1 << 40,), "f8", chunks=True)),
    "of training": _more(lambda file, _: file.create_dataset("optimizer_weights/x", data=1)),
    "a link to a file": _more(lambda file, folder: _link_beside(file, folder / "secret")),
    "a link to a pipe": _more(lambda file, folder: _link_beside(file, folder / "pipe")),
    "an external array": _more(lambda file, folder: file.create_dataset(
        "more", (4,), "f4", external=[(folder / "secret", 0, 16)])),
    "a loop": _more(lambda file, _: file.__setitem__("more", file["model_weights"])),
    "an attribute": _more(_attribute("model_weights/d", "x", h5py.Empty("f4"))),
    "a reference": _more(lambda file, _: file.attrs.__setitem__("x", file["model_weights"].ref)),
    "a long name": _more(lambda file, _: file.create_group("x" * 60_000)),
    "a strange name": _more(lambda file, _: file.create_group("\x1b[31m\u202e")),
    "no UTF-8": _more(lambda file, _: h5py.h5g.create(file.id, b"\xff\xfe")),
    "deep groups": _more(lambda file, _: file.create_group("/".join(["g"] * 200))),
}  # fmt: skip


def _link_beside(file: h5py.File, target: Path) -> None:
    file["more"] = h5py.ExternalLink(str(target), "/x")


@dataclass(frozen=True, slots=True)
class Structure:
    """A choice of each table."""

    kernel: str = "plain"
    text: str = "as it is"
    names: str = "as it is"
    other: str = "nothing"
    link: str = "hard"


#: In the order in which they are done: a link hides what was where it is.
_TABLES: Final = (KERNELS, TEXTS, LISTS, OTHERS, LINKS)


def structures() -> st.SearchStrategy[Structure]:
    """At most three choices, all others harmless, so that one fault seldom hides another."""
    names = [field.name for field in fields(Structure)]
    choices = [(name, each) for name, table in zip(names, _TABLES, strict=True) for each in table]
    some = st.lists(st.sampled_from(choices), max_size=3, unique_by=lambda choice: choice[0])
    return some.map(lambda chosen: Structure(**dict(chosen)))


def written(structure: Structure, folder: Path) -> tuple[Path, frozenset[str]]:
    """The file, and the codes of which it must get one; none if it must be read."""
    (folder / "secret").write_bytes(SECRET)
    os.mkfifo(folder / "pipe")
    chosen = [
        table[getattr(structure, field.name)]
        for table, field in zip(_TABLES, fields(structure), strict=True)
    ]

    def change(file: h5py.File) -> None:
        del file[KERNEL_PATH]
        for put, _ in chosen:
            put(file, folder)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = hdf5(change=change)(folder)
    os.utime(folder / "secret", (0, 0))
    return path, frozenset(code for _, code in chosen if code)


def attempt(structure: Structure) -> str:
    """Read the file, and see that it gets what the tables say and nothing else is read."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        path, expected = written(structure, folder)
        found = _outcome(path)
        if (folder / "secret").stat().st_atime:
            raise WrongError("another file was read")
    if found not in (expected or {""}):
        raise WrongError(f"{structure} got {found or 'no code'}, not {expected or 'none'}")
    return found


def _outcome(path: Path) -> str:
    try:
        graph = qconvert.load(path)
    except QConvertError as error:
        return outcome_of(error)
    dense = graph.layers[0].weights["kernel"].raw
    if not np.array_equal(dense, KERNEL):
        raise WrongError("the kernel has other numbers")
    return ""


def _content(structure: Structure) -> bytes:
    with TemporaryDirectory() as name:
        return written(structure, Path(name))[0].read_bytes()


TARGET: Final[Drawn[Any]] = Drawn(
    name="hdf5-structure",
    what="HDF5 files of every structure, against a table",
    inputs=structures(),
    attempt=attempt,
    content=_content,
    suffix=".h5",
)
