"""How long the parts of a check take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stopwatch:
    """Seconds by part, in the order in which the parts began; of nested parts the inner one's."""

    seconds: dict[str, float] = field(default_factory=dict)
    _nested: float = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time of what is done inside to that part."""
        self.seconds.setdefault(name, 0.0)
        start, outer, self._nested = time.monotonic(), self._nested, 0.0
        try:
            yield
        finally:
            whole = time.monotonic() - start
            self.seconds[name] += whole - self._nested
            self._nested = outer + whole
