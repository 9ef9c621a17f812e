"""Camera rotation over one exposure: a path of poses, and where each pose throws the points of the image.

Axes are those of the camera: x to the right, y down, z forward, along the optical axis. A pose is a rotation vector
(tilt, pan, roll) in radians, about x, y and z, right-handed. It turns the *scene* as the camera sees it: light that would fall
on the pixel q falls on the image of K R K^-1 q, K holding the focal length and the principal point. To first order a point
(x, y), in pixels from the principal point, moves by

    (f pan - roll y,  -f tilt + roll x).

The camera itself turns the other way, and a pose's inverse is its negative.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from blurkit.camera.arrays import F64, checked_path
from blurkit.errors import UsageError
from blurkit.jit import compiled
from blurkit.kernels import trajectory
from blurkit.program.checks import require


def camera_rotation(
    *,
    length: float,
    roll_length: float,
    diffusion: float,
    pull: float,
    reversals: float,
    samples: int | None = None,
    focal: float = 4000.0,
    rng: np.random.Generator,
) -> F64:
    """A path of poses whose optical axis wanders as :func:`blurkit.kernels.trajectory.camera_shake`, with a roll of its own.

    Parameters: ``length`` of the path of the optical axis in radians, 0.017 to 0.051 for hand-held exposures: at a focal length
    of f pixels the image's centre travels ``f * length`` pixels. ``diffusion``, ``pull`` and ``reversals`` as there, but that
    ``pull`` is per radian of rotation: f times a pull per pixel. The roll is the first coordinate of an independent walk of the
    same rates and of ``roll_length``, equally sampled in time; 0 is no roll. ``samples`` >= 2 is chosen unless given, so that one
    step turns little, as there, and moves the image's centre by a tenth of a pixel at most for this ``focal`` length in pixels.

    Returns float64 ``(samples, 3)``: (tilt, pan, roll), equally spaced in time, starting at the identity. The walk (x, y) is
    (pan, -tilt), so that the image's centre moves along it.
    """
    rates = {"diffusion": diffusion, "pull": pull, "reversals": reversals}
    _require_focal(focal)
    trajectory.require_at_least_0(length=length, roll_length=roll_length, **rates)
    if samples is None:  # in pixels: the same walk at that scale
        samples = trajectory.sample_count(length=max(length, roll_length) * focal, **{**rates, "pull": pull / focal})
    axis = trajectory.camera_shake(length=length, **rates, samples=samples, rng=rng)
    roll = trajectory.camera_shake(length=roll_length, **rates, samples=samples, rng=rng)
    return np.stack((0.0 - axis[:, 1], axis[:, 0], roll[:, 0]), axis=1)


def centered(poses: ArrayLike, weights: F64) -> F64:
    """The whole path of poses, float64 ``(T, 3)``, shifted so that its mean over the exposure is the identity.

    ``weights``: of the exposed poses, the first of the path, as :func:`blurkit.kernels.exposure_weights` gives them. The mean is
    that of the rotation group: rotation vectors whose weighted sum vanishes have the identity as their geodesic mean.
    """
    path = checked_poses(poses, weights)
    exposed = path[: len(weights)]
    return path - (weights[:, None] * exposed).sum(axis=0) / weights.sum()


def displacements(poses: ArrayLike, points: ArrayLike, *, focal: float, center: tuple[float, float]) -> F64:
    """By how much each pose moves each point of the image, exactly.

    ``poses``: ``(T, 3)`` in radians. ``points``: ``(N, 2)``, (x, y) in pixels of the whole photograph. ``focal`` length and
    principal point ``center`` (x, y), in pixels. Returns float64 ``(N, T, 2)``, (x, y) in pixels. Raises :class:`UsageError`
    where a pose turns a point out of the camera's view, behind the image plane.
    """
    path, places = checked_poses(poses), np.asarray(points, np.float64)
    require(places.ndim == 2 and places.shape[1] == 2, f"points have shape (N, 2), got {places.shape}")
    _require_focal(focal)
    from scipy.spatial.transform import Rotation  # it takes a third of a second, and few recipes turn the camera

    moves = np.empty((len(places), len(path), 2))
    seen = _displace(Rotation.from_rotvec(path).as_matrix(), places - np.asarray(center, np.float64), float(focal), moves)
    require(seen, "a pose turns a point of the image behind the camera; rotations over an exposure are small angles")
    return moves


def _require_focal(focal: float) -> None:
    require(math.isfinite(focal) and focal > 0, f"the focal length is a positive number of pixels, got {focal}")


def checked_poses(poses: ArrayLike, weights: F64 | None = None) -> F64:
    """Poses as float64 ``(T, 3)``; UsageError unless they are, are finite, and number at least as many as the weights."""
    path = checked_path(poses, 3, "a path of poses")
    if weights is not None and not (1 <= len(weights) <= len(path) and np.all(weights >= 0) and 0 < weights.sum() < math.inf):
        raise UsageError(f"an exposure has 1 to {len(path)} weights >= 0, as many as poses at most, got {len(weights)}")
    return path


@compiled(error_model="numpy")
def _displace(matrices: F64, points: F64, focal: float, moves: F64) -> bool:
    """Fill ``moves``; false where a point leaves the half space in front of the camera."""
    in_front = True
    for n in range(points.shape[0]):
        x, y = points[n, 0], points[n, 1]
        for t in range(matrices.shape[0]):
            m = matrices[t]
            depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * focal
            in_front &= depth > 0.0
            scale = focal / depth
            moves[n, t, 0] = scale * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * focal) - x
            moves[n, t, 1] = scale * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * focal) - y
    return in_front
