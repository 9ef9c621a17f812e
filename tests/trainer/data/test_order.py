"""Tests the order of samples, its shares and its draws against an independent Philox generator."""

import numpy as np
import pytest

from blurkit.errors import UsageError
from trainer.data.order import Order, draws, permutation

MASK = 2**64 - 1


def philox4x64(counter, key, rounds=10):
    """Philox4x64-10 in Python integers, from the paper of Salmon et al. (2011)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        left, right = 0xD2E7470EE14C6C93 * c0, 0xCA5A826395121157 * c2
        c0, c1, c2, c3 = (right >> 64) ^ c1 ^ k0, right & MASK, (left >> 64) ^ c3 ^ k1, left & MASK
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return [c0, c1, c2, c3]


def test_draws_are_the_words_of_philox_keyed_by_seed_and_position():
    seed, position = 2**63 - 1, 2**40 + 7
    # numpy increments the counter before the first use
    expected = [philox4x64((position + i + 1, 0, 0, 0), (seed, 2)) for i in range(3)]
    assert draws(seed, position, 3).tolist() == expected


def test_a_permutation_sorts_the_words_of_philox():
    words = [word for block in range(1, 5) for word in philox4x64((block, 5, 3, 0), (9, 1))][:14]
    assert permutation(14, seed=9, epoch=5, dataset=3).tolist() == sorted(range(14), key=words.__getitem__)


def test_every_epoch_is_a_permutation_of_its_own():
    order = Order([60, 40], seed=3)
    epochs = order.indices(0, 500).reshape(5, 100)
    assert (np.sort(epochs) == np.arange(100)).all()
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 5
    assert not np.array_equal(Order([100], seed=4).indices(0, 100), epochs[0])
    assert np.array_equal(Order([100], seed=3).indices(0, 100), epochs[0])


def test_any_section_of_the_order_is_the_same():
    order, fresh = Order([7], seed=1), Order([7], seed=1)
    whole = order.indices(0, 60)
    for start, count in ((0, 1), (6, 2), (13, 30), (59, 1), (20, 0)):
        assert np.array_equal(fresh.indices(start, count), whole[start : start + count])


def test_weights_divide_every_epoch_and_samples_repeat_only_after_their_dataset():
    counts, weights = [50, 10, 40], [1.0, 2.0, 1.0]
    epochs = Order(counts, seed=2, weights=weights).indices(0, 800).reshape(8, 100)
    edges = np.cumsum([0, *counts])
    for first, last, share in zip(edges, edges[1:], (25, 50, 25), strict=False):
        mine = (epochs >= first) & (epochs < last)
        assert (mine.sum(axis=1) == share).all()
        seen = np.bincount(epochs[mine] - first, minlength=last - first)
        assert seen.max() - seen.min() <= 1  # complete passes, and part of the next
    assert np.abs(np.diff(np.flatnonzero((epochs[0] >= 50) & (epochs[0] < 60)))).max() > 1  # the dataset is mixed with the others


def test_invalid_orders_are_refused():
    with pytest.raises(UsageError, match=r"dataset 1 has 5 of 10 .* 0 positions"):
        Order([5, 5], seed=0, weights=[1, 1000])
    with pytest.raises(UsageError, match="dataset 2 has 0 of 10"):
        Order([10, 0], seed=0, weights=[1, 1])
    with pytest.raises(UsageError, match="seed"):
        permutation(3, seed=-1, epoch=0)
