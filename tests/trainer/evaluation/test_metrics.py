"""Tests metrics of numpy against scikit-image, closed forms and plain computations, and the choice of metrics by name."""

import math

import numpy as np
import pytest
import torch
from plain_scores import row_ssim, volume_ssim
from scikit_scores import scikit_psnr, scikit_ssim
from skimage.color import rgb2ycbcr
from skimage.metrics import structural_similarity

from blurkit.errors import UsageError
from trainer.evaluation import metrics
from trainer.evaluation.metrics import METRICS, QUICK, SLOW, load_metrics
from trainer.evaluation.similarity import cw_ssim, fourier_error, psnr, psnr_y, ssim, ssim_3d, ssim_y


def noisy(rng, shape, noise):
    sharp = rng.integers(0, 256, (*shape, 3), np.uint8)
    return np.clip(sharp + rng.integers(-noise, noise + 1, sharp.shape), 0, 255).astype(np.uint8), sharp


@pytest.mark.parametrize("shape", [(11, 11), (64, 37), (12, 200)])
@pytest.mark.parametrize("noise", [1, 20, 255])
def test_random_images_against_scikit_image(rng, shape, noise):
    other, sharp = noisy(rng, shape, noise)
    assert psnr(other, sharp) == pytest.approx(scikit_psnr(sharp, other), abs=1e-9)
    assert ssim(other, sharp) == pytest.approx(scikit_ssim(sharp, other), abs=1e-9)
    y = [rgb2ycbcr(image)[..., 0] for image in (other, sharp)]
    assert psnr_y(other, sharp) == pytest.approx(10 * math.log10(255**2 / np.mean((y[0] - y[1]) ** 2)), abs=1e-9)
    options = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 255, "sigma": 1.5}
    assert ssim_y(other, sharp) == pytest.approx(structural_similarity(*y, **options), abs=1e-9)


@pytest.mark.parametrize("shape", [(5, 7), (30, 41)])
@pytest.mark.parametrize("noise", [3, 120])
def test_the_ssim_of_a_volume_and_of_a_row_are_those_of_other_code(rng, shape, noise):
    other, sharp = noisy(rng, shape, noise)
    assert ssim_3d(other, sharp) == pytest.approx(volume_ssim(other, sharp), abs=1e-9)

    def grey(image):
        Image = pytest.importorskip("PIL.Image")
        return np.asarray(Image.fromarray(image).convert("L"))

    assert cw_ssim(other, sharp) == pytest.approx(row_ssim(other, sharp, grey), abs=1e-9)


def test_the_fourier_error_is_the_transform_of_its_definition(rng):
    other, sharp = noisy(rng, (9, 12), 90)
    rows, columns = (np.exp(-2j * np.pi * np.outer(range(n), range(n)) / n) / n**0.5 for n in (9, 12))
    x, y = (np.abs(rows @ (image.astype(float).sum(2) / 3 / 255) @ columns) for image in (other, sharp))
    assert fourier_error(other, sharp) == pytest.approx(((x - y) ** 2).mean(), rel=1e-12)


def test_closed_forms():
    flat = np.full((20, 20, 3), 100, np.uint8)
    assert psnr(flat, flat) == math.inf
    assert psnr(flat + 10, flat) == pytest.approx(20 * math.log10(25.5))
    assert psnr(np.uint8(flat * 0), np.uint8(flat * 0 + 255)) == 0  # differences do not wrap around
    assert psnr_y(flat + 10, flat) == pytest.approx(20 * math.log10(25.5 * 255 / 219))
    c = (0.01 * 255) ** 2
    for metric in (ssim, ssim_3d):
        assert metric(flat, flat) == pytest.approx(1)
        assert metric(flat + 10, flat) == pytest.approx((2 * 110 * 100 + c) / (110**2 + 100**2 + c))
    assert fourier_error(flat + 10, flat) == pytest.approx((10 / 255) ** 2)
    assert cw_ssim(flat, flat) == pytest.approx(1)


def test_batches_are_measured_like_images(rng):
    pairs = [noisy(rng, (20, 30), noise) for noise in (1, 30, 100)]
    restored, sharp = (np.stack(images) for images in zip(*pairs, strict=True))
    for name, metric in QUICK.items():
        found = metric.measure(restored, sharp)
        assert found.shape == (3,)
        assert found.tolist() == [metric.measure(*pair) for pair in pairs], name
        assert metric.better * (found[0] - found[2]) > 0, name


def test_images_that_cannot_be_compared_are_refused():
    image = np.zeros((20, 20, 3), np.uint8)
    for other in (image[:19], image.astype(np.float32), image[..., 0], image[:0], image[None]):
        for metric in QUICK.values():
            with pytest.raises(UsageError, match="one shape, uint8"):
                metric.measure(other, image)
    with pytest.raises(UsageError, match="at least 11 pixels"):
        ssim(image[:10], image[:10])


def test_metrics_by_name():
    assert list(load_metrics("ssim, psnr")) == ["ssim", "psnr"]
    assert list(load_metrics(["psnr", "ssim_3d"])) == ["psnr", "ssim_3d"]
    assert list(load_metrics("psnr,")) == ["psnr"]
    assert set(METRICS) == {*QUICK, *SLOW}
    with pytest.raises(UsageError, match=r"--metrics.* one of psnr, psnr_y.*, got 'snr'; did you mean 'psnr'"):
        load_metrics("snr")
    with pytest.raises(UsageError, match="at least one"):
        load_metrics(" ,")
    with pytest.raises(UsageError, match="the metric psnr takes no =, got 'x'"):
        load_metrics("psnr=x")
    with pytest.raises(UsageError, match="did you mean 'vif'"):
        load_metrics("lpips_alex=absent.pth,vfi")  # before any weights are looked for


def test_slow_metrics_are_loaded_only_if_they_are_named(monkeypatch):
    asked = []
    monkeypatch.setattr(metrics, "_load", lambda name, given, device: asked.append((name, given, device.type)))
    load_metrics("psnr,ssim,cw_ssim")
    assert asked == []
    load_metrics("vif,psnr,seg_iou=fcn_resnet50@weights.pth", torch.device("meta"))
    assert asked == [("vif", "", "meta"), ("seg_iou", "fcn_resnet50@weights.pth", "meta")]
