"""Models that would run or read something, given to every command that reads models."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.hostile.building import KERNEL_PATH, archive, hdf5, parts
from tests.hostile.case import Call, Case
from tests.hostile.cases.graphs import CASES as GRAPHS
from tests.hostile.cases.storage import CASES as STORAGE
from tests.hostile.commands.subjects import exported

Words = Sequence[str | Path]

COMMANDS: dict[str, Callable[[Path, Path], Words]] = {
    "inspect": lambda model, _: ["inspect", model],
    "weights": lambda model, folder: ["weights", model, "-o", folder / "out.npz"],
    "explain": lambda model, _: ["explain", model, "--layer", "d", "--at", "0", "--no-run"],
    "diff": lambda model, _: ["diff", model, model],
    "bench": lambda model, folder: ["bench", exported(folder), "--against", model],
}
_NAMES = ("Lambda", "external storage", "a link to a pipe", "virtual")


def given(case: Case, command: Callable[[Path, Path], Words]) -> Callable[[Path], Words]:
    """The command with the bad file."""
    return lambda folder: command(case.make(folder), folder)


def strictly(folder: Path) -> Words:
    """An export of a file that holds more than its model."""
    (case,) = (case for case in STORAGE if case.name == "an array of nothing")
    return ["export", case.make(folder), "-o", folder / "out.onnx", "--strict"]


def second_name(folder: Path) -> Words:
    """The same of one in which an array has a name that nothing reads, too."""
    make = hdf5(change=lambda file: file.__setitem__("again", file[KERNEL_PATH]))
    return ["export", make(folder), "-o", folder / "out.onnx", "--strict"]


def second_name_in_training(folder: Path) -> Words:
    """The same of one in which it is called a state of an optimizer."""
    make = hdf5(change=lambda file: file.__setitem__("optimizer_weights/m", file[KERNEL_PATH]))
    return ["export", make(folder), "-o", folder / "out.onnx", "--strict"]


def assets(folder: Path) -> Words:
    """The same of an archive with a file of a layer that nothing takes."""
    path = archive([*parts().items(), ("assets/vocabulary.txt", b"x")])(folder)
    return ["export", path, "-o", folder / "out.onnx", "--strict"]


def behind(folder: Path) -> Words:
    """The same of one with bytes behind its end."""
    path = hdf5()(folder)
    path.write_bytes(path.read_bytes() + b"more")
    return ["export", path, "-o", folder / "out.onnx", "--strict"]


_GIVEN = tuple(
    Call(case.row, f"{case.name}, to {name}", given(case, command), case.code, case.exit_code)
    for case in (*GRAPHS, *STORAGE)
    if case.name in _NAMES
    for name, command in COMMANDS.items()
)
CASES = (
    *_GIVEN,
    Call(65, "an array of nothing, strictly", strictly, "QC520", 4),
    Call(65, "a second name, strictly", second_name, "QC520", 4, "another name of /model_weights"),
    Call(
        65,
        "a second name among states of training, strictly",
        second_name_in_training,
        "QC520",
        4,
        "/optimizer_weights/m (another name of /model_weights",
    ),
    Call(66, "assets, strictly", assets, "QC520", 4, "assets/vocabulary.txt"),
    Call(65, "bytes behind the end, strictly", behind, "QC520", 4, "4 bytes behind the end"),
)
