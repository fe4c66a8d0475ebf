"""What it costs that a model is parsed in a process of its own, with all checks.

Two programs take turns, each a new process: one reads the file as `qconvert.load` does, the other
with h5py in its own process and without any check. Both hash the file and touch every number, and
both have imported NumPy before the clock starts; the import of h5py and the start of the other
process count. Of ONNX files (--format onnx) the other program is onnx with its checker, and both
have imported it. Prints the medians, and the median of the ratios and differences within a round.

    .venv/bin/python scripts/bench_reader.py --megabytes 100 --rounds 15
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

_ROOT: Final = Path(__file__).resolve().parents[1]
_TIMED: Final = """
import sys, time
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
{imports}
begin = time.perf_counter()
{program}
print(time.perf_counter() - begin, total)
"""
_ISOLATED: Final = _TIMED.format(
    imports="from qconvert.modelfile import read_model",
    program="""
weights = read_model(Path(sys.argv[1])).weights
total = sum(float(w.value.max()) for stored in weights.values() for w in stored)
""",
)
_ALONE: Final = _TIMED.format(
    imports="import hashlib, io, json",
    program="""
import h5py
data = Path(sys.argv[1]).read_bytes()
hashlib.sha256(data).hexdigest()
total = 0.0
with h5py.File(io.BytesIO(data), "r") as file:
    json.loads(file.attrs["model_config"])
    group = file["model_weights"]
    for name in group.attrs["layer_names"]:
        for weight in group[name].attrs["weight_names"]:
            total += float(group[name][weight][()].max())
""",
)
_ISOLATED_ONNX: Final = _TIMED.format(
    imports="import onnx\nfrom qconvert.checking.onnx_file import read_onnx",
    program="""
model, _ = read_onnx(Path(sys.argv[1]))
total = sum(float(onnx.numpy_helper.to_array(each).max()) for each in model.graph.initializer)
""",
)
_ALONE_ONNX: Final = _TIMED.format(
    imports="import hashlib, onnx, onnx.checker",
    program="""
data = Path(sys.argv[1]).read_bytes()
hashlib.sha256(data).hexdigest()
model = onnx.load_model_from_string(data)
onnx.checker.check_model(model)
total = sum(float(onnx.numpy_helper.to_array(each).max()) for each in model.graph.initializer)
""",
)


def written(path: Path, megabytes: int) -> None:
    """A model of dense layers of 4 MB each, by the process that writes clean files."""
    import numpy as np

    from qconvert.modelfile import Json, ModelFile, StoredWeight
    from qconvert.modelfile.clean import write_clean
    from qconvert.modelfile.contents import ByName, Contents, StoredModel
    from qconvert.modelfile.magic import Format

    rng = np.random.default_rng(0)
    names = [f"dense_{i}" for i in range(max(1, megabytes // 4))]
    layers: list[Json] = [{"class_name": "Dense", "config": {"name": name}} for name in names]
    config: dict[str, Json] = {"class_name": "Sequential", "config": {"layers": layers}}
    stored = {
        name: (StoredWeight(f"{name}/kernel:0", rng.random((1000, 1000), np.float32)),)
        for name in names
    }
    contents = Contents(None, ByName(stored), group="model_weights")
    model = ModelFile(
        path, None, "", None, config, stored, (), StoredModel(Format.HDF5, config, contents)
    )
    write_clean(model, path.parent).model.rename(path)


def written_onnx(path: Path, megabytes: int) -> None:
    """The same as ONNX."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(0)
    names = [f"dense_{i}" for i in range(max(1, megabytes // 4))]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 1000])
        for name in ("x", names[-1])
    ]
    nodes = [
        helper.make_node("MatMul", [before, f"{name}/kernel"], [name])
        for before, name in zip(["x", *names], names, strict=False)
    ]
    kernels = [
        numpy_helper.from_array(rng.random((1000, 1000), np.float32), f"{name}/kernel")
        for name in names
    ]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], kernels)), path)


_FORMATS: Final = {
    "h5": (written, _ISOLATED, _ALONE),
    "onnx": (written_onnx, _ISOLATED_ONNX, _ALONE_ONNX),
}


def seconds(program: str, path: Path) -> tuple[float, str]:
    """What a new process takes, and the sum of numbers that it found."""
    command = [sys.executable, "-c", program, str(path), str(_ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, total = done.stdout.split()
    return float(taken), total


def main() -> None:
    """Measure in rounds, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--format", choices=_FORMATS, default="h5")
    arguments = parser.parse_args()
    write, with_reader, without = _FORMATS[arguments.format]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"large.{arguments.format}"
        write(path, arguments.megabytes)
        print(f"{path.stat().st_size / 1e6:.0f} MB, {arguments.rounds} rounds")
        rounds = [
            (seconds(with_reader, path), seconds(without, path)) for _ in range(arguments.rounds)
        ]
    assert all(one[1] == other[1] for one, other in rounds)
    isolated, alone = ([one[0] for one in side] for side in zip(*rounds, strict=True))
    pairs = list(zip(isolated, alone, strict=True))
    print(f"isolated    {statistics.median(isolated):.3f} s (fastest {min(isolated):.3f})")
    print(f"in-process  {statistics.median(alone):.3f} s (fastest {min(alone):.3f})")
    print(f"difference  {statistics.median(a - b for a, b in pairs):+.3f} s")
    print(f"ratio       {statistics.median(a / b for a, b in pairs):.2f}")


if __name__ == "__main__":
    main()
