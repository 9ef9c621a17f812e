"""Tests uniform blur against scipy and closed forms, and that its bits depend neither on the crop nor on the tiles."""

import numba
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from borders import NUMPY, SCIPY
from kernels import draw_kernel

import blurkit.blurring.spectrum
import blurkit.blurring.taps
from blurkit.blurring.convolve import FFT_TAPS, blur, blur_direct, blur_fft
from blurkit.errors import UsageError

FORMS = [blur_direct, blur_fft]


def draw_shake(rng):
    """About 125 taps along a smooth random walk. Each sample is splatted onto four pixels."""
    heading = rng.random() * 2 * np.pi + np.cumsum(rng.standard_normal(2000) * 0.05)
    path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)]), axis=1) * (40 / 2000)
    path += 48 - path.mean(axis=1, keepdims=True)
    kernel = np.zeros((97, 97))
    (x, y), (fx, fy) = np.floor(path).astype(int), path % 1
    for dy, dx in np.ndindex(2, 2):
        np.add.at(kernel, (y + dy, x + dx), np.abs(1 - dy - fy) * np.abs(1 - dx - fx))
    return kernel / kernel.sum()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("border", SCIPY)
@pytest.mark.parametrize("shape", [(40, 33, 3), (31, 64, 1), (23, 18, 2), (9, 50, 7), (64, 47), (37, 1, 3), (1, 38, 3)])
def test_scipy_agrees(rng, form, border, shape):
    image = rng.random(shape, np.float32)
    for size, share in (((5, 9), 1.0), ((13, 3), 0.3), ((1, 1), 1.0), ((21, 21), 0.1)):
        kernel = draw_kernel(rng, size, share)
        expected = scipy.ndimage.convolve(image.astype(float), kernel.reshape(*size, *[1] * (len(shape) - 2)), mode=SCIPY[border])
        result = form(image, kernel, border=border)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("border", NUMPY)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 2), (3, 5), (7, 4)])
def test_images_smaller_than_half_the_kernel(rng, form, border, shape):
    image, kernel = rng.random((*shape, 2), np.float32), draw_kernel(rng, (15, 25), 0.4)
    padded = np.pad(image.astype(float), ((7, 7), (12, 12), (0, 0)), mode=NUMPY[border])
    expected = scipy.signal.convolve(padded, kernel[..., None], mode="valid", method="direct")
    np.testing.assert_allclose(form(image, kernel, border=border), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("form", FORMS)
def test_an_impulse_becomes_the_kernel(rng, form):
    kernel = np.float32(draw_kernel(rng, (11, 7), 0.6))
    image = np.zeros((40, 50, 3), np.float32)
    image[17, 21, 1] = 1
    expected = np.zeros_like(image)
    expected[12:23, 18:25, 1] = kernel
    result = form(image, kernel)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-7)
    if form is blur_direct:
        assert np.array_equal(result, expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", [(0, 0), (0, 8), (4, 8), (3, 0), (2, 5)])
def test_one_tap_moves_the_image(rng, form, place):
    image, kernel = rng.random((20, 30, 3), np.float32), np.zeros((5, 9))
    kernel[place] = 1
    moved = np.roll(image, (place[0] - 2, place[1] - 4), axis=(0, 1))
    np.testing.assert_allclose(form(image, kernel, border="wrap"), moved, rtol=0, atol=1e-6 if form is blur_fft else 0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("border", ["reflect101", "reflect", "replicate", "wrap"])
def test_a_constant_image_stays_constant(rng, form, border):
    image = np.full((50, 70, 3), 0.7, np.float32)
    np.testing.assert_allclose(form(image, draw_shake(rng), border=border), image, rtol=2e-6)


@pytest.mark.parametrize("form", FORMS)
def test_kernels_need_not_sum_to_one(rng, form):
    image, kernel = rng.random((20, 30, 3), np.float32), draw_kernel(rng, (5, 5), 0.5)
    np.testing.assert_allclose(form(image, -3 * kernel), -3 * form(image, kernel), rtol=0, atol=5e-6)
    assert not form(image, np.zeros((5, 3))).any()


@pytest.mark.parametrize("shape", [(300, 280, 3), (700, 90, 1)])
def test_direct_and_fourier_agree_over_many_tiles(rng, shape):
    image = rng.random(shape, np.float32)
    for kernel in (draw_shake(rng), draw_kernel(rng, (41, 29), 1.0)):
        np.testing.assert_allclose(blur_direct(image, kernel), blur_fft(image, kernel), rtol=0, atol=3e-6)


def test_blur_takes_the_faster_form(rng):
    image = rng.random((30, 40, 3), np.float32)
    few, many = np.zeros((61, 61)), np.zeros((61, 61))
    few.reshape(-1)[:FFT_TAPS] = many.reshape(-1)[: FFT_TAPS + 1] = 1 / FFT_TAPS
    assert np.array_equal(blur(image, few), blur_direct(image, few))
    assert np.array_equal(blur(image, many), blur_fft(image, many))
    assert not np.array_equal(blur_fft(image, few), blur_direct(image, few))


def test_bits_do_not_depend_on_where_the_image_is_cropped(rng):
    image, kernel = rng.standard_normal((90, 110, 3)).astype(np.float32), draw_shake(rng)
    kernel = kernel[34:63, 34:63] + 1e-3 * draw_kernel(rng, (29, 29), 0.05)
    whole = blur_direct(image, kernel)
    crops = [(0, 0, 61, 62), (1, 0, 61, 90), (2, 7, 29, 29), (3, 1, 30, 31), (18, 5, 70, 105), (61, 80, 29, 30)]
    for top, left, height, width in crops:
        part = blur_direct(image[top : top + height, left : left + width], kernel)
        inside = np.s_[14 : height - 14, 14 : width - 14]
        assert np.array_equal(part[inside], whole[top : top + height, left : left + width][inside])


@pytest.mark.parametrize("height", [1, 2, 3, 61, 64])
def test_bits_do_not_depend_on_tiles(rng, monkeypatch, height):
    image, kernel = rng.standard_normal((height, 70, 3)).astype(np.float32), draw_shake(rng)
    whole = blur_direct(image, kernel)
    for pair, tile in ((10**6, 3000), (10**4, 900), (2000, 1)):
        monkeypatch.setattr(blurkit.blurring.taps, "_PAIR_VALUES", pair)
        monkeypatch.setattr(blurkit.blurring.taps, "_TILE_VALUES", tile)
        assert np.array_equal(blur_direct(image, kernel), whole)


def test_blocks_of_the_fourier_form_join(rng, monkeypatch):
    image, kernel = rng.random((61, 70, 3), np.float32), draw_kernel(rng, (9, 5), 1.0)
    whole = blur_fft(image, kernel)
    monkeypatch.setattr(blurkit.blurring.spectrum, "_BLOCK", 24)
    monkeypatch.setattr(blurkit.blurring.spectrum, "_KERNEL_SIDES", 2)
    np.testing.assert_allclose(blur_fft(image, kernel), whole, rtol=0, atol=2e-6)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="interpreted code does not fuse")
def test_sums_are_fused_and_in_one_order(rng):
    """float64 holds products of float32 exactly, so it replaces fused multiply-adds, except for rare double rounding."""
    image, kernel = rng.standard_normal((40, 50)).astype(np.float32), np.float32(draw_kernel(rng, (7, 9), 0.7))
    fused = np.zeros((34, 42), np.float32)
    separate = fused.copy()
    for y, x in np.ndindex(kernel.shape):
        weight, pixels = kernel[6 - y, 8 - x], image[y : y + 34, x : x + 42]
        fused = np.float32(fused + np.float64(weight) * pixels.astype(float))
        separate += weight * pixels
    result = blur_direct(image, kernel)[3:-3, 4:-4]
    assert np.mean(result == fused) > 0.999
    assert np.mean(result == separate) < 0.9


def test_the_image_is_left_as_it_was_and_may_be_any_view(rng):
    image, kernel = rng.random((60, 44, 3), np.float32), draw_shake(rng)
    before = image.copy()
    image.setflags(write=False)
    flipped = blur(image[::-2, :, ::-1], kernel)
    assert np.array_equal(flipped, blur(np.ascontiguousarray(image[::-2, :, ::-1]), kernel))
    assert np.array_equal(image, before)
    assert flipped.flags.c_contiguous
    assert flipped.flags.writeable


@pytest.mark.parametrize(
    ("image", "kernel", "border", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), np.ones((3, 3)), "wrap", "is float32.*got uint8.*; decode codes"),
        (np.zeros((4, 4, 3)), np.ones((3, 3)), "wrap", "got float64"),
        (np.zeros((4, 4, 3, 1), np.float32), np.ones((3, 3)), "wrap", "\\(H, W\\) or .*of shape \\(4, 4, 3, 1\\)"),
        (np.zeros(4, np.float32), np.ones((3, 3)), "wrap", "of shape \\(4,\\)"),
        (np.zeros((4, 0, 3), np.float32), np.ones((3, 3)), "wrap", "at least one pixel, got float32 of shape \\(4, 0, 3\\)"),
        (np.zeros((4, 4), np.float32), np.ones((4, 3)), "wrap", "odd sides.*got shape \\(4, 3\\)"),
        (np.zeros((4, 4), np.float32), np.ones((3, 0)), "wrap", "odd sides.*got shape \\(3, 0\\)"),
        (np.zeros((4, 4), np.float32), np.ones(3), "wrap", "odd sides.*got shape \\(3,\\)"),
        (np.zeros((4, 4), np.float32), [[np.nan]], "wrap", "finite"),
        (np.zeros((4, 4), np.float32), [[1e300]], "wrap", "finite"),
        (np.zeros((4, 4), np.float32), [[1.0]], "reflect_101", "did you mean 'reflect101'"),
    ],
)
@pytest.mark.parametrize("form", [blur, *FORMS])
def test_bad_input_is_refused(form, image, kernel, border, message):
    with pytest.raises(UsageError, match=message):
        form(image, kernel, border=border)
