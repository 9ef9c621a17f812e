"""Tests the Kornia augmentation against ``make_pair`` and in Kornia's container."""

import numpy as np
import pytest
import torch

import blurkit
from blurkit.torch import draw_blur

kornia = pytest.importorskip("kornia", reason="Kornia is not installed")

from blurkit.adapters.kornia import RandomBlur  # noqa: E402


@pytest.fixture
def images(rng):
    return torch.from_numpy(rng.integers(0, 256, (6, 3, 40, 50), np.uint8)) / 255


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(11)
        yield


def test_the_keys_give_the_pairs(images):
    module = RandomBlur("handheld", p=1.0)
    for image, blurred, key in zip(images, module(images), module._params["keys"].tolist(), strict=True):
        pair = blurkit.make_pair((image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8), "handheld", rng=key)
        np.testing.assert_allclose(blurred.permute(1, 2, 0) * 255, pair.blurred, atol=1e-4)
        np.testing.assert_allclose(draw_blur("handheld", (40, 50), key=key).kernel, pair.kernel, rtol=0, atol=1e-6)


def test_in_a_container_some_images_are_blurred_and_masks_stay(images):
    masks = (images[:, :1] > 0.5).float()
    pipeline = kornia.augmentation.AugmentationSequential(RandomBlur("clean", p=0.5), data_keys=["input", "mask"])
    blurred, kept = pipeline(images, masks)
    changed = (blurred != images).any(3).any(2).any(1)
    assert 0 < changed.sum() < 6
    np.testing.assert_array_equal(kept, masks)
    np.testing.assert_array_equal(pipeline(images, masks, params=pipeline._params)[0], blurred)


def test_one_blur_for_the_batch(images):
    blurred = RandomBlur("clean", p=1.0, same_on_batch=True)(images[:1].expand(3, -1, -1, -1))
    np.testing.assert_array_equal(blurred[0], blurred[2])


def test_gradients_pass_through(images):
    images.requires_grad_()
    RandomBlur("clean", p=1.0)(images).sum().backward()
    assert images.grad.abs().sum() > 0
