"""Tests the blur of moving objects under a turning camera against its kernel field and against the sum over all poses."""

import math

import numpy as np
import scipy.ndimage
from moving_objects import line, near_edges, outlined_photograph, shake
from psnr import encoded_psnr

from blurkit.blurring.gather import blur_field
from blurkit.blurring.layers.cutout import cut_out
from blurkit.blurring.layers.objects import FADE, blur_layers
from blurkit.blurring.layers.paths import turning
from blurkit.kernels.field import principal_point, rotation_field
from blurkit.kernels.rotation import camera_rotation, centered, displacements


def turned(shape, samples, rng):
    """A camera that turns, with much roll: its exposed poses, their node paths, and its focal length."""
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
    linear, masks = outlined_photograph(test_data, "425989", 2)
    poses, camera, focal = turned(linear.shape[:2], 500, rng)
    box = (20, 30, 90, 110)
    field = rotation_field(poses, camera.weights, shape=linear.shape[:2], focal=focal)
    expected = blur_field(linear, field, box)
    assert np.array_equal(blur_layers(linear, masks, camera, np.zeros((2, 500, 2)), box=box), expected)


def test_objects_under_a_turning_camera_are_the_sum_over_all_poses(test_data, rng):
    linear, masks = outlined_photograph(test_data, "010764", 2)
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
    assert encoded_psnr(result, expected) > 45
    assert encoded_psnr(result[edges], expected[edges]) > 45
