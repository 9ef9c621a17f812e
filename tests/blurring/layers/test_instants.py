"""Merged instants: the properties that they keep, and their number."""

import numpy as np
import pytest

from blurkit.blurring.layers.instants import merge_instants
from blurkit.kernels.trajectory import boracchi_foi


def test_mass_and_centroids_are_kept(rng):
    paths = np.cumsum(rng.normal(0, 0.1, (3, 500, 2)), axis=1)
    weights = rng.random(500) * (rng.random(500) < 0.8)
    means, shares = merge_instants(paths, weights, 0.7)
    assert means.shape == (3, shares.size, 2)
    assert shares.sum() == pytest.approx(1)
    expected = np.einsum("t,ntc->nc", weights, paths) / weights.sum()
    np.testing.assert_allclose(np.einsum("m,nmc->nc", shares, means), expected, atol=1e-12)


def test_no_run_spans_more_than_the_tolerance(rng):
    paths = np.cumsum(rng.normal(0, 0.1, (2, 300, 2)), axis=1)
    means, shares = merge_instants(paths, np.ones(300), 0.5)
    counts = np.rint(shares * 300).astype(int)
    np.testing.assert_allclose(shares * 300, counts)
    start = 0
    for mean, count in zip(means.transpose(1, 0, 2), counts, strict=True):
        run = paths[:, start : start + count]
        assert np.ptp(run, axis=1).max() <= 0.5
        np.testing.assert_allclose(run.mean(axis=1), mean)
        start += count
        if start < 300:
            assert np.ptp(paths[:, start - count : start + 1], axis=1).max() > 0.5, "a run goes on for as long as it may"
    assert start == 300


def test_without_tolerance_only_equal_instants_merge():
    paths = np.array([[[0, 0], [0, 0], [1, 0], [0, 0]]], float)
    means, shares = merge_instants(paths, np.array([1.0, 2.0, 1.0, 0.0]), 0)
    assert means.tolist() == [[[0, 0], [1, 0]]]
    assert shares.tolist() == [0.75, 0.25]


def test_a_shake_becomes_tens_of_instants(rng):
    paths = np.stack([boracchi_foi(length=length, anxiety=0.003, rng=rng) for length in (20, 40, 30)])
    assert 20 < merge_instants(paths, np.ones(2000), 1.0)[1].size < 100
