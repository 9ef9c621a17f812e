"""Tests the registration of real pairs, against shifts that were put in by the Fourier transform, in linear light."""

import numpy as np
import pytest
from packaged import PHOTOGRAPHS
from psnr import psnr

from blurkit.camera.response import load_response
from blurkit.decode.image import read_image
from blurkit.errors import BadImageError, UsageError
from blurkit.pair.pair import make_pair
from blurkit.pair.registration import brightened, moved, register
from blurkit.recipes.load import load_recipe
from blurkit.truth.scene import Scene

SRGB = load_response("srgb")
MARGIN = 32  # transforms are periodic: this much of their border is cut off


def photograph(name):
    return read_image(PHOTOGRAPHS / f"{name}.jpg").pixels


def waves(shape, shift):
    """The transform of a shift (y, x)."""
    y, x = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None]
    return np.exp(-2j * np.pi * (y * shift[0] + x * shift[1]))


def line(length, angle, weights=lambda t: np.ones_like(t)):
    """The path of a kernel: places (n, 2) around the middle, and the weight of each."""
    t = np.linspace(-0.5, 0.5, 2 * length + 1)
    weight = weights(t) * np.hanning(len(t) + 2)[1:-1]
    return length * t[:, None] * (np.sin(angle), np.cos(angle)), weight / weight.sum()


def photographed(sharp, path, weights, shift, *, noise=0.0, gain=1.0):
    """A photograph of ``sharp``, uint8, blurred along a path, then shifted."""
    light = SRGB.decode(sharp)
    transform = sum(weight * waves(light.shape, np.add(place, shift)) for place, weight in zip(path, weights, strict=True))
    blurred = np.fft.ifft2(np.fft.fft2(light, axes=(0, 1)) * transform[..., None], axes=(0, 1)).real
    blurred = gain * blurred + np.random.default_rng(1).normal(0, noise, blurred.shape)
    return SRGB.quantize(np.clip(blurred, 0, 1).astype(np.float32))


def shifted(image, shift):
    """An image, uint8, shifted by the Fourier transform of its codes."""
    spectrum = np.fft.fft2(image, axes=(0, 1)) * waves(image.shape, shift)[..., None]
    return np.rint(np.clip(np.fft.ifft2(spectrum, axes=(0, 1)).real, 0, 255)).astype(np.uint8)


def inner(image):
    return np.ascontiguousarray(image[MARGIN:-MARGIN, MARGIN:-MARGIN])


CASES = [("rocket", 1, (0.31, -0.77)), ("coffee", 6, (0, 0)), ("coffee", 9, (2.5, 14.21)), ("taxis", 12, (-5.4, 3.3))]


@pytest.mark.parametrize(("name", "length", "shift"), [*CASES, ("bakery", 20, (0.5, -0.5))])
def test_shifts_are_found_to_two_hundredths_of_a_pixel(name, length, shift):
    angle = 0.1 * length
    sharp = photograph(name)
    blurred = photographed(sharp, *line(length, angle), shift, noise=0.003)
    found = register(inner(sharp), inner(blurred), SRGB)
    assert np.abs(np.subtract(found.shift, shift)).max() < 0.02
    assert found.gain == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("length", [6, 12])
def test_of_a_skewed_kernel_the_centroid_counts(length):
    path, weights = line(length, 0.4, lambda t: (t + 0.5) ** 2)
    centroid = weights @ path
    assert np.linalg.norm(centroid) > 0.1 * length
    sharp = photograph("taxis")
    found = register(inner(sharp), inner(photographed(sharp, path, weights, (1.5, -0.25))), SRGB)
    assert np.abs(np.subtract(found.shift, (1.5, -0.25)) - centroid).max() < 0.02


def test_the_gain_is_that_of_the_light():
    sharp = (photograph("coffee") * 0.8).astype(np.uint8)
    blurred = photographed(sharp, *line(5, 1.0), (1.2, 0.6), gain=1.3)
    assert register(inner(sharp), inner(blurred), SRGB).gain == pytest.approx(1.3, rel=0.01)
    bright = brightened(sharp, 1.3, SRGB)
    expected = np.clip(SRGB.decode(sharp) * 1.3, 0, 1)
    assert np.abs(SRGB.decode(bright) - expected).max() < 0.006  # half a code of 8 bits


def test_images_of_other_things_are_refused():
    one, other = photograph("coffee"), photograph("rocket")
    height, width = np.minimum(one.shape[:2], other.shape[:2])
    for sharp, blurred in ((one, other), (other, one), (np.full_like(one, 90), one), (np.zeros_like(one), one)):
        with pytest.raises(BadImageError, match="too little detail in common") as caught:
            register(sharp[:height, :width], blurred[:height, :width], SRGB)
        assert caught.value.reason == "not_registered"


@pytest.mark.parametrize("side", [1, 2, 16, 100])
def test_small_images_are_refused_or_registered(side):
    sharp = photograph("coffee")
    blurred = photographed(sharp, *line(3, 0.3), (0.5, 0.25))
    one, other = (np.ascontiguousarray(image[100 : 100 + side, 100 : 100 + side]) for image in (sharp, blurred))
    if side < 100:
        with pytest.raises(BadImageError, match="too little detail"):
            register(one, other, SRGB)
    else:
        assert np.abs(np.subtract(register(one, other, SRGB).shift, (0.5, 0.25))).max() < 0.05


@pytest.mark.parametrize("shift", [(0.3, -0.4), (3.3, -2.7), (-0.5, 0.5)])
def test_moving_keeps_detail(shift):
    """Against the shift by the Fourier transform, on an image whose finest waves have three pixels."""
    codes = np.random.default_rng(0).normal(size=(200, 240, 3))
    frequency = np.hypot(np.fft.fftfreq(200)[:, None], np.fft.fftfreq(240)[None])
    spectrum = np.fft.fft2(codes, axes=(0, 1)) * (frequency < 1 / 3)[..., None]
    image = np.fft.ifft2(spectrum, axes=(0, 1)).real
    scale, expected = 30 / image.std(), np.fft.ifft2(spectrum * waves((200, 240), shift)[..., None], axes=(0, 1)).real
    image, expected = (np.clip(np.rint(128 + scale * part), 0, 255).astype(np.uint8) for part in (image, expected))
    made, box = moved(image, shift)
    assert made.shape[:2] == (box.height, box.width) == (200 - abs(round(shift[0])), 240 - abs(round(shift[1])))
    assert psnr(made, expected[box.slices], peak=255, margin=20) > 50


def test_whole_shifts_change_no_pixel():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    made, box = moved(image, (-3, 7))
    assert box == (0, 7, 27, 33)
    np.testing.assert_array_equal(made, image[3:, :33])


def pair_of(sharp, blurred, *settings, size=None, seed=0):
    recipe = load_recipe("real", ["real.register=true", *settings])
    return make_pair(sharp, recipe, rng=seed, size=size, scene=Scene(blurred=lambda kind: blurred))


def test_a_pair_is_cropped_to_what_both_have_and_says_what_was_done():
    sharp = photograph("coffee")
    blurred = photographed(sharp, *line(4, 0.5), (3.3, -2.2))
    pair = pair_of(inner(sharp), inner(blurred))
    height, width = inner(sharp).shape[:2]
    assert pair.crop == (3, 0, height - 3, width - 2)
    assert pair.valid == (8, 8, height - 19, width - 18)
    assert (pair.parameters["shift_y"], pair.parameters["shift_x"]) == pytest.approx((3.3, -2.2), abs=0.02)
    assert 0 < pair.parameters["shift_error"] < 0.02
    np.testing.assert_array_equal(pair.blurred, inner(blurred)[pair.crop.slices])
    aligned = inner(shifted(sharp, (3.3, -2.2)))[pair.crop.slices]
    assert psnr(pair.sharp, aligned, peak=255, margin=10) > 40
    crop = pair_of(inner(sharp), inner(blurred), size=(64, 80), seed=5)
    y, x = crop.crop.y - pair.crop.y, crop.crop.x - pair.crop.x
    np.testing.assert_array_equal(crop.sharp, pair.sharp[y : y + 64, x : x + 80])
    np.testing.assert_array_equal(crop.blurred, inner(blurred)[crop.crop.slices])


def test_a_shift_that_is_not_certain_is_not_carried_out():
    """The left half moved up and the right half moved down: on the whole there is no shift."""
    sharp = photograph("taxis")
    up, down = (photographed(sharp, *line(3, 0), (way, 0.0)) for way in (-1.5, 1.5))
    blurred = np.concatenate((up[:, : up.shape[1] // 2], down[:, down.shape[1] // 2 :]), axis=1)
    pair = pair_of(inner(sharp), inner(blurred))
    assert pair.parameters["shift_error"] > 0.2
    assert (pair.parameters["shift_y"], pair.parameters["shift_x"]) == (0, 0)
    np.testing.assert_array_equal(pair.sharp, inner(sharp))


def test_limits_and_wrong_settings():
    sharp = photograph("coffee")
    blurred = photographed(sharp, *line(4, 0.5), (0.0, 5.0))
    with pytest.raises(BadImageError, match=r"\(-?0\.\d+, [45]\.\d+\) pixels, more than 4") as caught:
        pair_of(inner(sharp), inner(blurred), "real.limit=4")
    assert caught.value.reason == "misregistered"
    with pytest.raises(UsageError, match=r"real\.gain"):
        load_recipe("real", ["real.gain=true"])
    with pytest.raises(UsageError, match=r"real\.limit"):
        load_recipe("real", ["real.limit=-1"])


def test_gain_brightens_the_sharp_image():
    sharp = (photograph("coffee") * 0.8).astype(np.uint8)
    blurred = photographed(sharp, *line(5, 1.0), (0, 0), gain=1.3)
    pair = pair_of(inner(sharp), inner(blurred), "real.gain=true")
    assert pair.parameters["sharp_gain"] == pytest.approx(1.3, rel=0.01)
    assert SRGB.decode(pair.sharp).mean() == pytest.approx(SRGB.decode(pair.blurred).mean(), rel=0.02)
