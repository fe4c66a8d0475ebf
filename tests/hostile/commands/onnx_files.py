"""ONNX files of anybody, inspected, and checked beside the model that they are said to be of."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from scripts.mutation.changes import HALF, one_less
from scripts.mutation.edits import Array, Step, in_steps, operand, preceded
from tests.hostile.case import Call
from tests.hostile.commands.subjects import WITNESS, checked, exported, model
from tests.hostile.onnx_edits import (
    Edit,
    enormous_input,
    external,
    hostile_names,
    large_inputs,
    large_output,
    no_outputs,
    renamed_input,
)
from tests.hostile.onnx_files import BEYOND, CROWDED, FAILING, REFUSED, WIDE

Words = Sequence[str | Path]

#: Seconds that ONNX Runtime has for what never ends.
_IMPATIENT = {**WITNESS, "QCONVERT_ORT_SECONDS": "5"}


def inspected(edit: Edit, folder: Path) -> Words:
    return ["inspect", exported(folder, edit)]


def timed(edit: Edit, folder: Path) -> Words:
    return ["bench", exported(folder, edit)]


def compared(edit: Edit, folder: Path) -> Words:
    return checked(folder, exported(folder, edit))


def with_large_output(folder: Path) -> Words:
    return [*compared(large_output, folder), "--limit", "tensor-bytes=1MiB"]


def beside(kind: str, folder: Path) -> Words:
    """Weights in a file that is there, under a name that ONNX Runtime follows."""
    secret, name = folder / "secret", folder / "weights.bin"
    secret.write_bytes(np.zeros(4, np.float32).tobytes())
    match kind:
        case "symlink":
            name.symlink_to(secret)
        case "hard link":
            name.hardlink_to(secret)
        case _:
            name.write_bytes(secret.read_bytes())
    return ["inspect", exported(folder, external("weights.bin"))]


def large(folder: Path) -> Words:
    with (folder / "large.onnx").open("wb") as file:
        file.truncate(3 << 30)
    return ["inspect", folder / "large.onnx"]


def no_proto(folder: Path) -> Words:
    (folder / "text.onnx").write_bytes(b"\xff" * 99)
    return ["inspect", folder / "text.onnx"]


def channels_reversed(kernel: Array) -> Array:
    return kernel[:, ::-1]


_HALF_UP = preceded("act/QuantizeLinear", 0, *in_steps(2**-4, Step("Add", (HALF,)), Step("Floor")))
_KERNEL = partial(operand, "fc/DequantizeLinear", 0)
#: For each edit of a file that is valid: the layer that is not the model's any more.
DIFFERENT: dict[str, tuple[Edit, str]] = {
    "one code of a weight less by 1": (_KERNEL(one_less), "fc"),
    "channels in another order": (_KERNEL(channels_reversed), "fc"),
    "ties rounded up": (_HALF_UP, "act"),
}

CASES = (
    *(
        Call(71 if code == "QC701" else 72, name, partial(inspected, edit), code, 4)
        for name, (edit, code) in REFUSED.items()
    ),
    *(
        Call(71, f"{name}, checked", partial(compared, edit), code, 4, environment=WITNESS)
        for name, (edit, code) in REFUSED.items()
        if code == "QC701"
    ),
    *(
        Call(71, f"weights in a file beside it: {kind}", partial(beside, kind), "QC701", 4)
        for kind in ("symlink", "hard link", "there")
    ),
    *(
        Call(72, name, partial(compared, edit), codes[0], 5, "NOT RUN", environment=_IMPATIENT)
        for name, (edit, codes) in FAILING.items()
    ),
    *(Call(72, name, partial(inspected, edit), "QC708", 7) for name, edit in BEYOND.items()),
    *(
        Call(72, name, partial(inspected, edit), code, 7, f"--limit {limit}=N")
        for name, (edit, code, limit) in CROWDED.items()
    ),
    Call(72, "operators of 2,500 inputs and outputs", partial(inspected, WIDE), "", 0),
    *(
        Call(36, f"{name}, timed", partial(timed, edit), "QC320", 7, "--limit tensor-bytes=N")
        for name, edit in {"a huge axis": enormous_input, "large inputs": large_inputs}.items()
    ),
    Call(72, "3 GiB", large, "QC110", 7, "2 GiB"),
    Call(72, "no protobuf", no_proto, "QC702", 4, "not an ONNX file"),
    Call(72, "names that act", partial(inspected, hostile_names), "", 0),
    Call(72, "an input of another name", partial(compared, renamed_input), "QC704", 2,
         "not of this model", environment=WITNESS),
    Call(72, "a large output, checked", with_large_output, "QC320", 7, "--limit tensor-bytes=N",
         environment=WITNESS),
    Call(72, "no outputs, checked", partial(compared, no_outputs), "QC702", 4,
         environment=WITNESS),
    Call(73, "the file itself", lambda folder: checked(folder, exported(folder)), "", 0,
         environment=WITNESS),
    *(
        Call(73, name, partial(compared, edit), "", 1, f"{layer}", environment=WITNESS)
        for name, (edit, layer) in DIFFERENT.items()
    ),
    Call(73, "the file of another model", lambda folder: ["check", model(folder), folder / "no"],
         "QC107", 4),
)  # fmt: skip
