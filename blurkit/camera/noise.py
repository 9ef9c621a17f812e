"""Noise models: the light of one photon and the deviation of the readout, drawn for each sample.

``shot`` and ``read`` are in units of full well; noise has the variance ``shot * I + read ** 2`` at linear light I.

- ``log-linear`` (Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019): shot is log-uniform, and the
  logarithm of the readout's *variance* is a line in the logarithm of shot, plus a normal number.
- ``uniform`` (Rim et al., "Realistic blur synthesis for learning image deblurring", ECCV 2022): shot and the readout's
  *deviation* are each uniform within half of a calibrated camera's value, independent of one another.
- ``photon-count`` (Boracchi and Foi, IEEE TIP 21(8), 2012): a whole exposure collects a fixed number of photons at full well, a
  shorter one its fraction of them, and each is read out with the same deviation in photons. Amplified to one brightness, a short
  exposure is little blurred and noisy, a long one the reverse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from blurkit.program.checks import Range, one_of, require, rising, within

MODELS = ("log-linear", "uniform", "photon-count")


@dataclass(frozen=True)
class Noise:
    """Poisson-Gaussian noise of variance ``shot * I + read ** 2`` for linear light I in [0, 1].

    ``model`` is one of :data:`MODELS` and says which keys count. "log-linear": ``shot``, log-uniform, and ``log(read ** 2)`` is
    ``read_slope * log(shot) + read_offset`` plus a normal number of standard deviation ``read_scatter``. "uniform": ``shot``
    and ``read``. "photon-count": ``photons``, those of full well in a whole exposure, and ``read_photons``, a deviation.
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


#: Published levels by name. ``mild`` is the lower part of ``unprocessing``. ``realblur`` and ``rsblur`` are the cameras of those
#: two data sets, as calibrated by Rim et al. (2022).
PRESETS = {
    "mild": Noise(shot=(1e-5, 1e-3)),
    "unprocessing": Noise(shot=(1e-4, 0.012)),
    "realblur": Noise("uniform", shot=_within_half(8.8915e-5), read=_within_half(2.9430e-5)),
    "rsblur": Noise("uniform", shot=_within_half(1e-4), read=_within_half(9.1504e-4)),
    "boracchi-foi": Noise("photon-count", photons=(2048.0, 2048.0), read_photons=0.05),
}


def draw_noise(noise: Noise, *, exposure: float = 1.0, rng: np.random.Generator) -> tuple[float, float]:
    """Shot gain and read deviation, in units of full well, for an exposure of this fraction of a whole one, in (0, 1]."""
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
