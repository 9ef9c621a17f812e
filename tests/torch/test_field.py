"""Tests the blur by a field against the compiled one, the kernels at single pixels, and its gradients."""

import numpy as np
import pytest
import torch

from blurkit import blurring, load_recipe
from blurkit.errors import UsageError
from blurkit.torch import Field, blur, blur_field, draw_blur
from blurkit.truth import KernelField


@pytest.fixture
def field(rng):
    """A lattice with unequal spacing, and one node beyond the image of 40 x 50 pixels."""
    kernels = rng.random((3, 4, 7, 7), np.float32) * (rng.random((3, 4, 7, 7)) < 0.4)
    kernels[..., 3, 3] += 0.1
    kernels /= kernels.sum((2, 3), keepdims=True)
    return KernelField.of([-2, 17, 44], [0, 11.5, 13, 52], kernels)


@pytest.fixture
def image(rng):
    return rng.random((40, 50, 3), np.float32)


def batch(*images):
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("box", [None, (3, 10, 30, 25), (0, 49, 40, 1)])
def test_it_equals_the_compiled_blur(image, field, box):
    (blurred,) = blur_field(batch(image), [field], box=box)
    np.testing.assert_allclose(blurred.permute(1, 2, 0), blurring.blur_field(image, field, box), atol=2e-6)


def test_it_equals_the_compiled_blur_for_a_camera_that_turns(rng):
    image = rng.random((150, 130, 3), np.float32)
    settings = ["rotation.focal=[3, 3]", "rotation.length=51", "rotation.anxiety=0", "kernel.exposure=1"]
    field = draw_blur(load_recipe("rotation", settings), image.shape[:2], key=8).field
    assert field.reach > 8
    (blurred,) = blur_field(batch(image), [field])
    np.testing.assert_allclose(blurred.permute(1, 2, 0), blurring.blur_field(image, field), atol=2e-6)


def test_a_pixel_gathers_its_light_by_the_kernel_at_its_place(image, field):
    (blurred,) = blur_field(batch(image).double(), [field])
    for y, x in ((20, 12), (9, 30), (35, 40)):
        around = image[y - 3 : y + 4, x - 3 : x + 4].astype(float)
        expected = np.einsum("yx,yxc->c", field.at(y, x)[::-1, ::-1].astype(float), around)
        np.testing.assert_allclose(blurred[:, y, x], expected, rtol=1e-6)


def test_each_image_has_its_field_and_a_single_node_is_a_uniform_blur(rng, image, field):
    kernel = rng.random((5, 5), np.float32)
    single = KernelField.of([0], [0], kernel[None, None])
    both = blur_field(batch(image, image[::-1].copy()), [field, single])
    np.testing.assert_allclose(both[:1], blur_field(batch(image), [field]), atol=1e-6)
    np.testing.assert_allclose(both[1:], blur(batch(image[::-1].copy()), torch.from_numpy(kernel)[None]), atol=1e-5)
    same = blur_field(batch(image, image), [field])
    np.testing.assert_array_equal(same[0], same[1])


def test_multipliers_are_the_weights_of_the_nodes(image, field):
    weights = Field.of(field).multipliers((40, 50))
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-6)
    for y, x in ((0, 0), (17, 12), (39, 49)):
        kernel = np.einsum("n,nyx->yx", weights[:, y, x], field.kernels.reshape(-1, 7, 7))
        np.testing.assert_allclose(kernel, field.at(y, x), atol=1e-6)


def test_gradients_of_light_and_kernels(rng):
    light = torch.from_numpy(rng.random((1, 1, 7, 8))).requires_grad_()
    kernels = torch.from_numpy(rng.random((2, 2, 3, 3))).requires_grad_()
    nodes = np.array([0.0, 6.0]), np.array([-1.0, 7.0])
    blurred = lambda light, kernels: blur_field(light, [Field(*nodes, kernels)])  # noqa: E731
    assert torch.autograd.gradcheck(blurred, [light, kernels], fast_mode=True)


def test_fields_that_do_not_fit_are_refused(image, field):
    with pytest.raises(UsageError, match="there are 2 fields for 3 images"):
        blur_field(batch(image, image, image), [field, field])
    with pytest.raises(UsageError, match="make it for a larger box"):
        blur_field(batch(np.zeros((60, 50, 3), np.float32)), [field])
