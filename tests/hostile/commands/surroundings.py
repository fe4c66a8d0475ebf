"""Configurations that are not valid, and systems that lack what others have."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.hostile.case import Call
from tests.hostile.commands.subjects import model

Words = Sequence[str | Path]


def configured(text: str, folder: Path) -> Words:
    """All checks of a configuration."""
    (folder / "qconvert.toml").write_text(text, encoding="utf-8")
    return ["check"]


def binary(folder: Path) -> Words:
    (folder / "qconvert.toml").write_bytes(bytes(range(256)))
    return ["check"]


def linked(folder: Path) -> Words:
    """A configuration that leads to something else."""
    (folder / "qconvert.toml").symlink_to("/dev/zero")
    return ["check", "--config", folder / "qconvert.toml"]


def piped(folder: Path) -> Words:
    os.mkfifo(folder / "qconvert.toml")
    return ["check", "--config", folder / "qconvert.toml"]


def inspected(folder: Path) -> Words:
    return ["inspect", model(folder)]


def exported(folder: Path) -> Words:
    return ["export", model(folder), "-o", folder / "out.onnx"]


def of_model(words: str, folder: Path) -> Words:
    """A command and its options, of a model that is there."""
    command, *options = words.split()
    return [command, model(folder), *options]


def shell(script: str) -> tuple[str, ...]:
    """A command as ``$@`` of a script."""
    return ("bash", "-o", "pipefail", "-c", script, "bash")


MODEL = '[[models]]\nmodel = "model.h5"\n'
#: For each text of a configuration: what is told.
WRONG = {
    "an unknown key": (f"{MODEL}evil = 1\n", "evil"),
    "a key of another type": (f"{MODEL}samples = 'many'\n", "samples"),
    "no TOML": ("[[models", "no TOML"),
    "10 MB": ("#" * 10_000_000, "larger than"),
    "lists in lists": (f"x = {'[' * 5000}{']' * 5000}", "nested too deeply"),
    "tables in tables": (f"[{'.'.join('x' * 5000)}]", "nested too deeply"),
    "no models": ("models = []", "names no model"),
    "models as a number": ("models = 1", "no array"),
    "a key twice": (f"{MODEL}samples = 1\nsamples = 2\n", "no TOML"),
    "a name that acts": (f'{MODEL}"\\u001b[31m::error::" = 1\n', "unknown key"),
}
#: For each path of a model: the code and the exit code.
PATHS = {
    "a device": ("/dev/zero", "QC106", 4),
    "a file above": ("../../../../../../etc/hostname", "QC103", 4),
    "NUL": ("a\\u0000b", "QC910", 2),
}
#: Languages, and other things that a system may lack.
LACKING: dict[str, dict[str, str]] = {
    "LC_ALL=C": {"LC_ALL": "C"},
    "LC_ALL=POSIX": {"LC_ALL": "POSIX", "LANG": ""},
    "a language that is not there": {"LC_ALL": "xx_XX.UTF-8"},
    "PYTHONIOENCODING=ascii": {"PYTHONIOENCODING": "ascii"},
    "HOME=/nowhere": {"HOME": "/nowhere", "XDG_CACHE_HOME": "/nowhere"},
    "TERM=dumb": {"TERM": "dumb"},
    "0 columns": {"COLUMNS": "0"},
    "a time zone that is not there": {"TZ": "No/Where"},
}
#: Where interpreters look for a home.
USERS = ("/etc/nsswitch.conf", "/etc/passwd")
#: The current folder is removed.
GONE = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'

CASES = (
    *(
        Call(77, name, partial(configured, text), "QC910", 2, says)
        for name, (text, says) in WRONG.items()
    ),
    Call(77, "binary", binary, "QC910", 2, "no TOML"),
    Call(77, "a device as configuration", linked, "QC106", 4),
    Call(77, "a pipe as configuration", piped, "QC106", 4),
    Call(77, "none", lambda _: ["check"], "QC911", 2),
    *(
        Call(77, f"a model of a path: {name}",
             partial(configured, f'[[models]]\nmodel = "{path}"\n'), code, exit_code, opens=(path,))
        for name, (path, code, exit_code) in PATHS.items()
    ),
    *(
        Call(78, f"{name}, {command.__name__}", command, "", 0, outputs=outputs,
             environment=lacking)
        for name, lacking in LACKING.items()
        for command, outputs in ((inspected, ()), (exported, ("out.onnx",)))
    ),
    Call(78, "standard output that is closed", inspected, "QC602", 6, "standard output",
         through=shell('exec "$@" >&-')),
    Call(78, "standard output that is closed, and not needed",
         partial(of_model, "export -o out.onnx -q"), "", 0,
         outputs=("out.onnx",), through=shell('exec "$@" >&-')),
    Call(78, "standard error that is closed", exported, "", 0, outputs=("out.onnx",),
         through=shell('exec "$@" 2>&-')),
    Call(78, "both closed", exported, "", 6, outputs=("out.onnx",),
         through=shell('exec "$@" >&- 2>&-')),
    Call(78, "standard input that is closed", inspected, "", 0, through=shell('exec "$@" <&-')),
    Call(78, "a reader that goes away", inspected, "", 141, through=shell('"$@" | :')),
    Call(78, "a folder that is gone", exported, "", 0, outputs=("out.onnx",), through=shell(GONE)),
    Call(78, "a model in a folder that is gone", lambda _: ["inspect", "model.h5"], "QC107", 4,
         through=shell(GONE)),
    *(
        Call(78, f"an output in a folder that is gone: {words}", partial(of_model, words),
             "QC602", 6, through=shell(GONE))
        for words in ("export -o out.onnx", "export -o ./-", "check --json r.json",
                      "check --report report", "check --report ../report",
                      "explain --layer fc --json e.json", "weights -o w.npz")
    ),
    Call(78, "a default output in a folder that is gone", lambda _: ["export", "model.h5"],
         "QC602", 6, through=shell(GONE)),
    Call(78, "a check in a folder that is gone", lambda _: ["check"], "QC911", 2,
         through=shell(GONE)),
    *(
        Call(78, f"no {' '.join(names)}", inspected, "", 0,
             through=("env", *(word for name in names for word in ("-u", name))), opens=USERS)
        for names in (("HOME",), ("TERM",), ("PATH", "HOME", "TERM", "LANG", "USER", "SHELL"))
    ),
)  # fmt: skip
