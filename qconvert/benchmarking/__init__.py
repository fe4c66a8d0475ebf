"""What an exported file costs to run, beside other programs for the same model."""

from qconvert.benchmarking.bench import MOST_ROUNDS, MOST_THREADS, Plan, Timed, bench
from qconvert.benchmarking.programs import Against
from qconvert.benchmarking.results import Benchmark

__all__ = [
    "MOST_ROUNDS",
    "MOST_THREADS",
    "Against",
    "Benchmark",
    "Plan",
    "Timed",
    "bench",
]
