"""Photon counts: exact Poisson numbers with a small mean, from random words.

A Poisson number of mean m is the sum of a Poisson number of mean m' <= m and a Poisson number of mean m - m'. Here m' is m
rounded down to a quarter of a photon. The first number comes from an alias table (Walker, 1977; Vose, 1991), which costs one
comparison. The second number is nearly always zero.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from blurkit.camera.arrays import F64, U32
from blurkit.jit import compiled

#: Below this mean number of photons a Gaussian approximation of shot noise is visibly wrong, so exact Poisson numbers are drawn.
FEW_PHOTONS = 30.0

#: The number of counts in a table. At a mean of 30 photons the probability of a larger count is 3e-35.
COUNTS = 128
_PER_PHOTON = 4
_SHARES = 2**25
# exp(-1 / 4) is written as a number and not as a call, so that the tables have the same bits on every machine.
_NONE_OF_A_QUARTER = 0.77880078307140487


@functools.cache
def alias_tables() -> U32:
    """The alias tables of :func:`photons`, uint32 (means, COUNTS): one row for each quarter of a photon below FEW_PHOTONS.

    A column of a row stands for its own count and for one other count, its alias. The lower 7 bits of an entry are the alias. The
    upper 25 bits are the column's share of probability for its own count.
    """
    tables = np.empty((int(FEW_PHOTONS * _PER_PHOTON), COUNTS), np.uint32)
    none = 1.0
    for row in range(len(tables)):
        chances = np.empty(COUNTS)
        chances[0] = none
        for count in range(1, COUNTS):
            chances[count] = chances[count - 1] * (row / _PER_PHOTON) / count
        _fill_aliases(chances * COUNTS, tables[row])
        none *= _NONE_OF_A_QUARTER
    return tables


@compiled(error_model="numpy")
def _fill_aliases(spaces: F64, entries: U32) -> None:
    """Fill the entries of one table. ``spaces``: the probabilities of the counts in units of a column; they are overwritten."""
    short, long = np.empty(COUNTS, np.uint32), np.empty(COUNTS, np.uint32)
    shorts = longs = 0
    for count in range(COUNTS):
        entries[count] = np.uint32((_SHARES - 1) * COUNTS + count)  # columns that remain because of rounding have no alias
        if spaces[count] < 1:
            short[shorts] = count
            shorts += 1
        else:
            long[longs] = count
            longs += 1
    while shorts and longs:
        shorts -= 1
        low, high = short[shorts], long[longs - 1]
        share = min(math.floor(spaces[low] * _SHARES + 0.5), _SHARES - 1)
        entries[low] = np.uint32(share * COUNTS + high)
        spaces[high] -= 1 - spaces[low]
        if spaces[high] < 1:
            longs -= 1
            short[shorts] = high
            shorts += 1


@compiled(error_model="numpy")
def photons(mean: float, word: np.uint64, tables: U32) -> np.uint32:
    """A Poisson number of this mean, 0 <= mean < FEW_PHOTONS, from one uniform word. ``tables``: of :func:`alias_tables`."""
    row = min(int(mean * _PER_PHOTON), len(tables) - 1)
    rest = mean - row / _PER_PHOTON
    count = np.uint32(word & np.uint64(127))
    entry = tables[row, count]
    if (word >> np.uint64(7)) & np.uint64(_SHARES - 1) >= entry >> np.uint32(7):
        count = entry & np.uint32(127)
    uniform = np.float64(word >> np.uint64(32)) * 2.0**-32
    if uniform >= 1 - rest:  # else uniform < exp(-rest), the probability that the second number is 0
        chance = math.exp(-rest)
        total, more = chance, 0.0
        while uniform >= total and more < 32:
            more += 1
            chance *= rest / more
            total += chance
            count += np.uint32(1)
    return count
