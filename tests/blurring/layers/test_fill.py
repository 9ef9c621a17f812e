"""Filled holes, compared with known solutions, and with the inpainting of OpenCV on hidden parts of photographs."""

import cv2
import numpy as np
import pytest
import scipy.ndimage

from blurkit.blurring.layers.fill import fill, grown
from blurkit.camera.response import load_response
from blurkit.sources import open_source


def disk(height, width, y, x, radius):
    rows, columns = np.ogrid[:height, :width]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


@pytest.mark.parametrize("shape", [(50, 70), (33, 65), (64, 64), (3, 40)])
def test_a_constant_is_continued(shape):
    linear = np.full((*shape, 3), 0.3, np.float32)
    hole = disk(*shape, shape[0] // 2, shape[1] // 2, min(shape[1] // 3, 20))
    linear[hole] = 9
    np.testing.assert_allclose(fill(linear, ~hole), 0.3, rtol=1e-5)


def test_a_slope_is_continued():
    linear = np.broadcast_to(np.linspace(0, 1, 101, dtype=np.float32)[None, :, None], (80, 101, 3))
    filled = fill(linear, ~disk(80, 101, 40, 50, 20))
    assert np.abs(filled - linear).max() < 0.06, "within six of the hole's forty columns"
    assert np.abs(filled - linear)[40, 50].max() < 0.01


def test_what_is_known_stays_and_what_is_hidden_does_not_matter(rng):
    linear = rng.random((60, 90, 3), dtype=np.float32)
    hole = disk(60, 90, 10, 20, 15)
    filled = fill(linear, ~hole)
    assert np.array_equal(filled[~hole], linear[~hole])
    linear[hole] = 100
    assert np.array_equal(fill(linear, ~hole), filled)
    assert 0 <= filled.min() <= filled.max() <= 1


def test_a_bright_window_further_off_casts_no_glow():
    linear = np.full((100, 100, 3), 0.1, np.float32)
    linear[:, 70:] = 1
    filled = fill(linear, ~disk(100, 100, 50, 40, 20))
    np.testing.assert_allclose(filled[:, :70], 0.1, rtol=1e-4)


def test_nothing_known_is_zero():
    assert (fill(np.ones((20, 30, 3), np.float32), np.zeros((20, 30), bool)) == 0).all()


@pytest.mark.parametrize("pixels", [1, 2, 4])
def test_masks_grow_by_a_disk(rng, pixels):
    mask = scipy.ndimage.gaussian_filter(rng.standard_normal((60, 70)), 5) > 0
    expected = scipy.ndimage.distance_transform_edt(~mask) <= pixels + 0.5
    assert np.array_equal(grown(mask, pixels)[9:-9, 9:-9], expected[9:-9, 9:-9])


def test_hidden_parts_of_photographs(test_data):
    response, errors = load_response("srgb"), []
    records = list(open_source("coco", root=test_data / "coco", split="val").records)
    shapes = [mask for record in records[:6] for mask in record.masks().masks if 2000 < mask.sum() < 20000]
    for number, record in enumerate(records[:8]):
        codes = record.read().pixels
        hole = np.zeros(codes.shape[:2], bool)
        shape = shapes[number % len(shapes)][: hole.shape[0], : hole.shape[1]]
        hole[: shape.shape[0], : shape.shape[1]] = shape[::-1]
        depth = scipy.ndimage.distance_transform_edt(hole)
        filled = response.encode(fill(response.decode(codes), ~hole))
        telea = cv2.inpaint(codes, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA) / 255
        bands = [(depth > 0) & (depth <= limit) for limit in (5, 10, 20)]
        errors.append([[np.mean((image - codes / 255)[band] ** 2) for band in bands] for image in (filled, telea)])
    ours, theirs = -10 * np.log10(np.mean(errors, axis=0))
    assert (ours > theirs - 0.3).all(), (ours, theirs)
    assert ours[2] > theirs[2], (ours, theirs)
