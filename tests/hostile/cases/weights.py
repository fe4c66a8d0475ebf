"""Weights that do not fit their layer, or are no numbers."""

import h5py
import numpy as np

from tests.hostile.building import BIAS, KERNEL, KERNEL_PATH, WEIGHTS, hdf5, with_kernel
from tests.hostile.building import instead_of_kernel as instead
from tests.hostile.case import Case, Make


def layer(**variables: object) -> Make:
    return hdf5(weights={**WEIGHTS, "d": variables})


def listed(attribute: str, names: object, group: str = "model_weights/d") -> Make:
    def change(file: h5py.File) -> None:
        file[group].attrs[attribute] = names

    return hdf5(change=change)


def without(attribute: str, group: str) -> Make:
    def change(file: h5py.File) -> None:
        del file[group].attrs[attribute]

    return hdf5(change=change)


def no_group(file: h5py.File) -> None:
    del file["model_weights"]


NAN = KERNEL.copy()
NAN[1, 1] = np.nan
INFINITE = KERNEL.copy()
INFINITE[3, 0] = -np.inf

CASES = (
    Case(59, "big-endian", with_kernel(KERNEL.astype(">f4")), "", 0),
    Case(54, "transposed", with_kernel(KERNEL.T), "QC501", 4, "(4, 2)"),
    Case(58, "a scalar", with_kernel(np.float32(1)), "QC501", 4),
    Case(58, "nothing in it", with_kernel(np.empty((0, 2), np.float32)), "QC501", 4),
    Case(58, "nothing in axes that no array has", instead(lambda f: f.create_dataset(
        KERNEL_PATH, (0, 1 << 62), "f4")), "QC501", 4, "can be of no weight"),
    Case(58, "no shape", instead(lambda f: f.__setitem__(KERNEL_PATH, h5py.Empty("f4"))),
         "QC501", 4),
    Case(55, "a missing variable", layer(**{"d/kernel:0": KERNEL}), "QC502", 4),
    Case(55, "a variable too many", layer(**{"d/kernel:0": KERNEL, "d/bias:0": BIAS,
         "d/e:0": BIAS}),
         "QC502", 4),
    Case(55, "swapped", layer(**{"d/bias:0": BIAS, "d/kernel:0": KERNEL}), "QC502", 4, "the order"),
    Case(55, "listed and missing", listed("weight_names", ["d/kernel:0", "nope"]),
         "QC502", 4, "nope"),
    Case(55, "up and down", listed("weight_names", ["../d/d/kernel:0"]), "QC502", 4, "'../d"),
    Case(55, "absolute", listed("weight_names", ["/model_weights/d/d/kernel:0"]), "QC502", 4),
    Case(55, "no list of variables", without("weight_names", "model_weights/d"),
         "QC514", 4, "no list"),
    Case(55, "no list of layers", without("layer_names", "model_weights"),
         "QC506", 4, "no weights"),
    Case(30, "a stored layer twice", listed("layer_names", ["x", "d", "d"], "model_weights"),
         "QC312", 4),
    Case(55, "a name with a zero in it", listed(
        "layer_names", np.array([b"x", b"d\0e", b"a"]), "model_weights"), "QC502", 4),
    Case(55, "no weights", hdf5(change=no_group), "QC506", 4, "no weights"),
    Case(56, "NaN", with_kernel(NAN), "QC503", 4, "1 NaN or infinity, the first at (1, 1)"),
    Case(56, "infinity", with_kernel(INFINITE), "QC503", 4, "the first at (3, 0)"),
    *(
        Case(57, f"{dtype}", with_kernel(np.ones((4, 2), dtype)), "QC504", exit_code)
        for dtype, exit_code in (
            ("f2", 3), ("f8", 3), ("c8", 4), ("?", 4), ("S3", 4), ("g", 4),
        )
    ),
    Case(57, "whole numbers", with_kernel(np.ones((4, 2), "i8")), "QC502", 4, "int64 (4, 2)"),
    Case(57, "a compound", with_kernel(np.ones((4, 2), [("a", "f4")])), "QC504", 4),
    Case(57, "of variable length", instead(lambda f: f.create_dataset(
        KERNEL_PATH, (4, 2), h5py.vlen_dtype("f4"))), "QC504", 4),
    Case(57, "references", instead(lambda f: f.create_dataset(
        KERNEL_PATH, (4, 2), h5py.ref_dtype)), "QC504", 4),
    Case(57, "texts", instead(lambda f: f.create_dataset(
        KERNEL_PATH, (4, 2), h5py.string_dtype())), "QC504", 4),
    Case(57, "a group", instead(lambda f: f.create_group(KERNEL_PATH)), "QC514", 4),
    Case(57, "a type", instead(lambda f: f.__setitem__(KERNEL_PATH, np.dtype("f4"))), "QC514", 4),
)  # fmt: skip
