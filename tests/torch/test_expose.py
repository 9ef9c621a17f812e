"""Tests that a batch becomes the pixels of ``make_pair``: bit for bit, in the torch form and on devices; and its gradient."""

import dataclasses

import numpy as np
import pytest
import torch
from photographs import random_photograph
from tensors import threads

import blurkit
from blurkit.errors import UsageError
from blurkit.recipes.sections import Bayer
from blurkit.torch import draw_blur, expose, seed_words, sharp
from blurkit.torch.expose import _by_torch

UNIFORM = ["clean", "handheld", "boracchi-foi", "deblurgan", "vegan", "defocus"]
TURNING = ["rotation", "street"]

MAXED = {
    "gain": blurkit.load_recipe("handheld", ["sensor.gain=[0.5, 2]", "response.encode=a7r3"]),
    "bayer": dataclasses.replace(blurkit.load_recipe("handheld"), bayer=Bayer()),
}


@pytest.fixture(scope="module")
def photographs():
    """Two photographs of 100 x 120 pixels with clipped highlights, uint8."""
    rng = np.random.default_rng(4)
    return np.stack([random_photograph(rng, (5, 6), bright=330) for _ in range(2)])


def tensor(photographs):
    return torch.from_numpy(photographs).permute(0, 3, 1, 2)


def pixels(images):
    return images.permute(0, 2, 3, 1).numpy()


def pairs(photographs, recipe, keys, **options):
    return [blurkit.make_pair(image, recipe, rng=key, **options) for image, key in zip(photographs, keys, strict=True)]


def drawn(photographs, recipe, keys, **options):
    return [draw_blur(recipe, photographs.shape[1:3], key=key, **options) for key in keys]


@pytest.mark.parametrize("size", [None, 64])
@pytest.mark.parametrize("recipe", [*UNIFORM, *TURNING, *MAXED])
def test_codes_become_those_of_make_pair(photographs, recipe, size):
    recipe = MAXED.get(recipe, recipe)
    made, draws = pairs(photographs, recipe, (3, 4), size=size), drawn(photographs, recipe, (3, 4), size=size)
    for pair, draw, codes, floats, clear in zip(
        made,
        draws,
        pixels(expose(tensor(photographs), draws)),
        pixels(expose(tensor(photographs) / 255, draws)),
        pixels(sharp(tensor(photographs), draws)),
        strict=True,
    ):
        assert draw.crop == pair.crop
        assert draw.parameters == {key: value for key, value in pair.parameters.items() if key != "jpeg_quality"}
        np.testing.assert_array_equal(draw.kernel, pair.kernel)
        np.testing.assert_array_equal(codes, pair.blurred)
        np.testing.assert_array_equal(np.rint(floats * 255), pair.blurred)
        np.testing.assert_array_equal(clear, pair.sharp)


@pytest.mark.parametrize("size", [None, 64])
@pytest.mark.parametrize("recipe", ["clean", "deblurgan", "vegan", *MAXED])
def test_the_torch_form_is_within_half_a_code_of_make_pair(photographs, recipe, size):
    """Before rounding, and without noise and JPEG. Rounding is tested by the other form."""
    recipe = dataclasses.replace(MAXED.get(recipe) or blurkit.load_recipe(recipe), noise=None, jpeg=None, bayer=None)
    made, draws = pairs(photographs, recipe, (3, 4), size=size), drawn(photographs, recipe, (3, 4), size=size)
    exact = pixels(expose(tensor(photographs) / 255, draws, quantize=False)) * 255
    codes = pixels(_by_torch(tensor(photographs) / 255, draws, None, True)) * 255
    for pair, close, rounded in zip(made, exact, codes, strict=True):
        assert np.abs(close - pair.blurred).max() <= 0.51
        assert (np.rint(rounded) != pair.blurred).mean() < 1e-3
    clear = pixels(sharp(tensor(photographs) / 255, draws)) * 255
    assert np.abs(clear - np.stack([pair.sharp for pair in made])).max() <= 0.5001


def test_noise_and_jpeg_of_the_torch_form_are_those_of_make_pair(photographs):
    """On the CPU it has the same random numbers. JPEG spreads a difference over a block."""
    draws = drawn(photographs, "handheld", (3, 4))
    codes = np.rint(pixels(_by_torch(tensor(photographs) / 255, draws, None, True)) * 255)
    for pair, found in zip(pairs(photographs, "handheld", (3, 4)), codes, strict=True):
        assert (found != pair.blurred).mean() < 0.01


def test_a_batch_can_mix_recipes(photographs):
    draws = [draw_blur(recipe, (100, 120), key=5) for recipe in ("rotation", "deblurgan")]
    for images in (tensor(photographs), tensor(photographs) / 255 * 0.999):
        both = expose(images, draws)
        for number, draw in enumerate(draws):
            np.testing.assert_allclose(both[number], expose(images[number : number + 1], [draw])[0], atol=1e-6)


def test_a_draw_can_be_exposed_again_and_on_several_threads(photographs):
    draws = drawn(photographs, "handheld", (1, 2))
    exposed = expose(tensor(photographs), draws)
    with threads(3):
        np.testing.assert_array_equal(expose(tensor(photographs), draws), exposed)


def test_the_gradient_is_that_of_the_exposure_without_rounding(photographs):
    images, draws = (tensor(photographs)[:, :, :30, :40] * 0.7).round() / 255, drawn(photographs[:, :30, :40], "handheld", (6, 7))
    weights = torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    gradients = []
    for quantize, tiny in ((True, 0), (True, 1e-2 / 255), (False, 0)):  # the compiled form, the torch form, no rounding
        values = (images * (1 - tiny)).requires_grad_()
        (expose(values, draws, quantize=quantize) * weights).sum().backward()
        gradients.append(values.grad)
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=0.02, atol=0.02)
    np.testing.assert_allclose(gradients[0], gradients[2], rtol=1e-4, atol=1e-4)
    assert gradients[0].abs().max() > 0.1


def test_gradients_of_images_and_kernels(rng):
    draws = [draw_blur("clean", (6, 7), key=key) for key in (1, 2)]
    images = torch.from_numpy(rng.uniform(0.2, 0.8, (2, 3, 6, 7))).requires_grad_()
    kernels = torch.from_numpy(rng.uniform(0.05, 0.11, (2, 3, 3))).requires_grad_()
    exposed = lambda images, kernels: expose(images, draws, kernels=kernels, quantize=False)  # noqa: E731
    assert torch.autograd.gradcheck(exposed, [images, kernels], eps=1e-7, atol=1e-4, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_keep_their_dtype(photographs, dtype):
    photographs = photographs[:, :30, :40]
    draws = drawn(photographs, "clean", (3, 4))
    blurred = expose((tensor(photographs) / 255).to(dtype), draws)
    assert blurred.dtype == dtype
    np.testing.assert_allclose(blurred.double(), expose(tensor(photographs), draws) / 255, atol=0.02)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_is_within_half_a_code_of_make_pair(photographs, device):
    if not getattr(torch, device).is_available():
        pytest.skip(f"there is no {device} device")
    for recipe in ("clean", "deblurgan", "rotation"):
        recipe = dataclasses.replace(blurkit.load_recipe(recipe), noise=None, jpeg=None)
        draws = drawn(photographs, recipe, (3, 4))
        exact = pixels(expose((tensor(photographs) / 255).to(device), draws, quantize=False).cpu()) * 255
        codes = pixels(expose(tensor(photographs).to(device), draws).cpu())
        for pair, close, rounded in zip(pairs(photographs, recipe, (3, 4)), exact, codes, strict=True):
            assert np.abs(close - pair.blurred).max() <= 0.51
            assert (rounded != pair.blurred).mean() < 1e-3


def test_the_words_of_a_sample_are_a_key(photographs):
    words = seed_words(7, "folder", "a.jpg", 2)
    pair = blurkit.make_pair(photographs[0], "handheld", rng=blurkit.pair.seeds.generator(words))
    np.testing.assert_array_equal(draw_blur("handheld", (100, 120), key=words).kernel, pair.kernel)


def test_what_does_not_fit_is_refused(photographs):
    images, draws = tensor(photographs), drawn(photographs, "clean", (1, 2))
    for message, call in {
        "uint8 or floating point": lambda: expose(images.int(), draws),
        r"got torch.uint8 \(2, 1,": lambda: expose(images[:, :1], draws),
        "2 draws for 1 images": lambda: expose(images[:1], draws),
        "the draws are for images of": lambda: expose(images[..., :50], draws),
        "holds codes": lambda: expose(images, draws, quantize=False),
        "varies over the image": lambda: expose(
            images / 255, drawn(photographs, "rotation", (1, 2)), kernels=torch.ones(2, 3, 3)
        ),
        "Bayer mosaic gives codes": lambda: expose(images / 255, drawn(photographs, MAXED["bayer"], (1, 2)), quantize=False),
        "the crops of a batch have one size": lambda: expose(
            images, [*drawn(photographs, "clean", (1,), size=20), *drawn(photographs, "clean", (1,))]
        ),
        "averages the frames": lambda: draw_blur("frames", (100, 120), key=1),
        "a seed, which is a whole number": lambda: draw_blur("clean", (100, 120), key=-1),
    }.items():
        with pytest.raises(UsageError, match=message):
            call()
