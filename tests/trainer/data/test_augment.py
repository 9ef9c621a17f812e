"""Tests the tensors that a network gets from crops against numpy and torchvision."""

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import normalize, to_tensor

from trainer.data.augment import FLIP_COLUMNS, FLIP_ROWS, TRANSPOSE, augment


@pytest.fixture
def crops(rng):
    return rng.integers(0, 256, (2, 8, 12, 12, 3), np.uint8)


def turned(image, orientation):
    """An image (h, w, 3) in one of the eight orientations, computed with numpy."""
    image = image[::-1] if orientation & FLIP_ROWS else image
    image = image[:, ::-1] if orientation & FLIP_COLUMNS else image
    return image.swapaxes(0, 1) if orientation & TRANSPOSE else image


def test_both_images_of_a_pair_get_the_same_orientation_and_are_scaled(crops):
    images = augment(torch.from_numpy(crops), range(8))
    assert images.shape == (2, 8, 3, 12, 12)
    assert images.is_contiguous()
    for which in range(2):
        for place in range(8):
            expected = turned(crops[which, place], place).transpose(2, 0, 1) / 127.5 - 1
            assert np.abs(images[which, place].numpy() - expected).max() < 1e-7


def test_the_eight_orientations_are_different(crops):
    same = torch.from_numpy(np.repeat(crops[:, :1], 8, axis=1))
    images = augment(same, range(8))[0]
    assert len({image.numpy().tobytes() for image in images}) == 8


def test_the_scale_is_torchvisions_and_its_ends_are_exact(crops):
    levels = torch.arange(256, dtype=torch.uint8)
    scaled = augment(levels.reshape(1, 1, 16, 16, 1).expand(2, 1, 16, 16, 3), [0])[0, 0, 0].reshape(-1)
    assert scaled.dtype == torch.float32
    assert (scaled[0], scaled[255]) == (-1, 1)
    assert torch.equal(torch.round((scaled + 1) * 127.5).to(torch.uint8), levels)
    published = normalize(to_tensor(crops[0, 0].copy()), [0.5] * 3, [0.5] * 3)
    ours = augment(torch.from_numpy(crops), [0] * 8)[0, 0]
    assert (ours - published).abs().max() < 2e-7


def test_wide_crops_are_flipped_and_the_input_is_unchanged(rng):
    crops = torch.from_numpy(rng.integers(0, 256, (2, 2, 4, 6, 3), np.uint8))
    before = crops.clone()
    images = augment(crops, [FLIP_ROWS, FLIP_COLUMNS])
    images.zero_()
    assert images.shape == (2, 2, 3, 4, 6)
    assert torch.equal(crops, before)
