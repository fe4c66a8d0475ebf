"""What the isolated reader says of ONNX files, for tests in which many commands read each."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from qconvert.modelfile import Limits
from qconvert.modelfile.isolated import Answer, Request, started
from qconvert.modelfile.malformed import MalformedError

#: By all that an answer depends on.
Known = dict[str, Answer | MalformedError]


@dataclass
class _Reader:
    """Starts a process, unless one has read the same bytes for the same request."""

    files: tuple[int, ...]
    limits: Limits
    known: Known
    request: Request = field(default_factory=dict)

    def ask(self, request: Request) -> None:
        self.request = request

    def answer(self) -> Answer:
        key = self._key()
        if key not in self.known:
            self.known[key] = self._read()
        found = self.known[key]
        if isinstance(found, MalformedError):
            raise found
        return found

    def _key(self) -> str:
        (file,) = self.files
        content = os.pread(file, os.fstat(file).st_size, 0)
        asked = {name: value for name, value in self.request.items() if name != "file"}
        return f"{hashlib.sha256(content).hexdigest()} {json.dumps(asked)} {self.limits}"

    def _read(self) -> Answer | MalformedError:
        with started(self.files, self.limits) as reader:
            reader.ask(self.request)
            try:
                return reader.answer()
            except MalformedError as error:
                return error


class ReadingOnce:
    """Stands for `started`; every content is read once."""

    def __init__(self) -> None:
        self._known: Known = {}

    @contextmanager
    def started(self, files: tuple[int, ...], limits: Limits) -> Iterator[_Reader]:
        yield _Reader(files, limits, self._known)
