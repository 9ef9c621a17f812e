"""Tests blurring codes in one pass against the three separate steps, against float64, and against the crop of the whole."""

import dataclasses

import numpy as np
import pytest
import scipy.ndimage
from kernels import draw_kernel

import blurkit.blurring.taps
from blurkit.blurring.codes import blur_codes, blur_region
from blurkit.blurring.convolve import FFT_TAPS, blur
from blurkit.blurring.tiles import BORDERS
from blurkit.camera.response import Response, load_response
from blurkit.errors import UsageError

RESPONSES = ["srgb", "gamma2.2", "gamma4", "linear"]


def in_steps(codes, kernel, response, border="reflect101"):
    return response.quantize(blur(response.decode(codes), kernel, border=border))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shape", [(61, 43, 3), (64, 130, 1), (7, 9, 2), (20, 5, 7), (1, 1, 3), (1, 12, 3), (11, 1, 3)])
def test_one_pass_equals_the_steps(rng, border, shape):
    codes = rng.integers(0, 256, shape, np.uint8)
    for size, share in (((17, 23), 0.3), ((3, 3), 1.0), ((1, 1), 1.0)):
        kernel = draw_kernel(rng, size, share)
        for name in RESPONSES:
            response = load_response(name)
            result = blur_codes(codes, kernel, response, border=border)
            assert np.array_equal(result, in_steps(codes, kernel, response, border))


def test_many_tiles_equal_the_steps(rng, monkeypatch):
    codes = rng.integers(0, 256, (300, 210, 3), np.uint8)
    kernel, response = draw_kernel(rng, (17, 17), 0.4), load_response("srgb")
    expected = in_steps(codes, kernel, response)
    assert np.array_equal(blur_codes(codes, kernel, response), expected)
    monkeypatch.setattr(blurkit.blurring.taps, "_PAIR_VALUES", 3000)
    monkeypatch.setattr(blurkit.blurring.taps, "_TILE_VALUES", 2000)
    assert np.array_equal(blur_codes(codes, kernel, response), expected)
    assert np.array_equal(blur_codes(codes, kernel, response, box=(33, 41, 151, 101)), expected[33:184, 41:142])


@pytest.mark.parametrize("name", RESPONSES)
def test_float64_agrees(rng, name):
    response = load_response(name)
    codes, kernel = rng.integers(0, 256, (80, 90, 3), np.uint8), draw_kernel(rng, (9, 13), 0.5)
    linear = scipy.ndimage.convolve(response.table.astype(float)[codes], kernel[..., None], mode="mirror")
    expected = np.rint(255 * response.encode(linear))
    difference = np.abs(blur_codes(codes, kernel, response) - expected)
    assert difference.max() <= 1
    assert np.mean(difference > 0) < 1e-3


@pytest.mark.parametrize("name", RESPONSES)
def test_every_code_and_every_threshold(name):
    """Kernels of one tap scale linear light, so that values lie everywhere, also on both sides of thresholds."""
    response = load_response(name)
    codes = np.arange(256, dtype=np.uint8).reshape(1, -1, 1)
    assert np.array_equal(blur_codes(codes, [[1.0]], response), codes)
    ratios = np.outer(response.thresholds[1:256], 1 / response.table[[7, 255]]).reshape(-1)
    for weight in np.concatenate([ratios, np.nextafter(ratios, 0), np.nextafter(ratios, 9), [-1, 0, 2, 1e30]]):
        linear = np.float32(weight) * response.table
        expected = np.searchsorted(response.thresholds, np.clip(linear, 0, 1), side="right") - 1
        assert np.array_equal(blur_codes(codes, [[weight]], response).reshape(-1), expected)


@pytest.mark.parametrize("border", BORDERS)
def test_a_box_is_a_crop_of_the_whole(rng, border):
    response, kernel = load_response("srgb"), draw_kernel(rng, (15, 21), 0.3)
    codes = rng.integers(0, 256, (50, 60, 3), np.uint8)
    whole, light = blur_codes(codes, kernel, response, border=border), blur(response.decode(codes), kernel, border=border)
    boxes = [(0, 0, 50, 60), (0, 0, 1, 1), (49, 59, 1, 1), (20, 25, 9, 8), (3, 5, 40, 50), (9, 0, 41, 7), (13, 47, 2, 13)]
    for y, x, h, w in boxes:
        part = np.s_[y : y + h, x : x + w]
        assert np.array_equal(blur_codes(codes, kernel, response, box=(y, x, h, w), border=border), whole[part])
        region = blur_region(codes, kernel, response, (y, x, h, w), border)
        assert region.dtype == np.float32
        assert np.array_equal(region, light[part])


def test_a_kernel_beside_its_centre(rng):
    response, kernel = load_response("srgb"), np.zeros((41, 41))
    kernel[33:38, 1:6] = 0.04
    codes = rng.integers(0, 256, (30, 20, 3), np.uint8)
    for border in BORDERS:
        whole = in_steps(codes, kernel, response, border)
        assert np.array_equal(blur_codes(codes, kernel, response, box=(4, 3, 22, 15), border=border), whole[4:26, 3:18])


def test_dense_kernels_agree_to_one_code(rng):
    response, kernel = load_response("srgb"), draw_kernel(rng, (31, 35), 1.0)
    assert np.count_nonzero(kernel) > FFT_TAPS
    codes = rng.integers(0, 256, (90, 120, 3), np.uint8)
    expected = in_steps(codes, kernel, response).astype(int)
    assert np.abs(blur_codes(codes, kernel, response) - expected).max() <= 1
    box = blur_codes(codes, kernel, response, box=(11, 70, 60, 50))
    assert np.abs(box - expected[11:71, 70:]).max() <= 1
    light = blur_region(codes, kernel, response, (11, 70, 60, 50))
    np.testing.assert_allclose(light, blur(response.decode(codes), kernel)[11:71, 70:], rtol=0, atol=2e-6)


def test_beyond_a_zero_border_it_is_dark_whatever_code_0_means(rng):
    response = Response.from_table("foggy", np.linspace(0.2, 0.9, 256))
    codes, kernel = np.zeros((6, 8, 1), np.uint8), np.full((3, 3), 1 / 9)
    light = blur_region(codes, kernel, response, (0, 0, 6, 8), "zero")
    np.testing.assert_allclose(light[0, 0], 0.2 * 4 / 9, rtol=1e-6)
    np.testing.assert_allclose(light[0, 3], 0.2 * 6 / 9, rtol=1e-6)
    np.testing.assert_allclose(light[2, 3], 0.2, rtol=1e-6)


def test_light_beyond_full_scale_is_spread_before_it_is_clipped():
    response = load_response("srgb")
    bright = dataclasses.replace(response, table=response.table * np.where(np.arange(256) == 255, np.float32(2), np.float32(1)))
    codes = np.zeros((1, 5, 1), np.uint8)
    codes[0, 2] = 255
    kernel = np.array([[0.3, 0.4, 0.3]])
    expected = np.rint(255 * response.encode([0.0, 0.6, 0.8, 0.6, 0.0]))
    assert np.array_equal(blur_codes(codes, kernel, bright).reshape(-1), expected)
    np.testing.assert_allclose(blur_region(codes, [[1.0]], bright, (0, 2, 1, 1)), 2)


def test_codes_may_be_any_view_and_are_left_as_they_were(rng):
    codes, kernel, response = rng.integers(0, 256, (40, 30, 3), np.uint8), draw_kernel(rng, (5, 5), 0.6), load_response("srgb")
    before = codes.copy()
    codes.setflags(write=False)
    for view in (codes, codes[::2, ::-1], codes.transpose(1, 0, 2)):
        assert np.array_equal(blur_codes(view, kernel, response), blur_codes(view.copy(), kernel, response))
    assert np.array_equal(codes, before)


@pytest.mark.parametrize("box", [(-1, 0, 4, 4), (0, 0, 0, 4), (0, 0, 4, 9), (5, 0, 4, 4), (0, 7, 1, 2)])
def test_boxes_that_leave_the_image_are_refused(box):
    codes, response = np.zeros((8, 8, 3), np.uint8), load_response("srgb")
    for call in (lambda: blur_codes(codes, [[1.0]], response, box=box), lambda: blur_region(codes, [[1.0]], response, box)):
        with pytest.raises(UsageError, match="the image of 8 x 8 pixels"):
            call()


@pytest.mark.parametrize(
    ("codes", "kernel", "border", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), [[1.0]], "wrap", "codes is uint8.*got float32"),
        (np.zeros((4, 4), np.uint8), [[1.0]], "wrap", "of shape \\(4, 4\\)"),
        (np.zeros((0, 4, 3), np.uint8), [[1.0]], "wrap", "at least one pixel"),
        (np.zeros((4, 4, 3), np.uint8), np.ones((2, 3)), "wrap", "odd sides"),
        (np.zeros((4, 4, 3), np.uint8), [[np.inf]], "wrap", "finite"),
        (np.zeros((4, 4, 3), np.uint8), [[1.0]], "replicated", "did you mean 'replicate'"),
    ],
)
def test_bad_input_is_refused(codes, kernel, border, message):
    with pytest.raises(UsageError, match=message):
        blur_codes(codes, kernel, load_response("srgb"), border=border)
    with pytest.raises(UsageError, match=message):
        blur_region(codes, kernel, load_response("srgb"), (0, 0, 4, 4), border)
