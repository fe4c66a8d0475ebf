"""The rule about CPUs without VNNI, and what one of them computes.

valgrind shows programs a CPU with AVX2 and nothing newer, and computes as it would.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper, numpy_helper

from qconvert.checking.deployed.deployed_graph import inspect_deployed
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.saturation import condition_of
from qconvert.checking.inputs import seeded
from qconvert.runners import OrtRunner
from tests.checking.deployed_models import FILES, exported, graph_of

Array: TypeAlias = npt.NDArray[Any]

OPTION: Final = "session.x64quantprecision=1"
SCRIPT: Final = Path(__file__).with_name("run_files.py")
TYPES: Final = {"u8": np.uint8, "s8": np.int8}
#: Largest codes of weights, signed or around a zero point of 128, or the largest sums of two of a
#: channel, one of which is 127.
WEIGHTS: Final = ("s64", "s65", "s127", "u127", "p128", "p129")
#: All codes of unsigned and signed activations, and unsigned ones that a Clip ends at 127.
ACTIVATIONS: Final = ("u8", "s8", "u7")
OPERATORS: Final = ("MatMul", "Gemm", "Conv")


def model_of(
    nodes: list[onnx.NodeProto], constants: Mapping[str, Array], x: Array, types: tuple[int, int]
) -> onnx.ModelProto:
    """A model of *nodes* from ``x`` to ``y``, elements of *types*."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", types[0], ["N", *x.shape[1:]])],
        [helper.make_tensor_value_info("y", types[1], None)],
        [numpy_helper.from_array(a, name) for name, a in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def kernel_of(operator: str, weights: str, random: np.random.Generator) -> Array:
    """Codes of 8 channels."""
    largest, shape = int(weights[1:]), (8, 16, 3, 3) if operator == "Conv" else (64, 8)
    if weights[0] == "p":
        kernel = np.full(shape, largest - 127)
        rows = kernel if operator == "Conv" else kernel.T
        for row in rows:
            row[np.unravel_index(random.integers(row.size), row.shape)] = 127
        return kernel
    kernel = random.choice([-largest, largest], shape)
    kernel.reshape(8, -1)[0] = largest
    kernel[..., 0] = largest
    return kernel


def quantized(operator: str, weights: str, activations: str) -> tuple[onnx.ModelProto, Array]:
    """A linear operator between dequantized codes, with extreme ones, and its input."""
    random = np.random.default_rng(0)
    zero = np.uint8(128) if weights[0] == "u" else np.int8(0)
    kernel = kernel_of(operator, weights, random)
    x_zero = np.int8(0) if activations == "s8" else np.uint8(0)
    ends = (-128, 127) if activations == "s8" else (0, 255)
    x = random.choice(ends, (4, 16, 6, 6) if operator == "Conv" else (32, 64)).astype(np.float32)
    x[0] = ends[1]
    node = helper.make_node
    clipped = activations == "u7"
    nodes = [
        node("QuantizeLinear", ["x", "scale", "x_zero"], ["codes"]),
        *([node("Clip", ["codes", "", "hi"], ["clipped"])] if clipped else []),
        node(
            "DequantizeLinear", ["clipped" if clipped else "codes", "scale", "x_zero"], ["numbers"]
        ),
        node("DequantizeLinear", ["kernel", "scale", "zero"], ["weights"]),
        node(operator, ["numbers", "weights"], ["products"]),
        node("QuantizeLinear", ["products", "coarse", "x_zero"], ["results"]),
        node("DequantizeLinear", ["results", "coarse", "x_zero"], ["y"]),
    ]
    constants: dict[str, Array] = {
        "kernel": (kernel + int(zero)).astype(zero.dtype),
        "scale": np.array(1, np.float32),
        # Sums are smaller where a channel has one large code, and differ by 128.
        "coarse": np.array(500 if weights[0] == "p" else 2048, np.float32),
        "zero": np.array(zero),
        "x_zero": np.array(x_zero),
        "hi": np.array(127, np.uint8),
    }
    return model_of(nodes, constants, x, (1, 1)), x


def raw(operator: str, weights: str, activations: str) -> tuple[onnx.ModelProto, Array]:
    """ONNX's own product of codes, with all of these."""
    random = np.random.default_rng(0)
    ends = {name: (np.iinfo(t).min, np.iinfo(t).max) for name, t in TYPES.items()}
    shapes = ((4, 16, 6, 6), (8, 16, 3, 3)) if operator == "ConvInteger" else ((32, 64), (64, 8))
    x = random.choice(ends[activations], shapes[0]).astype(TYPES[activations])
    kernel = random.choice(ends[weights], shapes[1]).astype(TYPES[weights])
    x[0], kernel[..., 0] = ends[activations][1], ends[weights][1]
    nodes = [helper.make_node(operator, ["x", "kernel", "x_zero"], ["y"])]
    constants = {"kernel": kernel, "x_zero": np.array(0, TYPES[activations])}
    return model_of(nodes, constants, x, (2 if activations == "u8" else 3, 6)), x


def cases() -> Iterator[tuple[str, onnx.ModelProto, Array]]:
    """Models by name, on both sides of the rule, with their inputs."""
    for one in product(OPERATORS, WEIGHTS, ACTIVATIONS):
        yield "-".join(one), *quantized(*one)
    for one in product(("MatMulInteger", "ConvInteger"), TYPES, TYPES):
        yield "-".join(one), *raw(*one)


def conditions(model: onnx.ModelProto) -> list[str]:
    found = inspect_deployed(LayeredFile(model), OrtRunner(model).optimized())
    return [remark.text for remark in found.conditions]


def write(folder: Path, name: str, model: onnx.ModelProto, **inputs: Array) -> None:
    onnx.save(model, folder / f"{name}.onnx")
    np.savez(folder / f"{name}.npz", allow_pickle=False, **inputs)


def run(folder: Path, *entries: str, emulated: bool) -> dict[str, Array]:
    """The results of the files in *folder*, by file."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        pytest.fail("valgrind, which stands for a CPU without VNNI, is missing: install it")
    results = folder / "results"
    before = [valgrind, "--tool=none", "-q"] if emulated else []
    command = [*before, sys.executable, str(SCRIPT), str(folder), f"{results}.npz", *entries]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    with np.load(f"{results}.npz") as arrays:
        return dict(arrays)


def differing(one: Mapping[str, Array], other: Mapping[str, Array]) -> set[str]:
    assert one and one.keys() == other.keys()
    return {name for name, array in one.items() if not np.array_equal(array, other[name])}


@pytest.mark.parametrize(
    ("kernel", "high", "x_zero", "exact"),
    [
        # 255 * 128 fits in 16 bits, 255 * 129 does not.
        ([[65], [63]], None, 0, True),
        ([[65], [64]], None, 0, False),
        ([[-64], [-64]], None, 0, True),
        ([[-64], [-65]], None, 0, False),
        # No two of one sign; a single weight may be as large as it gets.
        ([[127], [-128]], None, 0, True),
        ([[65], [0], [0], [64]], None, 0, False),
        # By channel.
        ([[65, 65], [1, 1]], None, 0, True),
        ([[127], [127]], 127, 0, True),
        ([[127], [127]], 130, 0, False),
        # What a border is padded with is no smaller than the zero point.
        ([[127], [127]], 127, 200, False),
    ],
)
def test_any_two_products_have_to_fit(
    kernel: list[list[int]], high: int | None, x_zero: int, exact: bool
) -> None:
    arrays = {
        "kernel": np.array(kernel, np.int8),
        "zero": np.array(0, np.int8),
        "x_zero": np.array(x_zero, np.uint8),
    } | ({} if high is None else {"high": np.array(high, np.uint8)})
    make = helper.make_node
    product = ["moved", "kernel", "scale", "scale", "x_zero", "zero"]
    nodes = [
        make("Clip", ["codes", "", "high" if high is not None else ""], ["clipped"]),
        make("Reshape", ["clipped", "shape"], ["moved"]),
        make("MatMulIntegerToFloat", product, ["y"], domain="com.microsoft"),
    ]
    initializers = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = OnnxGraph(helper.make_graph(nodes, "g", [], [], initializers))
    assert (condition_of(nodes[-1], graph) == "") is exact


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    for name, model, x in cases():
        write(folder, name, model, x=x)
    return folder


def test_a_cpu_without_vnni_computes_what_the_rule_says(folder: Path) -> None:
    """Each model that differs there has a condition, and each that has one differs."""
    found = differing(run(folder, emulated=False), run(folder, emulated=True))
    assert found == {name for name, model, _ in cases() if conditions(model)}
    assert {"MatMul-s65-u8", "Conv-s127-s8", "ConvInteger-u8-s8", "MatMulInteger-s8-u8"} <= found
    assert {f"{operator}-p129-u8" for operator in OPERATORS} <= found
    assert not {f"{operator}-p128-u8" for operator in OPERATORS} & found
    assert not {"MatMul-s64-u8", "Conv-u127-s8", "Gemm-s127-u7", "ConvInteger-s8-u8"} & found


def test_the_option_of_the_condition_makes_it_exact(folder: Path) -> None:
    found = differing(run(folder, emulated=False), run(folder, OPTION, emulated=True))
    assert found == {name for name, m, _ in cases() if any(OPTION not in c for c in conditions(m))}
    assert found == {"ConvInteger-u8-s8"}


def test_exported_files_need_no_vnni(tmp_path: Path) -> None:
    """Among them layers with 8-bit weights and all codes of bytes."""
    for file in FILES:
        samples = list(seeded(graph_of(file), 64, 0, {}).batches)
        inputs = {name: np.concatenate([x[name] for x in samples]) for name in samples[0]}
        write(tmp_path, file, exported(file), **inputs)
    assert differing(run(tmp_path, emulated=False), run(tmp_path, emulated=True)) == set()
