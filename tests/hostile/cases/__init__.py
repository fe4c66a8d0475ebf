"""Tables of bad files, each a tuple ``CASES``; a new table needs its line in ``EVERY``."""

from tests.hostile.case import Case
from tests.hostile.cases import archives, files, graphs, json_texts, names, storage, weights

EVERY: tuple[Case, ...] = (
    *files.CASES,
    *json_texts.CASES,
    *graphs.CASES,
    *names.CASES,
    *weights.CASES,
    *storage.CASES,
    *archives.CASES,
)
