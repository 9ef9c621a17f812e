"""Tests camera rotation against the matrix exponential, closed forms, and the same walk in pixels."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from blurkit.errors import UsageError
from blurkit.kernels import trajectory
from blurkit.kernels.rasterization import exposure_weights
from blurkit.kernels.rotation import camera_rotation, centered, displacements

RATES = {"diffusion": 2.0, "pull": 300.0, "reversals": 0.5}
CENTER = (319.5, 239.5)


def draw_points(rng, count=40):
    return rng.random((count, 2)) * [640, 480]


def project(matrix, points, focal, center):
    """K R K^-1 in homogeneous coordinates."""
    camera = np.array([[focal, 0, center[0]], [0, focal, center[1]], [0, 0, 1]])
    moved = (camera @ matrix @ np.linalg.inv(camera) @ np.column_stack((points, np.ones(len(points)))).T).T
    return moved[:, :2] / moved[:, 2:]


def test_the_axis_walks_its_length_from_the_identity(rng):
    poses = camera_rotation(length=0.03, roll_length=0.02, **RATES, rng=rng)
    assert poses.dtype == np.float64
    assert poses[0].tolist() == [0, 0, 0]
    assert np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1).sum() == pytest.approx(0.03, abs=1e-12)
    travelled = np.abs(np.diff(poses[:, 2])).sum()
    assert 0.005 < travelled <= 0.02


def test_the_image_centre_walks_as_a_path_in_pixels():
    """At a focal length f, the process in radians is the process in pixels with f times the length and 1 / f times the pull."""
    focal, samples = 900.0, 500
    poses = camera_rotation(length=0.03, roll_length=0.02, **RATES, samples=samples, rng=np.random.default_rng(4))
    rates = {**RATES, "pull": 300.0 / focal}
    path = trajectory.camera_shake(length=0.03 * focal, **rates, samples=samples, rng=np.random.default_rng(4))
    np.testing.assert_allclose(focal * poses[:, [1, 0]] * [1, -1], path, atol=1e-9)
    moves = displacements(poses, [CENTER], focal=focal, center=CENTER)[0]
    np.testing.assert_allclose(moves, path, atol=0.04)  # the errors of the tangent, and of roll about a turned axis


@pytest.mark.parametrize("focal", [600.0, 4000.0])
def test_steps_are_a_tenth_of_a_pixel_at_most(focal, rng):
    poses = camera_rotation(length=0.05, roll_length=0.02, diffusion=0.1, pull=1, reversals=0, focal=focal, rng=rng)
    steps = focal * np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1)
    assert steps == pytest.approx(0.1, rel=0.02)


def test_there_are_as_many_samples_as_in_pixels(rng):
    for pull in (10.0, 2e5):
        rates = {"diffusion": 1.0, "reversals": 2.0}
        count = trajectory.sample_count(length=0.04 * 900, pull=pull / 900, **rates)
        assert len(camera_rotation(length=0.03, roll_length=0.04, pull=pull, **rates, focal=900, rng=rng)) == count
    assert count > 400  # the number of samples follows from the pull


def test_no_roll_and_no_rotation(rng):
    assert not camera_rotation(length=0.03, roll_length=0, **RATES, rng=rng)[:, 2].any()
    still = camera_rotation(length=0, roll_length=0, **RATES, rng=rng)
    assert not displacements(still, draw_points(rng), focal=640, center=CENTER).any()


def test_equal_generators_make_equal_bits():
    first, second = (camera_rotation(length=0.03, roll_length=0.02, **RATES, rng=np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_matrix_exponential_projects_the_same(rng):
    poses, points = rng.standard_normal((20, 3)) * [0.1, 0.1, 0.5], draw_points(rng)
    poses[:2] = (0, 0, 0), (1e-9, 0, 0)
    center = (250.0, 300.5)
    moves = displacements(poses, points, focal=640, center=center)
    assert moves.shape == (40, 20, 2)
    for t, (x, y, z) in enumerate(poses):
        matrix = expm(np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]))
        np.testing.assert_allclose(points + moves[:, t], project(matrix, points, 640, center), atol=1e-9)


def test_pan_and_tilt_move_the_centre_by_the_tangent():
    angles = np.array([-0.3, -0.01, 0.02, 0.4])
    zero = np.zeros(4)
    pan = displacements(np.stack((zero, angles, zero), axis=1), [CENTER], focal=700, center=CENTER)[0]
    np.testing.assert_allclose(pan, np.stack((700 * np.tan(angles), zero), axis=1), atol=1e-10)
    tilt = displacements(np.stack((angles, zero, zero), axis=1), [CENTER], focal=700, center=CENTER)[0]
    np.testing.assert_allclose(tilt, np.stack((zero, -700 * np.tan(angles)), axis=1), atol=1e-10)


def test_roll_turns_the_image_rigidly(rng):
    points, angle = draw_points(rng), 0.7
    moves = displacements([[0, 0, angle]], points, focal=500, center=CENTER)[:, 0]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(points - CENTER + moves, (points - CENTER) @ turn.T, atol=1e-10)


def test_small_angles_move_as_stated(rng):
    focal, points, (tilt, pan, roll) = 800.0, draw_points(rng), rng.standard_normal(3) * 1e-6
    x, y = (points - CENTER).T
    stated = np.stack((focal * pan - roll * y, -focal * tilt + roll * x), axis=1)
    perspective = np.stack((x * (x * pan - y * tilt), y * (x * pan - y * tilt)), axis=1) / focal
    moves = displacements([[tilt, pan, roll]], points, focal=focal, center=CENTER)[:, 0]
    np.testing.assert_allclose(moves, stated + perspective, atol=1e-8)
    assert np.abs(moves - stated).max() < 0.35 * np.abs(stated).max()


def test_a_negative_pose_is_the_way_back_and_poses_compose(rng):
    points, (first, second) = draw_points(rng), rng.standard_normal((2, 3)) * 0.1
    there = points + displacements([first], points, focal=640, center=CENTER)[:, 0]
    back = there + displacements([-first], there, focal=640, center=CENTER)[:, 0]
    np.testing.assert_allclose(back, points, atol=1e-9)
    after = there + displacements([second], there, focal=640, center=CENTER)[:, 0]
    both = (Rotation.from_rotvec(second) * Rotation.from_rotvec(first)).as_rotvec()
    np.testing.assert_allclose(points + displacements([both], points, focal=640, center=CENTER)[:, 0], after, atol=1e-9)


@pytest.mark.parametrize("exposure", [1.0, 0.3])
def test_the_mean_rotation_of_the_exposure_is_the_identity(exposure, rng):
    poses = camera_rotation(length=0.05, roll_length=0.05, **RATES, rng=rng) + np.array([0.1, -0.2, 0.3])
    weights = exposure_weights(len(poses), exposure)
    shifted = centered(poses, weights)
    mean = Rotation.from_rotvec(shifted[: len(weights)]).mean(
        weights
    )  # the chordal mean, equal to the geodesic mean to third order
    assert mean.magnitude() < 2e-6
    offset = poses - shifted
    np.testing.assert_allclose(offset, np.broadcast_to(offset[0], poses.shape), atol=1e-15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": -1}, "length is a finite number >= 0, got -1"),
        ({"roll_length": np.nan}, "roll_length is a finite"),
        ({"pull": np.inf}, "pull is a finite"),
        ({"focal": 0}, "focal length is a positive"),
        ({"samples": 1}, "at least 2 samples"),
    ],
)
def test_impossible_rotations_are_refused(change, message, rng):
    with pytest.raises(UsageError, match=message):
        camera_rotation(**{"length": 0.03, "roll_length": 0.02, **RATES, **change}, rng=rng)


def test_impossible_poses_are_refused():
    with pytest.raises(UsageError, match="shape \\(T, 3\\) with T >= 1, got \\(2,\\)"):
        displacements([0.1, 0.2], [CENTER], focal=640, center=CENTER)
    with pytest.raises(UsageError, match="not finite, at sample 1"):
        displacements([[0, 0, 0], [0, np.nan, 0]], [CENTER], focal=640, center=CENTER)
    with pytest.raises(UsageError, match="points have shape \\(N, 2\\), got \\(3,\\)"):
        displacements([[0, 0, 0]], [1, 2, 3], focal=640, center=CENTER)
    with pytest.raises(UsageError, match="positive number of pixels, got -2"):
        displacements([[0, 0, 0]], [CENTER], focal=-2, center=CENTER)
    with pytest.raises(UsageError, match="behind the camera"):
        displacements([[0, 0, 0], [0, 1.6, 0]], [CENTER], focal=640, center=CENTER)
    with pytest.raises(UsageError, match="1 to 2 weights"):
        centered(np.zeros((2, 3)), np.ones(3))
    with pytest.raises(UsageError, match="weights >= 0"):
        centered(np.zeros((2, 3)), np.array([1, np.nan]))
