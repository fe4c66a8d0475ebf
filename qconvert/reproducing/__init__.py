"""From a difference to the least that shows it: one layer, few numbers, a script."""

from qconvert.reproducing.collect import Collector
from qconvert.reproducing.write import write_reproducer

__all__ = ["Collector", "write_reproducer"]
