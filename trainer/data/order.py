"""The order of the samples and the place of every crop: functions of the seed and of a position, and of nothing else.

Positions count the samples that all processes see, from 0 and over all epochs, so neither threads, processes, batches nor
interruptions change what comes at a position. Randomness is the raw output of Philox4x64-10 (Salmon et al. 2011), which numpy
keeps for ever, unlike the streams of its distributions. The key is (seed, purpose), the counter says what for.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from blurkit.program.checks import require

_ORDER, _DRAWS = 1, 2  # purposes

#: Words of each position, 64 bits each.
WORDS = 4


def permutation(count: int, *, seed: int, epoch: int, dataset: int = 0) -> NDArray[np.int64]:
    """int64 (count,): the numbers below ``count`` in the order of the random words that they draw."""
    return np.argsort(_philox(seed, _ORDER, (0, epoch, dataset, 0)).random_raw(count), kind="stable")


def draws(seed: int, position: int, count: int) -> NDArray[np.uint64]:
    """uint64 (count, WORDS): the random words of the positions from ``position`` on; a block of Philox is one position's."""
    return _philox(seed, _DRAWS, (position, 0, 0, 0)).random_raw(WORDS * count).reshape(count, WORDS)


class Order:
    """Which sample is at each position.

    ``counts``: the samples of each dataset; n is their sum, and an epoch is n positions. Without ``weights``, position p holds
    sample ``permutation(n, seed, epoch=p // n)[p % n]`` of all datasets one after the other.

    With ``weights``, one per dataset and in any unit, a dataset has the same number of positions in each epoch, its share of n
    to the nearest whole. It is gone through in permutations of its own, one after the other across epochs: no sample comes again
    before all others of its dataset came.
    """

    def __init__(self, counts: Sequence[int], *, seed: int, weights: Sequence[float] | None = None) -> None:
        self.n, self._counts, self._seed = sum(counts), list(counts), seed
        self._quotas = None if weights is None else _quotas(self._counts, weights)
        self._members = functools.lru_cache(maxsize=2)(self._epoch)

    def indices(self, start: int, count: int) -> NDArray[np.int64]:
        """int64 (count,): the samples at the positions from ``start`` on."""
        end = start + count
        begins = range(start // self.n * self.n, end, self.n)
        return np.concatenate([self._members(begin // self.n)[max(start - begin, 0) : end - begin] for begin in begins])

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        shuffled = permutation(self.n, seed=self._seed, epoch=epoch)
        if self._quotas is None:
            return shuffled
        return np.concatenate([self._share(dataset, quota, epoch) for dataset, quota in enumerate(self._quotas)])[shuffled]

    def _share(self, dataset: int, quota: int, epoch: int) -> NDArray[np.int64]:
        """The ``quota`` samples of one dataset in one epoch: a piece of its endless row of permutations."""
        count, first = self._counts[dataset], epoch * quota
        passes = range(first // count, -(-(first + quota) // count))
        row = np.concatenate([permutation(count, seed=self._seed, epoch=turn, dataset=dataset + 1) for turn in passes])
        start = first - passes.start * count
        return row[start : start + quota] + sum(self._counts[:dataset])


def _quotas(counts: list[int], weights: Sequence[float]) -> list[int]:
    """The positions of each dataset in an epoch, which add up to the samples of all."""
    n, total = sum(counts), sum(weights)
    edges = [round(n * sum(weights[:end]) / total) for end in range(len(weights) + 1)]
    quotas = [last - first for first, last in itertools.pairwise(edges)]
    for number, (count, quota) in enumerate(zip(counts, quotas, strict=True), 1):
        share = f"its weight, {weights[number - 1]:g} of {total:g}, gives it {quota} positions in an epoch"
        advice = "leave it out, or give it more samples or weight"
        require(count > 0 and quota > 0, f"dataset {number} has {count} of {n:,} samples, and {share}; {advice}")
    return quotas


def _philox(seed: int, purpose: int, counter: tuple[int, int, int, int]) -> np.random.Philox:
    require(0 <= seed < 2**63, f"a seed lies between 0 and 2**63 - 1, got {seed}")
    return np.random.Philox(key=np.array([seed, purpose], np.uint64), counter=np.array(counter, np.uint64))
