"""Noise models, which draw two numbers for each sample: ``shot``, the light of one photon, and ``read``, the readout's deviation.

Both are in units of full well. At linear light I the noise has the variance ``shot * I + read ** 2``. ``sensor.py``
adds it.

- ``log-linear`` (Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019): shot is log-uniform. The logarithm
  of the readout's *variance* is a linear function of the logarithm of shot, plus a normal number.
- ``uniform`` (Rim et al., "Realistic blur synthesis for learning image deblurring", ECCV 2022): shot and the readout's
  *deviation* are independent. Each is uniform from 0.5 to 1.5 times the value of a calibrated camera.
- ``photon-count`` (Boracchi and Foi, IEEE TIP 21(8), 2012): at full well, a whole exposure collects a fixed number of photons. A
  shorter exposure collects its fraction of them. The deviation of the readout, in photons, is the same for all exposures. After
  amplification to the same brightness, a short exposure has little blur and much noise, and a long exposure the reverse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from blurkit.program.checks import Range, one_of, require, rising, within

MODELS = ("log-linear", "uniform", "photon-count")


@dataclass(frozen=True)
class Noise:
    """Poisson-Gaussian noise of variance ``shot * I + read ** 2`` at linear light I in [0, 1].

    ``model``: one of :data:`MODELS`. The model decides which of the other keys are used:

    - "log-linear": ``shot`` is log-uniform in its range. ``log(read ** 2)`` is ``read_slope * log(shot) + read_offset`` plus a
      normal number of standard deviation ``read_scatter``.
    - "uniform": ``shot`` and ``read`` are uniform in their ranges.
    - "photon-count": ``photons`` is the number of photons at full well in a whole exposure, log-uniform in its range.
      ``read_photons`` is the standard deviation of the readout in photons.
    """

    model: str = "log-linear"
    shot: Range = (1e-5, 1e-3)
    read_slope: float = 2.18
    read_offset: float = 1.20
    read_scatter: float = 0.26
    read: Range = (0.0, 0.0)
    photons: Range = (2048.0, 2048.0)
    read_photons: float = 0.05

    def check(self) -> None:
        one_of("noise.model", self.model, MODELS)
        rising("noise.shot", self.shot, 1e-12, 1)
        within("noise.read_slope", [self.read_slope], -10, 10)
        within("noise.read_offset", [self.read_offset], -30, 30)
        require(0 <= self.read_scatter < 10, f"noise.read_scatter lies in [0, 10), got {self.read_scatter}")
        rising("noise.read", self.read, 0, 1)
        rising("noise.photons", self.photons, 1, 1e12)
        within("noise.read_photons", [self.read_photons], 0, 1e6)


def _within_half(value: float) -> Range:
    return 0.5 * value, 1.5 * value


#: Published noise levels by name. ``mild`` is the lower part of ``unprocessing``. ``realblur`` and ``rsblur`` are the cameras of
#: the data sets RealBlur and RSBlur, as calibrated by Rim et al. (2022).
PRESETS = {
    "mild": Noise(shot=(1e-5, 1e-3)),
    "unprocessing": Noise(shot=(1e-4, 0.012)),
    "realblur": Noise("uniform", shot=_within_half(8.8915e-5), read=_within_half(2.9430e-5)),
    "rsblur": Noise("uniform", shot=_within_half(1e-4), read=_within_half(9.1504e-4)),
    "boracchi-foi": Noise("photon-count", photons=(2048.0, 2048.0), read_photons=0.05),
}


def draw_noise(noise: Noise, *, exposure: float = 1.0, rng: np.random.Generator) -> tuple[float, float]:
    """Draw ``shot`` and ``read``, in units of full well. ``exposure``: the fraction of a whole exposure, in (0, 1]."""
    if noise.model == "uniform":
        return float(rng.uniform(*noise.shot)), float(rng.uniform(*noise.read))
    if noise.model == "photon-count":
        collected = exposure * _log_uniform(noise.photons, rng)
        return 1 / collected, noise.read_photons / collected
    shot = _log_uniform(noise.shot, rng)
    log_variance = rng.normal(noise.read_slope * math.log(shot) + noise.read_offset, noise.read_scatter)
    return shot, math.exp(log_variance / 2)


def _log_uniform(ends: Range, rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(ends[0]), math.log(ends[1])))
