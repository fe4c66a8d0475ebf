"""How well colours can be told apart, as WCAG 2.1 measures it."""

from collections.abc import Sequence


def contrast(first: Sequence[int], second: Sequence[int]) -> float:
    """From 1 to 21, of colours whose channels are red, green and blue, up to 255."""
    lower, higher = sorted(map(_luminance, (first, second)))
    return (higher + 0.05) / (lower + 0.05)


def _luminance(colour: Sequence[int]) -> float:
    channels = (channel / 255 for channel in colour)
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
