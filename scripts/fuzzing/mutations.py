"""Bytes of a file with something changed in them."""

import io
import warnings
import zipfile
from dataclasses import dataclass
from functools import reduce
from typing import Final

from hypothesis import strategies as st

#: Mostly such as keep the length, which is asked for first.
_KINDS: Final = (*("word", "flip") * 7, "cut", "repeat", "insert", "end")
#: Bytes at the beginning that say what a file is, and stay.
_HEAD: Final = 4
#: What lengths and addresses are when they lie.
_WORDS: Final = (0, 1, 0xFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 62, (1 << 64) - 1)
_SIZES: Final = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a few bytes at a place, of any number: files are gone around."""

    kind: str
    place: int
    value: int
    size: int

    def applied(self, content: bytes) -> bytes:
        """*content*, changed."""
        if len(content) <= _HEAD:
            return content
        at = _HEAD + self.place % (len(content) - _HEAD)
        word = (self.value % (1 << 8 * self.size)).to_bytes(self.size, "little")
        before, after = content[:at], content[at:]
        match self.kind:
            case "flip":
                return before + bytes([after[0] ^ 1 << self.value % 8]) + after[1:]
            case "cut":
                return before + after[self.size :]
            case "repeat":
                return before + after[: self.size] * 2 + after[self.size :]
            case "insert":
                return before + word + after
            case "end":
                return before
            case _:
                return before + word + after[self.size :]


def edits() -> st.SearchStrategy[Edit]:
    """Any change of at most eight bytes."""
    values = st.one_of(st.sampled_from(_WORDS), st.integers(0, 255))
    place = st.integers(0, 1 << 30)
    return st.builds(Edit, st.sampled_from(_KINDS), place, values, st.sampled_from(_SIZES))


@dataclass(frozen=True, slots=True)
class Mutated:
    """A file of the *seed*, with its changes in their order."""

    seed: bytes
    edits: tuple[Edit, ...]

    def content(self) -> bytes:
        """The bytes of the file."""
        return reduce(lambda content, edit: edit.applied(content), self.edits, self.seed)


def mutated(seeds: tuple[bytes, ...]) -> st.SearchStrategy[Mutated]:
    """One to three changes."""
    some = st.lists(edits(), min_size=1, max_size=3).map(tuple)
    return st.builds(Mutated, st.sampled_from(seeds), some)


@dataclass(frozen=True, slots=True)
class Repacked:
    """An archive of entries that were changed before they were packed, and twice or not at all."""

    seed: bytes
    number: int
    edits: tuple[Edit, ...]
    copies: int
    name: str | None
    packing: int

    def content(self) -> bytes:
        """The bytes of the archive."""
        stream = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(self.seed)) as old,
            zipfile.ZipFile(stream, "w") as new,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # of entries that are there twice
            for i, info in enumerate(old.infolist()):
                chosen = i == self.number % len(old.infolist())
                content = old.read(info)
                if chosen:
                    content = Mutated(content, self.edits).content()
                for _ in range(self.copies if chosen else 1):
                    # Of no date, so that the same case is the same bytes.
                    entry = zipfile.ZipInfo(self.name if chosen and self.name else info.filename)
                    new.writestr(entry, content, self.packing)
        return stream.getvalue()


def repacked(seeds: tuple[bytes, ...]) -> st.SearchStrategy[Repacked]:
    """Archives whose checksums are right, so that what is in them is read."""
    names = ("config.json", "assets/x", "../x", "/x", "CONFIG.JSON", "model.weights.h5/", "a\\b")
    packings = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
    return st.builds(
        Repacked,
        st.sampled_from(seeds),
        st.integers(0, 9),
        st.lists(edits(), max_size=4).map(tuple),
        st.sampled_from((1, 1, 1, 1, 0, 2)),
        st.one_of(st.none(), st.none(), st.none(), st.sampled_from(names)),
        st.sampled_from(packings),
    )
