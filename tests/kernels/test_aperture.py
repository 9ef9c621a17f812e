"""Tests defocus kernels against supersampling, closed forms, a polygon clipper and scipy."""

import math

import numpy as np
import pytest
import scipy.signal
from kernels import moments

from blurkit.blurring.convolve import blur
from blurkit.errors import UsageError
from blurkit.kernels.aperture import Aperture, compose, disk, polygon
from blurkit.kernels.rasterization import rasterize, statistics


def corners(radius, blades, rotation):
    """The corners of a regular polygon with the area of a disk: n / 2 * circumradius**2 * sin(2 pi / n) = pi * radius**2."""
    circumradius = radius * math.sqrt(2 * math.pi / (blades * math.sin(2 * math.pi / blades)))
    angles = rotation + 2 * math.pi * np.arange(blades) / blades
    return circumradius * np.stack((np.cos(angles), np.sin(angles)), axis=1)


def clipped_area(points, x, y):
    """The area of a convex polygon within the unit pixel around (x, y), by the clipping of Sutherland and Hodgman."""
    for axis, side, bound in ((0, 1, x - 0.5), (0, -1, x + 0.5), (1, 1, y - 0.5), (1, -1, y + 0.5)):
        kept = []
        for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
            a, b = side * (start[axis] - bound), side * (end[axis] - bound)
            if a >= 0:
                kept.append(start)
            if a * b < 0:
                kept.append(start + (end - start) * a / (a - b))
        if len(kept) < 3:
            return 0.0
        points = np.array(kept)
    following = np.roll(points, -1, axis=0)
    return abs((points[:, 0] * following[:, 1] - points[:, 1] * following[:, 0]).sum() / 2)


@pytest.mark.parametrize("radius", [0.6, 1.0, 1.5, 2.3, 5.5, 7.77])
def test_disk_covers_each_pixel_as_supersampling_says(radius):
    kernel = disk(radius)
    half, fine = len(kernel) // 2, 200
    assert half == math.ceil(radius - 0.5)
    places = (np.arange(len(kernel) * fine) + 0.5) / fine - half - 0.5
    inside = (places[:, None] ** 2 + places**2 <= radius**2).reshape(len(kernel), fine, len(kernel), fine).mean(axis=(1, 3))
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel * (math.pi * radius**2), inside, rtol=0, atol=5e-4)
    np.testing.assert_allclose(inside.sum(), math.pi * radius**2, rtol=1e-3)


def test_disk_has_the_moments_of_a_disk():
    # The centre of a pixel stands for its area, which adds 1/12 on average. The other error oscillates about 0 with the radius.
    radii = np.linspace(4, 12, 161)
    excess = []
    for radius in radii:
        x, y, along_x, along_y = moments(disk(radius))
        assert max(abs(x), abs(y)) < 1e-6
        assert along_x == pytest.approx(along_y, rel=1e-6)
        excess.append(along_x - radius**2 / 4 - 1 / 12)
    assert np.abs(excess).max() < 0.05
    assert abs(np.mean(excess)) < 2e-3


@pytest.mark.parametrize("blades", [3, 4, 5, 6, 9])
@pytest.mark.parametrize("rotation", [0.0, 0.3, math.pi / 2])
@pytest.mark.parametrize("radius", [0.7, 3.4, 6.0])
def test_polygon_covers_each_pixel_as_clipping_says(blades, rotation, radius):
    kernel = polygon(radius, blades, rotation=rotation)
    points, half = corners(radius, blades, rotation), len(kernel) // 2
    expected = [[clipped_area(points, x, y) for x in range(-half, half + 1)] for y in range(-half, half + 1)]
    np.testing.assert_allclose(kernel * (math.pi * radius**2), expected, rtol=0, atol=1e-5)
    assert np.abs(moments(kernel)[:2]).max() < (1e-6 if blades % 2 == 0 else 0.1 if blades == 3 else 0.03)


def test_polygon_points_where_it_was_turned_to():
    # The first corner of a triangle lies to the right. Turned by a quarter, it lies towards increasing y, which is down.
    right, down = polygon(6, 3), polygon(6, 3, rotation=math.pi / 2)
    half = len(right) // 2
    assert right[half, -1] > 0
    assert right[half, 0] == 0
    assert down[-1, half] > 0
    assert down[0, half] == 0
    np.testing.assert_allclose(down, right.T, rtol=0, atol=1e-7)


@pytest.mark.parametrize("blades", [5, 8])
def test_blades_curved_as_the_circle_make_a_disk(blades):
    np.testing.assert_allclose(polygon(7.3, blades, rotation=0.2, curvature=1), disk(7.3), rtol=0, atol=1e-5)


def test_a_curved_blade_lies_between_the_side_and_the_circle():
    straight, half_way, circle = (polygon(9, 5, curvature=curvature).max() for curvature in (0, 0.5, 1))
    assert straight == pytest.approx(circle, rel=1e-4)  # equal areas
    spread = [moments(polygon(9, 5, curvature=curvature))[2] for curvature in (0, 0.5, 1)]
    assert spread[0] > spread[1] > spread[2]
    assert half_way == pytest.approx(circle, rel=1e-4)


def test_less_than_half_a_pixel_is_the_identity():
    for kernel in (disk(0), disk(0.5), polygon(0.5, 3), Aperture(6).kernel(0.2)):
        np.testing.assert_array_equal(kernel, [[1]])


def test_an_aperture_makes_its_kernels():
    np.testing.assert_array_equal(Aperture().kernel(3), disk(3))
    np.testing.assert_array_equal(Aperture(6, 0.1, 0.5).kernel(3), polygon(3, 6, rotation=0.1, curvature=0.5))


def test_composed_kernels_are_their_convolution(rng):
    motion = rasterize(rng.standard_normal((60, 2)).cumsum(axis=0), anchor="start")
    defocus = polygon(4.2, 5, rotation=0.4)
    result = compose(motion, defocus)
    expected = scipy.signal.convolve2d(motion.astype(float), defocus.astype(float))
    rim = (len(expected) - len(result)) // 2
    assert rim >= 0
    np.testing.assert_allclose(np.pad(result, rim), expected / expected.sum(), rtol=0, atol=1e-8)
    np.testing.assert_array_equal(result, compose(defocus, motion))
    both = np.add(statistics(motion).centroid, statistics(defocus).centroid)
    np.testing.assert_allclose(statistics(result).centroid, both, atol=1e-5)
    image = rng.random((70, 60, 3), np.float32)
    inner = (slice(25, -25),) * 2
    np.testing.assert_allclose(blur(blur(image, motion), defocus)[inner], blur(image, result)[inner], atol=2e-6)


def test_composed_kernels_lose_empty_rings_alone():
    dot, wide = np.zeros((9, 9)), np.zeros((3, 7))
    dot[4, 5], wide[1, 1:6] = 2, 1
    result = compose(dot, wide)
    assert result.shape == (7, 7)
    np.testing.assert_allclose(result[3], [0, 0, 0.2, 0.2, 0.2, 0.2, 0.2], atol=1e-7)
    assert result.sum() == pytest.approx(1)
    np.testing.assert_array_equal(compose([[3.0]], [[1.0]]), [[1]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: disk(-1),
        lambda: disk(math.nan),
        lambda: disk(5000),
        lambda: polygon(3, 2),
        lambda: polygon(3, 5, curvature=1.5),
        lambda: polygon(3, 5, rotation=math.inf),
        lambda: compose(np.ones((2, 3)), disk(2)),
        lambda: compose(np.zeros((3, 3)), disk(2)),
    ],
)
def test_what_is_no_aperture_is_refused(call):
    with pytest.raises(UsageError):
        call()
