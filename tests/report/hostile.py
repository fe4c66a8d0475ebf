"""Reports all of whose texts try to act in the page that they are shown in."""

import dataclasses
from collections.abc import Container
from dataclasses import replace
from typing import Final

HOSTILE: Final = (
    '"\'><script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:alert(1)">'
    "</style></title>=cmd()\x1b[31m\u202e\x00\r\n{{ 7 * 7 }}"
)


def hostile(value: object, without: Container[str] = ()) -> object:
    """The same with `HOSTILE` in front of every text, except in fields *without* such."""
    if isinstance(value, str):
        return HOSTILE + value
    if isinstance(value, tuple):
        return tuple(hostile(each, without) for each in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value) if f.name not in without]
        return replace(value, **{name: hostile(getattr(value, name), without) for name in names})
    return value
