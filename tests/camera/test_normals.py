"""Tests the generator of normal numbers against the normal distribution, and the tables of its ziggurat."""

import hashlib

import numpy as np
import pytest
from scipy import stats

from blurkit.camera.normals import LAYERS, normals, ziggurat


def draw(count, seed=5):
    rng = np.random.Generator(np.random.Philox(seed))
    drawn = np.empty(count, np.float32)
    normals(rng.integers(2**32, size=count, dtype=np.uint32), *ziggurat(), rng, drawn)
    return drawn


def test_layers_have_one_area_and_end_at_the_top():
    steps, inside, heights = ziggurat()
    widths = steps.astype(np.float64) * 2**24
    tail = stats.norm.sf(widths[1]) * np.sqrt(2 * np.pi)
    areas = np.concatenate(([widths[1] * heights[1] + tail], widths[1:] * np.diff(heights[1:])))
    assert len(widths) == LAYERS
    assert heights[-1] == 1
    assert areas == pytest.approx(np.full(LAYERS, areas[0]), rel=1e-5)
    assert widths[0] * heights[1] == pytest.approx(areas[0], rel=1e-6)
    assert inside[:-1] == pytest.approx(2**24 * widths[1:] / widths[:-1], abs=4)
    assert inside[-1] == 0


def test_they_are_normal():
    drawn = draw(2_000_000)
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    assert stats.kstest(np.abs(drawn), "halfnorm").pvalue > 1e-3
    assert drawn.mean() == pytest.approx(0, abs=4e-3)
    assert drawn.var() == pytest.approx(1, abs=5e-3)
    assert stats.kurtosis(drawn) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("beyond", [1.0, 2.5, 3.3, 3.442619855899, 3.6, 4.0, 4.5])
def test_tails_are_as_long_as_they_should_be(beyond):
    drawn = draw(4_000_000, seed=6)
    expected = drawn.size * stats.norm.sf(beyond)
    for count in (np.count_nonzero(drawn > beyond), np.count_nonzero(drawn < -beyond)):
        assert abs(count - expected) < 5 * np.sqrt(expected)


def test_the_tail_itself_is_normal():
    drawn = draw(8_000_000, seed=7)
    beyond = np.abs(drawn[np.abs(drawn) > 3.442619855899]).astype(np.float64)
    assert beyond.size > 4000
    assert stats.kstest(stats.norm.sf(beyond) / stats.norm.sf(3.442619855899), "uniform").pvalue > 1e-3


@pytest.mark.slow
def test_neighbours_and_magnitudes_are_independent():
    drawn = draw(2_000_000, seed=8)
    for first, second in ((drawn[:-1], drawn[1:]), (drawn[:-2], drawn[2:]), (drawn[:-1] ** 2, drawn[1:] ** 2)):
        assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(drawn.size)
    # The layer and the magnitude must not share bits. Older ziggurats with shared low bits fail this test.
    cells = np.floor(np.abs(drawn) * 64).astype(int)
    observed = np.bincount(cells, minlength=400)[:200]
    edges = np.arange(201) / 64
    expected = drawn.size * 2 * np.diff(stats.norm.cdf(edges))
    assert stats.chi2.sf(np.sum((observed - expected) ** 2 / expected), 200) > 1e-3


def test_words_may_be_overwritten_and_bits_do_not_depend_on_the_machine():
    rng = np.random.Generator(np.random.Philox(5))
    words = rng.integers(2**32, size=100_000, dtype=np.uint32)
    drawn = words.view(np.float32)
    normals(words, *ziggurat(), rng, drawn)
    assert np.array_equal(drawn, draw(100_000))
    assert hashlib.sha256(drawn.tobytes()).hexdigest()[:16] == "ca24aa269a3c2293"
