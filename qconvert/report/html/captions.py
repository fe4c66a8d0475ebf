"""What stands below a histogram: how many numbers, which codes, how many at their ends."""

from collections.abc import Iterator

from qconvert.checking.distribution import Distribution
from qconvert.checking.results import WeightResult
from qconvert.ir import Grid


def of_weight(weight: WeightResult) -> str:
    """Of a weight before and after it is quantized."""
    return ". ".join(
        "; ".join(part for part in parts if part)
        for parts in (_raw(weight.raw), _codes(weight.effective))
        if parts
    )


def of_results(found: Distribution) -> str:
    """Of what a layer returns."""
    parts = [f"{found.elements:,} numbers", *_codes(found)]
    if found.grid is None and found.outside:
        parts.append(f"{_share(found.outside, found.elements)} not finite")
    return "; ".join(parts)


def number(value: float) -> str:
    """A number with as many digits as tell it from every other float32."""
    return f"{value:.9g}"


def _raw(raw: Distribution | None) -> list[str]:
    if raw is None:
        return []
    parts = [f"{raw.elements:,} raw weights"]
    if raw.grid is not None:
        beyond = _share(raw.outside, raw.elements) if raw.outside else "none"
        parts.append(f"{beyond} beyond the clip range {_range(raw.grid)}")
    return parts


def _codes(found: Distribution | None) -> list[str]:
    return [] if found is None else list(_of_codes(found))


def _of_codes(found: Distribution) -> Iterator[str]:
    grid = found.grid
    if grid is None:
        if found.used is not None:
            yield f"{found.used} different numbers"
    else:
        codes = grid.hi - grid.lo + 1
        used = codes if found.used is None else found.used
        unused = f", {codes - used} unused" if used < codes else ""
        yield f"{used} of {codes} codes used{unused}, in steps of {number(grid.step)}"
        if found.lowest and grid.lo < 0:
            yield f"{_share(found.lowest, found.elements)} at the lowest, {_value(grid, grid.lo)}"
        if found.highest:
            yield f"{_share(found.highest, found.elements)} at the highest, {_value(grid, grid.hi)}"
        if found.outside:
            yield f"{_share(found.outside, found.elements)} no code at all"
    if found.zeros:
        yield f"{_share(found.zeros, found.elements)} zero"


def _share(part: int, whole: int) -> str:
    if part == whole:
        return f"all {whole:,}"
    percent = 100 * part / whole
    told = "<0.1" if percent < 0.1 else ">99.9" if percent > 99.9 else f"{percent:.1f}"
    return f"{part:,} ({told} %)"


def _range(grid: Grid) -> str:
    return f"{_value(grid, grid.lo)} to {_value(grid, grid.hi)}"


def _value(grid: Grid, code: int) -> str:
    return number(code * grid.step)
