"""Photon counts, compared with the Poisson distribution."""

import numpy as np
import pytest
from scipy import stats

from blurkit.camera.photons import COUNTS, FEW_PHOTONS, alias_tables, photons
from blurkit.jit import compiled


@compiled(error_model="numpy")
def count_all(mean, words, tables, counts):
    for i in range(len(words)):
        counts[i] = photons(mean, words[i], tables)


def draw(mean, words):
    counts = np.empty(len(words), np.int64)
    count_all(mean, words, alias_tables(), counts)
    return counts


def test_tables_hold_the_chances_themselves():
    tables = alias_tables()
    assert tables.shape == (4 * FEW_PHOTONS, COUNTS)
    for row, entries in enumerate(tables):
        own = (entries >> 7) / 2**25
        chances = own / COUNTS
        np.add.at(chances, entries & 127, (1 - own) / COUNTS)
        np.testing.assert_allclose(chances, stats.poisson.pmf(np.arange(COUNTS), row / 4), atol=1e-8)


@pytest.mark.parametrize("mean", [0.01, 0.2499, 0.25, 0.4, 1.1, 4.0, 9.9, 17.3, 29.99])
def test_counts_are_poisson(mean, rng):
    counts = draw(mean, rng.integers(2**64, size=1_000_000, dtype=np.uint64))
    expected = counts.size * stats.poisson.pmf(np.arange(COUNTS), mean)
    common = expected > 10
    observed = np.bincount(counts, minlength=COUNTS)[:COUNTS]
    observed = np.append(observed[common], counts.size - observed[common].sum())
    expected = np.append(expected[common], counts.size - expected[common].sum())
    assert stats.chi2.sf(np.sum((observed - expected) ** 2 / expected), common.sum()) > 1e-3
    assert counts.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / counts.size))


def test_no_light_is_no_photons(rng):
    assert not draw(0.0, rng.integers(2**64, size=100_000, dtype=np.uint64)).any()


def test_all_words_are_safe():
    ends = np.array([0, 2**64 - 1, 2**32 - 1, 2**64 - 2**32, 127, 2**64 - 128], np.uint64)
    for mean in (0.0, 1e-9, 0.24999, 12.0, np.nextafter(30.0, 0), 30.0):
        counts = draw(mean, ends)
        assert counts.min() >= 0
        assert counts.max() < COUNTS
