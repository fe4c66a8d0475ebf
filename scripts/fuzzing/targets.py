"""Every target by its name, and its share of the time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, assert_never

from scripts.fuzzing import (
    audits,
    bytes_of_files,
    configs,
    documents,
    drawn,
    grammar,
    guided,
    mutants,
    onnx_files,
    programs,
    renderings,
    structures,
)
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.guided import Guided
from scripts.fuzzing.guided_targets import TARGETS as GUIDED
from scripts.fuzzing.programs import Programs
from scripts.fuzzing.tally import Budget, Tally

Target: TypeAlias = Drawn[Any] | Guided | Programs


@dataclass(frozen=True, slots=True)
class Share:
    """A target, and how much of the time it gets next to the others."""

    target: Target
    share: int = 1


def every(models: Path | None) -> Mapping[str, Share]:
    """All targets; the folder has *models* whose architectures are taken as well."""
    shares = (
        Share(grammar.TARGET),
        Share(configs.target(models), 2),
        Share(bytes_of_files.HDF5, 4),
        Share(structures.TARGET, 2),
        Share(bytes_of_files.ARCHIVE, 2),
        Share(Programs("models", "random models, checked, and their clean files"), 3),
        Share(renderings.TARGET),
        Share(mutants.TARGET, 2),
        *(Share(target, 2) for target in onnx_files.targets()),
        Share(audits.TARGET),
        *map(Share, documents.targets()),
        *(
            Share(Guided(name, "bytes, guided by branches", one.suffix))
            for name, one in GUIDED.items()
        ),
    )
    return {each.target.name: each for each in shares}


def tried(target: Target, budget: Budget) -> tuple[Tally, ...]:
    """What becomes of the cases of a target."""
    match target:
        case Drawn():
            return (drawn.run(target, budget),)
        case Guided():
            return (guided.run(target, budget),)
        case Programs():
            return programs.run(target, budget)
        case _:
            assert_never(target)
