"""Tests metrics against scikit-image and closed forms."""

import math

import numpy as np
import pytest
from scikit_scores import scikit_psnr, scikit_ssim

from blurkit.errors import UsageError
from trainer.evaluation.metrics import METRICS, load_metrics, psnr, ssim


@pytest.mark.parametrize("shape", [(11, 11), (64, 37), (12, 200)])
@pytest.mark.parametrize("noise", [1, 20, 255])
def test_random_images_against_scikit_image(rng, shape, noise):
    sharp = rng.integers(0, 256, (*shape, 3), np.uint8)
    other = np.clip(sharp + rng.integers(-noise, noise + 1, sharp.shape), 0, 255).astype(np.uint8)
    assert psnr(other, sharp) == pytest.approx(scikit_psnr(sharp, other), abs=1e-9)
    assert ssim(other, sharp) == pytest.approx(scikit_ssim(sharp, other), abs=1e-9)


def test_closed_forms():
    flat = np.full((20, 20, 3), 100, np.uint8)
    assert psnr(flat, flat) == math.inf
    assert ssim(flat, flat) == pytest.approx(1)
    assert psnr(flat + 10, flat) == pytest.approx(20 * math.log10(25.5))
    assert psnr(np.uint8(flat * 0), np.uint8(flat * 0 + 255)) == 0  # differences do not wrap around
    c = (0.01 * 255) ** 2
    assert ssim(flat + 10, flat) == pytest.approx((2 * 110 * 100 + c) / (110**2 + 100**2 + c))


def test_images_that_cannot_be_compared_are_refused():
    image = np.zeros((20, 20, 3), np.uint8)
    for other in (image[:19], image.astype(np.float32), image[..., 0], image[:0]):
        for metric in METRICS.values():
            with pytest.raises(UsageError, match="one shape, uint8"):
                metric.measure(other, image)
    with pytest.raises(UsageError, match="at least 11 pixels"):
        ssim(image[:10], image[:10])


def test_metrics_by_name():
    assert list(load_metrics("ssim, psnr")) == ["ssim", "psnr"]
    assert list(load_metrics("psnr,")) == ["psnr"]
    with pytest.raises(UsageError, match=r"--metrics.* one of psnr, ssim, got 'snr'; did you mean 'psnr'"):
        load_metrics("snr")
    with pytest.raises(UsageError, match="at least one"):
        load_metrics(" ,")
