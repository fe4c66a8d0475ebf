"""``python -m qconvert``."""

from qconvert.cli import main

main()
