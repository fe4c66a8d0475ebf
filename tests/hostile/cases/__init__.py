"""Tables of bad files, each a tuple ``CASES``; a new table needs its line in ``EVERY``."""

from tests.hostile.case import Case
from tests.hostile.cases import (
    archives,
    chunks,
    convolutions,
    damage,
    files,
    graphs,
    json_texts,
    names,
    quantizers,
    storage,
    training,
    weights,
)

EVERY: tuple[Case, ...] = (
    *files.CASES,
    *damage.CASES,
    *json_texts.CASES,
    *graphs.CASES,
    *convolutions.CASES,
    *quantizers.CASES,
    *names.CASES,
    *weights.CASES,
    *storage.CASES,
    *chunks.CASES,
    *archives.CASES,
    *training.CASES,
)
