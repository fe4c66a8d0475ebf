from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from qconvert.checking.audit import BATCHES_WITHOUT_ALL, Failed
from qconvert.checking.examine import Subject, examine
from qconvert.checking.inputs import Samples, from_user
from qconvert.checking.judge import Differences, inheritance
from qconvert.checking.results import CheckedFile, LayerResult, Report, Verdict
from qconvert.checking.witness import Panel, Witness
from qconvert.errors import WitnessError
from qconvert.ir import F32, Graph, Layer
from qconvert.runners.tf import Disagreement
from qconvert.runners.traces import NOTHING, Trace
from tests.checking.stand_in import StandIn

TF, ORT, NUMPY, DEPLOYED = Witness
Change = Callable[[F32], F32]


def same(x: F32) -> F32:
    return x


def bump(x: F32) -> F32:
    """One more in the last element of the first row."""
    result = x.copy()
    result[0, -1] += 1
    return result


@dataclass
class FakeRunner:
    """Computes three layers; *changes* by layer name alter a result and what follows from it."""

    changes: Mapping[str, Change] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    dies_at: int | None = None
    batches: int = 0
    inputs: Mapping[str, F32] = field(default_factory=dict)

    def start(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> None:
        self.batches += 1
        self.inputs = inputs

    def finish(self) -> Trace:
        if self.batches == self.dies_at:
            raise WitnessError("QC721", "the worker was killed by signal 9")
        value = self.inputs["x"]
        layers = {}
        for name, step in (("q_in", np.rint), ("dense", np.negative), ("q_out", np.rint)):
            value = layers[name] = self.changes.get(name, same)(step(value))
        layers |= dict.fromkeys(self.extra, value)
        shown = {name: layer for name, layer in layers.items() if name not in self.without}
        return Trace(shown, {"y": value})


@dataclass
class Bench:
    """A check of the chain with witnesses that agree, unless told otherwise."""

    graph: Graph

    def run(
        self,
        changed: Mapping[Witness, FakeRunner | None] = {},
        qkeras: StandIn | None = None,
        samples: Samples | None = None,
        unavailable: Mapping[Witness, str] = {},
        failed: Failed | None = None,
        versions: Mapping[str, str] = {"tf": "2"},
    ) -> Report:
        runners = {w: changed.get(w, FakeRunner()) for w in Witness}
        present = {w: r for w, r in runners.items() if r is not None}
        weights = {"dense/kernel": self.graph.layers[1].weights["kernel"].effective}
        x = np.arange(200, dtype=np.float32).reshape(100, 2)
        return examine(
            Subject(self.graph, CheckedFile("m.h5", "0" * 64), CheckedFile(None, "1" * 64)),
            Panel(present, qkeras or StandIn(weights), {TF: versions}, unavailable),
            samples or from_user(self.graph, x),
            failed=failed,
        )


@pytest.fixture
def bench(graph: Graph) -> Bench:
    return Bench(graph)


def verdicts(report: Report) -> dict[str, str]:
    return {layer.name: layer.finding.verdict.value for layer in report.layers}


def named(report: Report, name: str) -> LayerResult:
    return next(layer for layer in report.layers if layer.name == name)


def test_agreement_of_all_is_sampled_and_passes(bench: Bench) -> None:
    report = bench.run()
    assert set(verdicts(report).values()) == {"SAMPLED"}
    assert (report.verdict, report.exit_code, report.samples) == (Verdict.SAMPLED, 0, 100)
    assert report.first_difference is None
    elements = {c.difference.elements for layer in report.layers for c in layer.finding.comparisons}
    assert elements == {200}


def test_a_bug_in_the_emitter_is_seen_at_its_layer_and_inherited_after(bench: Bench) -> None:
    changed = FakeRunner({"dense": bump})
    report = bench.run({ORT: changed, DEPLOYED: changed})
    assert verdicts(report) == {"q_in": "SAMPLED", "dense": "DIFFERS", "q_out": "DIFFERS"}
    assert report.exit_code == 1
    assert report.first_difference is named(report, "dense")
    assert named(report, "dense").finding.reason == "ONNX Runtime differs from TensorFlow and NumPy"
    assert named(report, "q_out").finding.inherited_from == ("dense",)
    assert named(report, "q_out").finding.reason.startswith("inherited from dense: ")


def test_a_reference_that_repeats_the_bug_does_not_hide_it(bench: Bench) -> None:
    changed = FakeRunner({"dense": bump})
    report = bench.run({ORT: changed, DEPLOYED: changed, NUMPY: changed})
    assert verdicts(report)["dense"] == "DIFFERS"
    assert report.exit_code == 1


def test_a_quantizer_is_not_blamed_where_only_it_is_tapped(bench: Bench) -> None:
    changed = FakeRunner({"dense": bump})
    deployed = FakeRunner({"dense": bump}, without=("q_in", "dense"))
    report = bench.run({ORT: changed, DEPLOYED: deployed})
    assert named(report, "q_out").finding.inherited_from == ("dense",)


def test_an_output_inherits_what_its_layer_has_wrong(bench: Bench) -> None:
    changed = FakeRunner({"dense": bump})
    report = bench.run({ORT: changed, DEPLOYED: changed})
    assert report.outputs[0].finding.inherited_from == ("dense",)
    assert report.outputs[0].finding.verdict is Verdict.DIFFERS


def test_an_output_that_only_the_deployed_run_has_wrong_is_not_inherited(bench: Bench) -> None:
    deployed = FakeRunner({"dense": bump, "q_out": np.negative})
    report = bench.run({ORT: FakeRunner({"dense": bump}), DEPLOYED: deployed})
    assert report.outputs[0].finding.inherited_from == ()


def test_the_first_difference_has_its_sample_and_all_values(bench: Bench) -> None:
    found = named(bench.run({ORT: FakeRunner({"q_out": bump})}), "q_out").finding
    assert found.example is not None
    assert found.example.index == (0, 1)
    assert dict(found.example.values) == {TF: -1.0, ORT: 0.0, NUMPY: -1.0, DEPLOYED: -1.0}


def test_steps_are_those_of_the_quantizer(bench: Bench) -> None:
    report = bench.run({NUMPY: FakeRunner({"q_out": bump})})
    steps = {c.witnesses: c.largest_steps for c in named(report, "q_out").finding.comparisons}
    assert steps[TF, NUMPY] == 8.0
    assert steps[TF, ORT] == 0.0
    assert {c.largest_steps for c in named(report, "dense").finding.comparisons} == {None}


def test_only_the_deployed_run_differing_is_no_pass(bench: Bench) -> None:
    report = bench.run({DEPLOYED: FakeRunner({"q_out": bump}, without=("q_in", "dense"))})
    assert verdicts(report) == {"q_in": "SAMPLED", "dense": "SAMPLED", "q_out": "DIFFERS"}
    reason = report.outputs[0].finding.reason
    assert reason == "the deployed run differs from the instrumented run"


def test_a_layer_without_counterpart_is_no_pass(bench: Bench) -> None:
    report = bench.run({ORT: FakeRunner(without=("dense",))})
    assert verdicts(report) == {"q_in": "SAMPLED", "dense": "UNCHECKED", "q_out": "SAMPLED"}
    assert named(report, "dense").finding.reason == "no counterpart in ONNX Runtime"
    assert report.exit_code == 1


def test_a_layer_that_only_tensorflow_has_is_no_pass(bench: Bench) -> None:
    report = bench.run({TF: FakeRunner(extra=("dropped",))})
    assert verdicts(report)["dropped"] == "UNCHECKED"
    assert report.exit_code == 1


@pytest.mark.parametrize("batch", [1, 2])
def test_a_witness_that_dies_is_no_pass(bench: Bench, batch: int) -> None:
    report = bench.run({TF: FakeRunner(dies_at=batch)})
    assert set(verdicts(report).values()) == {"UNCHECKED"}
    assert report.exit_code == 5
    assert [(w.witness, w.failure) for w in report.failed] == [
        (TF, "QC721: the worker was killed by signal 9")
    ]
    # The others went on, for these few batches.
    assert report.samples == 100


def test_a_difference_is_told_although_a_witness_died(bench: Bench) -> None:
    report = bench.run({TF: FakeRunner(dies_at=1), NUMPY: FakeRunner({"dense": bump})})
    assert report.first_difference is named(report, "dense")
    assert named(report, "dense").finding.reason == "ONNX Runtime differs from NumPy"
    assert report.exit_code == 1


@pytest.mark.parametrize("missing", list(Witness))
def test_a_missing_witness_is_no_pass(bench: Bench, missing: Witness) -> None:
    report = bench.run({missing: None}, unavailable={missing: "not installed"})
    assert report.exit_code == 5
    assert report.failed[0].failure == "not installed"


class NoWeights(StandIn):
    """A TensorFlow that runs the model, and not what quantizes its weights."""

    def effective_weights(self) -> Mapping[str, F32]:
        raise WitnessError("QC721", "no weights")


def test_without_weights_to_compare_a_few_batches_are_enough(bench: Bench) -> None:
    """Nothing can pass any more, and the failure is told before the first of them."""
    heard: list[tuple[Witness, str]] = []
    batches = iter([{"x": np.zeros((10, 2), np.float32)}] * 100)
    report = bench.run(
        qkeras=NoWeights({}),
        samples=Samples("many", 1000, batches),
        failed=lambda *failure: heard.append(failure),
    )
    assert heard == [(TF, "QC721: no weights")]
    assert (report.samples, report.exit_code) == (10 * BATCHES_WITHOUT_ALL, 5)


def test_a_witness_that_was_forgotten_is_no_pass(bench: Bench) -> None:
    assert bench.run({NUMPY: None}).exit_code == 5


def test_no_samples_are_no_pass(bench: Bench) -> None:
    report = bench.run(samples=Samples("none", 0, iter(())))
    assert (report.verdict, report.exit_code) == (Verdict.UNCHECKED, 1)


def test_a_result_of_another_shape_is_a_difference(bench: Bench) -> None:
    report = bench.run({ORT: FakeRunner({"q_out": lambda x: x[:, :1]})})
    found = named(report, "q_out").finding
    assert found.verdict is Verdict.DIFFERS
    assert found.comparisons[0].difference.differing == 200
    assert found.example is not None
    assert found.example.shapes == ((TF, (1, 2)), (ORT, (1, 1)))


def test_wrong_effective_weights_blame_their_layer(bench: Bench) -> None:
    kernel = bench.graph.layers[1].weights["kernel"].effective
    report = bench.run(qkeras=StandIn({"dense/kernel": kernel + np.float32(0.125)}))
    assert verdicts(report)["dense"] == "DIFFERS"
    assert report.weights[0].difference.differing == 4
    assert report.first_difference is named(report, "dense")


@pytest.mark.parametrize("names", [(), ("dense/kernel", "dense/bias")])
def test_weights_without_counterpart_are_no_pass(bench: Bench, names: tuple[str, ...]) -> None:
    kernel = bench.graph.layers[1].weights["kernel"].effective
    report = bench.run(qkeras=StandIn(dict.fromkeys(names, kernel)))
    assert verdicts(report)["dense"] == "UNCHECKED"
    assert report.exit_code == 1


def test_predict_disagreeing_with_eager_is_recorded_and_passes(bench: Bench) -> None:
    kernel = bench.graph.layers[1].weights["kernel"].effective
    apart = {"y": Disagreement(3, 4, 0.5)}
    report = bench.run(qkeras=StandIn({"dense/kernel": kernel}, differences=apart))
    assert report.reference_ambiguous
    assert report.ambiguous[0].differing == 3
    assert report.exit_code == 0


def test_bits_are_those_of_the_quantizers(bench: Bench) -> None:
    bits = {r.name: (r.weight_bits, r.activation_bits) for r in bench.run().layers}
    assert bits == {"q_in": (None, 4), "dense": (4, None), "q_out": (None, 4)}


def test_a_result_that_nothing_reads_is_not_missed_in_the_file(bench: Bench) -> None:
    graph = bench.graph
    node = replace(graph.nodes[1], name="dead")
    longer = replace(
        graph,
        nodes=(*graph.nodes, node),
        layers=(*graph.layers, Layer("states", "QLSTM", "dead")),
    )
    report = Bench(longer).run(
        {w: FakeRunner(extra=("states",) * (w in (TF, NUMPY))) for w in Witness}
    )
    found = named(report, "states").finding
    assert found.verdict is Verdict.SAMPLED
    assert found.reason == "nothing reads it, and the file does not compute it"
    assert report.passed


def test_nothing_is_proven_of_a_tensorflow_with_other_kernels(bench: Bench) -> None:
    report = bench.run(versions={"tensorflow": "2", "TF_USE_DEEP_CONV2D": "1"})
    assert {layer.finding.doubt for layer in report.layers} == {
        "TensorFlow runs with TF_USE_DEEP_CONV2D=1"
    }
    assert set(verdicts(report).values()) == {"SAMPLED"}


def test_a_report_has_the_numbers_of_layers_and_weights(bench: Bench) -> None:
    report = bench.run()
    assert [layer.sources for layer in report.layers] == [(), ("q_in",), ("dense",)]
    found = named(report, "dense").results
    assert found is not None and found.elements == 200 and found.grid is None
    codes = named(report, "q_out").results
    # The stand-in rounds to integers, of which only 0 and -1 are codes of four bits.
    assert codes is not None and (codes.elements, codes.outside, codes.used) == (200, 198, 2)
    (weight,) = report.weights
    assert weight.raw is not None and weight.effective is not None
    assert (weight.raw.outside, weight.effective.used, weight.effective.elements) == (0, 3, 4)
    assert all(layer.errors is None for layer in report.layers)


def test_a_report_says_where_witnesses_differ(bench: Bench) -> None:
    report = bench.run({ORT: FakeRunner({"dense": bump})})
    errors = named(report, "dense").errors
    # Once in every batch: of one sample, and of up to 64.
    assert errors is not None and errors.shape == (2,) and errors.channels == (0, 3)
    assert named(report, "q_in").errors is None


def test_the_hash_is_of_the_samples_whatever_their_batches(bench: Bench) -> None:
    x = np.arange(200, dtype=np.float32).reshape(100, 2)

    def digest(*batches: F32) -> str | None:
        samples = Samples("x", 100, iter([{"x": batch} for batch in batches]))
        return bench.run(samples=samples).inputs_sha256

    assert digest(x) == digest(x[:1], x[1:]) == bench.run().inputs_sha256
    assert digest(x) != digest(x + 1)


def test_what_inherits_from_what_is_worked_out_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Graph] = []

    def counting(
        graph: Graph, layers: Mapping[str, Differences], altered: Set[str]
    ) -> dict[str, tuple[str, ...]]:
        asked.append(graph)
        return inheritance(graph, layers, altered)

    monkeypatch.setattr("qconvert.checking.verdicts.inheritance", counting)
    bench.run()
    assert len(asked) == 1
