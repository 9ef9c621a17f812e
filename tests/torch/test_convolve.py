"""Tests the blur of a batch against a plain sum, SciPy and the compiled blur, and its gradients."""

import numpy as np
import pytest
import scipy.ndimage
import torch

import blurkit
from blurkit.errors import UsageError
from blurkit.torch import blur, convolve


@pytest.fixture(params=["direct", "fourier"])
def form(request, monkeypatch):
    monkeypatch.setattr(convolve, "DIRECT_SIDE", 99 if request.param == "direct" else 0)


@pytest.fixture
def light(rng):
    return rng.random((3, 2, 11, 14))


@pytest.fixture
def kernels(rng):
    return rng.random((3, 5, 5))


def test_an_impulse_becomes_the_kernel_centred_on_it(form, kernels):
    image = torch.zeros(3, 1, 21, 23, dtype=torch.float64)
    image[:, :, 9, 12] = 1
    blurred = blur(image, torch.from_numpy(kernels)).numpy()
    np.testing.assert_allclose(blurred[:, 0, 7:12, 10:15], kernels, atol=1e-12)


@pytest.mark.parametrize("side", [1, 5, 9, 31])
def test_each_image_is_convolved_with_its_kernel_and_reflected_as_often_as_needed(form, rng, light, side):
    kernels = rng.random((3, side, side))
    blurred = blur(torch.from_numpy(light), torch.from_numpy(kernels)).numpy()
    for image, kernel, result in zip(light, kernels, blurred, strict=True):
        for plane, found in zip(image, result, strict=True):
            np.testing.assert_allclose(found, scipy.ndimage.convolve(plane, kernel, mode="mirror"), rtol=1e-9)


def test_float32_equals_the_compiled_blur(form, rng):
    images, kernel = rng.random((2, 60, 50, 3), np.float32), rng.random((1, 17, 17), np.float32)
    blurred = blur(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(kernel / kernel.sum()))
    for image, result in zip(images, blurred, strict=True):
        np.testing.assert_allclose(result.permute(1, 2, 0), blurkit.blur(image, kernel[0] / kernel.sum()), atol=2e-6)


def test_a_box_is_that_part_of_the_whole(form, light, kernels):
    light, kernels = torch.from_numpy(light), torch.from_numpy(kernels)
    np.testing.assert_allclose(blur(light, kernels, box=(2, 3, 6, 4)), blur(light, kernels)[..., 2:8, 3:7], atol=1e-12)


def test_gradients_of_light_and_kernels(form, light, kernels):
    arguments = [torch.from_numpy(values).requires_grad_() for values in (light[:2, :, :6, :7], kernels[:2])]
    assert torch.autograd.gradcheck(blur, arguments, fast_mode=True)


@pytest.mark.parametrize(
    ("light", "kernels", "message"),
    [
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.ones(2, 3, 3), "floating-point tensor"),
        (torch.zeros(3, 8, 8), torch.ones(2, 3, 3), r"\(B, C, H, W\), got torch.float32 \(3, 8, 8\)"),
        (np.zeros((2, 3, 8, 8)), torch.ones(2, 3, 3), "got ndarray"),
        (torch.zeros(2, 3, 8, 8), torch.ones(3, 3, 3), r"kernels are \(2, k, k\) or \(1, k, k\), k odd; got \(3, 3, 3\)"),
        (torch.zeros(2, 3, 8, 8), torch.ones(2, 4, 4), "k odd"),
        (torch.zeros(2, 3, 8, 8), torch.ones(2, 3, 5), "k odd"),
    ],
)
def test_other_shapes_are_refused(light, kernels, message):
    with pytest.raises(UsageError, match=message):
        blur(light, kernels)
