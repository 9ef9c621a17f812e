"""Tests the variance of the Laplacian against OpenCV, rational arithmetic and closed forms."""

import itertools
from fractions import Fraction

import cv2
import numpy as np
import pytest

from blurkit.blurring.convolve import blur
from blurkit.camera.response import load_response
from blurkit.decode import read_image
from blurkit.errors import UsageError
from blurkit.pair.crop import laplacian_variance


def by_opencv(image):
    return cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F)[1:-1, 1:-1].var()


def grey(values):
    return np.repeat(np.asarray(values, np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("shape", [(3, 3), (3, 50), (50, 3), (4, 5), (97, 64), (320, 320), (5, 4001)])
def test_opencv_agrees(rng, shape):
    image = rng.integers(0, 256, (*shape, 3), np.uint8)
    assert laplacian_variance(image) == pytest.approx(by_opencv(image), rel=1e-12)


def test_the_grey_of_every_colour_is_that_of_opencv():
    # Between two black rows, the Laplacian depends only on the grey of the pixel.
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    greys = cv2.cvtColor(colours[None], cv2.COLOR_RGB2GRAY)[0]
    for colour, value in list(zip(colours, greys, strict=True))[::97]:
        image = np.zeros((3, 4, 3), np.uint8)
        image[1, 1] = colour
        # The two interior pixels have -4 g and g.
        assert laplacian_variance(image) == (5 * int(value) / 2) ** 2


def test_it_is_the_rational_number_rounded_once(rng):
    image = grey(rng.integers(0, 256, (41, 23)))
    luma = image[..., 0].astype(int)
    values = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    count = values.size
    variance = Fraction(int((values**2).sum()), count) - Fraction(int(values.sum()), count) ** 2
    assert laplacian_variance(image) == float(variance)


def test_flat_images_and_ramps_have_none():
    y, x = np.mgrid[:60, :80]
    for values in (np.full((60, 80), 255), 3 * x, 4 * y, 2 * x + y):
        assert laplacian_variance(grey(values)) == 0


@pytest.mark.parametrize(("low", "high"), [(0, 255), (100, 101)])
def test_a_checkerboard(low, high):
    y, x = np.mgrid[:42, :62]
    values = np.where((x + y) % 2, high, low)
    assert laplacian_variance(grey(values)) == (4 * (high - low)) ** 2  # plus and minus four steps, as many of each


def test_a_step():
    values = np.zeros((20, 42))
    values[:, 21:] = 90
    # Of 40 interior columns one has 90 and one -90.
    assert laplacian_variance(grey(values)) == 90**2 * 2 / 40


def test_an_impulse():
    values = np.zeros((12, 22))
    values[6, 11] = 50
    assert laplacian_variance(grey(values)) == 50**2 * (16 + 4) / 200  # one -4, four times 1, sum 0


def test_views_and_images_without_an_interior(rng):
    image = rng.integers(0, 256, (50, 60, 3), np.uint8)
    assert laplacian_variance(image[5:30, 10:50]) == laplacian_variance(image[5:30, 10:50].copy())
    assert laplacian_variance(image) == laplacian_variance(image[::-1, ::-1]) == laplacian_variance(image.transpose(1, 0, 2))
    for shape in ((2, 9, 3), (9, 2, 3), (0, 0, 3)):
        assert laplacian_variance(np.zeros(shape, np.uint8)) == 0


@pytest.mark.parametrize("image", [np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 1), np.uint8)])
def test_other_arrays_are_refused(image):
    with pytest.raises(UsageError, match=r"uint8 of shape \(H, W, 3\)"):
        laplacian_variance(image)


def test_real_photographs_lose_it_by_blur(test_data):
    response = load_response("srgb")
    paths = sorted((test_data / "photos").glob("*.jpg"))[::8]
    assert paths
    for path in paths:
        image = read_image(path).pixels
        assert laplacian_variance(image) == pytest.approx(by_opencv(image), rel=1e-12)
        light = response.decode(image)
        values = [laplacian_variance(response.quantize(blur(light, np.full((1, n), 1 / n)))) for n in (1, 3, 9, 27)]
        assert values[0] == laplacian_variance(image)
        assert all(less < more for more, less in itertools.pairwise(values))
