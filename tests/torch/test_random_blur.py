"""Tests the module: the kernels of a dataset for its seeds, fresh blurs for each visit, and what it returns."""

import numpy as np
import pytest
import torch
from packaged import PHOTOGRAPHS

from blurkit.decode import read_image
from blurkit.errors import UsageError
from blurkit.recipes import Recipe
from blurkit.recipes.load import stored_recipe
from blurkit.recipes.sections import RealBlur
from blurkit.shard import open_dataset
from blurkit.torch import RandomBlur, draw_blur, expose, seed_words


@pytest.fixture
def images(rng):
    return torch.from_numpy(rng.integers(0, 256, (3, 3, 40, 50), np.uint8)) / 255


def test_kernels_of_stored_samples_by_their_seeds(small_dataset, images):
    dataset = open_dataset(small_dataset.folder / "shards")
    samples = [dataset[number] for number in (0, 1, 5)]
    module = RandomBlur(stored_recipe(dataset.shard(0).attributes["recipe"], {}, where="the recipe"))
    _, kernels = module(images, keys=[sample.meta["seed"] for sample in samples], return_kernels=True)
    for kernel, sample in zip(kernels, samples, strict=True):
        margin = (len(kernel) - len(sample.kernel)) // 2
        inner = slice(margin, len(kernel) - margin)
        np.testing.assert_allclose(kernel[inner, inner], sample.kernel, rtol=0, atol=1e-6)
        assert abs(kernel[inner, inner].sum() - 1) < 1e-6


def test_a_stored_sample_is_made_again_from_its_photograph(small_dataset):
    dataset = open_dataset(small_dataset.folder / "shards")
    recipe = stored_recipe(dataset.shard(0).attributes["recipe"], {}, where="the recipe")
    for sample in (dataset[0], dataset[4]):
        photograph = read_image(PHOTOGRAPHS / f"{sample.id}.jpg").pixels
        draw = draw_blur(recipe, photograph.shape[:2], key=sample.meta["seed"], size=sample.sharp.shape[0])
        (made,) = expose(torch.from_numpy(photograph).permute(2, 0, 1)[None], [draw])
        assert tuple(draw.crop) == tuple(sample.meta["crop"])
        np.testing.assert_array_equal(made.permute(1, 2, 0), sample.blurred)


def test_keys_alone_decide_and_every_visit_differs(images):
    module = RandomBlur("handheld", seed=0)
    visits = [[(9, epoch, position) for position in (0, 1, 2)] for epoch in (0, 1)]
    first, second = (module(images, keys=keys, return_kernels=True) for keys in visits)
    module(images)  # what was drawn before changes nothing
    again = RandomBlur("handheld")(images, keys=visits[1])
    np.testing.assert_array_equal(again, second[0])
    for one, other in zip(first[1], second[1], strict=True):
        assert one.shape != other.shape or (one != other).any()
    assert len({kernel.numpy().tobytes() for kernel in first[1]}) == 3


def test_seeds_and_generators(images):
    def batches(module):
        return torch.cat([module(images), module(images)])

    seeded = batches(RandomBlur("clean", seed=5))
    np.testing.assert_array_equal(seeded, batches(RandomBlur("clean", seed=5)))
    np.testing.assert_array_equal(seeded, batches(RandomBlur("clean", generator=torch.Generator().manual_seed(5))))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        np.testing.assert_array_equal(seeded, batches(RandomBlur("clean")))
    assert (seeded[:3] != seeded[3:]).any((1, 2, 3)).all()


def test_uint8_stays_uint8(images):
    codes, keys = (images * 255).round().to(torch.uint8), [1, 2, 3]
    module = RandomBlur("handheld")
    blurred = module(codes, keys=keys)
    assert blurred.dtype == torch.uint8
    np.testing.assert_array_equal(blurred, (module(images, keys=keys) * 255).round())


def test_a_camera_that_turns_returns_fields(images):
    blurred, fields = RandomBlur("rotation", seed=1)(images, return_kernels=True)
    assert blurred.shape == images.shape
    for field in fields:
        np.testing.assert_allclose(field.kernels.sum((2, 3)), 1, atol=1e-5)
        np.testing.assert_allclose(field.multipliers((40, 50)).sum(0), 1, atol=1e-5)


def test_kernels_of_ones_own_get_their_gradient(images):
    kernels = torch.full((3, 3, 3), 1 / 9, requires_grad=True)
    module = RandomBlur("clean", seed=0, quantize=False)
    blurred, returned = module(images, kernels=kernels, return_kernels=True)
    assert returned is kernels
    blurred.sum().backward()
    assert kernels.grad.abs().min() > 0


def test_it_blurs_in_the_workers_of_a_loader(images):
    class Images(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return RandomBlur("clean")(images[:1], keys=[(3, 0, index)])[0]

    with torch.random.fork_rng():
        (loaded,) = torch.utils.data.DataLoader(Images(), batch_size=4, num_workers=1)
    np.testing.assert_array_equal(loaded[2], RandomBlur("clean")(images[:1], keys=[(3, 0, 2)])[0])


def test_what_does_not_fit_is_refused(images):
    for message, call in {
        "a seed or a generator, not both": lambda: RandomBlur("clean", seed=1, generator=torch.Generator()),
        "averages the frames": lambda: RandomBlur("frames"),
        "takes real blurred photographs": lambda: RandomBlur(Recipe(real=RealBlur())),
        "did you mean 'handheld'": lambda: RandomBlur("handhelt"),
        "there are 1 keys for 3 images": lambda: RandomBlur("clean")(images, keys=[seed_words(1, "a", "b", 0)]),
    }.items():
        with pytest.raises(UsageError, match=message):
            call()
