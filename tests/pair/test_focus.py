"""Tests defocus by disparity: radii in closed form, the light of the focused plane, and recipes that ignore the map."""

import numpy as np
import pytest
from photographs import random_photograph
from plain_recipes import PLAIN
from scipy import ndimage
from scipy.signal import convolve2d

from blurkit.blurring.layers.depth import blur_depth
from blurkit.camera.response import load_response
from blurkit.kernels.aperture import Aperture
from blurkit.pair.draw import draw_motion
from blurkit.pair.pair import make_pair
from blurkit.pipeline.produce import make_samples
from blurkit.pipeline.settings import Settings
from blurkit.recipes.load import load_recipe
from blurkit.sources.record import ImageRecord
from blurkit.truth.scene import Scene

SRGB = load_response("srgb")
SHAPE = (120, 160)
STILL = ("trajectory.length=0.01", "trajectory.near_identity=0")


@pytest.fixture(scope="module")
def photograph():
    return random_photograph(np.random.default_rng(5), (12, 16), 10)


def slope(rng):
    return (np.linspace(10, 30, SHAPE[1]) + rng.normal(0, 0.1, SHAPE)).astype(np.float32)


def recipe_of(*settings):
    return load_recipe("defocus", [*PLAIN, *settings])


def pair_of(photograph, recipe, disparity, seed=0, **options):
    return make_pair(photograph, recipe, rng=np.random.default_rng(seed), scene=Scene(disparity=disparity), **options)


@pytest.mark.parametrize("seed", range(4))
def test_the_radius_is_that_of_a_thin_lens(photograph, rng, seed):
    """The radius is linear in disparity and zero at the focus. Its largest magnitude is the drawn radius."""
    disparity = slope(rng)
    pair = pair_of(photograph, recipe_of(), disparity, seed)
    focus, largest = pair.parameters["focus"], pair.parameters["defocus_radius"]
    expected = largest * (disparity - focus) / np.abs(disparity - focus).max()
    assert 10 <= focus <= 30.5
    np.testing.assert_allclose(pair.radius, expected, atol=1e-5)
    assert pair.radius.dtype == np.float32
    assert np.abs(pair.radius).max() == pytest.approx(largest, rel=1e-6)


def test_a_crop_stores_its_own_part_of_the_radius(photograph, rng):
    disparity = slope(rng)
    whole, part = (pair_of(photograph, recipe_of(), disparity, 3, size=size) for size in (None, (48, 56)))
    y, x, height, width = part.crop
    assert np.array_equal(part.radius, whole.radius[y : y + height, x : x + width])
    assert part.parameters == whole.parameters
    assert np.array_equal(part.blurred, whole.blurred[y : y + height, x : x + width])


def test_each_pixels_disparity_is_as_likely_to_be_in_focus():
    disparity = np.where(np.arange(16) < 4, 7, 3).astype(np.float32)[None]
    recipe, scene = recipe_of(*STILL), Scene(disparity=disparity)
    near = [draw_motion(recipe, (1, 16), scene, rng=np.random.default_rng(seed)).parameters["focus"] > 5 for seed in range(150)]
    assert np.mean(near) == pytest.approx(0.25, abs=0.12)


def test_defocus_comes_before_the_motion(photograph, rng):
    """Compared with the two steps with another library. The motion is uniform, and its kernel is stored."""
    disparity = slope(rng)
    pair = pair_of(
        photograph,
        recipe_of("trajectory.length=15", "trajectory.near_identity=0", "kernel.exposure=1", "defocus.blades=6"),
        disparity,
        1,
    )
    aperture = Aperture(6, pair.parameters["aperture_rotation"])
    defocused = blur_depth(SRGB.decode(photograph), pair.radius, aperture=aperture)
    light = np.stack([ndimage.convolve(defocused[..., c], pair.kernel, mode="mirror") for c in range(3)], axis=-1)
    y, x, height, width = pair.valid
    inner = np.s_[y : y + height, x : x + width]
    assert min(height, width) > 50
    assert np.abs(pair.blurred[inner].astype(int) - SRGB.quantize(light)[inner]).max() <= 1
    assert pair.kernel.shape[0] > 3


def test_a_plane_is_in_focus_and_only_shaken(photograph):
    pair = pair_of(photograph, recipe_of(), np.full(SHAPE, 4, np.float32))
    assert not pair.radius.any()
    expected = SRGB.decode(photograph)
    expected = np.stack([ndimage.convolve(expected[..., c], pair.kernel, mode="mirror") for c in range(3)], axis=-1)
    assert np.abs(pair.blurred.astype(int) - SRGB.quantize(expected)).max() <= 1


def test_of_two_planes_one_is_sharp_and_the_other_a_disk(photograph):
    disparity = np.full(SHAPE, 2, np.float32)
    disparity[:, 80:] = 5
    pair = pair_of(photograph, recipe_of(*STILL, "defocus.radius=4", "defocus.blades=0"), disparity, 2)
    sides = np.s_[20:100, 20:60], np.s_[20:100, 100:140]
    sharp, blurred = sides if pair.parameters["focus"] < 3 else sides[::-1]
    light = SRGB.decode(photograph).astype(float)
    for side, aperture in ((sharp, np.ones((1, 1))), (blurred, Aperture().kernel(4.0))):
        kernel = convolve2d(aperture, pair.kernel)
        expected = np.stack([convolve2d(light[..., c], kernel, mode="same") for c in range(3)], axis=-1).astype(np.float32)
        assert np.abs(pair.blurred[side].astype(int) - SRGB.quantize(expected)[side]).max() <= 1


@pytest.mark.parametrize("blades", [0, 3])
def test_valid_pixels_do_not_depend_on_the_border(photograph, blades):
    """This holds for a triangle too. Its corners reach 1.56 times as far as a disk of the same area."""
    recipe = recipe_of("defocus.radius=6", f"defocus.blades={blades}", *STILL)
    disparity = np.where(np.arange(SHAPE[1]) < 80, 5, 9).astype(np.float32) * np.ones((SHAPE[0], 1), np.float32)
    pair = pair_of(photograph, recipe, disparity, 1)
    y, x, height, width = pair.valid
    assert min(height, width) > 80
    padded = np.pad(photograph, ((20, 20), (20, 20), (0, 0)), constant_values=255)
    again = pair_of(padded, recipe, np.pad(disparity, 20, mode="edge"), 1)
    assert again.parameters == pair.parameters
    same = (again.blurred[20:-20, 20:-20] == pair.blurred).all(axis=2)
    assert same[y : y + height, x : x + width].all()
    assert not same.all()


def test_holes_are_filled_before_the_focus_is_drawn(photograph, rng):
    disparity = slope(rng)
    holes = disparity.copy()
    holes[rng.random(SHAPE) < 0.3] = np.inf
    pair = pair_of(photograph, recipe_of(), holes, 0)
    assert np.isfinite(pair.radius).all()
    assert np.abs(pair.radius - pair_of(photograph, recipe_of(), disparity, 0).radius).mean() < 0.2


@pytest.mark.parametrize("settings", [("defocus.depth=false",), ("defocus.share=0",), ("defocus=none",)])
def test_a_recipe_that_does_not_ask_for_depth_does_as_without_a_map(photograph, rng, settings):
    recipe = recipe_of(*settings)
    with_map, without = pair_of(photograph, recipe, slope(rng)), pair_of(photograph, recipe, None)
    assert np.array_equal(with_map.blurred, without.blurred)
    assert with_map.radius is without.radius is None
    assert with_map.parameters == without.parameters


def test_a_camera_that_turns_has_one_radius(photograph, rng):
    recipe = load_recipe("rotation", [*PLAIN, "defocus.radius=3"])
    pair = pair_of(photograph, recipe, slope(rng))
    assert pair.radius is None
    assert pair.nodes is not None
    assert pair.parameters["defocus_radius"] == 3


def test_a_stereo_pairs_own_map(test_data, tmp_path):
    """The Motorcycle of Middlebury, downscaled with its map. The nearest surface has the largest disparity."""
    folder = test_data / "sharp/depth"
    maps = np.load(folder / "motorcycle_disp.npz")
    disparity = maps[maps.files[0]].astype(np.float32)
    np.save(tmp_path / "motorcycle.disparity.npy", disparity)
    record = ImageRecord("m", str(folder / "motorcycle_left.png"), "folder", disparity=str(tmp_path / "motorcycle.disparity.npy"))
    (sample,) = make_samples(record, Settings(recipe_of(), size=(96, 96), downscale=4))
    y, x, height, width = sample.meta["crop"]
    smaller = disparity[4 * y : 4 * (y + height), 4 * x : 4 * (x + width)].reshape(height, 4, width, 4)
    known = np.isfinite(smaller).any(axis=(1, 3))
    nearest = np.where(np.isfinite(smaller), smaller, -np.inf).max(axis=(1, 3))
    assert known.mean() > 0.5
    ratio = np.polyfit(nearest[known], sample.radius[known], 1)
    np.testing.assert_allclose(np.polyval(ratio, nearest[known]), sample.radius[known], atol=1e-3)
    assert ratio[0] > 0
