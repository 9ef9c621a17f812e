"""Where a contact sheet puts things, and what it says: by rules that any arrangement must keep, and by hand."""

import math
from itertools import pairwise

import numpy as np
import pytest

from blurkit.contact import (
    GRIDS,
    GUTTER,
    MARGIN,
    Box,
    arrange,
    captions,
    choose_grid,
    exposed_points,
    kernel_scale,
    resampled,
    shade,
    shown,
    thinned,
)
from blurkit.shard.format import Sample

NO_PATH = np.empty((0, 2), np.float32)


def sample_of(height, width, *, kernel=None, path=NO_PATH, name="image", **meta):
    image = np.zeros((height, width, 3), np.uint8)
    return Sample(image, image, np.ones((1, 1), np.float32) if kernel is None else kernel, path, name, meta)


def test_squares_of_the_default_size_keep_their_pixels():
    for count in (2, 12, 16):
        grid = choose_grid(count)
        triples = arrange([sample_of(320, 320)] * count, grid, 100)
        assert all((sharp.width, sharp.height) == (320, 320) for sharp, _, _ in triples)
        assert grid.width == 1880


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12, 16, 17, 40, 60, 61, 100])
def test_nothing_overlaps_and_rows_are_flush(rng, count):
    grid = choose_grid(count)
    assert 1800 <= grid.width <= 1900
    samples = [sample_of(*rng.integers(1, 3000, 2)) for _ in range(count)]
    triples = arrange(samples, grid, 90)
    covered = np.zeros((triples[-1][0].bottom + grid.below, grid.width), np.uint8)
    for triple in triples:
        for box in triple:
            assert min(box.width, box.height) > 0
            covered[box.y : box.bottom, box.x : box.right] += 1
            covered[box.bottom : box.bottom + grid.below, box.x : box.right] += 1
    assert covered.max() == 1
    assert not covered[:90].any()
    assert not covered[:, :MARGIN].any()
    for first in range(0, count - grid.columns + 1, grid.columns):
        row = triples[first : first + grid.columns]
        assert len({box.y for triple in row for box in triple}) == len({box.height for triple in row for box in triple}) == 1
        assert row[0][0].x == MARGIN
        assert row[-1][2].right == grid.width - MARGIN
        assert all(right[0].x - left[2].right == GUTTER for left, right in pairwise(row))


def test_pictures_keep_their_proportions(rng):
    samples = [sample_of(*rng.integers(300, 500, 2)) for _ in range(20)]
    for sample, (sharp, blurred, _) in zip(samples, arrange(samples, GRIDS[16], 0), strict=True):
        height, width = sample.sharp.shape[:2]
        assert sharp.width / sharp.height == pytest.approx(width / height, rel=0.02)
        assert (sharp.width, sharp.height) == (blurred.width, blurred.height)


def test_extreme_images_are_shown_by_their_middle(rng):
    wide = rng.integers(0, 256, (40, 8000, 3), np.uint8)
    np.testing.assert_array_equal(shown(wide), wide[:, 3950:4050])
    high = rng.integers(0, 256, (1000, 60, 3), np.uint8)
    np.testing.assert_array_equal(shown(high), high[450:550])
    usual = rng.integers(0, 256, (90, 160, 3), np.uint8)
    np.testing.assert_array_equal(shown(usual), usual)


def test_pictures_shrink_by_area_and_grow_in_squares(rng):
    image = rng.integers(0, 256, (60, 90, 3), np.uint8)
    means = image.reshape(20, 3, 30, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resampled(image, 20, 30), means, atol=0.5)
    np.testing.assert_array_equal(resampled(image, 240, 360), np.kron(image, np.ones((4, 4, 1), np.uint8)))
    np.testing.assert_array_equal(resampled(image, 60, 90), image)
    grown = resampled(image, 90, 135)  # by 1.5: every second pixel is the mean of two neighbours, no more
    np.testing.assert_array_equal(grown[::3, ::3], image[::2, ::2])
    np.testing.assert_allclose(grown[::3, 1::3], (image[::2, ::2].astype(float) + image[::2, 1::2]) / 2, atol=0.5)


def test_captions_say_what_is_known():
    kernel = np.full((1, 9), 1 / 9, np.float32)
    kernel = np.pad(kernel, ((4, 4), (0, 0)))
    path = np.zeros((10, 2), np.float32)
    drawn = {"variant": 2, "length": 31.46, "exposure": 0.25, "jpeg_quality": 87.0, "shot": 9e-5, "read": 0.004}
    full = sample_of(30, 20, kernel=kernel, path=path, name="a/b.jpg", **drawn)
    assert captions(full) == (  # sqrt(12 * 60 / 9) = 8.94 and sqrt(9e-5 + 1.6e-5) = 1.03 %
        ["a/b.jpg #2", "20 × 30 px"],
        ["exposure 25 %", "noise 1.0 %, JPEG 87"],
        ["31.5 px path", "8.9 px effective"],
    )
    bare = sample_of(40, 8000, kernel=kernel, variant=0, length=math.nan)
    assert captions(bare) == (["image", "middle of 8000 × 40 px"], [], ["9 px extent", "8.9 px effective"])
    assert exposed_points(full) == 3
    assert exposed_points(sample_of(3, 3, path=path)) == exposed_points(sample_of(3, 3, path=path, exposure=math.nan)) == 10


def test_a_kernel_fits_its_room_at_a_whole_scale():
    room = Box(0, 0, 240, 290)
    assert kernel_scale(9, 9, NO_PATH, room) == 22  # 240 / (1.2 * 9)
    assert kernel_scale(1, 1, NO_PATH, room) == 24  # a tenth of the room
    assert kernel_scale(100, 10, NO_PATH, room) == 2
    assert kernel_scale(2000, 2000, NO_PATH, room) == pytest.approx(0.1)
    far = np.array([(0, 0), (500, 500)], np.float32)
    assert kernel_scale(20, 20, far, room) == 7  # 240 / (1.7 * 20)


def test_thinned_paths_keep_their_ends():
    for count in (1, 2, 5, 599, 601, 1199, 5000):
        points = np.arange(2.0 * count).reshape(-1, 2)
        thin = thinned(points)
        assert len(thin) <= 1200
        assert count > 600 or len(thin) == count
        np.testing.assert_array_equal(thin[[0, -1]], points[[0, -1]])


def test_colours_between_stops():
    colors = shade(("#000000", "#ff8000", "#ffffff"), np.array([[0, 0.25, 0.5], [0.75, 1, 0]]))
    assert colors.shape == (2, 3, 3)
    np.testing.assert_allclose(255 * colors[0], [(0, 0, 0), (127.5, 64, 0), (255, 128, 0)])
    np.testing.assert_allclose(255 * colors[1], [(255, 191.5, 127.5), (255, 255, 255), (0, 0, 0)])
