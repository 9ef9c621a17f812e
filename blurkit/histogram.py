"""Histograms of any numbers: bins with round edges, and bars of text for the terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blurkit.errors import UsageError

#: Left blocks of one to eight eighths of a character cell.
_EIGHTHS = "▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Histogram:
    """``counts``: int64 (n,), how many values lie in ``lower <= value < upper``, both float64 (n,). Where the values are few
    distinct ones, as of a setting, each has its own bin with ``lower == upper``. No values: n = 0."""

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def discrete(self) -> bool:
        """Whether each bin is one value."""
        return bool((self.lower == self.upper).all())


def histogram(values: ArrayLike, *, bins: int = 12) -> Histogram:
    """At most ``bins`` bins of equal width, 1, 2 or 5 times a power of ten, that cover the finite values; see :class:`Histogram`."""
    if bins < 1:
        raise UsageError(f"a histogram has at least 1 bin, got {bins}")
    finite = finite_values(values)
    distinct, counts = np.unique(finite, return_counts=True)
    if len(distinct) <= 1 or (len(distinct) <= bins and 2 * len(distinct) <= len(finite)):
        return Histogram(distinct, distinct, counts)
    step = _round_step(distinct[0], distinct[-1], bins)
    numbers = _bin_number(finite, step)
    first = int(numbers.min())
    counts = np.bincount(numbers - first)
    edges = (first + np.arange(len(counts) + 1)) * step
    return Histogram(edges[:-1], edges[1:], counts)


def finite_values(values: ArrayLike) -> NDArray[np.float64]:
    """The values that are numbers, float64 (n,)."""
    flat = np.asarray(values, np.float64).ravel()
    return flat[np.isfinite(flat)]


def text_histogram(values: ArrayLike, *, label: str, bins: int = 12, width: int = 40) -> str:
    """A histogram as lines of text: a heading with median and the range of the middle 80 %, then a bar of at most ``width``
    characters for each of at most ``bins`` bins. Values that are not finite are counted in the heading alone."""
    finite = finite_values(values)
    heading = _heading(label, finite, np.size(values) - len(finite))
    if not len(finite):
        return heading
    tally = histogram(finite, bins=bins)
    names = _names(tally)
    margin = max(len(name) for name in names)
    most = int(tally.counts.max())
    rows = [
        f"  {name:>{margin}}  {_bar(int(count) / most, width):<{width}}  {count:,}"
        for name, count in zip(names, tally.counts, strict=True)
    ]
    return "\n".join([heading, *rows])


def number_text(value: float) -> str:
    """A number to three digits, whole ones up to a million in full: ``0.125``, ``23.4``, ``1,234``."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _heading(label: str, finite: NDArray[np.float64], others: int) -> str:
    parts = [f"{len(finite):,} value{'' if len(finite) == 1 else 's'}"]
    if len(finite):
        low, median, high = (number_text(quantile) for quantile in np.quantile(finite, (0.1, 0.5, 0.9)))
        parts += [f"median {median}", f"80 % from {low} to {high}"]
    if others:
        parts.append(f"{others:,} not finite")
    return f"{label}: {', '.join(parts)}"


def _names(tally: Histogram) -> list[str]:
    """The bins as text, their lower and upper edges aligned."""
    lower, upper = ([f"{value:,.10g}" for value in edges] for edges in (tally.lower, tally.upper))
    if tally.discrete:
        return lower
    margin = max(map(len, upper))
    return [f"{low} – {high:>{margin}}" for low, high in zip(lower, upper, strict=True)]


def _bar(share: float, width: int) -> str:
    """A bar of a share of ``width``, to an eighth of a character; never invisible unless the share is zero."""
    eighths = max(round(share * width * 8), 1 if share > 0 else 0)
    return _EIGHTHS[-1] * (eighths // 8) + (_EIGHTHS[eighths % 8 - 1] if eighths % 8 else "")


def _round_step(low: float, high: float, bins: int) -> float:
    """The least width of 1, 2 or 5 times a power of ten with which ``bins`` bins cover [low, high]."""
    exponent = math.floor(math.log10(high / bins - low / bins))
    steps = (factor * 10.0**power for power in range(exponent, exponent + 3) for factor in (1, 2, 5))
    ends = ((step, _bin_number(np.array([low, high]), step)) for step in steps)
    return next(step for step, (first, last) in ends if last - first < bins)


def _bin_number(values: NDArray[np.float64], step: float) -> NDArray[np.int64]:
    return np.floor(np.round(values / step, 9)).astype(np.int64)  # 0.3 / 0.1 is a hair below 3, and belongs to bin 3
