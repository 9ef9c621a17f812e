"""Tests the sensor's effect on blurred light against the same steps taken one by one."""

import dataclasses

import numpy as np
import pytest
from photographs import random_photograph

from blurkit.blurring.codes import blur_region
from blurkit.camera.bayer import REACH
from blurkit.camera.response import load_response
from blurkit.pair.camera_motion import draw_kernel
from blurkit.pair.exposure import draw_camera, draw_exposure
from blurkit.pair.pair import make_pair
from blurkit.recipes.load import load_recipe

SRGB = load_response("srgb")


@pytest.fixture
def photograph(rng):
    return random_photograph(rng, bright=320, grain=12)


def test_saturation_is_where_light_was_clipped(photograph):
    recipe = load_recipe("clean", ["saturation.highlight=[0.5, 1.5]"])
    for seed in range(5):
        pair = make_pair(photograph, recipe, rng=np.random.default_rng(seed), size=(64, 80))
        assert pair.saturation.sum() > 50
        assert np.all(pair.blurred[pair.saturation].max(axis=1) == 255)
        below = pair.blurred[~pair.saturation]
        assert np.mean(below.max(axis=1) == 255) < 0.02  # light that rounds to 255 below full well
    assert make_pair(photograph, load_recipe("clean"), rng=np.random.default_rng(0)).saturation is None


@pytest.mark.parametrize("name", ["handheld", "defocus", "vegan"])
def test_before_saturation_no_light_is_lost(photograph, name):
    """No light leaves a periodic image. Highlights are raised beyond full well, and blur neither adds nor removes light."""
    recipe = load_recipe(name, ["trajectory.length=[5, 60]"])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        kernel = draw_kernel(recipe, rng=rng)
        tone = draw_exposure(recipe, fraction=1.0, rng=rng).tone
        light = tone.table[photograph]
        blurred = blur_region(photograph, kernel, tone, (0, 0, *photograph.shape[:2]), border="wrap")
        assert np.abs(blurred - light).max() > 0.1
        assert blurred.mean(dtype=float) == pytest.approx(light.mean(dtype=float), rel=1e-5)


def test_gain_brightens_both_images_alike(photograph):
    recipe = load_recipe("clean", ["sensor.gain=0.5"])
    pair = make_pair(photograph, recipe, rng=np.random.default_rng(3))
    assert pair.parameters["gain"] == pytest.approx(0.5)
    plain = make_pair(photograph, load_recipe("clean"), rng=np.random.default_rng(3))
    for mine, theirs in ((pair.sharp, photograph), (pair.blurred, plain.blurred)):
        ratio = SRGB.decode(mine).mean() / SRGB.decode(theirs).mean()
        assert ratio == pytest.approx(0.5, rel=0.01)
    assert np.array_equal(pair.sharp, SRGB.quantize(SRGB.decode(photograph) * np.float32(0.5)))


def test_a_response_that_only_encodes_serves_both_images(photograph):
    pair = make_pair(photograph, load_recipe("clean", ["response.encode=a7r3"]), rng=np.random.default_rng(3))
    assert np.array_equal(pair.sharp, load_response("a7r3").quantize(SRGB.decode(photograph)))


def test_photon_noise_follows_the_exposure():
    grey = np.full((256, 256, 3), 150, np.uint8)
    level = float(SRGB.decode(np.array([150], np.uint8))[0])
    for exposure in (0.0625, 0.25, 1.0):
        recipe = load_recipe("boracchi-foi", [f"kernel.exposure={exposure}"])
        pair = make_pair(grey, recipe, rng=np.random.default_rng(5))
        expected = level / (2048 * exposure) + (0.05 / (2048 * exposure)) ** 2
        assert SRGB.decode(pair.blurred).var() == pytest.approx(expected, rel=0.05)


def test_a_mosaic_is_developed_band_by_band_as_at_once(photograph, monkeypatch):
    recipe = load_recipe("clean", ["bayer.red_gain=2"])
    whole = make_pair(photograph, recipe, rng=np.random.default_rng(2), size=(100, 81))
    monkeypatch.setattr("blurkit.pair.exposure.BAND", 16)
    banded = make_pair(photograph, recipe, rng=np.random.default_rng(2), size=(100, 81))
    assert np.array_equal(banded.blurred, whole.blurred)
    assert whole.parameters["red_gain"] == 2


def test_a_mosaic_without_noise_is_the_camera_on_the_blurred_light(photograph):
    recipe = load_recipe("clean", ["bayer.red_gain=2"])
    pair = make_pair(photograph, recipe, rng=np.random.default_rng(2), size=(60, 70))
    plain = dataclasses.replace(recipe, bayer=None, saturation=load_recipe("handheld").saturation)
    y, x, height, width = pair.crop
    box = (y - REACH, x - REACH, height + 2 * REACH, width + 2 * REACH)
    light = blur_region(photograph, pair.kernel, SRGB, box)
    rng = np.random.default_rng(2)
    make_pair(photograph, dataclasses.replace(plain, saturation=None), rng=rng, size=(60, 70))  # draws only motion and crop
    camera = draw_camera(recipe.bayer, rng=rng)
    developed = camera.at(box[0], box[1]).develop(camera.at(box[0], box[1]).expose(light))[REACH:-REACH, REACH:-REACH]
    assert np.array_equal(pair.blurred, SRGB.quantize(np.ascontiguousarray(developed)))


def test_nothing_is_plain_that_has_noise_a_mask_or_a_mosaic(rng):
    def plain(*settings):
        return draw_exposure(load_recipe("clean", settings), fraction=1.0, rng=rng).is_plain

    assert plain()
    assert plain("sensor.gain=2")
    assert not plain("noise.shot=1e-4")
    assert not plain("saturation.threshold=0.9")
    assert not plain("bayer.red_gain=2")
