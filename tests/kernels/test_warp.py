"""Tests the exact sum of poses, a reference for other tests, against scipy's rotations and interpolation."""

import numpy as np
import pytest
import scipy.ndimage
from scipy.spatial.transform import Rotation
from warp import INTERPOLATIONS, blur_poses

from blurkit.blurring.convolve import blur
from blurkit.errors import UsageError
from blurkit.kernels.rasterization import rasterize

SCIPY = {"reflect101": "mirror", "reflect": "reflect", "replicate": "nearest", "wrap": "grid-wrap", "zero": "grid-constant"}


def sum_of_poses(image, poses, weights, focal, center, mode):
    """The image at each pose by scipy, at the places K R^T K^-1 p."""
    camera = np.array([[focal, 0, center[0]], [0, focal, center[1]], [0, 0, 1]])
    rows, columns = np.indices(image.shape[:2])
    pixels = np.stack((columns, rows, np.ones_like(rows))).reshape(3, -1)
    total = np.zeros(image.shape)
    for weight, matrix in zip(weights / weights.sum(), Rotation.from_rotvec(poses).as_matrix(), strict=False):
        x, y, depth = camera @ matrix.T @ np.linalg.inv(camera) @ pixels
        for channel in range(image.shape[2]):
            plane = image[..., channel].astype(float)
            seen = scipy.ndimage.map_coordinates(plane, (y / depth, x / depth), order=1, mode=mode)
            total[..., channel] += weight * seen.reshape(image.shape[:2])
    return total


def draw_poses(rng, count=12):
    return rng.standard_normal((count, 3)) * [0.03, 0.05, 0.08] + [0.02, 0, 0]


@pytest.mark.parametrize("border", SCIPY)
@pytest.mark.parametrize("center", [None, (10.0, 55.5)])
def test_scipy_sums_the_same(rng, border, center):
    image, poses, weights = rng.random((40, 50, 2), np.float32), draw_poses(rng), rng.random(10)
    expected = sum_of_poses(image, poses, weights, 80.0, center or (24.5, 19.5), SCIPY[border])
    result = blur_poses(image, poses, weights, focal=80.0, center=center, border=border)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_the_identity_changes_nothing(rng, interpolation):
    image = rng.random((20, 30, 3), np.float32)
    assert np.array_equal(blur_poses(image, np.zeros((5, 3)), np.ones(5), focal=30.0, interpolation=interpolation), image)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("box", [(0, 0, 7, 9), (33, 41, 7, 9), (39, 49, 1, 1), (10, 3, 20, 40)])
def test_a_box_is_the_crop_of_the_whole(rng, box, interpolation):
    image, poses, weights = rng.random((40, 50, 2), np.float32), draw_poses(rng), np.ones(12)
    whole = blur_poses(image, poses, weights, focal=80.0, interpolation=interpolation)
    y, x, height, width = box
    part = blur_poses(image, poses, weights, focal=80.0, box=box, interpolation=interpolation)
    np.testing.assert_allclose(part, whole[y : y + height, x : x + width], rtol=0, atol=1e-6)


def test_seen_from_far_away_it_is_the_convolution_with_the_path(rng):
    image, walk = rng.random((60, 70, 3), np.float32), rng.standard_normal((150, 2)).cumsum(axis=0) * 0.5
    path = walk - walk.mean(axis=0)
    poses = np.stack((-path[:, 1], path[:, 0], np.zeros(150)), axis=1) / 1e8
    result = blur_poses(image, poses, np.ones(150), focal=1e8)
    np.testing.assert_allclose(result, blur(image, rasterize(path)), rtol=0, atol=1e-5)


def test_cubic_samples_quadratics_exactly(rng):
    """The convolution of Keys is of third order, and linear sampling is not."""
    y, x = np.mgrid[:60, :70] / 70
    image = np.float32(0.2 + 0.3 * y - 0.5 * x + x * y + 0.7 * x**2 - 0.4 * y**2)[..., None]
    poses, weights, inner = draw_poses(rng) / 4, np.ones(12), np.s_[12:-12, 12:-12]
    fine_y, fine_x = np.mgrid[:60, :70].astype(float)
    camera = np.array([[100, 0, 34.5], [0, 100, 29.5], [0, 0, 1]])
    expected = np.zeros((60, 70))
    for matrix in Rotation.from_rotvec(poses).as_matrix():
        places = camera @ matrix.T @ np.linalg.inv(camera) @ np.stack((fine_x, fine_y, np.ones_like(fine_x))).reshape(3, -1)
        u, v = (places[:2] / places[2] / 70).reshape(2, 60, 70)
        expected += (0.2 + 0.3 * v - 0.5 * u + u * v + 0.7 * u**2 - 0.4 * v**2) / 12
    cubic = blur_poses(image, poses, weights, focal=100.0, interpolation="cubic")[inner][..., 0]
    np.testing.assert_allclose(cubic, expected[inner], rtol=0, atol=1e-6)
    assert np.abs(blur_poses(image, poses, weights, focal=100.0)[inner][..., 0] - expected[inner]).max() > 5e-6


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_constant_image_stays_constant(rng, interpolation):
    image = np.full((30, 40, 3), 0.7, np.float32)
    result = blur_poses(image, draw_poses(rng), np.ones(12), focal=60.0, interpolation=interpolation)
    np.testing.assert_allclose(result, 0.7, rtol=0, atol=1e-6)


def test_bad_input_is_refused(rng):
    image, poses, weights = np.zeros((8, 8, 3), np.float32), np.zeros((4, 3)), np.ones(4)
    with pytest.raises(UsageError, match="'linaer'; did you mean 'linear'"):
        blur_poses(image, poses, weights, focal=8.0, interpolation="linaer")
    with pytest.raises(UsageError, match="got uint8 without a table"):
        blur_poses(image.astype(np.uint8), poses, weights, focal=8.0)
    with pytest.raises(UsageError, match="leaves the image of 8 x 8"):
        blur_poses(image, poses, weights, focal=8.0, box=(0, 0, 9, 1))
    with pytest.raises(UsageError, match="1 to 4 weights"):
        blur_poses(image, poses, np.ones(5), focal=8.0)
    with pytest.raises(UsageError, match="did you mean 'wrap'"):
        blur_poses(image, poses, weights, focal=8.0, border="warp")
