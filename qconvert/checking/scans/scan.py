"""The quantizers of a model that no theorem certifies, each scanned once for all numbers."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from qconvert import numerics
from qconvert.checking.audit import Evidence
from qconvert.checking.compare import compare_all
from qconvert.checking.judge import Differences
from qconvert.checking.proof import own_nodes
from qconvert.checking.scans.alone import Alone, NotAloneError
from qconvert.checking.scans.cache import Key, keep, kept, processor
from qconvert.checking.scans.certain import is_decidable
from qconvert.checking.scans.everything import scanned
from qconvert.checking.scans.programs import Programs, Scan
from qconvert.checking.scans.settled import Scans, differing
from qconvert.checking.scans.thresholds import decided
from qconvert.checking.tables.trials import has_a_tail
from qconvert.checking.witness import Panel, Quantizers, Witness
from qconvert.errors import WitnessError
from qconvert.exactness import Analysis, Doubt
from qconvert.exactness.quantizers import SCANNED
from qconvert.ir import F32, Graph, Node, Quantizer
from qconvert.ir.ops import Quantize
from qconvert.ir.quantizers import is_data_dependent
from qconvert.numerics import quantize_body

#: Called with the name of a layer whose quantizer is scanned, and how many of how many are done.
Scanning = Callable[[str, int, int], None]

#: A number of elements that is whole vectors, however long these are.
_VECTORS: Final = 64
#: Fewer than TensorFlow's vectors hold.
_END: Final = 7


@dataclass(frozen=True, slots=True)
class Subject:
    """A quantizer that is the last operation of a layer."""

    node: Node
    quantizer: Quantizer
    layer: str


def scans(
    graph: Graph, analysis: Analysis, panel: Panel, *, whole: bool, told: Scanning | None = None
) -> Scans:
    """Of every quantizer with a doubt that its rule leaves, all numbers; *whole* one by one.

    What cannot be run alone stays doubtful; a witness that died is found by the trials behind.
    """
    if panel.quantizers is None or panel.alone is None or graph.opaque:
        return Scans()
    done: dict[str, Scan | Doubt] = {}
    found: dict[str, Scan | Doubt] = {}
    for each in subjects(graph, analysis):
        try:
            lone = panel.alone(each.layer, each.quantizer)
            key = _key(each, lone, panel, panel.quantizers, whole=whole)
            name = str(sorted(key.items()))
            if name not in done:
                done[name] = _scan(each, lone, panel.quantizers, key, whole=whole, told=told)
            found[each.node.name] = done[name]
        except (NotAloneError, WitnessError) as error:
            found[each.node.name] = Doubt(str(error).partition("\n")[0])
    return Scans(found)


def differences(graph: Graph, analysis: Analysis, panel: Panel, found: Scans) -> Evidence:
    """What witnesses return for numbers that can come to a layer, where they differ.

    Fails with `WitnessError`.
    """
    layers: dict[str, Differences] = {}
    for layer in graph.layers:
        scan = found.found.get(layer.value)
        node = graph.makers.get(layer.value)
        if not isinstance(scan, Scan) or node is None or not isinstance(node.op, Quantize):
            continue
        x = analysis.values[node.inputs[0]]
        numbers = differing(scan, x)
        if numbers.size and x is not None and panel.quantizers and panel.alone:
            subject = Subject(node, node.op.quantizer, layer.name)
            lone = panel.alone(layer.name, node.op.quantizer)
            programs = programs_of(subject, lone, panel.quantizers).body
            layers[layer.name] = compare_all({w: run(numbers) for w, run in programs.items()})
    return Evidence(layers)


def subjects(graph: Graph, analysis: Analysis) -> Iterator[Subject]:
    """The quantizers that numbers may settle, each once."""
    seen: set[str] = set()
    for layer in graph.layers:
        nodes = own_nodes(graph, layer)
        node = nodes[-1] if nodes else None
        if node is None or layer.frozen or node.name in seen or not isinstance(node.op, Quantize):
            continue
        if analysis.certificates[node.name] in SCANNED and not is_data_dependent(node.op.quantizer):
            seen.add(node.name)
            yield Subject(node, node.op.quantizer, layer.name)


def _scan(
    subject: Subject,
    lone: Alone,
    qkeras: Quantizers,
    key: Key,
    *,
    whole: bool,
    told: Scanning | None,
) -> Scan | Doubt:
    q, found = subject.quantizer, kept(key)
    if found is not None:
        return found
    tail, decidable = has_a_tail(Quantize(q)), is_decidable(q)
    if not decidable and tail:
        return Doubt("neither thresholds nor single numbers tell what ends of tensors get")
    if not decidable and not whole:
        return Doubt("its thresholds do not tell all (--scan tries every number)")
    programs = programs_of(subject, lone, qkeras)
    found = decided(q, programs, tail=tail) if tail or not whole else None
    if whole:
        every = scanned(programs, told and partial(told, subject.layer))
        found = every if found is None else _with_ends(every, found)
    assert found is not None
    keep(key, found)
    return found


def _with_ends(every: Scan, decided: Scan) -> Scan:
    """With what thresholds tell of the ends of tensors, as far as they do."""
    return replace(every, limit=decided.limit, ambiguous=decided.ambiguous, unknown=decided.unknown)


def programs_of(subject: Subject, lone: Alone, qkeras: Quantizers) -> Programs:
    """All witnesses, for the quantizer alone."""
    plain, deployed = lone.programs()
    layer = subject.layer

    def tensorflow(x: F32) -> F32:
        padded = np.append(x, np.ones(-x.size % _VECTORS, np.float32))
        return qkeras.quantized(layer, padded)[: x.size]

    return Programs(
        {
            Witness.TENSORFLOW: tensorflow,
            Witness.ORT: plain,
            Witness.NUMPY: lambda x: quantize_body(subject.quantizer, x),
            Witness.DEPLOYED: deployed,
        },
        lambda x: qkeras.quantized(layer, x, _END),
        lone.thresholds,
    )


def _key(subject: Subject, lone: Alone, panel: Panel, qkeras: Quantizers, *, whole: bool) -> Key:
    """All that a scan depends on."""
    builds = {
        f"{witness.value} {name}": build
        for witness, versions in panel.versions.items()
        for name, build in versions.items()
    }
    return {
        **builds,
        "quantizer": qkeras.quantizer(subject.layer),
        "reference": repr(subject.quantizer),
        "operators": lone.sha256,
        "whole": str(whole),
        "processor": processor(),
        "qconvert": version("qconvert"),
        "arithmetic": _arithmetic(),
    }


@cache
def _arithmetic() -> str:
    """Of the sources that decide and compute: one version may be many while it is developed."""
    folders = (Path(__file__).parent, Path(numerics.__file__).parent)
    files = sorted(path for folder in folders for path in folder.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
