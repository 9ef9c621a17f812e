"""Tests warps of pairs against scipy, and that they and crops of random scale depend on the position only."""

import math
from statistics import NormalDist

import cv2
import numpy as np
import pytest
import torch
from pair_folders import write_folder
from scipy.ndimage import map_coordinates
from tensors import random_tensor

from blurkit.errors import UsageError
from trainer.config import TrainingRecipe
from trainer.data.order import Order, draws, uniforms
from trainer.data.pairs import open_pairs
from trainer.data.stream import Stream
from trainer.data.warp import WARPS, draw_warp, warp
from trainer.sections import Augment

SIDE = 24
EVERY = tuple(WARPS)


@pytest.fixture
def pairs(tmp_path, make_sample):
    return open_pairs([write_folder(tmp_path / "shards", [[make_sample(number, 40, 33) for number in range(6)]])])


def batches(pairs, count, *, batch=4, skip=0, **augment):
    recipe = TrainingRecipe(batch=batch, crop=SIDE, seed=3, augment=Augment(flips="none", transpose=False, **augment))
    with Stream(pairs, recipe, consumed=skip, threads=2) as stream:
        return torch.cat([torch.stack(next(stream)) for _ in range(count)], dim=1)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("u", [(0.5,) * 6, (0.9, 0.2, 0.1, 0.95, 0.7, 0.3), (0.0,) * 6])
def test_a_warp_reads_the_places_that_scipy_reads(name, u):
    images, numbers = random_tensor(2, 3, SIDE, SIDE), WARPS[name](u)
    a, b, c, d, e, f, k = numbers
    centre = (SIDE - 1) / 2
    y, x = (np.mgrid[:SIDE, :SIDE] - centre) / SIDE
    x, y = a * x + b * y + c, d * x + e * y + f
    factor = 1 + k * (x * x + y * y) + k * (x * x + y * y) ** 2
    places = np.stack((y, x)) * factor * SIDE + centre
    found = warp(images, torch.tensor(numbers, dtype=torch.float64))
    for image, warped in zip(images.numpy().reshape(-1, SIDE, SIDE), found.numpy().reshape(-1, SIDE, SIDE), strict=True):
        np.testing.assert_allclose(warped, map_coordinates(image, places, order=1, mode="mirror"), atol=1e-9)
    if set(u) == {0.5}:
        torch.testing.assert_close(found, images)


def test_the_numbers_of_warps_are_their_definitions():
    a, b, c, d, e, f, _ = WARPS["shift-scale-rotate"]((1, 0.5, 0.75, 0.75, 0, 0))
    forward = np.linalg.inv([[a, b, c], [d, e, f], [0, 0, 1]])  # where a pixel goes
    zoom, angle = 1.05, math.radians(22.5)
    turn = zoom * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    np.testing.assert_allclose(forward[:2, :2], turn, atol=1e-12)
    np.testing.assert_allclose(forward[:2, 2], (1 / 16, 0), atol=1e-12)
    u = (0.9, 0.2, 0.1, 0.95, 0.7, 0.3)
    points = np.float32([(1 / 3, 1 / 3), (1 / 3, -1 / 3), (-1 / 3, -1 / 3)])
    moved = points + np.float32(2 * np.array(u).reshape(3, 2) - 1) * np.float32(50 / 720)
    np.testing.assert_allclose(np.reshape(WARPS["elastic"](u)[:6], (2, 3)), cv2.getAffineTransform(points, moved), atol=1e-6)
    assert WARPS["optical"]((1.0,) * 6) == (1, 0, 0, 0, 1, 0, 0.05)


def test_a_share_of_the_pairs_is_warped_by_one_of_the_list():
    numbers = uniforms(7, 0, 3000, 8).tolist()
    drawn = [draw_warp(u, EVERY, 0.3) for u in numbers]
    assert sum(each is not None for each in drawn) == pytest.approx(900, abs=75)
    assert sum(each is not None and each[6] != 0 for each in drawn) == pytest.approx(300, abs=50)
    assert draw_warp((0.1,) * 8, (), 1.0) is None


def test_random_numbers_of_a_position_do_not_depend_on_where_reading_begins():
    whole = uniforms(7, 0, 20, 8)
    assert 0 <= whole.min() < whole.max() < 1
    assert len(np.unique(whole)) == whole.size
    np.testing.assert_array_equal(uniforms(7, 5, 3, 8), whole[5:8])
    assert not np.intersect1d(whole, (draws(7, 0, 40) >> np.uint64(11)) * 2.0**-53).size


def test_both_images_of_a_pair_are_warped_alike(pairs):
    plain, warped = batches(pairs, 4), batches(pairs, 4, warps=EVERY, warp_share=0.5)
    changed = (plain != warped).flatten(2).any(2)
    assert torch.equal(changed[0], changed[1])
    assert 3 <= int(changed[0].sum()) <= 13
    numbers = uniforms(3, 0, 16, 8).tolist()
    for place, u in enumerate(numbers):
        if (drawn := draw_warp(u, EVERY, 0.5)) is not None:
            expected = warp(plain[:, place], torch.tensor(drawn))
            torch.testing.assert_close(warped[:, place], expected)


@pytest.mark.parametrize("augment", [{"warps": EVERY, "warp_share": 0.7}, {"scale_crop": 6.0}])
def test_a_stream_can_be_continued_and_divided(pairs, augment):
    whole = batches(pairs, 4, **augment)
    torch.testing.assert_close(batches(pairs, 2, skip=8, **augment), whole[:, 8:], rtol=0, atol=0)
    torch.testing.assert_close(batches(pairs, 2, batch=8, **augment), whole, rtol=0, atol=0)


def test_crops_of_random_scale_are_resized_crops_of_the_pair(pairs):
    scaled = batches(pairs, 40, scale_crop=6.0)
    words = draws(3, 0, 160)
    sides = [round(NormalDist(SIDE, 6).inv_cdf(((word >> 11) + 0.5) * 2.0**-53)) for word in words[:, 3].tolist()]
    assert np.std(sides) == pytest.approx(6, rel=0.2)
    sides = np.clip(sides, SIDE // 8, 33)
    assert sides.min() < 14
    assert sides.max() == 33
    for place, index in enumerate(Order([6], seed=3).indices(0, 160).tolist()):
        side, (y, x) = int(sides[place]), words[place, :2].tolist()
        for image, found in zip(pairs.images(index), (scaled[1, place], scaled[0, place]), strict=True):
            y0, x0 = y % (40 - side + 1), x % (33 - side + 1)
            method = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
            expected = cv2.resize(image[y0 : y0 + side, x0 : x0 + side].copy(), (SIDE, SIDE), interpolation=method)
            np.testing.assert_array_equal(((found + 1) * 127.5).round().byte().permute(1, 2, 0).numpy(), expected)


def test_unknown_warps_are_refused():
    with pytest.raises(UsageError, match="did you mean 'optical'"):
        Augment(warps=("optic",))
    with pytest.raises(UsageError, match=r"augment.warp_share takes values within"):
        Augment(warp_share=1.5)
