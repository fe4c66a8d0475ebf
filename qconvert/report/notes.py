"""Notes of layers as lines."""

from collections.abc import Iterable, Iterator

from qconvert.report.escape import printable, shortened


def note_lines(notes: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[str]:
    """One line a note, behind the names of all layers that have it."""
    layers: dict[str, list[str]] = {}
    for layer, texts in notes:
        for text in texts:
            layers.setdefault(text, []).append(shortened(layer))
    for text, names in layers.items():
        yield f"note: {', '.join(names)}: {printable(text)}"
