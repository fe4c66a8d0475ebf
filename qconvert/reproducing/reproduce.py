"""Shows what an ONNX file gives and what it should give; needs numpy and onnxruntime.

python reproduce.py [ONNX]   exits 1 while they differ, 0 once they are equal
"""

import json
import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime

Array: TypeAlias = np.ndarray[Any, Any]
Arrays: TypeAlias = dict[str, Array]
About: TypeAlias = dict[str, Any]

HERE = Path(__file__).resolve().parent
MOST = 20


def run(path: Path, fed: Arrays, *, optimized: bool) -> Arrays:
    """All outputs of the file by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, fed), strict=True))


def as_keras(result: About, outputs: Arrays, *, optimized: bool) -> Array:
    """A result with its axes in Keras's order; codes as the numbers that they stand for."""
    codes = result["codes"]
    if codes is None or not (optimized or result["tensor"] is None):
        value = outputs[result["tensor"]]
    else:
        steps = outputs[codes["tensor"]].astype(np.float64) - codes["zero_point"]
        value = np.ldexp(steps, codes["exp"]).astype(np.float32)
    return value if result["perm"] is None else np.transpose(value, result["perm"])


def wrong(found: Array, expected: Array, rounding: Array) -> Array:
    """Where they differ by more than correct programs may round; NaN equals NaN."""
    if found.shape != expected.shape:
        return np.ones(expected.shape, bool)
    with np.errstate(invalid="ignore"):
        far = ~(np.abs(found.astype(np.float64) - expected) <= rounding)
    differ: Array = far & (found != expected) & ~(np.isnan(found) & np.isnan(expected))
    return differ


def show_inputs(about: About, values: Arrays) -> None:
    """The numbers that are not 0."""
    for number, name in enumerate(about["inputs"]):
        array = values[f"input/{number}"]
        places = np.argwhere(array)
        print(f"input {name} {array.shape}: {len(places)} of {array.size} are not 0")
        for place in places[:MOST]:
            print(f"  {place.tolist()} = {array[tuple(place)]!s}")
        if len(places) > MOST:
            print(f"  and {len(places) - MOST} more")


def show_terms(then: list[str], values: Arrays) -> None:
    """The sum that makes the expected value."""
    total = np.float64(0)
    for x, at, weight, place in zip(
        values["term/input"],
        values["term/input_index"].tolist(),
        values["term/kernel"],
        values["term/kernel_index"].tolist(),
        strict=True,
    ):
        product = np.float64(x) * np.float64(weight)
        total += product
        print(f"  input {at} {x!s} * kernel {place} {weight!s} = {product!s}")
    for bias in values["term/bias"]:
        total += bias
        print(f"  bias {bias!s}")
    print(f"  sum {total!s}", *then, sep=", then ")


def compare(path: Path, about: About, values: Arrays) -> bool:
    """Print what was found for each result; whether any of it is wrong."""
    with np.load(HERE / "inputs.npz") as inputs:
        fed = dict(inputs)
    runs = {"optimizations off": False, "as deployed": True}
    ran = {kind: run(path, fed, optimized=optimized) for kind, optimized in runs.items()}
    differ = False
    for number, result in enumerate(about["results"]):
        expected, rounding = values[f"expected/{number}"], values[f"rounding/{number}"]
        found = {
            kind: as_keras(result, ran[kind], optimized=optimized)
            for kind, optimized in runs.items()
        }
        masks = {kind: wrong(y, expected, rounding) for kind, y in found.items()}
        places = [np.argwhere(mask)[0] for mask in masks.values() if mask.any()]
        chosen = result["index"] or (places[0] if places else [0] * expected.ndim)
        at = tuple(int(i) for i in chosen)
        print(f"{result['name']} at {list(at)}")
        print(f"  expected {expected[at]!s} ({about['by']})")
        if result["index"] and "term/input" in values:
            show_terms(about["then"], values)
        for kind, y in found.items():
            shown = f"{y[at]!s}" if y.shape == expected.shape else f"shape {y.shape}"
            count = f"{np.count_nonzero(masks[kind])} of {expected.size} elements differ"
            print(f"  found    {shown} ({kind}): {count}")
        if rounding.any():
            print(f"  rounding explains up to {rounding[at]!s} there")
        differ = differ or bool(places)
    return differ


def main(path: Path) -> int:
    """Compare, and tell."""
    about = json.loads((HERE / "reproducer.json").read_text(encoding="utf-8"))
    with np.load(HERE / "values.npz") as arrays:
        values = dict(arrays)
    print(about["title"])
    show_inputs(about, values)
    differ = compare(path, about, values)
    print("they DIFFER" if differ else "they are equal")
    return int(differ)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else HERE / "reproducer.onnx"))
