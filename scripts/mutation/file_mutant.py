"""What is known of a bug in an ONNX file before it is looked for."""

from dataclasses import dataclass

from scripts.mutation.edits import Edit


@dataclass(frozen=True, slots=True)
class FileMutant:
    """A bug in the exported file of ``model``, and the layer at which it must be named.

    ``gap`` is the class of bugs that it stands for. The verdict is ``UNCHECKED`` where ONNX
    Runtime does not run the file on every batch, or something has no counterpart, and ``PASSES``
    where only other processors show the bug. ``remark`` is what has to be said of the layer
    ``remarked``, where runs alone cannot tell. ``unconverted`` are weights that the model has and
    the file does not tell of.
    """

    id: str
    gap: str
    model: str
    layer: str
    edit: Edit
    verdict: str = "DIFFERS"
    dialect: str = "qdq"
    remark: str = ""
    remarked: str = ""
    unconverted: tuple[str, ...] = ()
