"""Tests the layout of contact sheets and the text of their captions."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest

from blurkit.report.raster import resampled, shade, shown, thinned
from blurkit.report.sheet_layout import (
    GRIDS,
    GUTTER,
    MARGIN,
    arrange,
    captions,
    choose_grid,
    exposed,
    kernel_scale,
    kernels_shown,
    moved_paths,
    outlines,
)
from blurkit.shard.format import Sample
from blurkit.truth.box import Box
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import ObjectMotion

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
    assert len(exposed(full, path)) == 3
    for unknown in (sample_of(3, 3), sample_of(3, 3, exposure=math.nan)):
        assert len(exposed(unknown, path)) == 10


def test_a_kernel_fits_its_room_at_a_whole_scale():
    room = Box(0, 0, 290, 240)
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


def moved_sample(path=NO_PATH, **meta):
    """Two rectangles of which the second moved by 12 px to the right and 6 down, the first half of it exposed."""
    planes = np.zeros((2, 80, 120), bool)
    planes[0, 10:20, 10:40] = planes[1, 30:50, 60:80] = True
    own = np.linspace((0, 0), (12, 6), 40, dtype=np.float32)[None]
    moves = ObjectMotion(np.array([1], np.int32), own, np.ones((1, 1, 1), np.float32))
    sample = sample_of(80, 120, path=path, exposure=0.5, **meta)
    return dataclasses.replace(sample, objects=Masks(planes, ("a", "b"), (1, 2), (False, False)), moves=moves)


def test_outlines_run_through_the_outermost_pixels_of_the_objects():
    (still, moves), (moving, moved) = outlines(moved_sample(), Box(50, 100, 240, 360))  # three times as large
    assert (moves, moved) == (False, True)
    for points, (top, bottom, left, right) in ((still, (10, 20, 10, 40)), (moving, (30, 50, 60, 80))):
        assert np.array_equal(points[0], points[-1])
        assert points.min(axis=0).tolist() == [100 + 3 * (left + 0.5), 50 + 3 * (top + 0.5)]
        assert points.max(axis=0).tolist() == [100 + 3 * (right - 0.5), 50 + 3 * (bottom - 0.5)]


def test_what_an_extreme_image_does_not_show_has_no_outline_and_no_path():
    planes = np.zeros((2, 40, 1000), bool)
    planes[0, 5:30, 10:40] = planes[1, 5:30, 490:520] = True
    objects = Masks(planes, ("a", "b"), (1, 1), (False, False))
    moves = ObjectMotion(np.array([0], np.int32), np.zeros((1, 4, 2), np.float32), np.ones((1, 1, 1), np.float32))
    sample = dataclasses.replace(sample_of(40, 1000), objects=objects, moves=moves)
    ((points, moved),) = outlines(sample, Box(0, 0, 40, 100))
    assert not moved
    assert points[:, 0].min() == 490 - 450 + 0.5
    assert moved_paths(sample, Box(0, 0, 40, 100)) == []


def test_the_path_of_an_object_goes_from_its_middle_with_the_cameras():
    box = Box(0, 0, 160, 240)  # twice as large
    (alone,) = moved_paths(moved_sample(), box)
    assert len(alone) == 20
    np.testing.assert_allclose(alone[0], (140, 80))
    np.testing.assert_allclose(alone[-1], (140 + 24 * 19 / 39, 80 + 12 * 19 / 39), rtol=1e-5)
    camera = np.linspace((0, 0), (-12, 6), 40, dtype=np.float32)
    (both,) = moved_paths(moved_sample(path=camera), box)
    np.testing.assert_allclose(both[-1], (140, 80 + 24 * 19 / 39), rtol=1e-5)


def test_captions_of_objects_frames_and_defocus():
    assert captions(moved_sample())[0] == ["image", "120 × 80 px, 1 moved"]
    frames = sample_of(30, 20, kernel=np.empty((0, 0), np.float32), frames=9.0)
    assert captions(frames) == (["image", "20 × 30 px"], [], ["mean of 9 frames"])
    defocused = sample_of(30, 20, defocus_radius=2.34, rotation_length=0.0312, roll_length=0.01)
    assert captions(defocused)[2][0] == "31 mrad, roll 10, r 2.3"


def test_a_field_is_shown_by_the_kernels_of_a_grid():
    kernels = np.zeros((2, 2, 9, 9), np.float32)
    kernels[:, 0, 4, 4] = kernels[:, 1, 4, 6] = 1  # no motion at the left, 2 px at the right
    sample = dataclasses.replace(sample_of(50, 50), nodes=KernelField.of([0, 50], [0, 50], kernels))
    tiles = kernels_shown(sample).reshape(5, 7, 5, 7)
    assert tiles.sum() == pytest.approx(25, rel=1e-6)
    for column in range(5):
        share = (column + 0.5) / 5
        assert tiles[2, 3, column, [3, 5]].tolist() == pytest.approx([1 - share, share], abs=1e-6)
