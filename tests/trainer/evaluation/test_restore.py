"""Tests restoring photographs of any size with generators of known output."""

import numpy as np
import pytest
import torch
from torch import nn

from blurkit.errors import UsageError
from trainer.evaluation.restore import Restorer
from trainer.networks.generators import build_generator

CPU = torch.device("cpu")


class Local(nn.Module):
    """A generator that returns the mean of each channel over 3 x 3 pixels. It records the sizes of its inputs."""

    multiple, least = 4, 8

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, x):
        self.sizes.append(tuple(x.shape))
        assert x.dtype == torch.float32
        assert x.abs().max() <= 1
        return nn.functional.avg_pool2d(nn.functional.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1)


class Same(Local):
    def forward(self, x):
        self.sizes.append(tuple(x.shape))
        return x


def means(image):
    """The mean over 3 x 3 pixels as codes. The image is reflected at its edges."""
    height, width = image.shape[:2]
    padded = np.pad(image.astype(np.float64), ((1, 1), (1, 1), (0, 0)), mode="reflect")
    return np.rint(sum(padded[i : i + height, j : j + width] for i in range(3) for j in range(3)) / 9)


@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (64, 30), (181, 322)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_the_size_is_preserved(rng, shape, kind):
    image = rng.integers(0, np.iinfo(kind).max, (*shape, 3), kind, endpoint=True)
    result = Restorer(Local(), CPU)(image)
    assert result.dtype == kind
    assert np.abs(result.astype(int) - means(image)).max() <= (kind is np.uint16)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2), (70, 1), (7, 300)])
def test_tiny_images_are_padded_to_the_least_size(rng, shape):
    image = rng.integers(0, 256, (*shape, 3), np.uint8)
    generator = Same()
    for tile in (0, 32):
        np.testing.assert_array_equal(Restorer(generator, CPU, tile=tile, overlap=8)(image), image)
    assert all(height >= 8 and width >= 8 and height % 4 == width % 4 == 0 for _, _, height, width in generator.sizes)


def test_scaling_preserves_every_code():
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(Restorer(Same(), CPU)(codes), codes)
    few = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(Restorer(Same(), CPU)(few), few)


@pytest.mark.parametrize("shape", [(100, 100), (33, 95), (32, 65), (40, 57), (61, 129)])
@pytest.mark.parametrize("overlap", [4, 8])
def test_tiles_of_a_local_generator_equal_the_whole_image(rng, shape, overlap):
    image = rng.integers(0, 256, (*shape, 3), np.uint8)
    generator = Local()
    tiled = Restorer(generator, CPU, tile=32, overlap=overlap)(image)
    assert len(generator.sizes) > 1
    assert all(height <= 36 and width <= 36 for _, _, height, width in generator.sizes)
    assert np.abs(tiled.astype(int) - means(image)).max() <= 1
    assert (tiled == means(image)).mean() > 0.9


def test_seams_are_blended_by_a_raised_cosine():
    class Number(Same):
        """Returns one value per tile. The value of each tile is higher than that of the previous tile."""

        def forward(self, x):
            super().forward(x)
            return torch.full_like(x, 0.5 * len(self.sizes) - 1)

    image = np.zeros((8, 56, 3), np.uint16)
    values = Restorer(Number(), CPU, tile=32, overlap=8)(image)[3, :, 0] / 32767.5 - 1
    expected = np.sin(np.pi / 2 * np.clip((np.arange(56) + 0.5 - 28) / 8 + 0.5, 0, 1)) ** 2
    np.testing.assert_allclose(values, 0.5 * expected - 0.5, atol=2e-5)


class Normalising(Same):
    """Normalises, and scales so that most values lie in [-1, 1]."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        return self.norm(super().forward(x)) / 4


@pytest.mark.parametrize("norm", [nn.InstanceNorm2d(3), nn.GroupNorm(3, 3, affine=False), nn.InstanceNorm2d(3, affine=True)])
@pytest.mark.parametrize("shape", [(128, 400), (300, 96), (200, 200)])
def test_tiles_are_normalised_by_the_statistics_of_the_photograph(norm, shape):
    """Statistics of each tile would make all tiles equally bright: a ramp would become a saw."""
    ramp = np.linspace(20, 230, shape[0] * shape[1]).reshape(shape if shape[0] > shape[1] else shape[::-1])
    image = (ramp if shape[0] > shape[1] else ramp.T).astype(np.uint8)[..., None].repeat(3, axis=2)
    generator = Normalising(norm)
    whole = Restorer(generator, CPU, tile=1024)(image).astype(int)
    generator.sizes.clear()
    tiled = Restorer(generator, CPU, tile=64, overlap=16)(image)
    assert np.abs(tiled - whole).max() <= 6
    patches, *tiles = generator.sizes
    assert patches[0] * patches[2] * patches[3] <= 64 * 64
    assert len(tiles) > 4
    values = (image / 127.5 - 1).mean(axis=(0, 1))
    spread = (image / 127.5 - 1).std(axis=(0, 1))
    np.testing.assert_allclose(whole / 127.5 - 1, np.clip((image / 127.5 - 1 - values) / spread / 4, -1, 1), atol=0.005)


def test_tiles_of_a_real_generator_keep_the_local_brightness(rng, monkeypatch):
    torch.manual_seed(1)
    generator = build_generator({"name": "resnet", "blocks": 1, "width": 4})
    ramp, texture = np.linspace(-90, 90, 512)[None, :, None], rng.normal(0, 20, (256, 512, 3))
    image = (128 + ramp + texture * np.linspace(0.1, 1, 256)[:, None, None]).clip(0, 255).astype(np.uint8)

    def places(tile):
        """The mean of each of 8 x 16 places."""
        return Restorer(generator, CPU, tile=tile, overlap=32)(image).astype(float).reshape(8, 32, 16, 32, 3).mean(axis=(1, 3))

    whole, joint = places(1024), places(128)
    monkeypatch.setattr("trainer.evaluation.restore.Statistics", lambda _: ())
    alone = places(128)
    assert np.abs(joint - whole).mean() < 0.5 * np.abs(alone - whole).mean()
    assert np.abs(joint - whole).max() < 0.7 * np.abs(alone - whole).max()


def test_large_images_are_tiled_by_default_and_small_ones_are_not():
    restore = Restorer(Same(), CPU)
    assert restore.tile(1080, 1920) == 1024
    assert restore.tile(720, 1280) == 0
    assert restore.tile(1, 3_000_000) == 1024
    assert Restorer(Same(), CPU, tile=302).tile(720, 1280) == 304
    assert Restorer(Same(), CPU, tile=5000).tile(4000, 5000) == 0


def test_a_tiled_image_needs_the_memory_of_one_row_of_tiles(monkeypatch, rng):
    image = rng.integers(0, 256, (600, 64, 3), np.uint8)
    largest, real = [], np.zeros
    monkeypatch.setattr(np, "zeros", lambda shape, kind: largest.append(shape[0]) or real(shape, kind))
    np.testing.assert_array_equal(Restorer(Same(), CPU, tile=64, overlap=8)(image), image)
    assert max(largest) == 64


def test_a_real_generator_restores_without_dropout_and_in_half_precision(rng):
    torch.manual_seed(1)
    generator = build_generator({"name": "resnet", "blocks": 1, "width": 4})
    image = rng.integers(0, 256, (50, 39, 3), np.uint8)
    generator.train()
    full = Restorer(generator, CPU)(image)
    np.testing.assert_array_equal(Restorer(generator, CPU)(image), full)
    assert generator.training
    half = Restorer(generator, CPU, bf16=True)(image)
    assert 0 < np.abs(half.astype(int) - full).mean() < 3
    tiny = Restorer(generator, CPU)(image[:1, :1])
    assert tiny.shape == (1, 1, 3)


def test_other_arrays_than_images_are_refused():
    restore = Restorer(Same(), CPU)
    for image in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 4), np.uint8)):
        with pytest.raises(UsageError, match="uint8 or uint16"):
            restore(image)
    with pytest.raises(UsageError, match="at least 256"):
        Restorer(Same(), CPU, tile=128)
