"""Tests the kernels of a field's nodes against an independent splat and closed forms, and fields against each other."""

import numpy as np
import pytest
from scipy.signal import convolve2d

from blurkit.errors import UsageError
from blurkit.kernels.aperture import Aperture
from blurkit.kernels.field import composed, principal_point, rotation_field
from blurkit.kernels.rasterization import exposure_weights, rasterize, statistics
from blurkit.kernels.rotation import camera_rotation, centered, displacements

SHAPE, FOCAL = (480, 640), 640.0


def draw_poses(rng, length=0.04, roll_length=0.1, exposure=1.0, samples=300):
    poses = camera_rotation(
        length=length, roll_length=roll_length, diffusion=0.3, pull=20, reversals=0.3, samples=samples, rng=rng
    )
    weights = exposure_weights(len(poses), exposure)
    return centered(poses, weights), weights


def node_kernel(poses, weights, node, reach, center):
    """The kernel at a node (y, x): the light of p comes from W^-1(p), so the tap of displacement d holds the light of p - d."""
    y, x = node
    path = -displacements(-poses[: len(weights)], [(x, y)], focal=FOCAL, center=center)[0] + reach
    kernel = np.zeros((2 * reach + 3, 2 * reach + 3))
    whole = np.floor(path).astype(int)
    for dy, dx in np.ndindex(2, 2):
        share = np.abs(1 - dx - (path - whole)[:, 0]) * np.abs(1 - dy - (path - whole)[:, 1])
        np.add.at(kernel, (whole[:, 1] + dy, whole[:, 0] + dx), weights * share)
    return (kernel / weights.sum())[:-2, :-2]


@pytest.mark.parametrize("exposure", [1.0, 0.3715])
@pytest.mark.parametrize("center", [None, (100.0, 400.0)])
def test_nodes_hold_the_splatted_paths(exposure, center, rng):
    poses, weights = draw_poses(rng, exposure=exposure)
    field = rotation_field(poses, weights, shape=SHAPE, focal=FOCAL, spacing=100, center=center)
    assert field.y.tolist() == [0, 100, 200, 300, 400, 500]
    assert field.x.tolist() == [0, 100, 200, 300, 400, 500, 600, 700]
    kernels = field.kernels
    assert kernels.dtype == np.float32
    assert kernels.shape == (6, 8, 2 * field.reach + 1, 2 * field.reach + 1)
    np.testing.assert_allclose(kernels.sum(axis=(2, 3)), 1, atol=1e-6)
    for i, j in ((0, 0), (0, 7), (3, 4), (5, 7), (5, 0)):
        expected = node_kernel(poses, weights, (field.y[i], field.x[j]), field.reach, center or principal_point(SHAPE))
        np.testing.assert_allclose(kernels[i, j], expected, atol=1e-7)
        assert np.array_equal(field.at(field.y[i], field.x[j]), kernels[i, j])


def test_no_path_leaves_its_canvas_and_no_canvas_is_too_large(rng):
    for _ in range(5):
        poses, weights = draw_poses(rng, samples=80)
        field = rotation_field(poses, weights, shape=SHAPE, focal=200.0, spacing=50)
        points = np.stack(np.meshgrid(field.x, field.y), axis=-1).reshape(-1, 2)
        moves = displacements(-poses, points, focal=200.0, center=principal_point(SHAPE))
        assert field.reach == np.ceil(np.abs(moves).max())


def test_a_pan_to_the_right_moves_the_image_to_the_right():
    poses, weights = np.array([[0, 0.01, 0]]), np.ones(1)
    kernel = rotation_field(poses, weights, shape=(1, 641), focal=1000.0, spacing=320).at(0, 320)
    assert statistics(kernel).centroid == pytest.approx((1000 * np.tan(0.01), 0), abs=1e-4)


def test_roll_leaves_the_centre_sharp_and_opposite_nodes_blur_alike():
    poses = np.zeros((200, 3))
    poses[:, 2] = np.linspace(-0.02, 0.03, 200)
    field = rotation_field(poses, np.ones(200), shape=(401, 401), focal=FOCAL, spacing=100)
    kernels = field.kernels
    assert kernels[2, 2, field.reach, field.reach] == 1
    for i, j in np.ndindex(5, 5):
        np.testing.assert_allclose(kernels[i, j], kernels[4 - i, 4 - j][::-1, ::-1], atol=1e-6)
    assert statistics(kernels[0, 0]).effective_length == pytest.approx(0.05 * 200 * np.sqrt(2), rel=0.02)


def test_no_node_is_centred_by_itself(rng):
    """The centroid of a node's kernel is the mean displacement at the node, which is not zero."""
    poses, weights = np.zeros((100, 3)), np.ones(100)
    poses[:, 2] = 0.06 * np.linspace(0, 1, 100) ** 3
    poses[:, 0] = 0.03 * np.linspace(0, 1, 100)
    field = rotation_field(poses, weights, shape=SHAPE, focal=FOCAL, spacing=160)
    for i, j in ((0, 0), (1, 3), (3, 4)):
        moves = -displacements(-poses, [(field.x[j], field.y[i])], focal=FOCAL, center=principal_point(SHAPE))[0]
        assert np.abs(moves.mean(axis=0)).max() > 0.5
        assert statistics(field.kernels[i, j]).centroid == pytest.approx(tuple(moves.mean(axis=0)), abs=1e-4)


def test_far_away_the_field_is_one_kernel(rng):
    """At a large focal length a rotation is a shift of the whole image."""
    walk = rng.standard_normal((150, 2)).cumsum(axis=0) * 0.5
    path = walk - walk.mean(axis=0)
    poses = np.stack((-path[:, 1], path[:, 0], np.zeros(150)), axis=1) / 1e7
    field = rotation_field(poses, np.ones(150), shape=SHAPE, focal=1e7, spacing=200)
    uniform = rasterize(path)
    assert field.reach == len(uniform) // 2
    np.testing.assert_allclose(field.kernels, np.broadcast_to(uniform, field.kernels.shape), atol=1e-5)


def test_nodes_do_not_depend_on_the_box(rng):
    poses, weights = draw_poses(rng)
    whole = rotation_field(poses, weights, shape=SHAPE, focal=FOCAL, spacing=48)
    for box in ((0, 0, 48, 48), (47, 49, 2, 1), (96, 100, 97, 50), (479, 639, 1, 1)):
        part = rotation_field(poses, weights, shape=SHAPE, box=box, focal=FOCAL, spacing=48)
        assert set(part.y) <= set(whole.y)
        assert len(part.y) == (box[0] + box[2] - 1) // 48 - box[0] // 48 + 2
        rows, columns, margin = np.searchsorted(whole.y, part.y), np.searchsorted(whole.x, part.x), whole.reach - part.reach
        same = whole.kernels[np.ix_(rows, columns)]
        inner = same[..., margin : margin + 2 * part.reach + 1, margin : margin + 2 * part.reach + 1]
        assert np.array_equal(part.kernels, inner)
        assert np.count_nonzero(same) == len(part.weights)


def test_bad_input_is_refused(rng):
    poses, weights = draw_poses(rng)
    with pytest.raises(UsageError, match="whole number of pixels >= 1, got 0"):
        rotation_field(poses, weights, shape=SHAPE, focal=FOCAL, spacing=0)
    with pytest.raises(UsageError, match="1 to 300 weights"):
        rotation_field(poses, np.ones(301), shape=SHAPE, focal=FOCAL)
    with pytest.raises(UsageError, match="behind the camera"):
        rotation_field(np.array([[1.5, 0, 0]]), np.ones(1), shape=SHAPE, focal=FOCAL)
    with pytest.raises(UsageError, match="lengths are in radians"):
        rotation_field(np.array([[1.55, 0, 0]]), np.ones(1), shape=(1, 1), focal=FOCAL * 10)


@pytest.mark.parametrize("aperture", [Aperture(), Aperture(5, 0.3)])
@pytest.mark.parametrize("radius", [0.5, 2.7])
def test_two_blurs_are_composed_node_by_node(rng, aperture, radius):
    poses, weights = draw_poses(rng)
    field = rotation_field(poses, weights, shape=SHAPE, box=(100, 200, 60, 90), focal=FOCAL)
    kernel = aperture.kernel(radius)
    both = composed(field, kernel)
    both.check()
    assert both.reach == field.reach + len(kernel) // 2
    assert np.array_equal(both.y, field.y)
    assert np.array_equal(both.x, field.x)
    for made, node in zip(np.concatenate(both.kernels), np.concatenate(field.kernels), strict=True):
        np.testing.assert_allclose(made, convolve2d(node.astype(float), kernel), atol=1e-7)
    order = both.places.astype(int) @ (2 * both.reach + 1, 1)  # the raster order of the taps of a node
    assert all((np.diff(order[start:end]) > 0).all() for start, end in zip(both.starts, both.starts[1:], strict=False))


def test_to_compose_with_no_blur_changes_nothing(rng):
    poses, weights = draw_poses(rng)
    field = rotation_field(poses, weights, shape=SHAPE, box=(0, 0, 60, 60), focal=FOCAL)
    same = composed(field, np.ones((1, 1), np.float32))
    assert np.array_equal(same.places, field.places)
    np.testing.assert_allclose(same.weights, field.weights, rtol=1e-6)
