"""Outputs where none can be, or where something is already."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.hostile.case import Call
from tests.hostile.commands.subjects import WITNESS, checked, model

Words = Sequence[str | Path]

#: Starts a command as somebody whom permissions hold, whoever runs this.
HELD = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
ORDINARY = HELD if os.geteuid() == 0 else ()
#: Starts a command whose standard output takes nothing.
FULL = ("sh", "-c", 'exec "$@" >/dev/full', "sh")


def exported(to: Callable[[Path], str | Path], *options: str) -> Callable[[Path], Words]:
    """An export to a place in the folder."""
    return lambda folder: ["export", model(folder), "-o", to(folder), *options]


def there(folder: Path) -> Path:
    """A file that is there already."""
    (folder / "old").write_bytes(b"old")
    return folder / "old"


def linked(folder: Path) -> Path:
    """A link to somebody else's file."""
    (folder / "link").symlink_to(there(folder))
    return folder / "link"


def same(kind: str, folder: Path) -> Path:
    """The model by another name."""
    path, source = folder / "other", folder / "model.h5"
    match kind:
        case "itself":
            return source
        case "a link":
            path.symlink_to(source)
        case _:
            path.hardlink_to(source)
    return path


def closed(folder: Path) -> Path:
    """A file in a folder that nobody may write to."""
    (folder / "closed").mkdir(mode=0o555)
    return folder / "closed" / "out.onnx"


def unreadable(folder: Path) -> Words:
    path = model(folder)
    path.chmod(0)
    return ["export", path, "-o", folder / "out.onnx"]


def twice(folder: Path) -> Words:
    out = folder / "out.onnx"
    return ["export", model(folder), "-o", out, "--json", out]


def report(name: str, folder: Path) -> Words:
    """A check with its report in a folder with something in it, or in a file."""
    (folder / "full").mkdir()
    (folder / "full" / "old").write_bytes(b"old")
    there(folder)
    return checked(folder, "--report", folder / name)


CASES = (
    Call(9, "a model of somebody else", unreadable, "QC107", 4, "Permission denied",
         through=ORDINARY),
    Call(70, "a folder", exported(lambda folder: folder), "QC603", 6),
    Call(70, "in no folder", exported(lambda folder: folder / "no" / "out"), "QC601", 6),
    Call(70, "in a file", exported(lambda folder: there(folder) / "out"), "QC601", 6),
    Call(70, "/dev/full", exported(lambda _: "/dev/full", "--force"), "QC603", 6),
    Call(70, "a closed folder", exported(closed), "QC602", 6, through=ORDINARY),
    Call(70, "a file that exists", exported(there), "QC604", 6, "--force"),
    Call(70, "a file that exists, by force", exported(there, "--force"), "", 0, outputs=("old",)),
    Call(70, "a link, by force", exported(linked, "--force"), "", 0, outputs=("link",)),
    *(
        Call(70, f"the model as output: {kind}", exported(partial(same, kind), "--force"),
             "QC605", 6)
        for kind in ("itself", "a link", "a hard link")
    ),
    Call(70, "-o model.h5", exported(lambda _: "model.h5"), "QC605", 6),
    Call(70, "a name of 300", exported(lambda folder: folder / ("x" * 300)), "QC601", 6),
    Call(70, "two outputs in one file", twice, "QC607", 6),
    Call(70, "a report in a full folder", partial(report, "full"), "QC606", 6,
         environment=WITNESS),
    Call(70, "a report in a file", partial(report, "old"), "QC603", 6, environment=WITNESS),
    Call(70, "standard output that is full",
         lambda folder: ["inspect", model(folder)], "QC602", 6,
         through=FULL),
    Call(70, "standard output that is full, behind a file",
         exported(lambda folder: folder / "out.onnx"), "QC602", 6, "standard output",
         outputs=("out.onnx",), through=FULL),
    Call(70, "standard output that is full, behind a report",
         lambda folder: checked(folder, "--json", folder / "out.json"), "QC602", 6,
         "standard output", outputs=("out.json",), through=FULL, environment=WITNESS),
    Call(70, "standard output that is full, behind a page",
         lambda folder: ["explain", model(folder), "--layer", "fc", "--no-run",
                         "--html", folder / "out.html"],
         "QC602", 6, "standard output", outputs=("out.html",), through=FULL),
)  # fmt: skip
