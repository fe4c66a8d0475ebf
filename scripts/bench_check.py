"""What the parts of a check take on a quantized ResNet-8 for CIFAR-10, 78,666 parameters.

The model of MLPerf Tiny's image classification, with weights of 4 and activations of 4 bits,
batch normalization before every quantizer and pixels of ``uint8/255``. Each run is a process of
its own; the table has the medians. Proofs are all parts but those that a check of samples has.
Exits 1 where they take longer than they may. Measure on an idle machine.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

PROOFS: Final = ("proofs", "layers by themselves", "tables")
MOST_SECONDS: Final = 60.0

BUILD_MODEL: Final = """
import os; os.environ["TF_USE_LEGACY_KERAS"] = "1"
import sys, numpy as np, tf_keras, qkeras
from tf_keras import layers as stock
tf_keras.utils.set_random_seed(1)
bits = dict(kernel_quantizer="quantized_bits(4, 0, alpha=1)", use_bias=False, padding="same")

def conv(x, filters, size, strides=1):
    return stock.BatchNormalization()(qkeras.QConv2D(filters, size, strides=strides, **bits)(x))

def act(x):
    return qkeras.QActivation("quantized_relu(4, 2)")(x)

x = source = stock.Input((32, 32, 3))
x = act(conv(x, 16, 3))
for filters, strides in ((16, 1), (32, 2), (64, 2)):
    y = conv(act(conv(x, filters, 3, strides)), filters, 3)
    x = x if strides == 1 else conv(x, filters, 1, strides)
    x = act(stock.Add()([x, y]))
x = stock.Flatten()(stock.AveragePooling2D(8)(x))
x = qkeras.QDense(10, kernel_quantizer="quantized_bits(8, 0, alpha=1)",
                  bias_quantizer="quantized_bits(8, 0, alpha=1)")(x)
model = tf_keras.Model(source, x)
random = np.random.default_rng(0)
for variable in model.weights:
    shape = tuple(variable.shape)
    if "variance" in variable.name:
        variable.assign(random.uniform(0.25, 2, shape))
    elif "gamma" in variable.name:
        variable.assign(random.uniform(0.5, 1.5, shape))
    elif len(shape) > 1:
        variable.assign(random.normal(0, np.sqrt(2 / np.prod(shape[:-1])) + 0.05, shape))
    else:
        variable.assign(random.normal(0, 0.25, shape))
model.save(sys.argv[1], include_optimizer=False)
"""


def checked(model: Path, report: Path, samples: int) -> Mapping[str, object]:
    """The report of one check of *model*."""
    command = [sys.executable, "-m", "qconvert", "check", model, "--domain", "uint8/255"]
    options = ["--samples", str(samples), "--json", report, "--force"]
    subprocess.run([*map(str, (*command, *options))], check=True, stdout=subprocess.DEVNULL)
    result: Mapping[str, object] = json.loads(report.read_bytes())
    return result


def table(reports: Sequence[Mapping[str, object]]) -> float:
    """Print the median of each part; the sum of those that prove."""
    parts: dict[str, list[float]] = {}
    for report in reports:
        seconds = report["seconds"]
        assert isinstance(seconds, Mapping)
        for name, value in seconds.items():
            parts.setdefault(name, []).append(value)
    for name, values in parts.items():
        print(f"{statistics.median(values):8.2f} s  {name}")
    return sum(statistics.median(parts[name]) for name in PROOFS)


def main() -> int:
    """Build the model, check it again and again, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        model, report = Path(name) / "resnet8.h5", Path(name) / "report.json"
        subprocess.run([sys.executable, "-c", BUILD_MODEL, str(model)], check=True)
        reports = [checked(model, report, options.samples) for _ in range(options.runs)]
    verdicts: dict[str, int] = {}
    layers = reports[0]["layers"]
    assert isinstance(layers, list)
    for layer in layers:
        how = layer["proof"]["method"] if layer["proof"] else layer["verdict"]
        verdicts[how] = verdicts.get(how, 0) + 1
    print(", ".join(f"{count} {how}" for how, count in verdicts.items()))
    proofs = table(reports)
    print(f"{proofs:8.2f} s  for proofs, TensorFlow's part included; {MOST_SECONDS:.0f} at most")
    return int(proofs > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
