"""The functions behind ``qconvert.export`` and its siblings, and behind the command line.

A model is a path (``.h5``, ``.keras``, ``.json`` with weights, or a SavedModel folder) or a live
Keras model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import onnx

    from qconvert.benchmarking import Benchmark
    from qconvert.checking.inputs import Samples
    from qconvert.checking.repair.moves import Unrepaired
    from qconvert.checking.results import CheckedFile, Report, Verdict
    from qconvert.checking.witness import Witness
    from qconvert.explaining import Explanation
    from qconvert.ir import F32, Graph
    from qconvert.opening import Opened, Source
    from qconvert.report.summary import Summary
    from qconvert.runners.foreign import Correspondence
    from qconvert.runners.interface import InputDomain
    from qconvert.runners.tf import TensorFlowRunner

    Array: TypeAlias = npt.NDArray[np.generic]
    #: A ``.npy`` or ``.npz`` file, an array, or arrays by name of the model's input.
    Inputs: TypeAlias = "AnyPath | Array | Mapping[str, Array]"

#: Samples that a repair is tried on, besides the states of tables.
_PROBE = 8

AnyPath: TypeAlias = str | os.PathLike[str]
#: Called with the number of samples done and the number to do.
Progress: TypeAlias = Callable[[int, int], None]
#: Called with the name of a witness that failed, and what it says.
Failed: TypeAlias = Callable[[str, str], None]
#: Called with a layer whose quantizer is tried on every number, and how many of how many are done.
Scanning: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """An exported model; ``path`` is ``None`` if it was not written to a file.

    ``notes`` tell, by layer, what QKeras does that its user may not expect, and the file as well.
    """

    path: Path | None
    model: onnx.ModelProto
    layers: tuple[str, ...]
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def load(
    model: AnyPath | object,
    *,
    weights: AnyPath | None = None,
    via_tensorflow: bool = False,
    opaque: str | None = None,
    tf_python: AnyPath | None = None,
    freeze_scales: Inputs | None = None,
) -> Graph:
    """Read a model: what it computes, as data.

    *via_tensorflow* reads a SavedModel folder, and *opaque* (``"tf2onnx"``) converts stock layers
    that are not known; both start TensorFlow in a process of its own, of *tf_python* if given.
    *freeze_scales* are samples, as `check` takes them: activations whose scale QKeras computes
    from every batch (``alpha='auto'``) get the scale of these, and are refused without.
    """
    from qconvert.opening import Source, opened

    with opened(Source(model, weights, via_tensorflow, opaque, tf_python, freeze_scales)) as found:
        return found.graph


def export(
    model: AnyPath | object,
    output: AnyPath | None = None,
    *,
    weights: AnyPath | None = None,
    dialect: str = "qdq",
    opset: int = 21,
    io: str = "float32",
    domains: Sequence[str] = (),
    packed_weights: bool = False,
    vnni: bool = False,
    force: bool = True,
    via_tensorflow: bool = False,
    opaque: str | None = None,
    tf_python: AnyPath | None = None,
    freeze_scales: Inputs | None = None,
) -> Exported:
    """Convert a model to ONNX and write it to *output*, if given.

    With *io* ``"quantized"`` inputs and outputs are integers where it is known what these stand
    for: from quantizers, or from *domains* such as ``image=uint8/255``. *packed_weights* take as
    few bits as they can in the file, and not fewer where it runs. With *vnni* 8-bit weights are
    int8, three times as fast, and exact on no x86 CPU without VNNI. Raises `UnsupportedError` with
    everything that cannot be converted, `BadFileError`, and `OutputError` for an *output* that
    cannot be written, or exists while *force* is false. The last four options are those of `load`.
    """
    from qconvert.opening import Source, opened
    from qconvert.output import require_writable, write

    source = Source(model, weights, via_tensorflow, opaque, tf_python, freeze_scales)
    path = None if output is None else Path(output)
    if path is not None:
        require_writable(path, force=force, inputs=source.paths)
    with opened(source) as found:
        graph = found.graph
    form = _Form(dialect, opset, _quantized_io(io, domains), packed_weights, vnni)
    converted = _to_onnx(graph, _digest(source, found), form, domains)
    if path is not None:
        data = converted.SerializeToString(deterministic=True)
        write(path, data, force=force, inputs=source.paths)
    notes = {layer.name: layer.notes for layer in graph.layers if layer.notes}
    return Exported(path, converted, tuple(layer.name for layer in graph.layers), notes)


def check(
    model: AnyPath | object,
    onnx: AnyPath | onnx.ModelProto | Exported | None = None,
    *,
    weights: AnyPath | None = None,
    inputs: Inputs | None = None,
    samples: int | None = None,
    seed: int = 0,
    domains: Sequence[str] = (),
    require: str = "sampled",
    scan: bool = False,
    tf_python: AnyPath | None = None,
    progress: Progress | None = None,
    failed: Failed | None = None,
    scanning: Scanning | None = None,
    via_tensorflow: bool = False,
    opaque: str | None = None,
    freeze_scales: Inputs | None = None,
    reproducer: AnyPath | None = None,
    repair: AnyPath | None = None,
    force: bool = True,
) -> Report:
    """Compare every layer of a model in TensorFlow, ONNX Runtime and NumPy.

    Without *onnx* the model is exported to memory first; a file of another converter is compared
    by values (docs/OTHER_FILES.md). *inputs* are a ``.npy`` or ``.npz``
    file, an array, or arrays by name of the model's input; else *samples* are chosen with *seed*.
    *domains* are texts like ``image=uint8/256``, which proofs then assume of the inputs; without
    a name, of all. *require* is the weakest verdict that passes: proven, bounded or sampled.
    With *scan* quantizers that theorems do not certify are tried on every float32 number, which
    takes minutes for each; *scanning* hears of it.
    A witness that is missing makes a report that does not pass, not an exception; *failed* hears
    of it at once. *via_tensorflow*, *opaque* and *freeze_scales* are those of `load`; samples of
    which scales are frozen are the only ones on which TensorFlow can agree, so that they are all
    that is compared, as one batch. If something differs, *reproducer* is a folder for the first
    wrong layer by itself and a script that shows it; `OutputError` if it cannot be written, or
    has content while *force* is false. *repair* is a file for the ONNX file with constants moved
    until its codes are TensorFlow's in every state of the tables: that file is what is checked
    then, and written if it passes and is another one.
    """
    from qconvert.checking import (
        CheckedFile,
        Subject,
        assemble,
        examine,
        found_by_value,
        in_words,
        tensorflow_started,
    )
    from qconvert.checking.declared import with_codes_of
    from qconvert.checking.onnx_file import in_memory
    from qconvert.checking.other_files.interface import interface
    from qconvert.checking.stopwatch import Stopwatch
    from qconvert.checking.witness import Witness
    from qconvert.emit.metadata import read_metadata
    from qconvert.errors import UsageError
    from qconvert.opening import Source, opened
    from qconvert.output import require_writable, require_writable_folder
    from qconvert.reproducing import Collector, write_reproducer

    if reproducer is not None:
        require_writable_folder(Path(reproducer), force=force)
    if repair is not None:
        sources = [Path(x) for x in (model, onnx) if isinstance(x, (str, os.PathLike))]
        require_writable(Path(repair), force=force, inputs=sources)
    if freeze_scales is not None and (inputs is not None or samples is not None or domains):
        raise UsageError("the samples that scales are frozen on are the inputs of the check")
    required, watch = _required(require), Stopwatch()
    source = Source(model, weights, via_tensorflow, opaque, tf_python, freeze_scales)
    with ExitStack() as stack:
        with watch.part("reading and exporting"):
            found = stack.enter_context(opened(source, for_keras=True))
            converted, onnx_file = given, _ = _onnx(onnx, found.graph, _digest(source, found))
        file, graph = found.file, found.graph
        known = interface(graph, converted)
        declared = with_codes_of(read_metadata(converted), _domains(graph, domains))
        stream = found.frozen_on or _samples(graph, inputs, samples, seed, declared)
        with tensorflow_started(found.keras, file.weights_path, source.python) as tensorflow:
            left: tuple[Unrepaired, ...] = ()
            if repair is not None:
                with watch.part("repair"):
                    converted, left = _repaired(graph, converted, known, declared, tensorflow)
                onnx_file = onnx_file if converted == given else in_memory(converted)
            if known is not None:
                with watch.part("finding layers"):
                    known, stream = found_by_value(graph, converted, known, stream)
            with watch.part("starting TensorFlow"):
                panel = assemble(graph, converted, tensorflow, known, declared)
            checked = CheckedFile(str(file.path), file.sha256)
            by_value = None if known is None else in_words(known)
            subject = Subject(graph, checked, onnx_file, declared, required, scan, watch, by_value)
            collector = None if reproducer is None else Collector(graph, converted)
            report = examine(
                subject,
                panel,
                stream,
                _counting(progress, stream.count),
                _naming(failed),
                collector,
                scanning,
            )
            if repair is not None:
                report = _with_repair(report, converted, left, given, Path(repair), force=force)
            if reproducer is None or collector is None:
                return report
            return write_reproducer(
                report,
                collector,
                graph,
                converted,
                Path(reproducer),
                force=force,
                inputs=_paths(source, onnx, inputs),
                tensorflow=panel.runners.get(Witness.TENSORFLOW),
            )


def stamp(onnx: AnyPath, report: Report) -> None:
    """Write the verdict of *report* into the metadata of the file *onnx*, which it is about.

    The graph stays as it is. `UsageError` if the report is about another file, `OutputError`.
    """
    from qconvert.checking.onnx_file import read_onnx
    from qconvert.emit.stamp import add_stamp
    from qconvert.errors import UsageError
    from qconvert.output import write
    from qconvert.report.stamping import stamp_of

    path = Path(onnx)
    model, file = read_onnx(path)
    if file.sha256 != report.onnx.sha256:
        raise UsageError(f"{path} is not the file that was checked")
    add_stamp(model, stamp_of(report))
    write(path, model.SerializeToString(deterministic=True), force=True)


def _repaired(
    graph: Graph,
    model: onnx.ModelProto,
    known: Correspondence | None,
    domains: Mapping[str, InputDomain],
    tensorflow: TensorFlowRunner | str,
) -> tuple[onnx.ModelProto, tuple[Unrepaired, ...]]:
    from qconvert.checking import assemble, seeded
    from qconvert.checking.repair.repair import repaired
    from qconvert.errors import UsageError
    from qconvert.exactness import analyse

    if known is not None:
        raise UsageError("a file that qconvert did not write is not repaired: export the model")
    probe = next(seeded(graph, _PROBE, 0, domains).batches)
    analysis = analyse(graph, domains)
    found = repaired(graph, analysis, model, lambda m: assemble(graph, m, tensorflow), probe)
    return found.model, found.unrepaired


def _with_repair(
    report: Report,
    model: onnx.ModelProto,
    left: tuple[Unrepaired, ...],
    given: onnx.ModelProto,
    path: Path,
    *,
    force: bool,
) -> Report:
    """The report on a repaired file, which is written if it passes and is not the *given* one."""
    from qconvert.output import write

    report = replace(report, repair=replace(report.repair, unrepaired=left))
    if model == given or not report.passed:
        return report
    write(path, model.SerializeToString(deterministic=True), force=force)
    file = replace(report.onnx, path=str(path))
    return replace(report, onnx=file, repair=replace(report.repair, path=str(path)))


def effective_weights(
    model: AnyPath | object,
    *,
    weights: AnyPath | None = None,
    via_tensorflow: bool = False,
    opaque: str | None = None,
    tf_python: AnyPath | None = None,
    freeze_scales: Inputs | None = None,
) -> dict[str, dict[str, F32]]:
    """The weights that each layer computes with, quantized, by layer name and role.

    The options are those of `load`.
    """
    graph = load(
        model,
        weights=weights,
        via_tensorflow=via_tensorflow,
        opaque=opaque,
        tf_python=tf_python,
        freeze_scales=freeze_scales,
    )
    return {
        layer.name: {role: weight.effective for role, weight in layer.weights.items()}
        for layer in graph.layers
        if layer.weights
    }


def save_weights(
    model: AnyPath | object,
    output: AnyPath,
    *,
    weights: AnyPath | None = None,
    force: bool = True,
    via_tensorflow: bool = False,
    opaque: str | None = None,
    tf_python: AnyPath | None = None,
    freeze_scales: Inputs | None = None,
) -> int:
    """Write the effective weights with codes and scales to an ``.npz``; how many there are."""
    from qconvert.opening import Source
    from qconvert.output import require_writable, write
    from qconvert.report.weights import to_npz

    sources = Source(model, weights, freeze_scales=freeze_scales).paths
    require_writable(Path(output), force=force, inputs=sources)
    effective = effective_weights(
        model,
        weights=weights,
        via_tensorflow=via_tensorflow,
        opaque=opaque,
        tf_python=tf_python,
        freeze_scales=freeze_scales,
    )
    write(Path(output), to_npz(effective), force=force, inputs=sources)
    return sum(map(len, effective.values()))


def inspect(
    model: AnyPath | object,
    *,
    weights: AnyPath | None = None,
    via_tensorflow: bool = False,
    opaque: str | None = None,
    tf_python: AnyPath | None = None,
    freeze_scales: Inputs | None = None,
    optimized: bool = False,
) -> Summary:
    """Layers, quantizers, bits, grids and sizes of a model or of an ``.onnx`` file.

    *optimized* also has ONNX Runtime optimize such a file, and tells which layer then runs as
    which kernel, and why not on integers; `WitnessError` if it is missing.
    """
    from qconvert.errors import UsageError
    from qconvert.report.summary import of_graph, of_onnx

    if isinstance(model, (str, os.PathLike)) and Path(model).suffix == ".onnx":
        from qconvert.checking.onnx_file import read_onnx
        from qconvert.runners.ort import OrtRunner

        file, _ = read_onnx(Path(model))
        return of_onnx(file, OrtRunner(file).optimized() if optimized else None)
    if optimized:
        raise UsageError("only an ONNX file is optimized: export the model first")
    return of_graph(
        load(
            model,
            weights=weights,
            via_tensorflow=via_tensorflow,
            opaque=opaque,
            tf_python=tf_python,
            freeze_scales=freeze_scales,
        )
    )


def bench(
    onnx: AnyPath,
    against: AnyPath | object | None = None,
    *,
    weights: AnyPath | None = None,
    batches: Sequence[int] = (1, 32),
    threads: Sequence[int] = (1, 0),
    rounds: int = 9,
    tf_python: AnyPath | None = None,
    told: Callable[[str], None] | None = None,
) -> Benchmark:
    """Time an ONNX file, and beside it all that runs the Keras model *against* which it is held.

    Each number of samples in *batches* with each number of *threads*, 0 for as many as each
    program takes by itself; *rounds* is how often every program has its turn. A program that
    fails is said to; `WitnessError` if the file itself does not run. *told* hears what is done.
    """
    from qconvert.benchmarking import Against, Plan
    from qconvert.benchmarking import bench as measured
    from qconvert.checking import CheckedFile
    from qconvert.checking.onnx_file import read_onnx
    from qconvert.emit.metadata import read_metadata
    from qconvert.errors import UsageError
    from qconvert.opening import Source, read_for_keras

    if not batches or not threads or min([rounds, *batches]) < 1 or min(threads) < 0:
        raise UsageError("nothing is measured in no rounds, of no samples or without threads")
    plan = Plan(tuple(dict.fromkeys(batches)), tuple(dict.fromkeys(threads)), rounds)
    hear = told or (lambda _: None)
    if against is None:
        return measured(Path(onnx), None, plan, hear)
    described = read_metadata(read_onnx(Path(onnx))[0])
    if described is not None and described.has_codes:
        raise UsageError(
            f"{onnx} takes or returns integers, and its model numbers: export it without --io "
            "quantized to measure both"
        )
    source = Source(against, weights, tf_python=tf_python)
    with read_for_keras(source) as (file, keras):
        read = CheckedFile(str(file.path), file.sha256)
        beside = Against(read, keras, file.weights_path, source.python)
        return measured(Path(onnx), beside, plan, hear)


def explain(
    model: AnyPath | object,
    layer: str,
    at: Sequence[int] | None = None,
    *,
    inputs: Inputs | None = None,
    sample: int | None = None,
    seed: int = 0,
    domains: Sequence[str] = (),
    onnx: AnyPath | None = None,
    witnesses: bool = True,
    found: Callable[[Explanation], None] | None = None,
    weights: AnyPath | None = None,
    via_tensorflow: bool = False,
    opaque: str | None = None,
    tf_python: AnyPath | None = None,
    freeze_scales: Inputs | None = None,
) -> Explanation:
    """One number in the result of a *layer*, term by term: *at* is its index without the batch.

    *inputs* are those of `check`, or a picture (PNG), whose pixels are what *domains* say:
    ``uint8/255``. *sample* is which of them. Without *inputs* it is one that `check` would choose
    with this *seed*; without *at* an element that has something to show. *onnx* is the exported
    file, if it is not to be made anew. TensorFlow and ONNX Runtime are asked for the same element
    unless *witnesses* is false; what is missing is said to be. *found* hears of the explanation
    before they answer. `UsageError` for a layer or an element that is not there. The other
    options are those of `load`.
    """
    from qconvert.asking import Question, asked
    from qconvert.opening import Source

    source = Source(model, weights, via_tensorflow, opaque, tf_python, freeze_scales)
    question = Question(layer, at, inputs, sample, seed, domains)
    return asked(source, question, onnx=onnx, witnesses=witnesses, found=found)


def _samples(
    graph: Graph,
    inputs: Inputs | None,
    count: int | None,
    seed: int,
    domains: Mapping[str, InputDomain],
) -> Samples:
    from qconvert.checking import from_user, seeded

    if inputs is None:
        return seeded(graph, count, seed, domains)
    given = Path(inputs) if isinstance(inputs, (str, os.PathLike)) else inputs
    return from_user(graph, given, count, domains)


def _paths(source: Source, *given: object) -> list[Path]:
    """The files that a command reads."""
    return source.paths + [Path(one) for one in given if isinstance(one, (str, os.PathLike))]


def _onnx(
    given: AnyPath | onnx.ModelProto | Exported | None, graph: Graph, source: str | None
) -> tuple[onnx.ModelProto, CheckedFile]:
    from qconvert.checking.onnx_file import in_memory, read_onnx

    if isinstance(given, (str, os.PathLike)):
        return read_onnx(Path(given))
    if isinstance(given, Exported):
        given = given.model
    model = _to_onnx(graph, source) if given is None else given
    return model, in_memory(model)


def _required(text: str) -> Verdict:
    from qconvert.checking.results import Verdict
    from qconvert.errors import UsageError

    names = {v.value.lower(): v for v in Verdict if v.passes}
    if text.lower() not in names:
        raise UsageError(f"{text!r} cannot be required; known are {', '.join(names)}")
    return names[text.lower()]


def _digest(source: Source, found: Opened) -> str | None:
    """The hash of the model file; a live model has none that anybody could compute."""
    return found.file.sha256 if isinstance(source.model, (str, os.PathLike)) else None


@dataclass(frozen=True, slots=True)
class _Form:
    """How a model is written."""

    dialect: str = "qdq"
    opset: int = 21
    quantized_io: bool = False
    packed: bool = False
    vnni: bool = False


def _quantized_io(io: str, domains: Sequence[str]) -> bool:
    from qconvert.errors import UsageError

    if io not in ("float32", "quantized"):
        raise UsageError(f"inputs and outputs are float32 or quantized, not {io!r}")
    if domains and io == "float32":
        raise UsageError("domains say what the integers of quantized inputs mean; these are floats")
    return io == "quantized"


def _to_onnx(
    graph: Graph, source: str | None, form: _Form = _Form(), domains: Sequence[str] = ()
) -> onnx.ModelProto:
    from qconvert.emit import to_onnx

    return to_onnx(
        graph,
        dialect=form.dialect,
        opset=form.opset,
        source=source,
        quantized_io=form.quantized_io,
        packed=form.packed,
        vnni=form.vnni,
        meanings=_domains(graph, domains),
    )


def _domains(graph: Graph, texts: Sequence[str]) -> dict[str, InputDomain]:
    """What the user says of inputs, of one text or several."""
    if not texts:
        return {}
    from qconvert.checking.declared import read_domains

    return read_domains(graph, [texts] if isinstance(texts, str) else texts)


def _naming(failed: Failed | None) -> Callable[[Witness, str], None] | None:
    return None if failed is None else lambda witness, failure: failed(witness.value, failure)


def _counting(progress: Progress | None, total: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(done, total)
