"""Computes histograms with round bin edges, and prints them as bars of text."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blurkit.errors import UsageError
from blurkit.program.progress import plural

#: Block characters that fill 0 to 7 eighths of a character cell, from the left.
_EIGHTHS = ("", *"▏▎▍▌▋▊▉")


@dataclass(frozen=True)
class Histogram:
    """``counts``: the number of values with ``lower <= value < upper``, int64 (n,). ``lower`` and ``upper``: float64 (n,).

    If there are few distinct values, as for a setting, each has its own bin with ``lower == upper``. Without values, n = 0.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def discrete(self) -> bool:
        """Whether each bin holds a single distinct value."""
        return bool((self.lower == self.upper).all())


def histogram(values: ArrayLike, *, bins: int = 12) -> Histogram:
    """Returns the histogram of the finite values: at most ``bins`` bins of equal width, 1, 2 or 5 times a power of ten.

    Raises :class:`UsageError` if ``bins`` is less than 2.
    """
    if bins < 2:  # a single bin with round edges cannot hold both signs
        raise UsageError(f"a histogram needs at least 2 bins, got {bins}")
    finite = finite_values(values)
    distinct, counts = np.unique(finite, return_counts=True)
    if len(distinct) <= 1 or (len(distinct) <= bins and 2 * len(distinct) <= len(finite)):
        return Histogram(distinct, distinct, counts)
    step = round_below(distinct[-1] / bins - distinct[0] / bins)
    while np.ptp(numbers := _bin_numbers(finite, step)) >= bins:
        step = round_below(2.6 * step)
    counts = np.bincount(numbers - numbers.min())
    edges = (numbers.min() + np.arange(len(counts) + 1.0)) * step
    return Histogram(edges[:-1], edges[1:], counts)


def finite_values(values: ArrayLike) -> NDArray[np.float64]:
    """Returns the finite values, float64 (n,)."""
    flat = np.asarray(values, np.float64).ravel()
    return flat[np.isfinite(flat)]


def text_histogram(values: ArrayLike, *, label: str, bins: int = 12, width: int = 40) -> str:
    """Returns a histogram as lines of text.

    The first line is a heading with the median and the 10 and 90 % quantiles. Each of the at most ``bins`` bins follows as a
    bar of at most ``width`` characters. Values that are not finite are counted only in the heading.
    """
    finite = finite_values(values)
    others = np.size(values) - len(finite)
    heading = f"{label}: {plural(len(finite), 'value')}"
    heading += f", {quantiles(finite)[1]}" if len(finite) else ""
    heading += f", {others:,} not finite" if others else ""
    if not len(finite):
        return heading
    tally = histogram(finite, bins=bins)
    names = _names(tally, whole=bool((finite == np.rint(finite)).all()))
    margin = max(map(len, names))
    bars = (_bar(count / tally.counts.max(), width) for count in tally.counts)
    rows = zip(names, bars, tally.counts, strict=True)
    return "\n".join([heading, *(f"  {name:>{margin}}  {bar:<{width}}  {count:,}" for name, bar, count in rows)])


def quantiles(finite: NDArray[np.float64]) -> tuple[NDArray[np.float64], str]:
    """Returns the 10, 50 and 90 % quantiles, float64 (3,), and a text with these numbers."""
    levels = np.quantile(finite, (0.1, 0.5, 0.9))
    low, median, high = map(number_text, levels)
    return levels, f"median {median}, 10–90 %: {low} to {high}"


def percentiles(values: ArrayLike, digits: int = 3) -> dict[str, float]:
    """Returns the 0, 10, 50, 90 and 100 % quantiles of the finite values, as ``p0`` to ``p100``, rounded to ``digits``."""
    finite = finite_values(values)
    return {f"p{q}": round(float(np.percentile(finite, q)), digits) for q in (0, 10, 50, 90, 100)}


def number_text(value: float) -> str:
    """Returns a number as text with three digits; from 1,000 to a million as a whole number: ``0.125``, ``23.4``, ``1,234``."""
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e6 else f"{value:.3g}"


def round_below(limit: float) -> float:
    """Returns the largest number ≤ ``limit`` that is 1, 2 or 5 times a power of ten. ``limit`` is positive."""
    power = 10.0 ** math.floor(math.log10(limit))
    return power * max(factor for factor in (1, 2, 5) if factor == 1 or factor * power <= limit)


def _names(tally: Histogram, *, whole: bool) -> list[str]:
    """The edges of each bin as text, aligned. A bin of whole numbers shows the first and the last number that it can hold."""
    upper = tally.upper - 1 if whole and (tally.upper - tally.lower >= 1).all() else tally.upper
    first, last = ([f"{value:,.10g}" for value in edges] for edges in (tally.lower, upper))
    if (tally.lower == upper).all():
        return first
    margin = max(map(len, last))
    return [f"{low} – {high:>{margin}}" for low, high in zip(first, last, strict=True)]


def _bar(share: float, width: int) -> str:
    """A bar over a share of ``width``, rounded to an eighth of a character. It is empty only if the share is zero."""
    whole, eighths = divmod(max(round(share * width * 8), int(share > 0)), 8)
    return "█" * whole + _EIGHTHS[eighths]


def _bin_numbers(values: NDArray[np.float64], step: float) -> NDArray[np.int64]:
    # Rounded first, since 0.3 / 0.1 is slightly below 3 and belongs to bin 3.
    return np.floor(np.round(values / step, 9)).astype(np.int64)
