"""Time and memory of the command line on a model of about 1 MB, next to TensorFlow and tf2onnx.

Then those of ``qconvert export`` alone on models of up to 200 MB: of more and more layers, and of
one layer that is wider and wider. Both have to grow no faster than the file; of time this is
judged by that of the processor.

Every run is a process of its own; runs of different programs take turns, so that a slow spell
of the machine hits all of them. Exits 1 where a limit is missed. Measure on an idle machine.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.benched.runs import MEGABYTE, Program, Result, Sample, measure, run
from scripts.benched.tables import Rows, as_markdown, as_text

BUILD_MODEL: Final = """
import sys, tf_keras, qkeras
tf_keras.utils.set_random_seed(1)
bits = dict(kernel_quantizer="quantized_bits(4, 0, alpha=1)",
            bias_quantizer="quantized_bits(4, 0, alpha=1)")
layers = [tf_keras.layers.InputLayer((32, 32, 3)), qkeras.QActivation("quantized_bits(8, 0)")]
for filters in (32, 64, 128):
    layers += [qkeras.QConv2D(filters, 3, padding="same", **bits),
               qkeras.QActivation("quantized_relu(4)"), tf_keras.layers.MaxPooling2D()]
layers += [tf_keras.layers.Flatten(), qkeras.QDense(80, **bits),
           qkeras.QActivation("quantized_relu(4)"), qkeras.QDense(10, **bits)]
tf_keras.Sequential(layers).save(sys.argv[1], include_optimizer=False)
"""

#: A first layer of 256 channels, and further ones of 2.4 MB each; or one of so many units.
BUILD_SIZES: Final = """
import sys, tf_keras, qkeras
bits = dict(kernel_quantizer="quantized_bits(4, 0, alpha=1)",
            bias_quantizer="quantized_bits(4, 0, alpha=1)")

def saved(name, shape, layers):
    first = [tf_keras.layers.InputLayer(shape), qkeras.QActivation("quantized_bits(8, 0)")]
    model = tf_keras.Sequential([*first, *layers])
    model.save(f"{sys.argv[1]}/{name}.h5", include_optimizer=False)

for size in map(int, sys.argv[2:]):
    deep = [layer for _ in range(max(1, round(size / 2.36)))
            for layer in (qkeras.QConv2D(256, 3, padding="same", **bits),
                          qkeras.QActivation("quantized_relu(4)"))]
    saved(f"deep-{size}", (16, 16, 256), deep)
    saved(f"wide-{size}", (1024,), [qkeras.QDense(round(size * 1e6 / 4096), **bits)])
"""

SIZES: Final = (1, 50, 100, 200)
KINDS: Final = ("deep", "wide")
#: The last megabytes may take so many times what the first ones take.
MOST_GROWTH: Final = 1.5
#: So many times as fast as to load the model in TensorFlow, and as tf2onnx.
LEAST_RATIO: Final = 10.0

LOAD_MODEL: Final = """
import sys, qkeras
model = qkeras.utils.load_qmodel(sys.argv[1], compile=False)
"""

CONVERT_WITH_TF2ONNX: Final = (
    LOAD_MODEL
    + """
import tensorflow as tf, tf2onnx
signature = [tf.TensorSpec(i.shape, i.dtype, name=i.name) for i in model.inputs]
tf2onnx.convert.from_function(tf.function(lambda x: model(x, training=False)), signature,
                              opset=13, output_path=sys.argv[2])
"""
)


def python(code: str, *arguments: Path) -> tuple[str, ...]:
    """The command that runs *code* in a fresh interpreter."""
    return (sys.executable, "-c", code, *map(str, arguments))


def qconvert(*arguments: str | Path) -> tuple[str, ...]:
    """A command line of qconvert."""
    return (sys.executable, "-m", "qconvert", *map(str, arguments))


def programs(model: Path, folder: Path) -> tuple[Program, ...]:
    """Everything that is measured on *model*."""
    ours, theirs = folder / "qconvert.onnx", folder / "tf2onnx.onnx"
    export = qconvert("export", model, "-o", ours, "--force")
    return (
        Program("import numpy, h5py, onnx", python("import numpy, h5py, onnx")),
        Program("qconvert --help", qconvert("--help"), seconds_limit=0.2),
        Program("qconvert export", export, seconds_limit=1.0, peak_limit=150 * MEGABYTE),
        Program("TensorFlow loads the model", python(LOAD_MODEL, model)),
        Program("tf2onnx converts it", python(CONVERT_WITH_TF2ONNX, model, theirs)),
    )


def rows(results: Sequence[Result], unit: Result) -> Rows:
    """One a program behind the header; ratios are to *unit*."""
    header = ("program", "seconds", "ratio", "peak MB", "ratio", "limits")
    return [header, *(_row(result, unit.median) for result in results)]


def _row(result: Result, unit: Sample) -> Sequence[str]:
    sample = result.median
    return (
        result.program.name,
        f"{sample.seconds:.3f}",
        f"{sample.seconds / unit.seconds:.2f}",
        f"{sample.peak / MEGABYTE:.0f}",
        f"{sample.peak / unit.peak:.2f}",
        limits(result),
    )


def limits(result: Result) -> str:
    """What the program promises, and whether it kept it."""
    program = result.program
    promised = []
    if program.seconds_limit is not None:
        promised.append(f"{program.seconds_limit} s")
    if program.peak_limit is not None:
        promised.append(f"{program.peak_limit // MEGABYTE} MB")
    if not promised:
        return ""
    return f"{'within' if result.within_limits else 'MISSES'} {', '.join(promised)}"


def too_slow(results: Sequence[Result], unit: Result) -> list[str]:
    """The others that *unit* is not so much faster than as it promises."""
    others = [each for each in results if each.program.name.startswith(("TensorFlow", "tf2onnx"))]
    return [
        f"MISSES {LEAST_RATIO:g} times as fast as: {each.program.name}"
        for each in others
        if each.median.seconds < LEAST_RATIO * unit.median.seconds
    ]


def sized(folder: Path, sizes: Sequence[int]) -> tuple[Program, ...]:
    """The export of a model of each kind and size, in MB of weights."""
    run((*python(BUILD_SIZES, folder), *map(str, sizes)))
    names = [f"{kind}-{size}" for kind in KINDS for size in sizes]
    return tuple(
        Program(name, qconvert("export", folder / f"{name}.h5", "-o", folder / "o.onnx", "--force"))
        for name in names
    )


def growth_rows(results: Sequence[Result]) -> Rows:
    """One a model of *sized* behind the header."""
    return [
        ("model", "seconds", "of the processor", "peak MB"),
        *(
            (
                each.program.name,
                f"{each.median.seconds:.3f}",
                f"{each.median.processor:.3f}",
                f"{each.median.peak / MEGABYTE:.0f}",
            )
            for each in results
        ),
    ]


def slopes(sizes: Sequence[int], results: Sequence[Result]) -> tuple[list[str], bool]:
    """A line for time and one for memory of each kind, and whether all grow as lines do."""
    lines, straight = [], True
    for number, kind in enumerate(KINDS):
        found = results[number * len(sizes) : (number + 1) * len(sizes)]
        seconds = [each.median.processor for each in found]
        peaks = [each.median.peak / MEGABYTE for each in found]
        for unit, values in (("s", seconds), ("MB", peaks)):
            text, fits = slope(sizes, values, unit)
            lines.append(f"- {kind}: {text}")
            straight = straight and fits
    return lines, straight


def slope(sizes: Sequence[int], values: Sequence[float], unit: str) -> tuple[str, bool]:
    """How much a megabyte takes, and whether the last ones take little more than the first."""
    last = (values[-1] - values[-2]) / (sizes[-1] - sizes[-2])
    first = (values[-2] - values[0]) / (sizes[-2] - sizes[0])
    mean = statistics.linear_regression(sizes, values).slope
    straight = last <= MOST_GROWTH * first
    kept = "within" if straight else "MISSES"
    text = f"{mean:.4f} {unit} a MB of weights; the last take {last / first:.2f} times as much"
    return f"{text} as the first, {kept} {MOST_GROWTH:g}", straight


def main() -> int:
    """Build the models, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="how often each program is run")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="MB, three or more")
    parser.add_argument("--markdown", action="store_true", help="tables as in docs/BENCH.md")
    options = parser.parse_args()
    table = as_markdown if options.markdown else as_text
    with tempfile.TemporaryDirectory() as name:
        folder, runs = Path(name), options.runs
        model = folder / "model.h5"
        run(python(BUILD_MODEL, model))
        print(f"model.h5: {model.stat().st_size / MEGABYTE:.2f} MB; medians of {runs} runs")
        results = measure(programs(model, folder), runs)
        unit = next(result for result in results if result.program.name == "qconvert export")
        slow = too_slow(results, unit)
        print("\n".join(["", table(rows(results, unit)), "", *slow]), flush=True)
        grown = measure(sized(folder, options.sizes), runs)
        lines, straight = slopes(options.sizes, grown)
        print("\n".join([table(growth_rows(grown)), "", *lines]))
    return 0 if straight and not slow and all(result.within_limits for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
