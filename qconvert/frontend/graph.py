"""From a model file to the graph: nested models inlined, every call of every layer parsed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from qconvert.errors import BadFileError, Problem
from qconvert.frontend.assembly import chained
from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.declared import input_shape, require_taken
from qconvert.frontend.flavour import flavour_of
from qconvert.frontend.layers import LAYERS, TAKING_ARGUMENTS
from qconvert.frontend.masks import Rule, mask_of_result, rule_of
from qconvert.frontend.noted import noted
from qconvert.frontend.opaque import Converter, StockCall, fall_back, parse_opaque
from qconvert.frontend.order import call_order
from qconvert.frontend.problems import Blocked, Malformed, Reason, Unsupported, require_none
from qconvert.frontend.refused import require_known, require_plain_call, require_plain_input
from qconvert.frontend.repeated import refuse_repeated_scales
from qconvert.frontend.sizes import require_bounded, with_few_calls
from qconvert.frontend.topology import (
    FUNCTION,
    Invocation,
    LayerSpec,
    ModelSpec,
    Ref,
    paths_of,
    read_model_spec,
)
from qconvert.frontend.values import (
    Scope,
    Value,
    Values,
    numbered,
    result_name,
    result_of,
    state,
    states_of,
    unique,
)
from qconvert.frontend.weights import Weights, require_finite
from qconvert.ir.graph import Graph, Input, Layer, Node, Output, validate
from qconvert.modelfile import DEFAULT_LIMITS, Limits, ModelFile

_FUNCTIONS: Final = frozenset({"SlicingOpLambda", "TFOpLambda"})


def build_graph(
    model: ModelFile,
    opaque: Converter | None = None,
    *,
    freezing: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Graph:
    """The graph of a model; `UnsupportedError` with all problems, `BadFileError`, `LimitError`.

    *opaque* converts the stock layers that no parser knows, or not with all their options. With
    *freezing*, scales of activations may depend on the batch, which the caller has to freeze.
    """
    builder = _Builder(model, opaque, freezing)
    try:
        graph = builder.build(with_few_calls(read_model_spec(model.config), model.path, limits))
    except Malformed as error:
        builder.reject("", error)
    require_none(builder.problems, builder.unsupported, model.path)
    assert graph is not None
    try:
        validate(graph, freezing=freezing)
    except ValueError as error:
        raise BadFileError("QC315", model.path, str(error)) from None
    require_bounded(graph, model.path, limits)
    return graph


class _Builder:
    """Collects nodes, layers and problems while it walks through the models."""

    def __init__(self, model: ModelFile, opaque: Converter | None, freezing: bool) -> None:
        self._model = model
        self._freezing = freezing
        self._flavour = flavour_of(model.config, model.keras_version)
        self._opaque = opaque
        self._nodes: list[Node] = []
        self._layers: list[Layer] = []
        self._states: list[tuple[Input, Output]] = []
        #: By the path of a layer, the values that all of its calls return.
        self._results: dict[str, set[str]] = {}
        #: What no Keras can have written, and what cannot be converted.
        self.problems: list[Problem] = []
        self.unsupported: list[Problem] = []

    def build(self, spec: ModelSpec) -> Graph | None:
        """The graph, None if there are problems."""
        layers = {layer.name: layer for layer in spec.layers}
        inputs = [self._input(layers, ref.layer) for ref in spec.inputs]
        results = self._run(spec, inputs, Scope())
        unused = sorted({k for k, v in self._model.weights.items() if v}.difference(paths_of(spec)))
        if unused:
            self.reject("", Malformed(f"weights of unknown layers: {', '.join(unused)}", "QC505"))
        known = [value for value in results if value is not None]
        if self.problems or self.unsupported or len(known) < len(results):
            return None
        names = unique([ref.layer for ref in spec.outputs])
        sources = [Input(v.name, v.shape) for v in inputs if v is not None]
        outputs = [Output(n, v.name) for n, v in zip(names, known, strict=True)]
        graph = Graph(
            name=spec.name,
            inputs=(*sources, *(source for source, _ in self._states)),
            nodes=tuple(self._nodes),
            outputs=(*outputs, *(output for _, output in self._states)),
            layers=tuple(self._layers),
        )
        return noted(graph, self._results)

    def _input(self, layers: Mapping[str, LayerSpec], name: str) -> Value | None:
        if name not in layers:
            return None
        try:
            shape = input_shape(layers[name].config)
        except Malformed as error:
            self.reject(name, error)
            return None
        if shape is None:
            reason = "the model does not say which shape its input has"
            self._note(name, Reason(reason, "QC316"))
            return None
        return Value(name, shape)

    def _run(self, spec: ModelSpec, inputs: Values, scope: Scope) -> Values:
        """Call a model: the values of its outputs."""
        if len(inputs) != len(spec.inputs):
            raise Malformed(
                f"{spec.name!r} takes {len(spec.inputs)} inputs, not {len(inputs)}", "QC315"
            )
        values: dict[tuple[str, int], Values] = {}
        for ref, value in zip(spec.inputs, inputs, strict=True):
            values[ref.layer, 0] = [value]
        for layer, number in self._order(spec):
            if layer.class_name == "InputLayer":
                self._check_input(spec, layer, values.get((layer.name, 0), ()), scope)
                continue
            call = layer.calls[number]
            given = [self._result(values, ref) for ref in call.inputs]
            values[layer.name, number] = self._call(layer, number, call, given, scope)
        return [self._result(values, ref) for ref in spec.outputs]

    def _result(self, values: Mapping[tuple[str, int], Values], ref: Ref) -> Value | None:
        try:
            return result_of(values, ref)
        except Malformed as error:
            self.reject("", error)
            return None

    def _order(self, spec: ModelSpec) -> list[tuple[LayerSpec, int]]:
        ordered, problems = call_order(spec)
        for problem in problems:
            self.reject("", problem)
        return ordered

    def _call(
        self, layer: LayerSpec, number: int, call: Invocation, given: Values, scope: Scope
    ) -> Values:
        path = f"{scope.weights}{layer.name}"
        if layer.model is not None:
            self._check_arguments(path, Config(call.arguments))
            return self._run(layer.model, given, scope.inside(layer.name, number))
        with self._noting(path):
            parsed = self._parse(layer, call, given, path)
            return self._add(layer, number, parsed, given, scope)
        return [None]

    def _parse(self, layer: LayerSpec, call: Invocation, given: Values, path: str) -> Parsed:
        require_known(layer, opaque=self._opaque is not None)
        arguments = Config(call.arguments)
        function = layer.class_name in _FUNCTIONS or layer.class_name.startswith(FUNCTION)
        if layer.class_name not in TAKING_ARGUMENTS and not function:
            self._check_arguments(path, arguments)
        if call.constant is not None and not function:
            raise Unsupported(f"{layer.class_name} of a constant", code="QC326")
        stored = self._model.weights.get(path, ())
        require_finite(stored)
        shapes = tuple(None if value is None else value.shape for value in given)
        masks = tuple(value.mask.shape if value and value.mask else None for value in given)
        stock = StockCall(
            layer.class_name, layer.config, call.arguments, shapes, stored, masked=any(masks)
        )
        if self._opaque and layer.class_name not in LAYERS:
            return parse_opaque(stock, self._opaque)
        weights = Weights(stored)
        config = Config(layer.config, self._flavour, freezing=self._freezing)
        native = Call(
            class_name=layer.class_name,
            config=config,
            weights=weights,
            shapes=shapes,
            arguments=arguments,
            constant=call.constant,
            masks=masks,
        )
        try:
            parsed = LAYERS[layer.class_name](native)
        except Unsupported as refusal:
            return fall_back(refusal, stock, self._opaque)
        except Malformed as error:
            raise Malformed(str(error), error.code, also=(*error.also, *config.refused)) from None
        weights.done()
        refuse_repeated_scales(parsed)
        return replace(parsed, notes=config.notes)

    def _add(
        self, layer: LayerSpec, number: int, parsed: Parsed, given: Values, scope: Scope
    ) -> Values:
        """Append the nodes of a call; the last one of a result is called as the layer."""
        known = [value for value in given if value is not None]
        if len(known) < len(given):
            return [None]
        path, key = f"{scope.weights}{layer.name}", f"{scope.values}{numbered(layer.name, number)}"
        shapes = [value.shape for value in known]
        graph = parsed.graph or chained(shapes, parsed.before, parsed.ops)
        again = number > 0 or not scope.first
        states = states_of(path, parsed, graph, again=again)
        masks = [value.mask for value in known]
        values = self._inline(key, graph, [*known, *(mask for mask in masks if mask), *states])
        results = [values[output.value] for output in graph.outputs]
        if states:
            results, new = results[: -len(states)], results[-len(states) :]
            self._states += map(state, states, new)
        if rule_of(layer.class_name) is Rule.OWN:
            own = {i: values[name] for i, name in parsed.masks.items()}
            results = [replace(v, mask=own.get(i)) for i, v in enumerate(results)]
        elif any(masks):
            results = [replace(v, mask=self._mask(key, layer, parsed, masks, v)) for v in results]
        self._results.setdefault(path, set()).update(result.name for result in results)
        for i, result in enumerate(results):
            told = ({}, ()) if i or again else (parsed.weights, parsed.notes)
            self._layers.append(Layer(result_name(key, i), layer.class_name, result.name, *told))
        return results

    def _mask(
        self,
        key: str,
        layer: LayerSpec,
        parsed: Parsed,
        masks: Sequence[Value | None],
        result: Value,
    ) -> Value | None:
        """The mask of the result of a call, some of whose inputs have *masks*."""
        shapes = [mask.shape if mask else None for mask in masks]
        graph = mask_of_result(layer.class_name, parsed, result.shape, shapes)
        if graph is None:
            return None
        known = [mask for mask in masks if mask]
        return self._inline(f"{key}:mask", graph, known)[graph.outputs[0].value]

    def _inline(self, key: str, graph: Graph, known: Sequence[Value]) -> dict[str, Value]:
        """The nodes of *graph*, its inputs replaced by as many of the *known* values."""
        sources = known[: len(graph.inputs)]
        values = {source.name: v for source, v in zip(graph.inputs, sources, strict=True)}
        named: dict[str, str] = {}
        for i, output in enumerate(graph.outputs):
            named.setdefault(output.value, result_name(key, i))
        for node in graph.nodes:
            name = named.get(node.name, f"{key}:{node.name}")
            inputs = tuple(values[value].name for value in node.inputs)
            self._nodes.append(Node(name, node.op, inputs, node.shape))
            values[node.name] = Value(name, node.shape)
        return values

    def _check_input(self, spec: ModelSpec, layer: LayerSpec, given: Values, scope: Scope) -> None:
        with self._noting(f"{scope.weights}{layer.name}"):
            require_plain_input(spec, layer)
            require_taken(spec, layer, given)

    def _check_arguments(self, path: str, arguments: Config) -> None:
        try:
            require_plain_call(arguments)
        except Unsupported as error:
            self._note(path, *error.reasons)

    @contextmanager
    def _noting(self, path: str) -> Iterator[None]:
        """What is wrong with a layer is noted, so that all the others are looked at, too."""
        try:
            yield
        except Blocked:
            pass
        except Unsupported as error:
            self._note(path, *error.reasons)
        except Malformed as error:
            self.reject(path, error)

    def reject(self, path: str, error: Malformed) -> None:
        """Note that a layer, or the model itself, is nothing that Keras can have written."""
        self.problems.append(Problem(error.code, path, str(error)))
        self._note(path, *error.also)

    def _note(self, path: str, *reasons: Reason) -> None:
        self.unsupported += [Problem(reason.code, path, reason.text) for reason in reasons]
