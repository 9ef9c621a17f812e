"""Tests defocus by depth against uniform blur and against a lens: the mean of the views from all points of its aperture."""

import cv2
import numpy as np
import pytest
from photographs import random_texture
from psnr import psnr

from blurkit.blurring.convolve import blur
from blurkit.blurring.layers.depth import blur_depth, circle_of_confusion, fill_holes
from blurkit.errors import UsageError
from blurkit.kernels.aperture import Aperture, disk

SIDE = 150
ROWS, COLUMNS = np.indices((SIDE, SIDE), np.float32)
RIM = 40 + 12 * np.cos(5 * np.arctan2(ROWS - 75, COLUMNS - 75))
SHARE = np.clip(RIM - np.hypot(ROWS - 75, COLUMNS - 75) + 0.5, 0, 1)  # the part of each pixel that a star covers
STAR = SHARE >= 0.5


@pytest.fixture
def textures(rng):
    """Two pictures with detail of every size, float32 (150, 150, 3) in [0, 1]."""
    tints = (1, 0.7, 0.4), (0.3, 0.6, 1)
    return [(np.clip(0.5 + 0.25 * random_texture(rng, SIDE, SIDE), 0, 1) * tint).astype(np.float32) for tint in tints]


def lens(front, back, near, far, slope=0.0, points=20):
    """What a lens sees of a star in front of a plane whose radius of defocus is ``far + slope * row``.

    A point of the aperture sees each surface moved by the radius times the point's place in the unit disk.
    """
    steps = (np.arange(points) + 0.5) / points * 2 - 1
    places = [(u, v) for u in steps for v in steps if u * u + v * v <= 1]
    total = np.zeros((SIDE, SIDE, 3))
    for u, v in places:
        row = (ROWS - far * v) / (1 + slope * v)
        behind = sample(back, row, COLUMNS - (far + slope * row) * u)
        if front is not None:
            opaque = sample(SHARE, ROWS - near * v, COLUMNS - near * u)[..., None]
            behind = (1 - opaque) * behind + opaque * sample(front, ROWS - near * v, COLUMNS - near * u)
        total += behind
    return total / len(places)


def sample(image, rows, columns):
    return cv2.remap(image, np.float32(columns), np.float32(rows), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def gather(image, radius):
    """Blur each pixel by the kernel of its own radius, without regard to what hides what."""
    result = np.empty_like(image)
    for value in np.unique(np.round(np.abs(radius), 1)):
        own = np.round(np.abs(radius), 1) == value
        result[own] = blur(image, disk(float(value)))[own]
    return result


@pytest.mark.parametrize(
    ("near", "far", "slope", "least"),
    [
        (0, -4, 0, 40),
        (4, 0, 0, 41),
        (8, 0, 0, 38),
        (5, -3, 0, 40),
        (8, 4, 0, 43),
        (-2, -8, 0, 41),
        (3.3, -4.7, 0, 41),
        (6, -4, 0.05, 40),
    ],
)
def test_a_lens_sees_the_same(textures, near, far, slope, least):
    front, back = textures
    radius = np.where(STAR, near, far + slope * ROWS).astype(np.float32)
    image = SHARE[..., None] * front + (1 - SHARE[..., None]) * back
    expected = lens(front, back, near, far, slope)
    layered = psnr(blur_depth(image, radius), expected, margin=20)
    assert layered > least
    assert layered > psnr(gather(image, radius), expected, margin=20) + 3


def test_a_slanted_plane_is_almost_what_each_pixels_own_kernel_makes_of_it(textures):
    radius = -6 + 0.04 * ROWS
    made = blur_depth(textures[1], radius)
    assert psnr(made, gather(textures[1], radius), margin=20) > 45
    assert psnr(made, lens(None, textures[1], 0, -6, 0.04), margin=20) > 45


@pytest.mark.parametrize("radius", [0.8, 3.7, -3.7, 9.0])
def test_one_distance_is_uniform_defocus(textures, radius):
    made = blur_depth(textures[0], np.full((SIDE, SIDE), radius, np.float32))
    assert psnr(made, blur(textures[0], disk(abs(radius)))) > 100
    uneven = radius + 0.1 * np.sin(ROWS / 9)
    assert psnr(blur_depth(textures[0], uneven), gather(textures[0], uneven)) > 42


def test_focus_changes_nothing(textures):
    np.testing.assert_array_equal(blur_depth(textures[0], np.zeros((SIDE, SIDE))), textures[0])


def test_a_sharp_object_leaves_no_trace_in_the_background():
    image = np.where(STAR[..., None], np.float32(1), np.float32(0)).repeat(3, axis=2)
    made = blur_depth(image, np.where(STAR, 0.0, -8.0))
    beside = cv2.dilate(STAR.astype(np.uint8), np.ones((3, 3))) == 0
    assert made[beside].max() == 0
    assert made[STAR].min() == 1
    assert gather(image, np.where(STAR, 0.0, -8.0))[beside].max() > 0.4


def test_a_blurred_object_is_transparent_at_its_rim():
    image = np.where(STAR[..., None], np.float32(1), np.float32(0)).repeat(3, axis=2)
    made = blur_depth(image, np.where(STAR, 8.0, 0.0))[..., 0]
    grown = cv2.dilate(STAR.astype(np.float32), np.ones((3, 3)))
    np.testing.assert_allclose(made[grown == 0], blur(STAR.astype(np.float32), disk(8))[grown == 0], atol=1e-5)
    assert made[STAR].min() < 0.5


def test_nothing_gets_brighter_or_darker(rng):
    white = np.ones((60, 70, 3), np.float32)
    radius = cv2.GaussianBlur(rng.standard_normal((60, 70)), (0, 0), 4) * 60
    np.testing.assert_allclose(blur_depth(white, radius), 1, atol=1e-5)


def test_near_objects_show_the_iris_upside_down():
    image = np.zeros((41, 41, 3), np.float32)
    image[20, 20] = 1
    iris = Aperture(3, rotation=0.4)
    far, near = (blur_depth(image, np.full((41, 41), radius), aperture=iris)[..., 1] for radius in (-6.0, 6.0))
    half = len(iris.kernel(6)) // 2
    np.testing.assert_allclose(far[20 - half : 21 + half, 20 - half : 21 + half], iris.kernel(6), atol=1e-7)
    np.testing.assert_allclose(near, far[::-1, ::-1], atol=1e-7)


def test_a_part_of_a_real_photograph_is_that_part_of_the_whole(test_data):
    folder = test_data / "sharp" / "depth"
    codes = cv2.imread(str(folder / "motorcycle_left.png"), cv2.IMREAD_COLOR_RGB)
    disparity = np.load(folder / "motorcycle_disp.npz")["arr_0"]
    linear = (codes.astype(np.float32) / 255) ** 2
    radius = circle_of_confusion(disparity, focus=50, strength=0.15)
    whole = blur_depth(linear, radius, spacing=1)
    for box in ((0, 0, 90, 110), (180, 300, 160, 120), (400, 600, 100, 141)):
        y, x, height, width = box
        part = blur_depth(linear, radius, box=box, spacing=1)
        assert np.abs(part - whole[y : y + height, x : x + width]).max() < 1 / 510
    sharp = cv2.erode((np.abs(radius) < 0.25).astype(np.uint8), np.ones((9, 9))) > 0
    assert sharp.sum() > 10_000
    assert np.abs(whole - linear)[sharp].mean() < 1e-3
    assert np.abs(whole - linear)[np.abs(radius) > 4].mean() > 0.02


def test_the_radius_is_that_of_a_thin_lens():
    """Focal length 50 mm, f/2, focus at 2 m: the diameter on the sensor is f**2 / N * |1 / z - 1 / z0| / (1 - f / z0)."""
    depth = np.array([[0.5, 1.0, 2.0, 4.0, 1e6]])
    f, z0 = 0.05, 2.0
    magnified = f * (f / 2) / (z0 - f)  # times |z - z0| / z
    made = circle_of_confusion(1 / depth, focus=1 / z0, strength=f * f / 2 / (1 - f / z0) / 2 / 5e-6)
    np.testing.assert_allclose(made, magnified * (z0 - depth) / depth / 2 / 5e-6, rtol=1e-5, atol=1e-6)
    assert made.dtype == np.float32


def test_holes_are_filled_from_behind():
    gap, far = np.nan, np.inf
    disparity = np.array(
        [[gap, gap, gap, gap], [5.0, gap, far, 2.0], [gap, 7.0, gap, -far], [gap, gap, gap, gap], [1, 3, gap, 3]], np.float32
    )
    expected = [[5, 2, 2, 2], [5, 2, 2, 2], [7, 7, 7, 7], [7, 7, 7, 7], [1, 3, 3, 3]]
    np.testing.assert_array_equal(fill_holes(disparity), expected)


GOOD = np.zeros((20, 30, 3), np.float32)
FLAT = np.zeros((20, 30))


@pytest.mark.parametrize(
    "call",
    [
        lambda: blur_depth(GOOD.astype(np.uint8), FLAT),
        lambda: blur_depth(GOOD[..., 0], FLAT),
        lambda: blur_depth(GOOD, FLAT[:-1]),
        lambda: blur_depth(GOOD, FLAT.astype(int)),
        lambda: blur_depth(GOOD, FLAT + np.nan),
        lambda: blur_depth(GOOD, FLAT + 2000),
        lambda: blur_depth(GOOD, FLAT, spacing=0),
        lambda: blur_depth(GOOD, FLAT, box=(0, 0, 21, 30)),
        lambda: blur_depth(GOOD, FLAT, box=(0, 0, 0, 30)),
        lambda: circle_of_confusion(FLAT, focus=np.nan, strength=1),
        lambda: circle_of_confusion(FLAT, focus=0, strength=-1),
        lambda: circle_of_confusion(FLAT * np.nan, focus=0, strength=1),
        lambda: fill_holes(FLAT.astype(np.uint8)),
        lambda: fill_holes(FLAT[0]),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(UsageError):
        call()
