"""Run the exported files of a test set in every runtime that can be installed, bit by bit.

Fourteen small models, in each dialect, whole and up to the last layer that all correct programs
compute alike, against what TensorFlow computed of them (tests/targets/expected). What is needed is
installed below build/targets. Exit code 1 if a target cannot be installed, or if it gives other
numbers than TensorFlow without docs/TARGETS.md saying why. Names choose some of the targets;
--write writes that page, --renew runs TensorFlow again.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.targeted.cases import CASES, ROOT
from scripts.targeted.document import page, summary
from scripts.targeted.environments import UnavailableError
from scripts.targeted.expected import renew
from scripts.targeted.fileset import write
from scripts.targeted.judging import Tried, judged
from scripts.targeted.targets import TARGETS, Target, unexplained

BUILD: Final = ROOT / "build" / "targets"
PAGE: Final = ROOT / "docs" / "TARGETS.md"


def tried(name: str, target: Target, folder: Path) -> Tried:
    """Install a target and run the test set there."""
    form = f"opset{target.opset}{'-packed' * target.packed}"
    tests, results = folder / form, folder / "results" / name
    files = write(tests, opset=target.opset, packed=target.packed)
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    try:
        run = target.install(folder / "installed")
    except UnavailableError as error:
        return Tried(name, {}, (), str(error))
    died = run(tests, results)
    return judged(name, results, files, target.modes, died)


def try_all(targets: Mapping[str, Target], folder: Path) -> list[Tried]:
    """Try one target after the other, and tell of each."""
    found = []
    for name, target in targets.items():
        start = time.monotonic()
        found.append(tried(name, target, folder))
        print(f"{summary(found[-1], target)} ({time.monotonic() - start:.0f} s)", flush=True)
    return found


def failed(found: Sequence[Tried], targets: Mapping[str, Target]) -> list[str]:
    """The targets that are not there, or do not what is known of them."""
    return [each.name for each in found if each.missing or unexplained(each, targets[each.name])]


def main() -> int:
    """Try the targets that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TARGETS))
    parser.add_argument("--write", action="store_true", help="write docs/TARGETS.md")
    parser.add_argument("--renew", action="store_true", help="the cases NAME in TensorFlow")
    arguments = parser.parse_args()
    if arguments.renew:
        for case in arguments.names or CASES:
            renew(case)
        return 0
    targets = {name: TARGETS[name] for name in arguments.names or TARGETS}
    found = try_all(targets, BUILD)
    if arguments.write:
        text = page(PAGE.read_text(encoding="utf-8"), found)
        PAGE.write_text(text, encoding="utf-8")
    wrong = failed(found, targets)
    print(f"{len(found) - len(wrong)} passed, {len(wrong)} failed")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
