"""Paths of camera shake: the Markov process of Boracchi and Foi, with inertia, as published and in rates per exposure.

G. Boracchi and A. Foi, "Modeling the performance of image restoration from motion blur", IEEE Transactions on Image Processing
21(8), 2012. A point moves at constant speed. Its heading is perturbed by Gaussian noise, pulled back towards the start point, and
rarely reversed.

The published process is discrete, and its statistics depend on the number of samples. In the limit of small steps the process is,
with the heading th, the position x and the fraction u of the exposure in [0, 1],

    dth = sqrt(2 D) dW + kappa |x| sin(th - arg x) du + reversals at rate Lambda,        dx = L exp(i th) du.

Its parameters D (diffusion, rad^2), kappa (pull, rad / px) and Lambda (reversals) are rates per exposure. Its statistics do not
depend on the number of samples. A reversal multiplies the velocity by 2 exp(i (pi + U - 1/2)) + 1, with U uniform in [0, 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from blurkit.camera.arrays import F64
from blurkit.errors import UsageError
from blurkit.jit import compiled
from blurkit.program.checks import require

#: The number of samples for which the published parameters were chosen.
PUBLISHED_SAMPLES = 2000

# The most that one step may change if sample_count chooses the number of samples: the noise and the pull of the heading in
# radians, the probability of a reversal, and the distance in pixels. Steps of a tenth of a pixel make kernels smooth.
_LARGEST_TURN = 0.1
_LARGEST_CHANCE = 0.1
_LARGEST_STEP = 0.1
_FEWEST_SAMPLES = 64


@dataclass(frozen=True)
class ShakeTerms:
    """The random terms of one published trajectory, all per unit of anxiety.

    ``gaussian`` in [0, 10), ``centripetal`` in [0, 0.7) 1/px, ``big_shakes`` in [0, 0.2), ``angle`` in [0, 2 pi) rad.
    """

    gaussian: float
    centripetal: float
    big_shakes: float
    angle: float

    @classmethod
    def draw(cls, *, rng: np.random.Generator) -> ShakeTerms:
        """Draw terms, uniform over the published ranges."""
        centripetal, gaussian, big_shakes, angle = rng.random(4)
        return cls(10.0 * gaussian, 0.7 * centripetal, 0.2 * big_shakes, 2.0 * math.pi * angle)

    def rates(self, anxiety: float, samples: int = PUBLISHED_SAMPLES) -> dict[str, float]:
        """The rates of the published process with these terms: ``diffusion``, ``pull`` and ``reversals`` per exposure."""
        steps = samples - 1
        return {
            "diffusion": steps * (anxiety * self.gaussian) ** 2 / 2,
            "pull": steps * anxiety * self.centripetal,
            "reversals": steps * anxiety * self.big_shakes,
        }


def as_generator(rng: np.random.Generator | int | None) -> np.random.Generator:
    """A random generator from a generator (returned as it is), a seed, or ``None`` (fresh entropy)."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or (isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0):
        return np.random.default_rng(rng)
    raise UsageError(f"rng is a numpy.random.Generator or a seed, which is a whole number >= 0; got {rng!r}")


def boracchi_foi(
    *,
    length: float,
    anxiety: float,
    samples: int = PUBLISHED_SAMPLES,
    rng: np.random.Generator | int,
    terms: ShakeTerms | None = None,
) -> F64:
    """A path of the published discrete process, float64 ``(samples, 2)``: (x, y) in pixels, equally spaced in time.

    ``length``: of the whole path in pixels; every path has exactly this length. ``anxiety``: the amount of shake, >= 0. The value
    0 gives a straight line, and published values are around 0.005. ``samples``: the number of points, >= 2; the first point is
    the origin. ``rng``: a generator or a seed. ``terms``: the random terms, by default drawn from ``rng``.
    """
    require_at_least_0(length=length, anxiety=anxiety)
    require(samples >= 2, f"a trajectory needs at least 2 samples, got {samples}")
    rng = as_generator(rng)
    terms = terms or ShakeTerms.draw(rng=rng)
    path = np.empty((samples, 2))
    _published_walk(path, float(length), float(anxiety), terms.gaussian, terms.centripetal, terms.big_shakes, terms.angle, rng)
    return path


def camera_shake(
    *, length: float, diffusion: float, pull: float, reversals: float, samples: int | None = None, rng: np.random.Generator | int
) -> F64:
    """A path of the same process in rates per exposure. Its statistics do not depend on the number of samples.

    ``length``: of the whole path in pixels. ``diffusion``: of the heading in rad^2. ``pull``: towards the start in rad / px.
    ``reversals``: their expected number. These three are per exposure and >= 0. ``samples``: >= 2, by default chosen by
    :func:`sample_count`. ``rng``: a generator or a seed.

    Returns float64 ``(samples, 2)``: (x, y) in pixels, equally spaced in time, starting at the origin.
    """
    require_at_least_0(length=length, diffusion=diffusion, pull=pull, reversals=reversals)
    if samples is None:
        samples = sample_count(length=length, diffusion=diffusion, pull=pull, reversals=reversals)
    require(samples >= 2, f"a trajectory needs at least 2 samples, got {samples}")
    path = np.empty((samples, 2))
    _rate_walk(path, float(length), float(diffusion), float(pull), float(reversals), as_generator(rng))
    return path


def sample_count(*, length: float, diffusion: float, pull: float, reversals: float) -> int:
    """The number of samples that :func:`camera_shake` chooses, so that one step turns, reverses and moves little."""
    # Without noise, r sin(angle to the radius) exp(-pull r^2 / (2 length)) is conserved. So a path hardly goes farther from its
    # start than a few times sqrt(length / pull), and never farther than its length.
    reach = min(length, 4.0 * math.sqrt(length / pull)) if pull > 0 else 0.0
    turns = max(2.0 * diffusion / _LARGEST_TURN**2, pull * reach / _LARGEST_TURN)
    return math.ceil(max(turns, reversals / _LARGEST_CHANCE, length / _LARGEST_STEP, _FEWEST_SAMPLES - 1)) + 1


def require_at_least_0(**values: float) -> None:
    """Require each value to be a finite number >= 0. The error names the value."""
    for name, value in values.items():
        require(math.isfinite(value) and value >= 0, f"{name} is a finite number >= 0, got {value}")


@compiled(error_model="numpy")
def _published_walk(
    path: F64,
    length: float,
    anxiety: float,
    gaussian: float,
    centripetal: float,
    big_shakes: float,
    angle: float,
    rng: np.random.Generator,
) -> None:
    steps = path.shape[0] - 1
    step = length / steps
    speed = anxiety if anxiety > 0 else step
    vx, vy = speed * math.cos(angle), speed * math.sin(angle)
    x = y = 0.0
    path[0, 0] = path[0, 1] = 0.0
    for t in range(steps):
        qx = qy = 0.0
        if rng.random() < big_shakes * anxiety:
            turn = math.pi + rng.random() - 0.5
            c, s = math.cos(turn), math.sin(turn)
            qx, qy = 2.0 * (vx * c - vy * s), 2.0 * (vx * s + vy * c)
        dx = qx + anxiety * (gaussian * rng.standard_normal() - centripetal * x) * step
        dy = qy + anxiety * (gaussian * rng.standard_normal() - centripetal * y) * step
        nx, ny = vx + dx, vy + dy
        norm = math.sqrt(nx * nx + ny * ny)
        if norm > 0.0:  # if a perturbation cancels the velocity exactly, the heading stays the same
            vx, vy = step * nx / norm, step * ny / norm
        x, y = x + vx, y + vy
        path[t + 1, 0], path[t + 1, 1] = x, y


@compiled(error_model="numpy")
def _rate_walk(path: F64, length: float, diffusion: float, pull: float, reversals: float, rng: np.random.Generator) -> None:
    steps = path.shape[0] - 1
    step = length / steps
    noise = math.sqrt(2.0 * diffusion / steps)
    attraction = pull / steps
    chance = -math.expm1(-reversals / steps)
    heading = 2.0 * math.pi * rng.random()
    ux, uy = math.cos(heading), math.sin(heading)
    x = y = 0.0
    path[0, 0] = path[0, 1] = 0.0
    for t in range(steps):
        if chance > 0.0 and rng.random() < chance:
            turn = math.pi + rng.random() - 0.5
            c, s = math.cos(turn), math.sin(turn)
            ux, uy = ux + 2.0 * (ux * c - uy * s), uy + 2.0 * (ux * s + uy * c)
            norm = math.sqrt(ux * ux + uy * uy)
            ux, uy = ux / norm, uy / norm
        # With a = th - arg x, the pull is da/du = pull |x| sin a. These are its first two terms, as cross and scalar products.
        across, along = attraction * (x * uy - y * ux), attraction * (x * ux + y * uy)
        turn = noise * rng.standard_normal() + across * (1.0 + along / 2)
        c, s = math.cos(turn), math.sin(turn)
        ux, uy = ux * c - uy * s, ux * s + uy * c
        norm = math.sqrt(ux * ux + uy * uy)  # the speed stays constant over millions of rotations
        ux, uy = ux / norm, uy / norm
        x, y = x + step * ux, y + step * uy
        path[t + 1, 0], path[t + 1, 1] = x, y
