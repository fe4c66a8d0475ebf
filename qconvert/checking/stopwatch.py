"""How long the parts of a check take."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stopwatch:
    """Seconds by part, in the order in which the parts began; of nested parts the inner one's.

    *told* hears of the part that is going on, whenever that changes.
    """

    told: Callable[[str], None] = lambda _: None
    seconds: dict[str, float] = field(default_factory=dict)
    _nested: float = 0.0
    _going_on: str = ""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time of what is done inside to that part."""
        self.seconds.setdefault(name, 0.0)
        start, outer, self._nested = time.monotonic(), self._nested, 0.0
        around, self._going_on = self._going_on, name
        self.told(name)
        try:
            yield
        finally:
            whole = time.monotonic() - start
            self.seconds[name] += whole - self._nested
            self._nested = outer + whole
            self._going_on = around
            if around:
                self.told(around)
