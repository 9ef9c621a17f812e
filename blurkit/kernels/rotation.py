"""Camera rotation over one exposure: a path of poses, and the displacement of image points at each pose.

The axes are those of the camera: x to the right, y down, z forward along the optical axis. A pose is a rotation vector
(tilt, pan, roll) in radians, about x, y and z, right-handed. It turns the *scene* as the camera sees it: light that would fall on
the pixel q falls on K R K^-1 q instead, where K holds the focal length and the principal point. To first order a point (x, y), in
pixels from the principal point, moves by

    (f pan - roll y,  -f tilt + roll x).

The camera itself turns in the opposite direction. The inverse of a pose is its negative.
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
    """A path of poses: the optical axis follows a path of :func:`blurkit.kernels.trajectory.camera_shake`, and the roll another.

    ``length``: of the path of the optical axis in radians, 0.017 to 0.051 for hand-held exposures. At a focal length of f pixels
    the centre of the image travels ``f * length`` pixels. ``diffusion``, ``pull``, ``reversals``: as for ``camera_shake``, but
    ``pull`` is per radian of rotation, which is f times a pull per pixel. ``roll_length``: the length of an independent path with
    the same rates; its first coordinate is the roll, and 0 means no roll. ``samples``: at least 2. By default it is chosen as
    for ``camera_shake``, so that one step moves the centre of the image by a tenth of a pixel at most. ``focal``: the focal
    length in pixels; it matters only for this choice.

    Returns float64 ``(samples, 3)``: (tilt, pan, roll) in radians, equally spaced in time, starting at the identity. The path
    (x, y) of the optical axis is (pan, -tilt), so the centre of the image moves along it.
    """
    rates = {"diffusion": diffusion, "pull": pull, "reversals": reversals}
    _require_focal(focal)
    trajectory.require_at_least_0(length=length, roll_length=roll_length, **rates)
    if samples is None:  # chosen for the same path in pixels
        samples = trajectory.sample_count(length=max(length, roll_length) * focal, **{**rates, "pull": pull / focal})
    axis = trajectory.camera_shake(length=length, **rates, samples=samples, rng=rng)
    roll = trajectory.camera_shake(length=roll_length, **rates, samples=samples, rng=rng)
    return np.stack((0.0 - axis[:, 1], axis[:, 0], roll[:, 0]), axis=1)


def centered(poses: ArrayLike, weights: F64) -> F64:
    """The whole path of poses, float64 ``(T, 3)``, shifted so that its mean over the exposure is the identity.

    ``weights``: of the exposed poses, which are the first poses of the path; :func:`blurkit.kernels.exposure_weights` returns
    them. The mean is the geodesic mean of rotations. It is the identity if the weighted sum of the rotation vectors is zero.
    """
    path = checked_poses(poses, weights)
    exposed = path[: len(weights)]
    return path - (weights[:, None] * exposed).sum(axis=0) / weights.sum()


def displacements(poses: ArrayLike, points: ArrayLike, *, focal: float, center: tuple[float, float]) -> F64:
    """The exact displacement of each point of the image at each pose, float64 ``(N, T, 2)``, (x, y) in pixels.

    ``poses``: ``(T, 3)`` in radians. ``points``: ``(N, 2)``, (x, y) in pixels of the whole photograph. ``focal``: the focal
    length in pixels. ``center``: the principal point (x, y) in pixels. Raises :class:`UsageError` if a pose turns a point behind
    the camera.
    """
    path, places = checked_poses(poses), np.asarray(points, np.float64)
    require(places.ndim == 2 and places.shape[1] == 2, f"points have shape (N, 2), got {places.shape}")
    _require_focal(focal)
    from scipy.spatial.transform import Rotation  # start-up time: the import takes a third of a second

    moves = np.empty((len(places), len(path), 2))
    in_front = _displace(Rotation.from_rotvec(path).as_matrix(), places - np.asarray(center, np.float64), float(focal), moves)
    require(in_front, "a pose turns a point of the image behind the camera; use smaller angles, in radians")
    return moves


def _require_focal(focal: float) -> None:
    require(math.isfinite(focal) and focal > 0, f"the focal length is a positive number of pixels, got {focal}")


def checked_poses(poses: ArrayLike, weights: F64 | None = None) -> F64:
    """Return the poses as float64 ``(T, 3)``. Raises UsageError for another shape, for angles that are not finite, and unless the
    weights are at most as many as the poses, >= 0 and not all zero."""
    path = checked_path(poses, 3, "a path of poses")
    if weights is not None and not (1 <= len(weights) <= len(path) and np.all(weights >= 0) and 0 < weights.sum() < math.inf):
        raise UsageError(f"an exposure of {len(path)} poses has 1 to {len(path)} weights >= 0, not all zero, got {len(weights)}")
    return path


@compiled(error_model="numpy")
def _displace(matrices: F64, points: F64, focal: float, moves: F64) -> bool:
    """Fill ``moves``, (N, T, 2). Returns False if a point leaves the half space in front of the camera."""
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
