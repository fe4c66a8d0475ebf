"""Architectures that are no JSON, or JSON of more than one meaning."""

import json

import h5py
import numpy as np

from tests.hostile.building import WEIGHTS, hdf5, layers, model
from tests.hostile.case import Case, Make, bytes_of

TEXT = json.dumps(model())
UNITS = "at config.layers[1].config.units"


def spoiled(old: str, new: str) -> Make:
    assert old in TEXT
    return hdf5(TEXT.replace(old, new, 1))


def attribute(value: object) -> Make:
    def change(file: h5py.File) -> None:
        file.attrs["model_config"] = value

    return hdf5(change=change)


def without_config(file: h5py.File) -> None:
    del file.attrs["model_config"]


def cut_names(file: h5py.File) -> None:
    group = file["model_weights"]
    del group.attrs["layer_names"]
    for i, name in enumerate(WEIGHTS):
        group.attrs[f"layer_names{i}"] = [name.encode()]


def unlisted(config: dict[str, object]) -> None:
    layers(config)  # there are some
    config["config"] = {"name": "m"}


CASES = (
    Case(21, "a text", attribute(TEXT), "", 0),
    Case(21, "bytes", attribute(TEXT.encode()), "", 0),
    Case(21, "a text of fixed length", attribute(np.bytes_(TEXT)), "", 0),
    Case(21, "a list of one text", attribute([TEXT]), "", 0),
    Case(22, "names in pieces", hdf5(change=cut_names), "", 0),
    Case(12, "weights only", hdf5(change=without_config), "QC201", 3, "save with model.save()"),
    Case(13, "no JSON", hdf5("hello"), "QC202", 4, "line 1, column 1"),
    Case(13, "half a JSON", hdf5(TEXT[:100]), "QC202", 4, "line 1, column"),
    Case(13, "a comma too many", spoiled("[null, 4]", "[null, 4,]"), "QC202", 4, "line 1, column"),
    Case(13, "a control character", spoiled('"x"', '"x\1"'), "QC202", 4, "control character"),
    Case(14, "a list", hdf5("[]"), "QC203", 4, "not an object"),
    Case(14, "a text in JSON", hdf5('"x"'), "QC203", 4, "not an object"),
    Case(14, "null", hdf5("null"), "QC203", 4, "not an object"),
    Case(14, "an empty object", hdf5("{}"), "QC203", 4, "not a Keras model"),
    Case(32, "no list of layers", hdf5(model(unlisted)), "QC313", 4, "lists no layers"),
    Case(15, "lists 30,000 deep", hdf5("[" * 30000 + "]" * 30000),
         "QC204", 4, "--limit json-depth"),
    Case(15, "objects 30,000 deep", hdf5('{"a":' * 30000), "QC204", 4, "--limit json-depth"),
    Case(15, "an architecture 100 deep", bytes_of(b'{"a":' * 100 + b"1" + b"}" * 100, "a.json"),
         "QC204", 4, "--limit json-depth"),
    Case(16, "5,000 digits", spoiled('"units": 2', '"units": ' + "9" * 5000), "QC205", 4,
         f"{UNITS}: the integer 99999"),
    Case(16, "65 bits", spoiled('"units": 2', f'"units": {1 << 64}'), "QC205", 4, str(1 << 64)),
    Case(17, "NaN", spoiled('"units": 2', '"units": NaN'), "QC206", 4, f"{UNITS}: NaN is"),
    Case(17, "infinity", spoiled('"units": 2', '"units": -Infinity'), "QC206", 4, "-Infinity"),
    Case(17, "1e999", spoiled('"units": 2', '"units": 1e999'), "QC206", 4, f"{UNITS}: the"),
    Case(18, "a key twice", spoiled('"units": 2', '"units": 2, "units": 3'), "QC207", 4,
         "at config.layers[1].config: the key 'units'"),
    Case(19, "33 MiB of blanks", hdf5(" " * (33 << 20)), "QC208", 7, "--limit config-bytes"),
    Case(19, "a large architecture", hdf5(),
         "QC208", 7, "--limit config-bytes", {"config-bytes": 99}),
    Case(20, "no UTF-8", hdf5(TEXT.encode().replace(b'"x"', b'"\xff"')), "QC209", 4, "not UTF-8"),
    *(
        Case(20, f"an architecture in {encoding}", bytes_of(TEXT.encode(encoding), "a.json"),
             "QC209", 4, f"{told}: save it as UTF-8, without a mark")
        for encoding, told in (
            ("utf-8-sig", "UTF-8 with a byte order mark"),
            ("utf-16", "UTF-16"),
            ("utf-16-le", "UTF-16"),
            ("utf-16-be", "UTF-16"),
            ("utf-32", "UTF-32"),
        )
    ),
    Case(20, "half a surrogate", spoiled('"linear"', '"\\ud800"'), "QC209", 4, "lone surrogate"),
    Case(21, "a number", attribute(1), "QC212", 4, "is not text"),
    Case(21, "two texts", attribute([TEXT, TEXT]), "QC212", 4, "not a text"),
    Case(21, "bytes of no type", attribute(np.void(TEXT.encode())), "QC212", 4, "is not text"),
    Case(21, "nothing", attribute(h5py.Empty("S1")), "QC212", 4, "not text"),
    Case(12, "an architecture alone", bytes_of(TEXT.encode(), "a.json"),
         "QC210", 4, "without weights"),
)  # fmt: skip
