"""The checks that a configuration asks for, one after the other, and what became of each."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from qconvert.cli.checked import checked, show_report, tell_where
from qconvert.cli.failing import ENDS, fail_with
from qconvert.cli.github import tell_github, tell_github_of_failure
from qconvert.cli.options import ReadingFlags, sources_of
from qconvert.cli.showing import console
from qconvert.errors import OutputError, UsageError

if TYPE_CHECKING:
    from qconvert.cli.configuration import ConfiguredModel

#: Exit codes, the worst first: what could not be checked before what differs, then what is missing.
_WORST: Final = (70, 2, 4, 3, 7, 6, 1, 5, 0)

#: Keys that are read with the model, by the codes of what is wrong with them.
_KEYS: Final = {"QC010": "domains", "QC011": "domains", "QC015": "ignore"}


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one model."""

    model: str
    verdict: str
    required: str
    exit_code: int
    told: str


def check_configured(path: Path | None, *, force: bool, quiet: bool) -> int:
    """Run all checks of the configuration, which is looked for if *path* is None; the exit code.

    A model that cannot be checked is an error, and the others are checked all the same.
    """
    from qconvert.cli.configuration import find, read_configuration

    found = read_configuration(path or find(_here()), found=path is None)
    names = _names(found.models)
    outcomes = [
        _checked(each, name, f"{found.path}: models[{i}]", force=force, quiet=quiet)
        for i, (each, name) in enumerate(zip(found.models, names, strict=True))
    ]
    if not quiet:
        _show(outcomes)
    return min((outcome.exit_code for outcome in outcomes), key=_WORST.index)


def _names(models: Sequence["ConfiguredModel"]) -> list[str]:
    """How to call the models: with their ONNX files, where one model is checked with several."""
    names = [str(_relative(each.model)) for each in models]
    return [
        f"{name} {_relative(each.onnx)}" if names.count(name) > 1 and each.onnx else name
        for each, name in zip(models, names, strict=True)
    ]


def _checked(
    asked: "ConfiguredModel", name: str, place: str, *, force: bool, quiet: bool
) -> _Outcome:
    from qconvert.report.escape import printable

    asked = _seen_from_here(asked)
    if not quiet:
        click.echo(f"== {printable(name)}")
    try:
        with _naming_key(place):
            return _outcome(asked, name, force=force, quiet=quiet)
    except ENDS:
        raise
    except Exception as error:
        # A bug of ours too: of the others there is a verdict all the same.
        failure = fail_with(error)
        tell_github_of_failure(name, failure)
        return _Outcome(name, "ERROR", asked.require.upper(), failure.exit_code, failure.code)


@contextmanager
def _naming_key(place: str) -> Iterator[None]:
    """Within, errors about the value of a key say which it is, of the model at a *place*."""
    try:
        yield
    except UsageError as error:
        if error.code not in _KEYS:
            raise
        first, *more = error.lines
        raise UsageError(error.code, f"{place}.{_KEYS[error.code]}: {first}", *more) from error


def _outcome(asked: "ConfiguredModel", name: str, *, force: bool, quiet: bool) -> _Outcome:
    from qconvert.output import Outputs
    from qconvert.places import require_writable_folder
    from qconvert.report.formats import has_report, rendered

    with ExitStack() as stack:
        if asked.report:
            # What an earlier run has written there, the next one brings up to date.
            force = force or has_report(asked.report)
            stack.enter_context(_folder(asked.report.parent))
            require_writable_folder(asked.report, force=force)
        outputs = stack.enter_context(Outputs(force=force, inputs=_sources(asked)))
        report = checked(
            asked.model,
            asked.onnx,
            inputs=asked.inputs,
            samples=asked.samples,
            seed=asked.seed,
            domains=asked.domains,
            require=asked.require,
            ignored=asked.ignore,
            scan=asked.scan,
            quiet=quiet,
            outputs=outputs,
            **_reading(asked),
        )
        if asked.report:
            outputs.folder(asked.report, rendered(report))
    show_report(asked.model, report, quiet=quiet)
    tell_where(None, asked.report, quiet=quiet)
    tell_github(report)
    told = f"{len(report.ignored)} ignored" if report.ignored else ""
    verdict, required = report.verdict.value, report.required.value
    return _Outcome(name, verdict, required, report.exit_code, told)


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Make *path* and those above it; after an error those that are new and empty go away."""
    new = [each for each in (path, *path.parents) if not os.path.lexists(each)]
    try:
        _make(path)
        yield
    except BaseException:
        for each in new:
            with suppress(OSError):
                each.rmdir()
        raise


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("QC601", path, error.strerror or str(error)) from error


def _reading(asked: "ConfiguredModel") -> ReadingFlags:
    return ReadingFlags(
        weights=asked.weights,
        via_tensorflow=asked.via_tensorflow,
        opaque=asked.opaque,
        tf_python=asked.tf_python,
        freeze_scales=asked.freeze_scales,
        limits=dict(asked.limits),
        strict=asked.strict,
    )


def _sources(asked: "ConfiguredModel") -> list[Path]:
    """The files that are read, and not written over."""
    given = (asked.onnx, asked.inputs)
    read = sources_of(asked.model, _reading(asked))
    return [*read, *(path for path in given if path is not None)]


def _show(outcomes: Sequence[_Outcome]) -> None:
    """A line for each model."""
    from qconvert.report.columns import aligned
    from qconvert.report.escape import printable

    rows = [(printable(x.model), x.verdict, x.required, str(x.exit_code), x.told) for x in outcomes]
    styles = ["red" if outcome.exit_code else "green" for outcome in outcomes]
    terminal = console(sys.stdout)
    terminal.print()
    for line in aligned([("model", "verdict", "required", "exit", ""), *rows], styles=styles):
        terminal.print(line, soft_wrap=True)


def _seen_from_here(asked: "ConfiguredModel") -> "ConfiguredModel":
    """The same with relative paths where they can be: a report has them, wherever a checkout is."""
    return replace(
        asked,
        model=_relative(asked.model),
        onnx=asked.onnx and _relative(asked.onnx),
        inputs=asked.inputs and _relative(asked.inputs),
        report=asked.report and _relative(asked.report),
    )


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("QC911", "the current folder is gone; go to one that is there") from None


def _relative(path: Path) -> Path:
    here = _here()
    return path.relative_to(here) if path.is_relative_to(here) else path
