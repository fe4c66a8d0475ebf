"""Why a file is refused, as the parent process is told."""

from __future__ import annotations


class RefusalError(Exception):
    """What is wrong with the file; ``limit`` names the limit that it is beyond, if it is one."""

    def __init__(self, code: str, message: str, limit: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.limit = limit
