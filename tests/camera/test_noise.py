"""Tests noise models: the distribution of their parameters and the variance of the noise."""

import math

import numpy as np
import pytest
from scipy import stats

from blurkit.camera.noise import PRESETS, Noise, draw_noise
from blurkit.camera.sensor import add_noise
from blurkit.errors import UsageError


@pytest.mark.parametrize("name", PRESETS)
def test_noise_has_the_variance_of_every_preset_at_every_level(name, rng):
    shot, read = draw_noise(PRESETS[name], exposure=0.25, rng=rng)
    for level in (0.0, 0.5 * shot, 4 * shot, 29 * shot, 31 * shot, 0.02, 0.2, 0.9):
        noisy = add_noise(np.full(1_000_000, level, np.float32), shot=shot, read=read, rng=rng)
        variance = shot * level + read**2
        assert noisy.var(dtype=np.float64) == pytest.approx(variance, rel=0.03)
        assert noisy.mean(dtype=np.float64) == pytest.approx(level, abs=6 * math.sqrt(variance / noisy.size) + 1e-9)


@pytest.mark.parametrize(("name", "low", "high"), [("mild", 1e-5, 1e-3), ("unprocessing", 1e-4, 0.012)])
def test_shot_is_log_uniform_and_the_readouts_variance_follows_it(name, low, high, rng):
    shot, read = np.array([draw_noise(PRESETS[name], rng=rng) for _ in range(5000)]).T
    assert stats.kstest(np.log(shot), "uniform", (math.log(low), math.log(high / low))).pvalue > 1e-3
    rest = np.log(read**2) - 2.18 * np.log(shot) - 1.20
    assert stats.kstest(rest, "norm", (0, 0.26)).pvalue > 1e-3


def test_the_calibrated_cameras_draw_a_deviation_beside_the_shot_noise(rng):
    for name, beta1, beta2 in (("realblur", 8.8915e-5, 2.9430e-5), ("rsblur", 1e-4, 9.1504e-4)):
        shot, read = np.array([draw_noise(PRESETS[name], rng=rng) for _ in range(5000)]).T
        assert stats.kstest(shot / beta1, "uniform", (0.5, 1)).pvalue > 1e-3
        assert stats.kstest(read / beta2, "uniform", (0.5, 1)).pvalue > 1e-3
        assert abs(np.corrcoef(shot, read)[0, 1]) < 0.07


@pytest.mark.parametrize("exposure", [0.0625, 0.5, 1.0])
def test_a_shorter_exposure_counts_fewer_photons(exposure, rng):
    """The published raw image is Poisson(2048 T y) + 0.05 n in photons. Divided by 2048 T, it has the brightness of y."""
    shot, read = draw_noise(PRESETS["boracchi-foi"], exposure=exposure, rng=rng)
    raw = (rng.poisson(2048 * exposure * 0.3, 1_000_000) + 0.05 * rng.standard_normal(1_000_000)) / (2048 * exposure)
    noisy = add_noise(np.full(1_000_000, 0.3, np.float32), shot=shot, read=read, rng=rng)
    assert noisy.var() == pytest.approx(raw.var(), rel=0.01)
    assert noisy.mean() == pytest.approx(raw.mean(), rel=1e-3)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model": "poisson"}, "log-linear, uniform, photon-count"),
        ({"shot": (0.0, 1e-3)}, r"noise\.shot"),
        ({"read": (2e-3, 1e-3)}, "lower end first"),
        ({"photons": (0.0, 10.0)}, r"noise\.photons"),
        ({"read_photons": -1.0}, r"noise\.read_photons"),
    ],
)
def test_bad_keys_are_named(keys, message):
    with pytest.raises(UsageError, match=message):
        Noise(**keys).check()
