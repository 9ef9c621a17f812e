"""Moving objects, compared with the plain sum over all instants, closed forms, and the uniform blur."""

import functools
import math

import numpy as np
import pytest
import scipy.ndimage

from blurkit.blurring.convolve import blur
from blurkit.blurring.gather import blur_field
from blurkit.blurring.layers.cutout import cut_out
from blurkit.blurring.layers.objects import FADE, blur_layers
from blurkit.blurring.layers.paths import UniformPath, turning
from blurkit.blurring.tiles import BORDERS
from blurkit.camera.response import load_response
from blurkit.errors import UsageError
from blurkit.kernels.field import principal_point, rotation_field
from blurkit.kernels.rasterization import exposed_path, exposure_weights, rasterize_anchored
from blurkit.kernels.rotation import camera_rotation, centered, displacements
from blurkit.kernels.trajectory import boracchi_foi
from blurkit.sources import open_source

SRGB = load_response("srgb")
STILL = UniformPath.of([[0, 0]], [1.0])


@functools.cache
def photograph(root, name, count):
    """The linear light of a photograph of COCO and the masks of its largest objects, the larger ones behind."""
    record = next(record for record in open_source("coco", root=root / "coco").records if record.id.endswith(name))
    masks = record.masks().masks
    order = np.argsort(-masks.sum(axis=(1, 2)), kind="stable")[:count]
    return SRGB.decode(record.read().pixels), masks[order]


def shake(length, rng):
    return exposed_path(boracchi_foi(length=length, anxiety=0.003, rng=rng))


def line(x, y, samples=2000):
    return np.linspace(-0.5, 0.5, samples)[:, None] * [x, y]


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


def near_edges(masks, box):
    """The mask of the pixels of a box within 10 px of the outline of an object."""
    y, x, height, width = box
    bands = [scipy.ndimage.binary_dilation(m, iterations=10) & ~scipy.ndimage.binary_erosion(m, iterations=10) for m in masks]
    return np.any(bands, axis=0)[y : y + height, x : x + width]


def decibels(a, b):
    return -10 * np.log10(np.mean((SRGB.encode(a) - SRGB.encode(b)) ** 2))


@pytest.mark.parametrize(
    ("name", "count", "still", "box", "lengths"),
    [
        ("010764", 2, (), (60, 320, 64, 64), (40, 30)),
        ("106499", 4, (1,), (330, 170, 64, 64), (10, 20)),  # the second of four stands still
        ("239627", 5, (), (363, 0, 64, 64), (20, 40)),  # a corner of the photograph
    ],
)
def test_the_sum_over_all_instants(test_data, rng, name, count, still, box, lengths):
    linear, masks = photograph(test_data, name, count)
    camera = shake(lengths[0], rng)
    own = np.stack([shake(lengths[1], rng) if j % 2 else line(0.8 * lengths[1], 0.6 * lengths[1]) for j in range(count)])
    own[list(still)] = 0
    weights = np.full(2000, 1 / 2000)
    expected = plain_sum(linear, masks, camera, own, weights, box)
    result = blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=box)
    edges = near_edges(masks, box)
    assert edges.mean() > 0.05
    assert decibels(result, expected) > 55
    assert decibels(result[edges], expected[edges]) > 55
    assert np.abs(SRGB.encode(result) - SRGB.encode(expected)).max() < 3 / 255


def test_without_tolerance_the_sum_is_exact(test_data, rng):
    linear, masks = photograph(test_data, "425989", 3)
    camera, weights = shake(40, rng)[::50], rng.random(40)
    own = np.stack([shake(30, rng)[::50], line(9, -7, 40), np.zeros((40, 2))])
    box = (0, 0, *linear.shape[:2])
    expected = plain_sum(linear, masks, camera, own, weights / weights.sum(), box)
    result = blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=box, tolerance=0)
    np.testing.assert_allclose(result, np.maximum(expected, 0), atol=2e-6)


@pytest.mark.parametrize("border", BORDERS)
def test_nothing_that_moves_on_its_own_is_the_uniform_blur(test_data, rng, border):
    linear, masks = photograph(test_data, "425989", 2)
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
    linear, masks = photograph(test_data, "208901", 1)
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
    linear, masks = photograph(test_data, "106499", 3)
    camera, weights = shake(20, rng), np.ones(2000)
    own = np.stack([line(0.02, 0.02)] * 3)
    expected = blur(linear, rasterize_anchored(camera, exposure=1.0))[200:300, 100:300]
    assert decibels(blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=(200, 100, 100, 200)), expected) > 50


def scene(height=60, width=160):
    """A dark grey photograph with a bright square, and the mask of the square."""
    linear, mask = np.full((height, width, 3), 0.1, np.float32), np.zeros((1, height, width), bool)
    mask[0, 20:36, 70:86] = True
    linear[mask[0]] = 0.8
    return linear, mask


def test_displacements_move_the_content_to_the_right_and_down():
    linear, masks = scene()
    box = (0, 0, 60, 160)
    result = blur_layers(linear, masks, UniformPath.of([[2, 5]], [1.0]), [[[9, -4]]], box=box)
    solid = np.argwhere(result[..., 0] > 0.75)
    assert (solid.min(axis=0) - (20, 70)).tolist() == pytest.approx([1, 11], abs=1)
    assert (solid.max(axis=0) - (35, 85)).tolist() == pytest.approx([1, 11], abs=1)
    weight = result[..., 0] - 0.1
    rows, columns = np.indices(weight.shape)
    assert (weight * columns).sum() / weight.sum() == pytest.approx(77.5 + 11, abs=0.05)
    assert (weight * rows).sum() / weight.sum() == pytest.approx(27.5 + 1, abs=0.05)
    shifted = blur_layers(linear, masks, UniformPath.of([[2, 5]], [1.0]), [[[0, 0]]], box=box)
    assert np.allclose(shifted[5:, 2:], linear[:-5, :-2])


def test_later_masks_are_in_front():
    linear, mask = scene()
    other = np.zeros_like(mask)
    other[0, 20:36, 48:64] = True
    linear[other[0]] = (0.1, 0.4, 0.1)
    towards = [[[0, 0]], [[22, 0]]]  # the second object, green, moves over the first
    both = np.concatenate((mask, other))
    result = blur_layers(linear, both, STILL, towards, box=(0, 0, 60, 160))
    assert np.allclose(result[24:32, 74:82], (0.1, 0.4, 0.1), atol=0.01)
    result = blur_layers(linear, both[::-1], STILL, towards[::-1], box=(0, 0, 60, 160))
    assert np.allclose(result[24:32, 74:82], 0.8, atol=0.01), "a standing object hides what moves behind it"
    assert np.allclose(result[24:32, 52:60], 0.1, atol=0.01), "what was behind the moved object is the background"


def test_a_straight_motion_is_a_trapezium():
    linear, masks = scene()
    still = UniformPath.of(np.zeros((2000, 2)), np.ones(2000))
    result = blur_layers(linear, masks, still, line(12, 0)[None], box=(28, 0, 1, 160))
    columns = np.arange(160)
    covered = np.clip((14 - np.abs(columns - 77.5)) / 12, 0, 1)  # the fraction of the time for which a square of 16 px is there
    inside = (np.abs(covered - 0.5) < 0.3) | (covered == 1) | (np.abs(columns - 77.5) > 18)
    assert np.abs(result[0, inside, 0] - (0.1 + 0.7 * covered[inside])).max() < 0.02
    assert (result[0, :, 0].sum() - 16) / 0.7 == pytest.approx(16, abs=0.05)


def test_a_crop_of_the_whole(test_data, rng):
    linear, masks = photograph(test_data, "338304", 5)
    camera, own, weights = shake(20, rng), np.stack([shake(30, rng) for _ in range(5)]), np.ones(2000)
    whole = blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=(0, 0, *linear.shape[:2]))
    for y, x in ((200, 100), (333, 17)):
        crop = blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=(y, x, 128, 128))
        difference = np.abs(SRGB.encode(crop) - SRGB.encode(whole[y : y + 128, x : x + 128]))
        assert np.median(difference) < 0.1 / 255
        assert decibels(crop, whole[y : y + 128, x : x + 128]) > 45
        assert np.array_equal(crop, blur_layers(linear, masks, UniformPath.of(camera, weights), own, box=(y, x, 128, 128)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"linear": np.zeros((60, 160, 3))}, "float32"),
        ({"masks": np.zeros((1, 60, 160))}, "masks is bool"),
        ({"masks": np.zeros((2, 60, 160), bool)}, r"for 2 masks"),
        ({"own": np.zeros((1, 3, 2))}, r"1 instants own has shape \(1, 1, 2\)"),
        ({"own": [[[0, np.nan]]]}, "finite"),
        ({"box": (0, 0, 61, 160)}, "box"),
        ({"box": (0, 0, 0, 80)}, "box"),
        ({"border": "mirror"}, "border"),
        ({"tolerance": -1.0}, "tolerance"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    linear, masks = scene()
    arguments = {
        "linear": linear,
        "masks": masks,
        "camera": STILL,
        "own": [[[1, 0]]],
        "box": (0, 0, 60, 160),
    }
    with pytest.raises(UsageError, match=message):
        blur_layers(**{**arguments, **change})


@pytest.mark.parametrize(
    ("path", "weights", "message"),
    [
        (np.zeros((3, 2)), [1.0], r"path is \(T, 2\)"),
        ([[0, np.nan]], [1.0], "finite"),
        ([[0, 0]], [-1.0], "weights"),
        ([[0, 0]], [0.0], "weights"),
    ],
)
def test_a_path_that_makes_no_sense_is_refused(path, weights, message):
    with pytest.raises(UsageError, match=message):
        UniformPath.of(path, weights)


def turned(shape, samples, rng):
    """A camera that turns with much roll: its exposed poses, their node paths, and the focal length."""
    focal = float(max(shape))
    poses = camera_rotation(length=0.04, roll_length=0.06, diffusion=0.3, pull=1.0, reversals=0.0, samples=samples, rng=rng)
    weights = np.ones(samples)
    poses = centered(poses, weights)
    return (
        poses,
        turning(rotation_field(poses, weights, shape=shape, focal=focal), poses, weights, shape=shape, focal=focal),
        focal,
    )


def test_a_turning_camera_without_moving_objects_is_its_field(test_data, rng):
    linear, masks = photograph(test_data, "425989", 2)
    poses, camera, focal = turned(linear.shape[:2], 500, rng)
    box = (20, 30, 90, 110)
    field = rotation_field(poses, camera.weights, shape=linear.shape[:2], focal=focal)
    expected = blur_field(linear, field, box)
    assert np.array_equal(blur_layers(linear, masks, camera, np.zeros((2, 500, 2)), box=box), expected)


def test_objects_under_a_turning_camera_are_the_sum_over_all_poses(test_data, rng):
    linear, masks = photograph(test_data, "010764", 2)
    poses, camera, focal = turned(linear.shape[:2], 60, rng)
    own = np.stack([line(14, -9, 60), shake(20, rng)[::33][:60]])
    own -= own.mean(axis=1, keepdims=True)
    y, x, height, width = box = (60, 320, 72, 88)
    result = blur_layers(linear, masks, camera, own, box=box)

    layers = cut_out(linear, masks, np.array([True, True]))
    rows, columns = np.indices((height, width)).reshape(2, -1) + np.array([[y], [x]])
    moves = displacements(-poses, np.stack((columns, rows), axis=1), focal=focal, center=principal_point(linear.shape[:2]))

    def read(values, t, shift=(0, 0)):
        places = [rows + moves[:, t, 1] - shift[1], columns + moves[:, t, 0] - shift[0]]
        planes = np.atleast_3d(values).transpose(2, 0, 1)
        return np.stack([scipy.ndimage.map_coordinates(plane, places, order=1, mode="mirror") for plane in planes], axis=1)

    total = 0.0
    for t in range(60):
        scene = read(layers.background, t)
        for j, path in enumerate(own):
            layer = read(layers.objects[j], t, path[t])
            scene = scene + read(layers.clear[j], t) * (layer[:, :3] - layer[:, 3:] * scene)
        for j, path in enumerate(own):
            scene = scene + max(1 - math.hypot(*path[t]) / FADE, 0) * read(layers.residual[j], t)
        total = total + scene / 60
    expected = total.reshape(height, width, 3)
    edges = near_edges(masks, box)
    assert edges.mean() > 0.05
    assert decibels(result, expected) > 45
    assert decibels(result[edges], expected[edges]) > 45
