"""Computes the order of the samples and the random numbers of every crop, from the seed and a position only.

A position counts the samples that all processes see, from 0 and across epochs. The sample at a position therefore does not depend
on threads, processes, batches or interruptions. Random numbers are the raw output of Philox4x64-10 (Salmon et al. 2011). Numpy
keeps this output stable for ever, but not the output of its distributions. The key is (seed, purpose); the counter identifies the
draw.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from blurkit.program.checks import require

_ORDER, _DRAWS, _WARPS = 1, 2, 3  # purposes

#: Random words of 64 bits per position.
WORDS = 4


def permutation(count: int, *, seed: int, epoch: int, dataset: int = 0) -> NDArray[np.int64]:
    """Returns a permutation of the numbers below ``count``, int64 (count,). It sorts one random word per number."""
    return np.argsort(_philox(seed, _ORDER, (0, epoch, dataset, 0)).random_raw(count), kind="stable")


def draws(seed: int, position: int, count: int) -> NDArray[np.uint64]:
    """Returns the random words of ``count`` positions from ``position`` on, uint64 (count, WORDS): one Philox block each."""
    return _philox(seed, _DRAWS, (position, 0, 0, 0)).random_raw(WORDS * count).reshape(count, WORDS)


def uniforms(seed: int, position: int, count: int, numbers: int) -> NDArray[np.float64]:
    """Returns more random numbers of the same positions, uniform in [0, 1), float64 (count, numbers)."""
    blocks = -(-numbers // WORDS)
    words = _philox(seed, _WARPS, (position * blocks, 0, 0, 0)).random_raw(blocks * WORDS * count)
    return np.float64(2.0**-53) * (words.reshape(count, -1)[:, :numbers] >> np.uint64(11)).astype(np.float64)


class Order:
    """The sample at each position.

    ``counts``: the number of samples of each dataset. Their sum is n, and an epoch has n positions. Without ``weights``, position
    p holds sample ``permutation(n, seed, epoch=p // n)[p % n]``, numbered through all datasets in order.

    ``weights``: one number per dataset, in any unit. A dataset then has the same number of positions in each epoch: its share of
    n, rounded. The dataset is read in its own permutations, one after the other across epochs, so no sample repeats before all
    other samples of its dataset were used.
    """

    def __init__(self, counts: Sequence[int], *, seed: int, weights: Sequence[float] | None = None) -> None:
        self.n, self._counts, self._seed = sum(counts), list(counts), seed
        self._quotas = None if weights is None else _quotas(self._counts, weights)
        self._members = functools.lru_cache(maxsize=2)(self._epoch)

    def indices(self, start: int, count: int) -> NDArray[np.int64]:
        """Returns the numbers of the samples at ``count`` positions from ``start`` on, int64 (count,)."""
        end = start + count
        begins = range(start // self.n * self.n, end, self.n)
        return np.concatenate([self._members(begin // self.n)[max(start - begin, 0) : end - begin] for begin in begins])

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        shuffled = permutation(self.n, seed=self._seed, epoch=epoch)
        if self._quotas is None:
            return shuffled
        return np.concatenate([self._share(dataset, quota, epoch) for dataset, quota in enumerate(self._quotas)])[shuffled]

    def _share(self, dataset: int, quota: int, epoch: int) -> NDArray[np.int64]:
        """The ``quota`` samples of a dataset in an epoch: a section of its endless sequence of permutations."""
        count, first = self._counts[dataset], epoch * quota
        passes = range(first // count, -(-(first + quota) // count))
        sequence = np.concatenate([permutation(count, seed=self._seed, epoch=number, dataset=dataset + 1) for number in passes])
        start = first - passes.start * count
        return sequence[start : start + quota] + sum(self._counts[:dataset])


def _quotas(counts: list[int], weights: Sequence[float]) -> list[int]:
    """The number of positions of each dataset in an epoch. They add up to the number of all samples."""
    n, total = sum(counts), sum(weights)
    edges = [round(n * sum(weights[:end]) / total) for end in range(len(weights) + 1)]
    quotas = [last - first for first, last in itertools.pairwise(edges)]
    for number, (count, quota) in enumerate(zip(counts, quotas, strict=True), 1):
        share = f"its weight, {weights[number - 1]:g} of {total:g}, gives it {quota} positions per epoch"
        advice = "leave the dataset out, or give it more samples or a larger weight"
        require(count > 0 and quota > 0, f"dataset {number} has {count} of {n:,} samples, and {share}; {advice}")
    return quotas


def _philox(seed: int, purpose: int, counter: tuple[int, int, int, int]) -> np.random.Philox:
    require(0 <= seed < 2**63, f"a seed lies between 0 and 2**63 - 1, got {seed}")
    return np.random.Philox(key=np.array([seed, purpose], np.uint64), counter=np.array(counter, np.uint64))
