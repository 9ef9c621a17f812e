"""Tests the blur of moving objects on photographs against the plain sum over all instants and against the uniform blur."""

import math

import numpy as np
import pytest
from moving_objects import SRGB, line, near_edges, outlined_photograph, shake
from psnr import encoded_psnr

from blurkit.blurring.convolve import blur
from blurkit.blurring.layers.cutout import cut_out
from blurkit.blurring.layers.objects import FADE, blur_layers
from blurkit.blurring.layers.paths import UniformPath
from blurkit.blurring.tiles import BORDERS
from blurkit.kernels.rasterization import exposure_weights, rasterize_anchored


def moved(padded, displacement, reach):
    """The inner part of a padded array, moved by +(x, y), read bilinearly."""
    y, x = reach - displacement[1], reach - displacement[0]
    top, left = math.floor(y), math.floor(x)
    height, width = padded.shape[0] - 2 * reach, padded.shape[1] - 2 * reach
    total = 0.0
    for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, across in ((left, 1 - (x - left)), (left + 1, x - left)):
            total = total + down * across * padded[row : row + height, column : column + width]
    return total


def plain_sum(linear, masks, camera, own, weights, box):
    """The mean of all instants by the formula of blurkit.blurring.layers.objects, with layers of the whole photograph."""
    layers = cut_out(linear, masks, own.any(axis=(1, 2)))
    own = own[own.any(axis=(1, 2))]
    reach = math.ceil(max(np.abs(camera).max(), np.abs(camera + own).max())) + 2
    y, x, height, width = box

    def padded(plane):
        plane = np.pad(np.atleast_3d(plane), ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
        return plane[y : y + height + 2 * reach, x : x + width + 2 * reach]

    background = padded(layers.background)
    objects, clear, residual = ([padded(layer) for layer in part] for part in layers[1:])
    total = np.zeros((height, width, 3))
    for t, weight in enumerate(weights):
        scene = moved(background, camera[t], reach)
        for j, path in enumerate(own):
            layer = moved(objects[j], camera[t] + path[t], reach)
            light = 1 if (clear[j] == 1).all() else moved(clear[j], camera[t], reach)
            scene = scene + light * (layer[..., :3] - layer[..., 3:] * scene)
        for j, path in enumerate(own):
            near = 1 - math.hypot(*path[t]) / FADE
            if near > 0:
                scene = scene + near * moved(residual[j], camera[t], reach)
        total += weight * scene
    return total


@pytest.mark.parametrize(
    ("name", "count", "still", "box", "lengths"),
    [
        ("010764", 2, (), (60, 320, 64, 64), (40, 30)),
        ("106499", 4, (1,), (330, 170, 64, 64), (10, 20)),  # the second of four stands still
        ("239627", 5, (), (363, 0, 64, 64), (20, 40)),  # a corner of the photograph
    ],
)
def test_the_sum_over_all_instants(test_data, rng, name, count, still, box, lengths):
    linear, masks = outlined_photograph(test_data, name, count)
    camera = shake(lengths[0], rng)
    own = np.stack([shake(lengths[1], rng) if j % 2 else line(0.8 * lengths[1], 0.6 * lengths[1]) for j in range(count)])
    own[list(still)] = 0
    weights = np.full(2000, 1 / 2000)
    expected = plain_sum(linear, masks, camera, own, weights, box)
    result = blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=box)
    edges = near_edges(masks, box)
    assert edges.mean() > 0.05
    assert encoded_psnr(result, expected) > 55
    assert encoded_psnr(result[edges], expected[edges]) > 55
    assert np.abs(SRGB.encode(result) - SRGB.encode(expected)).max() < 3 / 255


def test_without_tolerance_the_sum_is_exact(test_data, rng):
    linear, masks = outlined_photograph(test_data, "425989", 3)
    camera, weights = shake(40, rng)[::50], rng.random(40)
    own = np.stack([shake(30, rng)[::50], line(9, -7, 40), np.zeros((40, 2))])
    box = (0, 0, *linear.shape[:2])
    expected = plain_sum(linear, masks, camera, own, weights / weights.sum(), box)
    result = blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=box, tolerance=0)
    np.testing.assert_allclose(result, np.maximum(expected, 0), atol=2e-6)


@pytest.mark.parametrize("border", BORDERS)
def test_nothing_that_moves_on_its_own_is_the_uniform_blur(test_data, rng, border):
    linear, masks = outlined_photograph(test_data, "425989", 2)
    path, exposure = shake(40, rng), 0.7
    expected = blur(linear, rasterize_anchored(path, exposure=exposure), border=border)
    weights = exposure_weights(len(path), exposure)
    camera, own = UniformPath.of(path[: len(weights)], weights), np.zeros((2, len(weights), 2))
    box = (10, 20, 101, 90)
    inner = expected[10:111, 20:110]
    assert np.array_equal(blur_layers(linear, masks, camera, own, box=box, border=border), inner)
    assert np.array_equal(blur_layers(linear, masks[:0], camera, own[:0], box=box, border=border), inner)
    assert np.array_equal(blur_layers(linear, masks & False, camera, own + 7, box=box, border=border), inner)


def test_pixels_out_of_reach_are_the_uniform_blur(test_data, rng):
    linear, masks = outlined_photograph(test_data, "208901", 1)
    camera, own, weights = shake(20, rng), line(20, 10)[None], np.ones(2000)
    expected = blur(linear, rasterize_anchored(camera, exposure=1.0))
    result = blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=(0, 0, *linear.shape[:2]))
    reach = math.ceil(np.abs(camera).max() + 10) + 6
    rows, columns = np.nonzero(masks[0])
    near = np.zeros(masks[0].shape, bool)
    near[rows.min() - reach : rows.max() + reach, columns.min() - reach : columns.max() + reach] = True
    same = (result == expected).all(axis=2)
    assert same[~near].all()
    assert not same[masks[0]].any()


def test_a_little_motion_changes_little(test_data, rng):
    linear, masks = outlined_photograph(test_data, "106499", 3)
    camera, weights = shake(20, rng), np.ones(2000)
    own = np.stack([line(0.02, 0.02)] * 3)
    expected = blur(linear, rasterize_anchored(camera, exposure=1.0))[200:300, 100:300]
    assert encoded_psnr(blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=(200, 100, 100, 200)), expected) > 50


def test_a_crop_of_the_whole(test_data, rng):
    linear, masks = outlined_photograph(test_data, "338304", 5)
    camera, own, weights = shake(20, rng), np.stack([shake(30, rng) for _ in range(5)]), np.ones(2000)
    whole = blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=(0, 0, *linear.shape[:2]))
    for y, x in ((200, 100), (333, 17)):
        crop = blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=(y, x, 128, 128))
        difference = np.abs(SRGB.encode(crop) - SRGB.encode(whole[y : y + 128, x : x + 128]))
        assert np.median(difference) < 0.1 / 255
        assert encoded_psnr(crop, whole[y : y + 128, x : x + 128]) > 45
        assert np.array_equal(crop, blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=(y, x, 128, 128)))
