"""Tests trajectories against closed forms, the published quantiles, and the same code without compilation."""

import math

import numpy as np
import pytest

from blurkit.errors import UsageError
from blurkit.kernels import trajectory
from blurkit.kernels.trajectory import ShakeTerms, boracchi_foi, camera_shake, sample_count


def extent(path):
    return np.ptp(path, axis=0).max()


def quantiles(values):
    return np.percentile(values, [10, 50, 90])


@pytest.mark.parametrize("anxiety", [0.0, 0.001, 0.01, 1.0])
def test_every_published_path_starts_at_the_origin_and_has_its_length(anxiety, rng):
    path = boracchi_foi(length=60, anxiety=anxiety, rng=rng)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert path.shape == (2000, 2)
    assert path.dtype == np.float64
    assert path[0].tolist() == [0, 0]
    assert steps.sum() == pytest.approx(60, abs=1e-9)
    assert steps == pytest.approx(60 / 1999, rel=1e-12)


def test_without_anxiety_the_path_is_straight_in_the_drawn_direction(rng):
    terms = ShakeTerms(gaussian=5, centripetal=0.3, big_shakes=0.1, angle=2.0)
    path = boracchi_foi(length=60, anxiety=0, rng=rng, terms=terms)
    expected = np.linspace(0, 60, 2000)[:, None] * [math.cos(2.0), math.sin(2.0)]
    np.testing.assert_allclose(path, expected, atol=1e-9)


def test_published_extents(rng):
    extents = [extent(boracchi_foi(length=60, anxiety=0.005, rng=rng)) for _ in range(5_000)]
    assert quantiles(extents) == pytest.approx([12.4, 17.5, 28.0], abs=1.0)


def test_more_anxiety_makes_a_smaller_blur(rng):
    medians = [np.median([extent(boracchi_foi(length=60, anxiety=a, rng=rng)) for _ in range(800)]) for a in (0.01, 0.005, 0.003)]
    assert medians == pytest.approx([12.4, 17.4, 23.0], abs=1.2)


def test_the_published_process_step_by_step():
    """One path, computed again from the same random numbers with complex arithmetic, as in the paper."""
    seed, samples, length, anxiety = 5, 400, 60.0, 0.4  # a large anxiety, so that reversals occur
    path = boracchi_foi(length=length, anxiety=anxiety, samples=samples, rng=np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    u = rng.random(4)
    c, g, f, phi = 0.7 * u[0], 10 * u[1], 0.2 * u[2], 2 * np.pi * u[3]
    s = length / (samples - 1)
    v, x, reversals, expected = anxiety * np.exp(1j * phi), 0j, 0, [0j]
    for _ in range(samples - 1):
        q = 0j
        if rng.random() < f * anxiety:
            q = 2 * v * np.exp(1j * (np.pi + rng.random() - 0.5))
            reversals += 1
        n1, n2 = rng.standard_normal(), rng.standard_normal()
        dv = q + anxiety * (g * (n1 + 1j * n2) - c * x) * s
        v = s * (v + dv) / abs(v + dv)
        x += v
        expected.append(x)
    assert reversals > 3
    np.testing.assert_allclose(path[:, 0] + 1j * path[:, 1], expected, atol=1e-9)


@pytest.mark.parametrize(("diffusion", "squared"), [(0.6247, 2954), (2.499, 1823), (9.995, 648)])
def test_camera_shake_without_pull_is_a_worm_like_chain(diffusion, squared, rng):
    ends = np.array([camera_shake(length=60, diffusion=diffusion, pull=0, reversals=0, rng=rng)[-1] for _ in range(6000)])
    distances = (ends**2).sum(axis=1)
    persistence = 60 / diffusion
    exact = 2 * persistence * 60 * (1 - persistence / 60 * (1 - math.exp(-60 / persistence)))
    assert exact == pytest.approx(squared, rel=1e-3)
    error = distances.std() / math.sqrt(len(distances))
    assert distances.mean() == pytest.approx(exact, abs=4 * error)


@pytest.mark.parametrize(
    "rates",
    [
        {"length": 60, "diffusion": 2.5, "pull": 7, "reversals": 1},
        {"length": 60, "diffusion": 0.1, "pull": 14, "reversals": 4},
        {"length": 200, "diffusion": 0.01, "pull": 14, "reversals": 0},
    ],
)
def test_camera_shake_does_not_depend_on_its_sample_count(rates, rng):
    count = sample_count(**rates)
    coarse, fine = (
        quantiles([extent(camera_shake(**rates, samples=samples, rng=rng)) for _ in range(1500)]) for samples in (None, 6 * count)
    )
    assert coarse == pytest.approx(fine, rel=0.05)


@pytest.mark.parametrize("anxiety", [0.01, 0.005, 0.003])
def test_rates_and_the_published_process_agree_at_the_published_sample_count(anxiety, rng):
    published = quantiles([extent(boracchi_foi(length=60, anxiety=anxiety, rng=rng)) for _ in range(1500)])
    shakes = [camera_shake(length=60, **ShakeTerms.draw(rng=rng).rates(anxiety), rng=rng) for _ in range(1500)]
    assert quantiles([extent(path) for path in shakes]) == pytest.approx(published, rel=0.08)


def test_camera_shake_has_its_length_and_starts_at_the_origin(rng):
    path = camera_shake(length=33, diffusion=5, pull=3, reversals=2, rng=rng)
    assert path[0].tolist() == [0, 0]
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).sum() == pytest.approx(33, abs=1e-9)


def test_the_number_of_reversals_is_poisson(rng):
    """Without noise and pull only reversals turn the path. Their number has the mean and the variance of a Poisson number."""
    counts = []
    for _ in range(2000):
        headings = np.diff(camera_shake(length=50, diffusion=0, pull=0, reversals=3, samples=2000, rng=rng), axis=0)
        counts.append((np.linalg.norm(np.diff(headings, axis=0), axis=1) > 1e-9).sum())
    assert np.mean(counts) == pytest.approx(3, abs=0.15)
    assert np.var(counts) == pytest.approx(3, abs=0.4)


def test_the_pull_bends_the_path_to_the_start(rng):
    """Without noise, r sin(a) exp(-pull r^2 / (2 length)) is conserved, where a is the angle between heading and radius."""
    path = camera_shake(length=300, diffusion=1e-9, pull=5, reversals=0, samples=200_000, rng=rng)[20_000:40_000]
    heading = np.diff(path, axis=0)
    heading /= np.linalg.norm(heading, axis=1)[:, None]
    middle = (path[1:] + path[:-1]) / 2
    across = middle[:, 0] * heading[:, 1] - middle[:, 1] * heading[:, 0]
    invariant = np.abs(across) * np.exp(-5 * (middle**2).sum(axis=1) / 600)
    assert np.abs(across).max() > 100 * np.abs(across).min()  # the test is not trivial, because r sin(a) itself grows
    assert invariant[::1000] == pytest.approx(invariant[0], rel=0.05)


def test_the_sample_count_bounds_what_a_step_does():
    rates = {"length": 400.0, "diffusion": 30.0, "pull": 9.0, "reversals": 7.0}
    steps = sample_count(**rates) - 1
    assert math.sqrt(2 * 30 / steps) <= 0.1
    assert 7 / steps <= 0.1
    assert 400 / steps <= 0.1
    assert sample_count(length=0.5, diffusion=0, pull=0, reversals=0) < sample_count(**rates)


def test_bits_are_equal_on_every_run_and_no_global_state_is_used():
    def paths():
        rng = np.random.Generator(np.random.Philox(7))
        return boracchi_foi(length=60, anxiety=0.01, rng=rng), camera_shake(length=9, diffusion=1, pull=1, reversals=1, rng=rng)

    first = paths()
    np.random.seed(3)  # noqa: NPY002 - the test shows that it has no effect
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    second = paths()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("walk", ["_published_walk", "_rate_walk"])
def test_compiled_and_plain_python_agree(walk):
    compiled = getattr(trajectory, walk)
    if not hasattr(compiled, "py_func"):
        pytest.skip("compilation is switched off: nothing to compare")
    values = (60.0, 0.3, 5.0, 0.3, 0.1, 1.0) if walk == "_published_walk" else (60.0, 2.0, 3.0, 2.0)
    paths = np.empty((2, 300, 2))
    compiled(paths[0], *values, np.random.Generator(np.random.Philox(1)))
    compiled.py_func(paths[1], *values, np.random.Generator(np.random.Philox(1)))
    np.testing.assert_allclose(paths[0], paths[1], atol=1e-7)


@pytest.mark.parametrize(
    "values", [{"length": -1, "anxiety": 0.1}, {"length": math.nan, "anxiety": 0.1}, {"length": 60, "anxiety": math.inf}]
)
def test_impossible_values_are_refused_by_name(values, rng):
    with pytest.raises(UsageError, match="is a finite number >= 0"):
        boracchi_foi(**values, rng=rng)


def test_a_trajectory_needs_two_samples(rng):
    with pytest.raises(UsageError, match="at least 2 samples, got 1"):
        boracchi_foi(length=60, anxiety=0.1, samples=1, rng=rng)
    with pytest.raises(ValueError, match="at least 2 samples, got 0"):
        camera_shake(length=60, diffusion=1, pull=1, reversals=1, samples=0, rng=rng)
