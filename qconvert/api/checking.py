"""A model and its ONNX file, compared layer by layer."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, Unpack

import onnx

from qconvert.api.asked import Asked, OnnxSource, required
from qconvert.api.exporting import Exported, domains_of
from qconvert.api.repairing import repaired_file, with_repair
from qconvert.checking import (
    CheckedFile,
    Report,
    Samples,
    Subject,
    assemble,
    examine,
    found_by_value,
    from_user,
    in_words,
    seeded,
    tensorflow_started,
)
from qconvert.checking.declared import with_codes_of
from qconvert.checking.gathering import FirstSeen, all_of
from qconvert.checking.ignored import require_ignorable
from qconvert.checking.onnx_file import in_memory, read_onnx, require_told_tensors
from qconvert.checking.other_files.interface import interface
from qconvert.checking.repair.repair import Repaired
from qconvert.checking.stopwatch import Stopwatch
from qconvert.checking.witness import Panel, Witness
from qconvert.emit import to_onnx
from qconvert.emit.metadata import read_metadata
from qconvert.errors import UsageError, naming_file
from qconvert.ir import Graph
from qconvert.modelfile import Limits, name_of
from qconvert.opening import AnyPath, Inputs, Opened, ReadingOptions, opened, source_of
from qconvert.output import Outputs
from qconvert.places import output_file
from qconvert.report.interactive import CheckReport
from qconvert.reproducing import Collector, write_reproducer
from qconvert.runners.foreign import Correspondence
from qconvert.runners.interface import InputDomain
from qconvert.runners.tf import TensorFlowRunner
from qconvert.shortage import telling_shortages

#: Called with the number of samples done and the number to do.
Progress: TypeAlias = Callable[[int, int], None]
#: Called with the name of a witness that failed, and what it says.
Failed: TypeAlias = Callable[[str, str], None]
#: Called with the part of the check that is going on, whenever that changes.
Stage: TypeAlias = Callable[[str], None]
#: Called with a layer at which something differs beyond rounding, when that is first seen.
Differing: TypeAlias = Callable[[str], None]
#: Called with a layer whose quantizer is tried on every number, and how many of how many are done.
Scanning: TypeAlias = Callable[[str, int, int], None]


@telling_shortages
def check(
    model: AnyPath | object,
    onnx: OnnxSource = None,
    *,
    inputs: Inputs | None = None,
    samples: int | None = None,
    seed: int = 0,
    domains: Sequence[str] = (),
    require: str = "sampled",
    ignored: Mapping[str, str] | None = None,
    scan: bool = False,
    progress: Progress | None = None,
    failed: Failed | None = None,
    scanning: Scanning | None = None,
    stage: Stage | None = None,
    differing: Differing | None = None,
    reproducer: AnyPath | None = None,
    repair: AnyPath | None = None,
    force: bool = True,
    outputs: Outputs | None = None,
    **reading: Unpack[ReadingOptions],
) -> CheckReport:
    """Compare every layer of a model in TensorFlow, ONNX Runtime and NumPy.

    Without *onnx* the model is exported to memory first; a file of another converter is compared
    by values (docs/OTHER_FILES.md). *inputs* are a ``.npy`` or ``.npz`` file, an array, or arrays
    by name of the model's input; else *samples* are chosen with *seed*. *domains* are texts like
    ``image=uint8/256``, which proofs then assume of the inputs; without a name, of all. *require*
    is the weakest verdict that passes: proven, bounded or sampled. *ignored* are layers, each with
    a reason, whose verdicts do not count; outputs always do. With *scan* quantizers that
    theorems do not certify are tried on every float32 number, which takes minutes for each;
    *scanning* hears of it. A witness that is missing makes a report that does not pass, not an
    exception; *failed* hears of it at once, as *progress*, *stage* and *differing* do of what goes
    on. If something differs, *reproducer* is a folder for the first wrong layer by itself and a
    script that shows it; `OutputError` if it cannot be written, or has content while *force* is
    false. *repair* is a file for the ONNX file with constants moved until its codes are
    TensorFlow's in every state of the tables: that file is what is checked then, and written if it
    passes and is another one. Both appear together at the end, or with *outputs* of a command.

    The other options are those of `load`. Samples of which scales are frozen are the only ones on
    which TensorFlow can agree, so that they are all that is compared, as one batch.
    """
    asked = Asked(
        source_of("check", model, reading),
        onnx,
        inputs,
        samples,
        seed,
        domains,
        required(require),
        dict(ignored or {}),
        scan,
        None if reproducer is None else Path(reproducer),
        None if repair is None else output_file(repair),
        force,
    )
    asked.require_possible()
    own = nullcontext(outputs) if outputs else Outputs(force=force, inputs=asked.paths)
    with own as files, _ready(asked, Stopwatch(stage) if stage else Stopwatch()) as ready:
        report = examine(
            ready.subject,
            ready.panel,
            ready.samples,
            None if progress is None else lambda done: progress(done, ready.samples.count),
            None if failed is None else lambda witness, failure: failed(witness.value, failure),
            all_of(
                ready.collector, None if differing is None else FirstSeen(differing, asked.ignored)
            ),
            scanning,
        )
        return CheckReport.of(_with_files(report, asked, ready, files))


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """A model and the ONNX file that it is compared with.

    ``known`` tells what stands where in a file of another converter, ``domains`` what the inputs
    can be.
    """

    graph: Graph
    model: onnx.ModelProto
    file: CheckedFile
    known: Correspondence | None
    domains: Mapping[str, InputDomain]


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """What a check needs to run, and to write files afterwards; ``given`` is not repaired yet."""

    pair: _Pair
    subject: Subject
    panel: Panel
    samples: Samples
    given: onnx.ModelProto
    repaired: Repaired | None
    collector: Collector | None


@contextmanager
def _ready(asked: Asked, watch: Stopwatch) -> Iterator[_Ready]:
    """A model, its file and the witnesses, which are there until the end."""
    with ExitStack() as stack:
        with watch.part("reading and exporting"):
            found = stack.enter_context(opened(asked.source, for_keras=True))
            pair = given = _pair(asked, found)
            require_ignorable(pair.graph, asked.ignored)
        samples = found.frozen_on or _samples(asked, given)
        file, keras = found.file, found.keras
        assert keras is not None
        tensorflow = stack.enter_context(
            tensorflow_started(keras.model, keras.weights, asked.source.python)
        )
        repaired, limits = None, asked.source.read_within
        if asked.repair is not None:
            with watch.part("repair"):
                pair, repaired = _repaired(given, tensorflow, limits)
        if pair.known is not None:
            with watch.part("finding layers"):
                known, samples = found_by_value(pair.graph, pair.model, pair.known, samples, limits)
                pair = replace(pair, known=known)
        with watch.part("starting TensorFlow"):
            panel = assemble(pair.graph, pair.model, tensorflow, pair.known, pair.domains, limits)
        subject = _subject(asked, pair, CheckedFile(name_of(file.path), file.sha256), watch)
        collector = None if asked.reproducer is None else Collector(pair.graph, pair.model, limits)
        yield _Ready(pair, subject, panel, samples, given.model, repaired, collector)


def _pair(asked: Asked, found: Opened) -> _Pair:
    model, file = _onnx(asked, found)
    declared = domains_of(found.graph, asked.domains)
    with naming_file(file.path, UsageError):
        known = interface(found.graph, model)
    metadata = read_metadata(model)
    if metadata and isinstance(asked.onnx, (str, os.PathLike)):
        require_told_tensors(Path(asked.onnx), model.graph, metadata)
    return _Pair(found.graph, model, file, known, with_codes_of(metadata, declared))


def _onnx(asked: Asked, found: Opened) -> tuple[onnx.ModelProto, CheckedFile]:
    given = asked.onnx
    if isinstance(given, (str, os.PathLike)):
        return read_onnx(Path(given), asked.source.read_within)
    if isinstance(given, Exported):
        return given.model, in_memory(given.model, given.path)
    model = to_onnx(found.graph, source=found.digest) if given is None else given
    return model, in_memory(model)


def _samples(asked: Asked, pair: _Pair) -> Samples:
    if asked.inputs is None:
        return seeded(pair.graph, asked.count, asked.seed, pair.domains)
    given = Path(asked.inputs) if isinstance(asked.inputs, (str, os.PathLike)) else asked.inputs
    return from_user(pair.graph, given, asked.count, pair.domains, asked.source.read_within)


def _repaired(
    given: _Pair, tensorflow: TensorFlowRunner | str, limits: Limits
) -> tuple[_Pair, Repaired]:
    """The pair with the repaired file; `UsageError` if that is of another converter."""
    if given.known is not None:
        raise UsageError(
            "QC705", "a file that qconvert did not write is not repaired: export the model"
        )
    found = repaired_file(given.graph, given.model, given.domains, tensorflow, limits)
    if found.model == given.model:
        return given, found
    return replace(given, model=found.model, file=in_memory(found.model)), found


def _subject(asked: Asked, pair: _Pair, model: CheckedFile, watch: Stopwatch) -> Subject:
    by_value = None if pair.known is None else in_words(pair.known)
    return Subject(
        pair.graph,
        model,
        pair.file,
        pair.domains,
        asked.required,
        asked.scan,
        watch,
        by_value,
        asked.ignored,
    )


def _with_files(report: Report, asked: Asked, ready: _Ready, outputs: Outputs) -> Report:
    """The report with the repaired file and the reproducer, which are outputs where they help."""
    if asked.repair is not None and ready.repaired is not None:
        report = with_repair(report, ready.repaired, ready.given, asked.repair, outputs)
    if asked.reproducer is None or ready.collector is None:
        return report
    return write_reproducer(
        report,
        ready.collector,
        ready.pair.graph,
        ready.pair.model,
        asked.reproducer,
        outputs,
        ready.panel.runners.get(Witness.TENSORFLOW),
    )
