"""What the deployed file may be excused for: results that the instrumented one has too."""

import numpy as np
import pytest

from qconvert.checking.audit import BATCHES_WITHOUT_ALL, audit
from qconvert.checking.forcing import Trial
from qconvert.checking.inputs import Batch
from qconvert.checking.rounding import Misfits
from qconvert.checking.witness import Direct, Witness
from qconvert.errors import WitnessError
from qconvert.runners.traces import Trace

TF, ORT, NUMPY, DEPLOYED = Witness
BATCH = {"x": np.zeros((3, 1), np.float32)}


def returning(*values: float) -> Direct:
    y = np.array(values, np.float32).reshape(3, 1)
    return Direct(lambda inputs, forced: Trace({"layer": y}, {"y": y}))


def everywhere(mask: bool) -> Misfits:
    return Misfits({"layer": np.full((3, 1), mask)}, {"y": np.full((3, 1), mask)})


@pytest.mark.parametrize(
    ("instrumented_fits", "beyond"), [(True, 1), (False, 2)], ids=["explained", "unexplained"]
)
def test_deployed_results_are_explained_where_the_instrumented_run_s_equal_ones_are(
    instrumented_fits: bool, beyond: int
) -> None:
    """One element is off alike in both runs, another in the deployed one alone."""
    runners = {
        TF: returning(0, 0, 0),
        ORT: returning(1, 0, 0),
        NUMPY: returning(0, 0, 0),
        DEPLOYED: returning(1, 1, 0),
    }

    def rounding(witness: Witness, trial: Trial, trace: Trace, reference: Trace) -> Misfits:
        if trace.layers["layer"][1] == 1:
            return everywhere(True)
        return everywhere(trace.layers["layer"][0] == 1 and not instrumented_fits)

    evidence = audit(runners, [Trial(BATCH)], rounding)
    for found in (evidence.layers["layer"], evidence.outputs["y"]):
        assert found[TF, DEPLOYED].differing == 2
        assert found[TF, DEPLOYED].beyond == beyond


def nowhere(witness: Witness, trial: Trial, trace: Trace, reference: Trace) -> Misfits:
    return everywhere(False)


def test_after_a_failure_a_few_batches_are_enough() -> None:
    """No layer can pass any more; the failure is told when it happens."""
    done: list[int] = []
    heard: list[tuple[Witness, str, int]] = []

    def run(inputs: Batch, forced: Batch) -> Trace:
        if len(done) == 7:
            raise WitnessError("QC721", "killed")
        return Trace({}, {"y": inputs["x"]})

    runners = {witness: returning(0, 0, 0) for witness in Witness} | {TF: Direct(run)}
    evidence = audit(
        runners,
        [Trial(BATCH)] * 100,
        nowhere,
        done.append,
        lambda witness, failure: heard.append((witness, failure, len(done))),
    )
    assert heard == [(TF, "QC721: killed", 7)]
    assert len(done) == 7 + 1 + BATCHES_WITHOUT_ALL
    assert evidence.samples == 3 * len(done)


def test_without_one_witness_a_few_batches_are_enough() -> None:
    runners = {witness: returning(0, 0, 0) for witness in Witness if witness is not TF}
    assert audit(runners, [Trial(BATCH)] * 100, nowhere).samples == 3 * BATCHES_WITHOUT_ALL
