"""Tests kernels of paths against closed forms, brute force and the published quantiles."""

import math

import numpy as np
import pytest
from kernels import centroid

from blurkit.errors import UsageError
from blurkit.kernels.rasterization import ANCHORS, exposed_path, exposure_weights, rasterize, statistics
from blurkit.kernels.trajectory import boracchi_foi


def straight(length, angle=0.0, samples=2000):
    return np.linspace(0, length, samples)[:, None] * [math.cos(angle), math.sin(angle)]


def brute_force(points, weights, half):
    """Bilinear weights as the product of two triangle functions, for every sample and every tap."""
    places = np.arange(-half, half + 1)
    triangle_x = np.maximum(0, 1 - np.abs(points[:, :1] - places))
    triangle_y = np.maximum(0, 1 - np.abs(points[:, 1:] - places))
    mass = np.einsum("t,ty,tx->yx", weights, triangle_y, triangle_x)
    return mass / mass.sum()


@pytest.mark.parametrize("exposure", [0.1, 0.3337, 1.0])
@pytest.mark.parametrize("anchor", ANCHORS)
def test_rasterize_equals_the_sum_of_triangles(anchor, exposure, rng):
    path = boracchi_foi(length=60, anxiety=0.005, rng=rng)
    kernel = rasterize(path, exposure=exposure, anchor=anchor)
    weights = np.clip(exposure * 2000 - np.arange(2000), 0, 1)
    expected = brute_force(exposed_path(path, exposure=exposure, anchor=anchor), weights, len(kernel) // 2)
    assert kernel.dtype == np.float32
    assert len(kernel) % 2 == 1
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(kernel, expected, atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4, 2.5])
def test_a_straight_path_has_its_closed_form_variance(angle):
    points = rasterize(straight(60, angle))
    length = statistics(points).effective_length
    # uniform on L: L^2 / 12; splatting adds f (1 - f), on average 1/6, per axis that the path crosses
    splat = (math.cos(angle) ** 2 + math.sin(angle) ** 2) / 6
    assert length**2 / 12 == pytest.approx(60**2 / 12 * 2001 / 1999 + splat, rel=1e-3)


def test_the_centroid_lies_on_the_centre(rng):
    for _ in range(50):
        kernel = rasterize(boracchi_foi(length=60, anxiety=0.003, rng=rng), exposure=rng.uniform(0.05, 1))
        assert np.abs(centroid(kernel)).max() < 1e-5


def test_start_and_midpoint_lie_on_the_centre():
    path = straight(20, samples=2001)  # it starts at 0; the middle of the first half is at 5
    assert centroid(rasterize(path, anchor="start"))[0] == pytest.approx(10, abs=1e-3)
    assert centroid(rasterize(path, anchor="midpoint"))[0] == pytest.approx(0, abs=1e-3)
    bent = np.concatenate([straight(10, samples=1001), straight(30, math.pi / 2, samples=1000) + np.array([10, 0])])
    kernel = rasterize(bent, exposure=1001 / 2001, anchor="midpoint")
    assert centroid(kernel) == pytest.approx([0, 0], abs=0.01)


def test_bbox_takes_the_whole_path_as_the_published_code_does():
    assert centroid(rasterize(straight(20), exposure=0.5, anchor="bbox"))[0] == pytest.approx(-5, abs=0.01)


def test_exposure_is_a_cumulative_fraction_from_the_start():
    path = straight(40, samples=4000)
    lengths = [statistics(rasterize(path, exposure=exposure)).effective_length for exposure in (0.25, 0.5, 1.0)]
    assert lengths == pytest.approx([10, 20, 40], rel=0.02)
    whole, half = exposed_path(path, anchor="start"), exposed_path(path, exposure=0.5, anchor="start")
    assert np.array_equal(whole, half)


def test_exposure_weights_have_the_exposed_time_as_their_sum():
    for samples, exposure in ((2000, 0.1), (2000, 1 / 3), (7, 0.5), (1, 0.3), (64, 1.0)):
        weights = exposure_weights(samples, exposure)
        assert weights.sum() == pytest.approx(exposure * samples, abs=1e-6)
        assert np.all((weights > 0) & (weights <= 1))
        assert len(weights) == math.ceil(round(exposure * samples, 6))


def test_a_single_point_is_no_blur():
    assert rasterize(np.zeros((1, 2))).tolist() == [[1.0]]
    kernel = rasterize([[3.25, -1.5]], anchor="start")
    assert kernel.tolist() == [[1.0]]


def test_a_fixed_size_keeps_the_kernel_and_refuses_to_cut_it(rng):
    path = boracchi_foi(length=60, anxiety=0.005, rng=rng)
    smallest = rasterize(path)
    large = rasterize(path, size=101)
    margin = (101 - len(smallest)) // 2
    assert np.array_equal(large[margin:-margin, margin:-margin], smallest)
    assert np.array_equal(rasterize(path, size=len(smallest)), smallest)
    with pytest.raises(UsageError, match=f"needs a kernel of {len(smallest)} px"):
        rasterize(path, size=len(smallest) - 2)
    with pytest.raises(UsageError, match="odd number"):
        rasterize(path, size=64)


def test_published_tap_counts_and_effective_lengths(rng):
    anxieties = rng.choice([0.01, 0.009, 0.008, 0.007, 0.005, 0.003], 2500)
    shapes = [statistics(rasterize(boracchi_foi(length=60, anxiety=anxiety, rng=rng))) for anxiety in anxieties]
    taps = np.array([shape.taps for shape in shapes])
    lengths = np.array([shape.effective_length for shape in shapes])
    assert np.percentile(taps, [50, 90]) == pytest.approx([115, 147], abs=5)
    assert taps.max() == pytest.approx(167, abs=12)
    assert np.percentile(lengths, [50, 90]) == pytest.approx([15.7, 31], abs=1.2)


def test_statistics_of_a_known_kernel():
    kernel = np.zeros((7, 7), np.float32)
    kernel[3, 1:6] = 0.2
    shape = statistics(kernel)
    assert shape.taps == 5
    assert shape.extent == 5
    assert shape.centroid == pytest.approx((0, 0), abs=1e-7)
    assert shape.effective_length == pytest.approx(math.sqrt(12 * 2), rel=1e-6)  # variance of -2..2 is 2


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        (np.zeros((0, 2)), {}, "T >= 1"),
        (np.zeros((5, 3)), {}, r"\(T, 2\)"),
        ([[0, 0], [math.nan, 1]], {}, "not finite, at sample 1"),
        (np.zeros((5, 2)), {"exposure": 0}, "exposure is a fraction"),
        (np.zeros((5, 2)), {"exposure": 1.5}, "exposure is a fraction"),
        (np.zeros((5, 2)), {"anchor": "centre"}, "did you mean 'centroid'"),
    ],
)
def test_bad_arguments_say_what_is_wrong(path, options, message):
    with pytest.raises(UsageError, match=message):
        rasterize(path, **options)
