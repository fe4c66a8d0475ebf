"""Options and arguments that commands have in common."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict, TypeVar

import click

from qconvert.amounts import MOST_SAMPLES
from qconvert.cli.paths import NamedPath, SourcePath
from qconvert.errors import OutputError
from qconvert.places import output_file

_Command = TypeVar("_Command", bound=Callable[..., None])

#: The verdicts that can be required, and who may convert layers that qconvert does not know.
VERDICTS = ("proven", "bounded", "sampled")
CONVERTERS = ("tf2onnx",)

PATH = SourcePath()
MODEL = click.argument("model", type=PATH)
WEIGHTS = click.option(
    "--weights", "-w", type=PATH, help="Weights (.h5) of a MODEL that is an architecture (.json)."
)
DIALECT = click.option(
    "--dialect",
    type=click.Choice(["qdq", "float"]),
    default="qdq",
    show_default=True,
    help="How quantization is written: QuantizeLinear pairs, or plain float operations.",
)
OPSET = click.option("--opset", type=int, default=21, show_default=True, help="ONNX opset.")
DOMAIN = click.option(
    "--domain", "domains", multiple=True, metavar="INPUT=DOMAIN",
    help="What an input can be: uint8/255, int16, grid(STEP,LO,HI) or float.",
)  # fmt: skip
#: What ``-`` stands for: standard output, which then has nothing else.
STDOUT = Path("/dev/stdout")


class OutputPath(NamedPath):
    """A path that is written to, of a file if not of a *folder*.

    ``./-`` is a file, ``-`` is standard output, if it can be that.
    """

    def __init__(self, *, stdout: bool = False, folder: bool = False) -> None:
        super().__init__()
        self._stdout = stdout
        self._folder = folder

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """The path; `OutputError` for standard output, or a folder, where that is none."""
        if value != "-":
            found = super().convert(value, param, ctx)
            return found if self._folder else output_file(value)
        if self._stdout:
            return STDOUT
        reason = "is standard output, to which this is not written; ./- is a file of this name"
        raise OutputError("QC603", Path(value), reason)


OUTPUT = OutputPath()
OUTPUT_OR_STDOUT = OutputPath(stdout=True)
OUTPUT_FOLDER = OutputPath(folder=True)
QUIET = click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
IGNORE = click.option(
    "--ignore", "ignored", multiple=True, metavar="LAYER=REASON",
    help="A layer whose verdict does not count, and why; outputs always count.",
)  # fmt: skip
FORCE = click.option("--force", is_flag=True, help="Replace an existing output file.")
SAMPLES = click.option(
    "--samples",
    type=click.IntRange(min=1),
    help=f"How many samples to run, at most {MOST_SAMPLES:,}.",
)
SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of chosen inputs."
)
TF_PYTHON = click.option(
    "--tf-python", type=PATH, help="Python interpreter that has TensorFlow and QKeras."
)
VIA_TENSORFLOW = click.option(
    "--via-tensorflow",
    is_flag=True,
    help="MODEL is a SavedModel folder that you trust: TensorFlow reads it, in its own process.",
)
OPAQUE = click.option(
    "--opaque",
    type=click.Choice(CONVERTERS),
    help="Have stock Keras layers that are not known converted by this program.",
)
FREEZE_SCALES = click.option(
    "--freeze-scales",
    type=PATH,
    help="Samples (.npy, .npz), of which activations with alpha='auto' get their scale for good.",
)
LIMITS = click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=VALUE",
    callback=lambda _, __, texts: _limits(texts),
    help="Raise a limit of what is read, as its error says: layers=20000, file-bytes=8GiB.",
)
STRICT = click.option(
    "--strict", is_flag=True, help="Refuse files that hold more than what the model needs."
)


def _limits(texts: tuple[str, ...]) -> dict[str, int]:
    if not texts:
        # Without what reads models, which completion does not wait for.
        return {}
    from qconvert.modelfile.limits import read_limits

    return read_limits(texts)


class ReadingFlags(TypedDict):
    """How MODEL is read."""

    weights: Path | None
    via_tensorflow: bool
    opaque: str | None
    tf_python: Path | None
    freeze_scales: Path | None
    limits: dict[str, int]
    strict: bool


def reading_options(command: _Command) -> _Command:
    """The options of `ReadingFlags`."""
    for option in (WEIGHTS, VIA_TENSORFLOW, OPAQUE, TF_PYTHON, FREEZE_SCALES, LIMITS, STRICT):
        command = option(command)
    return command


def sources_of(model: Path, reading: ReadingFlags) -> list[Path]:
    """The files that a model is read from."""
    from qconvert.opening import Source

    return Source(model, reading["weights"], freeze_scales=reading["freeze_scales"]).paths


def options_of(reading: ReadingFlags) -> Iterator[str]:
    """The words of a command that read the same model once more."""
    for name, value in reading.items():
        option = f"--{name.replace('_', '-')}"
        match value:
            case True:
                yield option
            case str() | Path():
                yield from (option, str(value))
            case dict():
                for limit, most in value.items():
                    yield from ("--limit", f"{limit}={most}")


def beside(model: Path, suffix: str) -> Path:
    """The output's default name; a folder such as ``.`` has none to change."""
    return model.with_suffix(suffix) if model.name else model / f"model{suffix}"
