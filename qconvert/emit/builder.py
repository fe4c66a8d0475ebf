"""Writes one ONNX graph: names, shared constants, common subexpressions, dead nodes."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from qconvert.ir import Shape

#: The handle of a tensor in the graph; its name in the file may differ until `Builder.model`.
Tensor: TypeAlias = str
Attribute: TypeAlias = int | float | str | Sequence[int] | onnx.GraphProto
Attributes: TypeAlias = Mapping[str, Attribute]

#: The name of the batch axis of every input and output.
BATCH = "batch"
_FEW_READERS = 2


class Builder:
    """Collects the nodes of one graph; the same operation on the same tensors is one node."""

    def __init__(
        self,
        opset: int,
        reserved: Iterable[str] = (),
        batch: str | None = BATCH,
        *,
        packed: bool = False,
        vnni: bool = False,
        returned: Set[str] = frozenset(),
    ) -> None:
        self.opset = opset
        #: Whether weights are to take as few bits as they can.
        self.packed = packed
        #: Whether x86 CPUs add pairs of products of bytes in 32 bits.
        self.vnni = vnni
        #: The scopes whose codes are returned, and not their numbers.
        self.returned = returned
        #: For which kernels they have to.
        self.need_vnni: set[str] = set()
        #: Sums that may be rounded together with the products in front of them.
        self.either_way: set[Tensor] = set()
        self._batch = batch
        self.scope = ""
        self._taken = set(reserved)
        self._names: dict[Tensor, str] = {}
        self._nodes: dict[Tensor, onnx.NodeProto] = {}
        self._known: dict[object, Tensor] = {}
        self._constants: dict[Tensor, npt.NDArray[np.generic]] = {}
        self._hidden: dict[Tensor, Tensor] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: dict[Tensor, onnx.ValueInfoProto] = {}

    def subgraph(self, scope: str) -> "Builder":
        """For a graph inside a node of this one: no tensor of it is called as one here.

        Its batch may be another one, where every step of time is a sample, and has no name:
        ONNX Runtime would put tensors whose axes are called alike into one place.
        """
        inner = Builder(self.opset, batch=None, packed=self.packed, vnni=self.vnni)
        inner.scope, inner._taken, inner.need_vnni = scope, self._taken, self.need_vnni
        return inner

    def input(self, name: str, shape: Shape, dtype: str = "float32") -> Tensor:
        """A tensor that the user supplies."""
        self._inputs.append(_value_info(name, shape, self._batch, dtype))
        return name

    def supplies(self, tensor: Tensor) -> bool:
        """Whether the user does: whether *tensor* is an input."""
        return any(tensor == value.name for value in self._inputs)

    def output(self, tensor: Tensor, name: str, shape: Shape, dtype: str = "float32") -> str:
        """Make *tensor* a result of the model; its name, *name* unless an input is called so."""
        if self.supplies(name):
            name = self.fresh(name)
        self.rename(tensor, name)
        if self.name_of(tensor) != name:
            tensor = self.rename(self._append("Identity", (tensor,), {}), name)
        self._outputs[tensor] = _value_info(name, shape, self._batch, dtype)
        return name

    def op(self, kind: str, *inputs: Tensor, attributes: Attributes | None = None) -> Tensor:
        """Apply an operator of the standard domain; an absent optional input is ``""``."""
        chosen = dict(attributes or {})
        key = (kind, inputs, tuple(sorted((name, str(value)) for name, value in chosen.items())))
        if key not in self._known:
            self._known[key] = self._append(kind, inputs, chosen)
        return self._known[key]

    def scan(self, *inputs: Tensor, results: int, attributes: Attributes) -> Tensor:
        """A ``Scan``, of which the last of *results* is wanted."""
        tensor = self._append("Scan", inputs, dict(attributes))
        others = [self.fresh(f"{tensor}:{i}") for i in range(results - 1)]
        self._nodes[tensor].output[:] = [*others, tensor]
        return tensor

    def constant(self, value: npt.NDArray[np.generic], name: str) -> Tensor:
        """An initializer with these contents, called after *name* if it is the first such.

        Single numbers, which many nodes read, belong to no scope.
        """
        array = np.asarray(value, order="C")
        # Large ones are not kept a second time to be compared with.
        content = hashlib.sha256(array.reshape(-1).view(np.uint8).data).digest()
        key = (array.dtype.name, array.shape, content)
        if key not in self._known:
            self._known[key] = self._stored(array, f"{self.scope}/{name}" if array.ndim else name)
        return self._known[key]

    def own_constant(self, value: npt.NDArray[np.generic], name: str) -> Tensor:
        """An initializer that is shared with no other scope, nor is what is computed of it."""
        return self._stored(np.asarray(value, order="C"), f"{self.scope}/{name}")

    def scalar(self, value: float) -> Tensor:
        """One float32 number."""
        return self.constant(np.array(value, np.float32), f"{value:g}")

    def integers(self, values: Sequence[int], name: str) -> Tensor:
        """A list of int64, as shapes and axes are."""
        return self.constant(np.array(values, np.int64), name)

    def hidden(self, number: Tensor) -> Tensor:
        """A positive *number*, by an operator that no runtime folds, for any number of readers.

        ONNX Runtime computes a dequantization once for each of these, and ``Abs`` once for all.
        """
        tensor = self.op("DequantizeLinear", self.constant(np.array(1, np.int32), "one"), number)
        once = self.op("Abs", tensor)
        self._hidden[once] = tensor
        return once

    def splice(self, graph: onnx.GraphProto, inputs: Sequence[Tensor]) -> Tensor:
        """Add the nodes of another graph without subgraphs, which take *inputs*; its one output."""
        names = {str(v.name): x for v, x in zip(graph.input, inputs, strict=True)}
        names[""] = ""
        stored = {tensor.name: tensor for tensor in graph.initializer}
        for each in _from_the_result(graph):
            # Constants as they are needed, for a converter may list them in any order.
            for name in (name for name in each.input if name not in names):
                names[name] = self.constant(numpy_helper.to_array(stored[name]), "constant")
            node = onnx.NodeProto()
            node.CopyFrom(each)
            node.input[:] = [names[name] for name in each.input]
            for name in filter(None, each.output):
                names[name] = self.fresh(f"{self.scope}/{each.op_type}")
            node.output[:] = [names[name] for name in each.output]
            node.name, node.doc_string = next(filter(None, node.output)), ""
            self._nodes |= dict.fromkeys(filter(None, node.output), node)
        (result,) = graph.output
        return names[str(result.name)]

    def maker(self, tensor: Tensor) -> onnx.NodeProto | None:
        """The node that computes *tensor*; inputs of its own graph and constants have none."""
        return self._nodes.get(tensor)

    def rename(self, tensor: Tensor, name: str) -> Tensor:
        """Call the result of a node *name* in the file; what has such a name already keeps it."""
        if tensor in self._nodes:
            self._names.setdefault(tensor, name)
        return tensor

    def name_of(self, tensor: Tensor) -> str:
        """What *tensor* is called in the file."""
        return self._names.get(tensor, tensor)

    def fresh(self, wanted: str) -> str:
        """A name that no tensor has, like *wanted*."""
        name, count = wanted, 0
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name)
        return name

    def live(self) -> set[Tensor]:
        """The tensors that the outputs depend on."""
        pending = list(self._outputs)
        alive: set[Tensor] = set()
        while pending:
            tensor = pending.pop()
            if tensor not in alive:
                alive.add(tensor)
                pending += self._nodes[tensor].input if tensor in self._nodes else []
        return alive

    def model(self, name: str, producer: tuple[str, str]) -> onnx.ModelProto:
        """The finished model, without the nodes that no output needs."""
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(
            onnx.GraphProto(),
            opset_imports=opsets,
            ir_version=helper.find_min_ir_version_for(opsets),
            producer_name=producer[0],
            producer_version=producer[1],
        )
        # In its place: a model copies the graph that it is made of.
        self._fill(model.graph, name)
        return model

    def graph(self, name: str) -> onnx.GraphProto:
        """The graph alone, without the nodes that no output needs."""
        graph = onnx.GraphProto()
        self._fill(graph, name)
        return graph

    def _fill(self, graph: onnx.GraphProto, name: str) -> None:
        self._unhide_what_few_read()
        alive = self.live()
        # A node with several outputs is there once for each.
        nodes = {id(node): node for tensor, node in self._nodes.items() if tensor in alive}
        graph.name = name
        graph.node.extend(self._finished(node) for node in nodes.values())
        graph.input.extend(self._inputs)
        graph.output.extend(self._outputs.values())
        for tensor, array in self._constants.items():
            if tensor in alive:
                _store(graph.initializer.add(), tensor, array)

    def _unhide_what_few_read(self) -> None:
        """One operator more is worth it where it saves more than one."""
        alive = self.live()
        for once, tensor in self._hidden.items():
            pairs = ((name, node) for name, node in self._nodes.items() if once in node.input)
            readers = [node for name, node in pairs if name in alive]
            if len(readers) <= _FEW_READERS:
                for node in readers:
                    node.input[:] = [tensor if name == once else name for name in node.input]

    def _stored(self, array: npt.NDArray[np.generic], name: str) -> Tensor:
        tensor = self.fresh(name)
        self._constants[tensor] = array
        return tensor

    def _append(
        self, kind: str, inputs: tuple[Tensor, ...], attributes: dict[str, Attribute]
    ) -> Tensor:
        tensor = self.fresh(f"{self.scope}/{kind}")
        node = helper.make_node(kind, inputs, [tensor], tensor)
        node.attribute.extend(helper.make_attribute(*each) for each in sorted(attributes.items()))
        self._nodes[tensor] = node
        return tensor

    def _finished(self, node: onnx.NodeProto) -> onnx.NodeProto:
        named = onnx.NodeProto()
        named.CopyFrom(node)
        named.input[:] = [self.name_of(tensor) for tensor in node.input]
        named.output[:] = [self.name_of(tensor) for tensor in node.output]
        return named


def _store(found: onnx.TensorProto, name: str, array: npt.NDArray[np.generic]) -> None:
    """What `numpy_helper.from_array` makes, in its place: to extend a graph copies it three times.

    Types of less than a byte, which it packs, are small enough.
    """
    found.name = name
    found.dims.extend(array.shape)
    found.data_type = helper.np_dtype_to_tensor_dtype(array.dtype)
    if array.dtype.isbuiltin == 1:  # NumPy's own: 2 are types that others register
        found.raw_data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    else:
        found.raw_data = numpy_helper.from_array(array).raw_data


def _value_info(
    name: str, shape: Shape, batch: str | None, dtype: str = "float32"
) -> onnx.ValueInfoProto:
    sizes = [batch if axis == 0 and n is None else n for axis, n in enumerate(shape)]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, sizes)


def _from_the_result(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes in an order that follows from what they compute, each after those it reads."""
    source = {name: i for i, node in enumerate(graph.node) for name in node.output}
    done: set[int] = set()
    pending = [(source[graph.output[0].name], False)]
    while pending:
        i, ready = pending.pop()
        if i in done:
            continue
        node = graph.node[i]
        if ready:
            done.add(i)
            yield node
        else:
            before = [source[name] for name in node.input if name in source]
            pending += [(i, True), *((j, False) for j in reversed(before))]
