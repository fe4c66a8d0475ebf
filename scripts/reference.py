"""Write docs/reference: the command line and the Python functions, from the code itself.

``--check`` writes nothing and fails if a page is not what the code says.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

import qconvert
from qconvert.cli import cli

FOLDER: Final = Path(__file__).parents[1] / "docs" / "reference"


def command_line() -> str:
    """The page of all commands."""
    return "\n".join(_commands()) + "\n"


def python() -> str:
    """The page of all public functions."""
    return "\n".join(_functions()) + "\n"


def pages() -> dict[Path, str]:
    """Every generated page."""
    return {FOLDER / "cli.md": command_line(), FOLDER / "python.md": python()}


def _commands() -> Iterator[str]:
    yield "# Command line"
    yield ""
    yield "Generated from the code. `qconvert COMMAND --help` prints the same."
    # With the group's settings, as the command line makes it: -h is one of them.
    with click.Context(cli, info_name="qconvert", **cli.context_settings) as context:
        for name in cli.list_commands(context):
            command = cli.get_command(context, name)
            assert command is not None
            yield from _command(name, command, context)


def _command(name: str, command: click.Command, above: click.Context) -> Iterator[str]:
    yield ""
    yield f"## qconvert {name}"
    with click.Context(command, info_name=name, parent=above) as context:
        usage = " ".join(command.collect_usage_pieces(context))
        yield ""
        yield f"    qconvert {name} {usage}"
        yield ""
        yield inspect.cleandoc(command.help or "")
        records = [p.get_help_record(context) for p in command.get_params(context)]
    shown = [record for record in records if record and record[1]]
    if shown:
        yield ""
        yield "| option | |"
        yield "|---|---|"
        yield from (f"| `{_cell(option)}` | {_cell(text)} |" for option, text in shown)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _functions() -> Iterator[str]:
    yield "# Python"
    yield ""
    yield "Generated from the code."
    for name in qconvert.__all__:
        function = getattr(qconvert, name)
        yield ""
        yield f"## qconvert.{name}"
        yield ""
        yield "```text"
        yield f"qconvert.{name}{_signature(function)}"
        yield "```"
        yield ""
        yield inspect.cleandoc(function.__doc__).replace("``", "`")


def _signature(function: object) -> str:
    assert callable(function)
    found = inspect.signature(function)
    each = [
        str(parameter.replace(annotation=inspect.Parameter.empty))
        for parameter in found.parameters.values()
    ]
    first_keyword = next(
        (i for i, p in enumerate(found.parameters.values()) if p.kind is p.KEYWORD_ONLY), None
    )
    if first_keyword is not None:
        each.insert(first_keyword, "*")
    return "(\n    " + ",\n    ".join(each) + ",\n)"


def main() -> int:
    """Write the pages, or tell which are not current."""
    stale = [p for p, text in pages().items() if not p.is_file() or p.read_text("utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path} is not what the code says: run scripts/reference.py", file=sys.stderr)
        return bool(stale)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
