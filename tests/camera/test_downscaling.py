"""Tests block means in linear light against separate numpy steps, closed forms and scikit-image."""

import tracemalloc

import numpy as np
import pytest
from skimage.transform import downscale_local_mean

from blurkit.camera.downscaling import downscale, downscale_mask
from blurkit.camera.response import Response, load_response
from blurkit.decode import read_image
from blurkit.errors import UsageError

RESPONSES = ["srgb", "gamma2.2", "gamma4", "linear"]


def in_steps(codes, factor, response):
    """Decode the whole image, sum the blocks in float64, divide, and quantize."""
    height, width = codes.shape[0] // factor, codes.shape[1] // factor
    light = response.decode(codes[: height * factor, : width * factor]).astype(np.float64)
    sums = light.reshape(height, factor, width, factor, 3).sum((1, 3))
    return response.quantize((sums / factor**2).astype(np.float32))


@pytest.mark.parametrize("name", ["srgb", "gamma2.2", "linear"])
@pytest.mark.parametrize("shape", [(60, 84), (61, 83), (7, 200), (130, 9)])
def test_it_equals_the_steps(rng, name, shape):
    # Sums of these tables are exact in float64 in any order, so the comparison is exact too.
    codes, response = rng.integers(0, 256, (*shape, 3), np.uint8), load_response(name)
    for factor in (2, 3, 4, 5, 7):
        assert np.array_equal(downscale(codes, factor, response), in_steps(codes, factor, response))


def test_a_block_as_large_as_the_image(rng):
    codes, response = rng.integers(0, 256, (300, 301, 3), np.uint8), load_response("srgb")
    result = downscale(codes, 300, response)
    assert result.shape == (1, 1, 3)
    assert np.array_equal(result, in_steps(codes, 300, response))


@pytest.mark.parametrize("name", RESPONSES)
def test_scikit_image_agrees(rng, name):
    codes, response = rng.integers(0, 256, (120, 90, 3), np.uint8), load_response(name)
    for factor in (2, 3, 6):
        light = downscale_local_mean(response.table.astype(np.float64)[codes], (factor, factor, 1))
        exact = 255 * response.encode(light)
        decided = np.abs(exact - np.floor(exact) - 0.5) > 1e-3  # a tie may fall to either side
        assert decided.mean() > 0.7
        assert np.array_equal(downscale(codes, factor, response)[decided], np.rint(exact)[decided])


@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("factor", [2, 3, 7, 13])
def test_a_constant_stays(name, factor):
    codes = np.repeat(np.arange(256, dtype=np.uint8), factor)[None, :, None] * np.ones((factor, 1, 3), np.uint8)
    assert np.array_equal(downscale(codes, factor, load_response(name))[0, :, 1], np.arange(256))


def test_codes_that_are_light_give_rounded_means(rng):
    codes = rng.integers(0, 256, (30, 45, 3), np.uint8)
    sums = codes.reshape(10, 3, 15, 3, 3).sum((1, 3), dtype=int)
    assert np.array_equal(downscale(codes, 3, load_response("linear")), (2 * sums + 9) // 18)  # ninths are never ties


def test_half_black_and_half_white_is_half_of_the_light():
    codes = np.zeros((4, 4, 3), np.uint8)
    codes[::2] = 255
    assert np.unique(downscale(codes, 2, load_response("srgb"))).tolist() == [188]  # and 128 as codes
    assert np.unique(downscale(codes, 4, load_response("gamma2.2"))).tolist() == [round(255 * 0.5 ** (1 / 2.2))]


def test_what_fills_no_block_is_cut_off_at_the_bottom_and_the_right(rng):
    codes, response = rng.integers(0, 256, (21, 34, 3), np.uint8), load_response("srgb")
    result = downscale(codes, 4, response)
    assert result.shape == (5, 8, 3)
    assert np.array_equal(result, downscale(codes[:20, :32], 4, response))
    codes[20:], codes[:, 32:] = 0, 255
    assert np.array_equal(result, downscale(codes, 4, response))


def test_two_steps_are_one_but_for_the_rounding_between(rng):
    codes, response = rng.integers(0, 256, (48, 60, 3), np.uint8), load_response("linear")
    twice = downscale(downscale(codes, 2, response), 2, response).astype(int)
    assert np.abs(twice - downscale(codes, 4, response)).max() <= 1


def test_views_and_the_input_itself(rng):
    codes, response = rng.integers(0, 256, (40, 50, 3), np.uint8), load_response("srgb")
    before = codes.copy()
    assert downscale(codes, 1, response) is codes
    turned = np.rot90(codes)[3:, ::-1]
    assert np.array_equal(downscale(turned, np.int64(3), response), downscale(turned.copy(), 3, response))
    assert np.array_equal(codes, before)


def test_a_response_with_crowded_thresholds(rng):
    response = Response.from_table("steep", (np.arange(256) / 255) ** 6)
    assert response.steep
    codes = rng.integers(0, 256, (40, 40, 3), np.uint8)
    difference = np.abs(downscale(codes, 4, response).astype(int) - in_steps(codes, 4, response))
    assert difference.max() <= 1
    assert np.mean(difference > 0) < 1e-2


def test_memory_follows_the_output(rng):
    codes, response = rng.integers(0, 256, (1000, 1200, 3), np.uint8), load_response("srgb")
    downscale(codes[:8], 4, response)  # compiles the function
    tracemalloc.start()
    try:
        size = downscale(codes, 4, response).nbytes
        assert tracemalloc.get_traced_memory()[1] < 1.1 * size + 20_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("factor", [0, -2, 2.0, True, "2", None, 21, 10**30])
def test_bad_factors_are_refused(factor):
    with pytest.raises(UsageError, match="whole number from 1 to the smaller side"):
        downscale(np.zeros((20, 30, 3), np.uint8), factor, load_response("srgb"))
    with pytest.raises(UsageError, match="whole number from 1 to the smaller side"):
        downscale_mask(np.zeros((2, 30, 20), bool), factor)


@pytest.mark.parametrize("codes", [np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8)])
def test_other_arrays_are_refused(codes):
    with pytest.raises(UsageError, match=r"uint8 of shape \(H, W, 3\)"):
        downscale(codes, 2, load_response("srgb"))
    with pytest.raises(UsageError, match=r"bool of shape \(n, H, W\)"):
        downscale_mask(codes, 2)


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_a_mask_keeps_what_half_of_a_block_covers(rng, factor):
    masks = rng.random((3, 47, 38)) < np.array([0.3, 0.5, 0.7])[:, None, None]
    height, width = 47 // factor, 38 // factor
    blocks = masks[:, : height * factor, : width * factor].reshape(3, height, factor, width, factor)
    result = downscale_mask(masks, factor)
    assert result.dtype == bool
    assert np.array_equal(result, blocks.mean((2, 4)) >= 0.5)
    assert np.array_equal(downscale_mask(masks.transpose(0, 2, 1), factor), result.transpose(0, 2, 1))


def test_masks_at_the_ends():
    assert downscale_mask(np.zeros((0, 9, 7), bool), 2).shape == (0, 4, 3)
    masks = np.eye(4, dtype=bool)[None]
    assert downscale_mask(masks, 1) is masks
    assert downscale_mask(masks, 2)[0].tolist() == [[True, False], [False, True]]  # exactly half counts
    assert not downscale_mask(masks, 4).any()


def test_real_photographs_equal_the_steps(test_data):
    response = load_response("srgb")
    paths = sorted((test_data / "photos").glob("*.jpg"))[:4]
    paths += sorted((test_data / "mapillary").glob("*/training/images/a56B*.jpg"))[:1]
    assert len(paths) == 5
    for path in paths:
        codes = read_image(path).pixels
        for factor in (2, 3):
            assert np.array_equal(downscale(codes, factor, response), in_steps(codes, factor, response))
