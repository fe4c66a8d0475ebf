"""Scans on disk, each under a name that is made of all that it depends on.

Nothing in the cache is trusted to be what it is called: a file that is damaged, or tells another
key than the one asked for, is as good as none. ``QCONVERT_CACHE`` names another folder, or ``off``.
"""

import contextlib
import hashlib
import json
import os
import platform
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from qconvert.checking.scans.floats import LAST, Ranges
from qconvert.checking.scans.programs import Scan

_VARIABLE: Final = "QCONVERT_CACHE"
_OFF: Final = "off"
_SCHEMA: Final = "qconvert.scan/1"

#: What a scan depends on, by name.
Key = Mapping[str, str]


def folder() -> Path | None:
    """Where scans are kept; ``None`` if none are to be."""
    chosen = os.environ.get(_VARIABLE)
    if chosen:
        return None if chosen == _OFF else Path(chosen) / "scans"
    known = os.environ.get("XDG_CACHE_HOME")
    if known and Path(known).is_absolute():
        return Path(known) / "qconvert" / "scans"
    try:
        return Path.home() / ".cache" / "qconvert" / "scans"
    except RuntimeError:  # a user of a container whom the system does not know
        return None


def processor() -> str:
    """The features that runtimes choose their kernels by, or at least what the machine is called.

    Linux tells them; elsewhere another machine of the same kind may share its scans.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, flags = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return " ".join(sorted(flags.split()))
    return f"{platform.system()} {platform.machine()} {platform.processor()}"


def kept(key: Key) -> Scan | None:
    """The scan that was stored under *key*, if it is there and whole."""
    path = _path(key)
    if path is None:
        return None
    try:
        content = json.loads(path.read_bytes())
        if content["key"] != dict(key) or content["sha256"] != _sha256(content["scan"]):
            return None
        return _read(content["scan"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(key: Key, scan: Scan) -> None:
    """Store *scan* under *key*, complete or not at all; where that is not possible, not."""
    path = _path(key)
    if path is None:
        return
    written = _written(scan)
    text = json.dumps({"key": dict(key), "scan": written, "sha256": _sha256(written)})
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(text)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _path(key: Key) -> Path | None:
    base = folder()
    return None if base is None else base / f"{_sha256({'schema': _SCHEMA, **key})}.json"


def _sha256(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _written(scan: Scan) -> dict[str, Any]:
    return {
        "limit": scan.limit.hex(),
        "tried": scan.tried,
        "whole": scan.whole,
        "different": [list(pair) for pair in scan.different.pairs],
        "ambiguous": [list(pair) for pair in scan.ambiguous.pairs],
        "levels": None if scan.levels is None else [level.hex() for level in scan.levels],
        "unknown": scan.unknown,
    }


def _read(content: Mapping[str, Any]) -> Scan:
    levels = content["levels"]
    return Scan(
        float.fromhex(content["limit"]),
        int(content["tried"]),
        bool(content["whole"]),
        _ranges(content["different"]),
        _ranges(content["ambiguous"]),
        None if levels is None else tuple(map(float.fromhex, levels)),
        str(content["unknown"]),
    )


def _ranges(pairs: list[list[int]]) -> Ranges:
    read = [(int(first), int(last)) for first, last in pairs]
    if any(not -LAST <= first <= last <= LAST for first, last in read):
        raise ValueError("positions of no finite numbers")
    return Ranges.of(read)
