"""Photon counts: exact Poisson numbers of few expected photons, from random words.

A Poisson number of mean m is the sum of one of mean m' <= m and one of mean m - m'. The first comes from the alias table (Walker,
1977; Vose, 1991) of the next lower quarter of a photon, which costs a comparison; the second is nearly always zero.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from blurkit.camera.arrays import F64, U32
from blurkit.jit import compiled

#: Below this many expected photons the Gaussian approximation of shot noise is visibly wrong and exact Poisson numbers are drawn.
FEW_PHOTONS = 30.0

#: Counts in a table: the chance of more is 3e-35 at 30 expected photons.
COUNTS = 128
_PER_PHOTON = 4
_SHARES = 2**25
# exp(-1 / 4) as a number, not as a call, so that the tables have the same bits everywhere.
_NONE_OF_A_QUARTER = 0.77880078307140487


@functools.cache
def alias_tables() -> U32:
    """The alias tables of :func:`photons`: uint32 (means, COUNTS), one row for each quarter of a photon below FEW_PHOTONS.

    The lower 7 bits of an entry are the count that a column lends its space to, the upper 25 its own share of that space.
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
    """The entries of one table, from the chances of its counts in units of a column; ``spaces`` is used up."""
    short, long = np.empty(COUNTS, np.uint32), np.empty(COUNTS, np.uint32)
    shorts = longs = 0
    for count in range(COUNTS):
        entries[count] = np.uint32((_SHARES - 1) * COUNTS + count)  # what rounding leaves over keeps its own space
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
    """The number of photons that arrive where ``mean`` are expected, 0 <= mean < FEW_PHOTONS, from a uniform word."""
    row = min(int(mean * _PER_PHOTON), len(tables) - 1)
    rest = mean - row / _PER_PHOTON
    count = np.uint32(word & np.uint64(127))
    entry = tables[row, count]
    if (word >> np.uint64(7)) & np.uint64(_SHARES - 1) >= entry >> np.uint32(7):
        count = entry & np.uint32(127)
    uniform = np.float64(word >> np.uint64(32)) * 2.0**-32
    if uniform >= 1 - rest:  # no sooner than here can exp(-rest), the chance of no photon, be passed
        chance = math.exp(-rest)
        total, more = chance, 0.0
        while uniform >= total and more < 32:
            more += 1
            chance *= rest / more
            total += chance
            count += np.uint32(1)
    return count
