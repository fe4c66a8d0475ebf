"""One element of a model's layer: explained, and asked of all programs that compute it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from qconvert.amounts import require_among, require_reached
from qconvert.checking import seeded_sample, tensorflow_started, user_sample
from qconvert.checking.declared import read_domains, with_codes_of
from qconvert.checking.images import image_of, is_image
from qconvert.checking.inputs import Batch
from qconvert.checking.onnx_file import read_onnx, require_interface_of, require_told_tensors
from qconvert.checking.witness import Witness
from qconvert.emit import to_onnx
from qconvert.emit.metadata import read_metadata
from qconvert.errors import UsageError, WitnessError, naming_file
from qconvert.exactness import analyse
from qconvert.explaining import Explanation, Index, Run, Statement, explain, layer_called
from qconvert.ir import F32, Graph, Layer, Node
from qconvert.modelfile import Limits, name_of
from qconvert.opening import AnyPath, Inputs, Opened, Source, opened
from qconvert.reference import evaluate
from qconvert.runners import OrtRunner, TensorFlowRunner, Trace
from qconvert.runners.interface import InputDomain

if TYPE_CHECKING:
    import onnx

Found: TypeAlias = Callable[[Explanation], None]

#: Of the samples that `check` chooses the first one is a pattern, and the next one random.
_RANDOM: Final = 1


@dataclass(frozen=True, slots=True)
class Question:
    """Which element of which layer, and on which sample.

    Without *inputs* samples are those that `check` chooses with this *seed*; without a *sample*
    it is the first of *inputs*.
    """

    layer: str
    at: Sequence[int] | None = None
    inputs: Inputs | None = None
    sample: int | None = None
    seed: int = 0
    domains: Sequence[str] = ()


def asked(
    source: Source,
    question: Question,
    *,
    onnx: AnyPath | None = None,
    witnesses: bool = True,
    found: Found | None = None,
) -> Explanation:
    """The explanation, with what TensorFlow and ONNX Runtime return if *witnesses* are asked.

    *onnx* is the file that ONNX Runtime gets, which else is exported to memory. *found* hears of
    the explanation before these have answered. One that is missing is said to be.
    """
    require_reached(question.sample)
    with ExitStack() as stack:
        model = stack.enter_context(opened(source, for_keras=True))
        layer = layer_called(model.graph, question.layer)
        part = _behind(model.graph, layer)
        file = None if onnx is None else _file(model.graph, Path(onnx), source.read_within)
        chosen = _chosen(model, question, file, source.read_within)
        tensorflow: TensorFlowRunner | str = "not asked"
        if witnesses or part.opaque:
            files = model.keras
            assert files is not None
            started = tensorflow_started(files.model, files.weights, source.python)
            tensorflow = stack.enter_context(started)
        keras = _Keras(tensorflow, chosen.batch)
        run = _run(model, part, chosen, keras)
        explanation = explain(run, question.layer, question.at)
        if not witnesses:
            return explanation
        if found is not None:
            found(explanation)
        element = _Asked(question.layer, (chosen.sample, *explanation.index), chosen.batch)
        # While TensorFlow starts.
        given = to_onnx(model.graph) if file is None else file
        of_ort = tuple(_of_ort(element, given, source.read_within))
        of_keras = keras.of(element)
        of_numpy = _of_numpy(explanation.value, known=layer.value not in part.opaque)
        return replace(explanation, witnesses=(of_keras, *of_ort, of_numpy))


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A batch, the number of the sample in it, and where it comes from, in words."""

    batch: Batch
    sample: int
    described: str
    domains: Mapping[str, InputDomain]


class _Keras:
    """TensorFlow, which runs the batch once."""

    def __init__(self, runner: TensorFlowRunner | str, batch: Batch) -> None:
        self._runner, self._batch = runner, batch

    @cached_property
    def trace(self) -> Trace:
        """Every layer's result; `WitnessError` if it cannot run."""
        if isinstance(self._runner, str):
            needed = "opaque layers can be computed from TensorFlow's results only"
            raise WitnessError("QC729", f"{needed}: {self._runner}")
        return self._runner.run(self._batch)

    def of(self, element: "_Asked") -> Statement:
        """What it returns for an element."""
        if isinstance(self._runner, str):
            return Statement(Witness.TENSORFLOW.value, None, self._runner)
        return element.of(Witness.TENSORFLOW, lambda: self.trace)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The element that programs are asked for, by the index with the batch."""

    layer: str
    index: Index
    batch: Batch

    def of(self, witness: Witness, run: Callable[[], Trace], missing: str = "") -> Statement:
        """The number, or why there is none."""
        try:
            result = run().layers.get(self.layer)
        except WitnessError as error:
            return Statement(witness.value, None, error.coded)
        if result is None:
            return Statement(witness.value, None, missing)
        try:
            return Statement(witness.value, result[self.index].item())
        except (IndexError, ValueError):
            return Statement(witness.value, None, f"its result has the shape {result.shape}")


def _file(graph: Graph, path: Path, limits: Limits) -> "onnx.ModelProto":
    file, _ = read_onnx(path, limits)
    with naming_file(path, UsageError):
        require_interface_of(graph, file)
    metadata = read_metadata(file)
    if metadata is None:
        raise UsageError(
            "QC705", f"{path} was not written by qconvert: it does not tell where layers are"
        )
    require_told_tensors(path, file.graph, metadata)
    return file


def _chosen(
    model: Opened, question: Question, file: "onnx.ModelProto | None", limits: Limits
) -> _Chosen:
    """The sample that is looked at; scales that are frozen are so for a whole batch."""
    declared = read_domains(model.graph, question.domains)
    domains = declared if file is None else with_codes_of(read_metadata(file), declared)
    if model.frozen_on is not None:
        if question.inputs is not None:
            raise UsageError(
                "QC002", "the samples that scales are frozen on are those that are explained"
            )
        samples, number = model.frozen_on, question.sample or 0
        require_among(number, samples.count)
        batch = next(samples.batches)
        return _Chosen(batch, number, f"sample {number} of {samples.description}", domains)
    if question.inputs is None:
        return _drawn(model.graph, question, domains)
    return _given(model.graph, question.inputs, question.sample or 0, domains, limits)


def _drawn(graph: Graph, question: Question, domains: Mapping[str, InputDomain]) -> _Chosen:
    """One of the samples that `check` chooses, without those before it."""
    number = _RANDOM if question.sample is None else question.sample
    if number < 0:
        raise UsageError("QC003", f"there is no sample {number}: they count from 0")
    described = f"sample {number} of those that check chooses with seed {question.seed}"
    return _Chosen(seeded_sample(graph, number, question.seed, domains), 0, described, domains)


def _given(
    graph: Graph, inputs: Inputs, number: int, domains: Mapping[str, InputDomain], limits: Limits
) -> _Chosen:
    """One of the user's samples; a picture is the only one of its file."""
    given = Path(inputs) if isinstance(inputs, (str, os.PathLike)) else inputs
    if isinstance(given, Path) and is_image(given):
        require_among(number, 1)
        described = f"sample 0 of the picture {name_of(given)}"
        return _Chosen(image_of(graph, given, domains, limits), 0, described, domains)
    batch, described = user_sample(graph, given, number, domains, limits)
    return _Chosen(batch, 0, described, domains)


def _behind(graph: Graph, layer: Layer) -> Graph:
    """The graph with the nodes alone that the layer's result depends on."""
    wanted, nodes = {layer.value}, list[Node]()
    for node in reversed(graph.nodes):
        if node.name in wanted:
            nodes.append(node)
            wanted |= set(node.inputs)
    return replace(graph, nodes=tuple(reversed(nodes)))


def _run(model: Opened, part: Graph, chosen: _Chosen, keras: _Keras) -> Run:
    """Every value of the NumPy reference, which takes those of opaque layers from TensorFlow."""
    given: dict[str, F32] = {name: keras.trace.layers[name] for name in part.opaque}
    return Run(
        name_of(model.file.path),
        model.file.sha256,
        part,
        evaluate(part, chosen.batch, given),
        analyse(part, chosen.domains),
        chosen.described,
        chosen.sample,
    )


def _of_numpy(value: float, *, known: bool) -> Statement:
    if known:
        return Statement(Witness.NUMPY.value, value)
    lent = "it does not know this layer, and goes on with TensorFlow's number"
    return Statement(Witness.NUMPY.value, None, lent)


def _of_ort(element: _Asked, model: "onnx.ModelProto", limits: Limits) -> Iterator[Statement]:
    """With every layer looked at, and as deployed, which shows layers that end in codes."""
    runner = OrtRunner(model, limits)
    missing = "the file has no tensor of it"
    if element.layer in runner.fused:
        missing += f": {runner.fused[element.layer]}'s operators compute it"
    yield element.of(Witness.ORT, lambda: runner.run_layers(element.batch), missing)
    if element.layer in runner.coded:
        yield element.of(Witness.DEPLOYED, lambda: runner.run_tapped(element.batch))
