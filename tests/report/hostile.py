"""Reports all of whose texts try to act in the page that they are shown in."""

import dataclasses
from dataclasses import replace
from typing import Final

HOSTILE: Final = (
    '"\'><script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:alert(1)">'
    "</style></title>=cmd()\x1b[31m\u202e\x00\r\n{{ 7 * 7 }}"
)


def hostile(value: object) -> object:
    """The same with `HOSTILE` in front of every text."""
    if isinstance(value, str):
        return HOSTILE + value
    if isinstance(value, tuple):
        return tuple(map(hostile, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = {f.name: hostile(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return replace(value, **inner)
    return value
