"""Tests the generators for deepinv: their kernels are blurkit's, and deepinv's physics blur with them as blurkit does."""

import numpy as np
import pytest
import torch

import blurkit
from blurkit import blurring
from blurkit.errors import UsageError
from blurkit.pair import draw_kernel
from blurkit.torch import draw_blur

deepinv = pytest.importorskip("deepinv", reason="deepinv is not installed")

from blurkit.adapters.deepinv import FieldGenerator, KernelGenerator  # noqa: E402


def keys(seed, count):
    """The keys that a generator draws for a seed."""
    return torch.randint(2**62, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


def arrays(images):
    return [np.ascontiguousarray(image) for image in images.permute(0, 2, 3, 1).numpy()]


def test_kernels_are_those_of_the_keys():
    kernels = KernelGenerator("clean", psf_size=81).step(batch_size=4, seed=2)["filter"]
    assert kernels.shape == (4, 1, 81, 81)
    for kernel, key in zip(kernels[:, 0].numpy(), keys(2, 4), strict=True):
        expected = draw_kernel(blurkit.load_recipe("clean"), rng=np.random.default_rng(key))
        margin = (81 - len(expected)) // 2
        np.testing.assert_allclose(kernel, np.pad(expected, margin), rtol=0, atol=1e-6)


def test_its_blur_is_that_of_blurkit(rng):
    images = torch.from_numpy(rng.random((3, 3, 60, 70), np.float32))
    parameters = KernelGenerator("clean").step(batch_size=3, seed=5)
    blurred = deepinv.physics.Blur(padding="reflect")(images, **parameters)
    for image, kernel, result in zip(arrays(images), parameters["filter"][:, 0].numpy(), arrays(blurred), strict=True):
        np.testing.assert_allclose(result, blurkit.blur(image, kernel), atol=2e-6)


def test_its_space_varying_blur_is_that_of_the_field(rng):
    images = torch.from_numpy(rng.random((2, 3, 60, 110), np.float32))
    parameters = FieldGenerator("rotation", img_size=(60, 110)).step(batch_size=2, seed=6)
    blurred = deepinv.physics.SpaceVaryingBlur(mask_first=False, padding="reflect")(images, **parameters)
    for image, key, result in zip(arrays(images), keys(6, 2), arrays(blurred), strict=True):
        field = draw_blur("rotation", (60, 110), key=key).field
        np.testing.assert_allclose(result, blurring.blur_field(image, field), atol=2e-6)


def test_it_works_with_the_other_generators():
    noise = deepinv.physics.generator.SigmaGenerator()
    assert (KernelGenerator("clean") + noise).step(batch_size=2, seed=1).keys() == {"filter", "sigma"}
    motion = deepinv.physics.generator.MotionBlurGenerator((81, 81))
    mixture = deepinv.physics.generator.GeneratorMixture([KernelGenerator("clean", psf_size=81), motion], [0.5, 0.5])
    assert mixture.step(batch_size=3, seed=1)["filter"].shape == (3, 1, 81, 81)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="at least that of the largest"):
        KernelGenerator("vegan", psf_size=3).step(batch_size=3, seed=1)
    with pytest.raises(UsageError, match="no single kernel"):
        KernelGenerator("rotation").step(seed=1)
    with pytest.raises(UsageError, match="use KernelGenerator"):
        FieldGenerator("clean", img_size=(60, 70))
