"""What a check is asked for, and whether that can be."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import onnx

from qconvert.amounts import require_waited_for
from qconvert.api.exporting import Exported
from qconvert.checking import Verdict
from qconvert.errors import UsageError
from qconvert.opening import AnyPath, Inputs, Source
from qconvert.places import require_apart, require_writable, require_writable_folder

#: Where the ONNX file is; ``None``: it is exported first.
OnnxSource: TypeAlias = AnyPath | onnx.ModelProto | Exported | None


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """The options of `check` that say what is checked, and which files it writes."""

    source: Source
    onnx: OnnxSource
    inputs: Inputs | None
    count: int | None
    seed: int
    domains: Sequence[str]
    required: Verdict
    ignored: Mapping[str, str]
    scan: bool
    reproducer: Path | None
    repair: Path | None
    force: bool

    @property
    def paths(self) -> list[Path]:
        """The files that are read."""
        given = (self.onnx, self.inputs)
        paths = [Path(one) for one in given if isinstance(one, (str, os.PathLike))]
        return self.source.paths + paths

    def require_possible(self) -> None:
        """`OutputError` and `UsageError` for what is wrong whatever the model is."""
        require_waited_for(self.count)
        require_apart(self.reproducer, self.repair)
        if self.reproducer is not None:
            require_writable_folder(self.reproducer, force=self.force)
        if self.repair is not None:
            require_writable(self.repair, force=self.force, inputs=self.paths)
        chosen = self.inputs is not None or self.count is not None or self.domains
        if self.source.freeze_scales is not None and chosen:
            raise UsageError(
                "QC002", "the samples that scales are frozen on are the inputs of the check"
            )


def required(text: str) -> Verdict:
    """The weakest verdict that is to pass, from its name; `UsageError` if there is none such."""
    names = {v.value.lower(): v for v in Verdict if v.passes}
    if text.lower() not in names:
        raise UsageError("QC003", f"{text!r} cannot be required; known are {', '.join(names)}")
    return names[text.lower()]
