import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Tree

import numpy as np
import pytest
from safetensors.numpy import load

import qconvert
from qconvert import api
from qconvert.errors import UsageError
from qconvert.ir import F32, Graph, Input, Layer, Node, Output, Quantizer, Weight
from qconvert.ir.ops import Relu
from qconvert.ir.quantizers import Alpha, QuantizedBits
from qconvert.numerics import quantize
from qconvert.report.effective import EffectiveWeights
from qconvert.report.weights import METADATA, read_metadata, serialized

DATA = Path(__file__).parents[1] / "data"
#: Starts with other seeds of hashes each time, as processes do.
WRITE = "from qconvert import api; import sys; api.save_weights(*sys.argv[1:3])"


def graph_of(raw: F32, quantizer: Quantizer | None) -> Graph:
    effective = raw if quantizer is None else quantize(quantizer, raw)
    layer = Layer("fc", "QDense", "fc", {"kernel": Weight(raw, effective, quantizer)})
    node = Node("fc", Relu(), ("x",), (None, 1))
    return Graph("g", (Input("x", (None, 1)),), (node,), (Output("y", "fc"),), (layer,))


def written(raw: F32, quantizer: Quantizer | None) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = load(
        serialized(graph_of(raw, quantizer), None, Path("w.safetensors"))
    )
    return arrays


def test_a_notebook_shows_effective_weights_as_a_table() -> None:
    weights = qconvert.effective_weights(DATA / "jet_mlp.h5")
    root = Tree.fromstring(weights._repr_html_())
    rows = [[cell.text or "" for cell in row] for row in root.iter("tr")]
    assert rows[0][0] == "weight"
    shown = {row[0]: row for row in rows[1:]}
    for layer, roles in weights.items():
        for role, array in roles.items():
            row = shown.pop(f"{layer}/{role}")
            assert row[1] == "x".join(map(str, array.shape))
            assert row[3].split(" of ")[0] == str(len(np.unique(array)))
    assert not shown


def test_names_of_layers_are_text_in_the_table() -> None:
    name = "<script>alert(1)</script>\x1b[31m\u202e"
    (layer,) = graph_of(np.ones((1, 2), np.float32), None).layers
    shown = EffectiveWeights([replace(layer, name=name)])._repr_html_()
    assert "<script" not in shown and "\x1b" not in shown and "\u202e" not in shown
    assert "&lt;script&gt;alert(1)" in shown


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_a_file_has_the_numbers_the_codes_and_what_the_model_stores(
    tmp_path: Path, suffix: str
) -> None:
    model, path = DATA / "jet_mlp.h5", tmp_path / f"w.{suffix}"
    assert api.save_weights(model, path) == 8
    arrays = dict(np.load(path)) if suffix == "npz" else load(path.read_bytes())
    arrays.pop(METADATA, None)
    graph = api.load(model)
    assert len(arrays) == 4 * 8
    for layer in graph.layers:
        for role, weight in layer.weights.items():
            name = f"{layer.name}/{role}"
            np.testing.assert_array_equal(arrays[name], weight.effective)
            np.testing.assert_array_equal(arrays[f"{name}:raw"], weight.raw)
            codes, scale = arrays[f"{name}:codes"], arrays[f"{name}:scale"]
            assert codes.dtype == np.int8
            np.testing.assert_array_equal(codes * scale, weight.effective)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_a_file_tells_its_model_and_quantizers(tmp_path: Path, suffix: str) -> None:
    model, path = DATA / "jet_mlp.h5", tmp_path / f"w.{suffix}"
    api.save_weights(model, path)
    found = read_metadata(path)
    assert found["schema"] == "qconvert.weights/1"
    assert found["source"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert found["weights"]["fc1/kernel"] == {
        "quantizer": "QuantizedBits(bits=6, alpha=1.0)",
        "bits": 6,
        "exact": True,
    }


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_every_process_writes_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for number in range(3):
        model, path = str(DATA / "jet_mlp.h5"), str(tmp_path / f"{number}.{suffix}")
        command: list[str] = [sys.executable, "-c", WRITE, model, path]
        subprocess.run(command, check=True)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize(
    ("largest", "smallest", "kind"),
    [(127, -128, "int8"), (255, 0, "uint8"), (255, -1, "int16"), (1 << 15, 0, "uint16")],
)
def test_codes_are_the_smallest_integers(largest: int, smallest: int, kind: str) -> None:
    raw = np.array([[largest], [smallest], [1]], np.float32)
    assert written(raw, None)["fc/kernel:codes"].dtype == kind


@pytest.mark.parametrize(("alpha", "exact"), [("auto", True), (0.3, False)])
def test_codes_of_other_scales_are_there_and_said_to_be_rounded(
    tmp_path: Path, alpha: Alpha, exact: bool
) -> None:
    """QKeras adds the raw weight and subtracts it again behind the product, which may round."""
    raw = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
    path = tmp_path / "w.safetensors"
    path.write_bytes(serialized(graph_of(raw, QuantizedBits(6, 0, alpha=alpha)), None, path))
    arrays = load(path.read_bytes())
    codes, scale, kernel = (arrays[f"fc/kernel{part}"] for part in (":codes", ":scale", ""))
    assert codes.dtype == np.dtype("int8")
    assert scale.shape == ((1, 4) if alpha == "auto" else ())
    np.testing.assert_array_equal(np.rint(kernel / scale), codes)
    assert np.array_equal(codes * scale, kernel) is exact
    assert read_metadata(path)["weights"]["fc/kernel"]["exact"] is exact


def test_floats_have_no_codes() -> None:
    raw = np.array([[1.0], [1e-30]], np.float32)
    assert written(raw, None).keys() == {"fc/kernel", "fc/kernel:raw"}


def test_weights_without_axes_and_in_other_orders_are_written_as_they_are() -> None:
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    np.testing.assert_array_equal(written(turned, None)["fc/kernel"], turned)
    scalar = np.array(1.5, np.float32)
    assert written(scalar, None)["fc/kernel"].shape == ()


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_a_suffix_may_be_in_capitals(suffix: str) -> None:
    graph = graph_of(np.ones(2, np.float32), None)
    files = [serialized(graph, None, Path(f"w.{each}")) for each in (suffix, suffix.upper())]
    assert files[0] == files[1]


@pytest.mark.parametrize("name", ["w.bin", "w", "w.npy"])
def test_another_suffix_is_refused_before_anything_is_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.npz or \.safetensors"):
        api.save_weights(tmp_path / "missing.h5", tmp_path / name)
