"""Tests the blur of a crop by the camera: uniform kernels with and without defocus, and rotations against all poses."""

import numpy as np
import pytest
from photographs import random_photograph
from plain_recipes import PLAIN
from psnr import psnr
from scipy.signal import convolve2d
from warp import blur_poses

from blurkit.camera.response import load_response
from blurkit.errors import UsageError
from blurkit.kernels.aperture import Aperture
from blurkit.kernels.rasterization import exposure_weights, statistics
from blurkit.pair.camera_motion import draw_camera_motion, draw_kernel
from blurkit.pair.pair import make_pair
from blurkit.pair.shake import draw_shake
from blurkit.recipes.load import load_recipe
from blurkit.truth.box import Box

SRGB = load_response("srgb")


@pytest.fixture
def photograph(rng):
    return random_photograph(rng, (12, 16))


@pytest.mark.parametrize("name", ["clean", "deblurgan", "boracchi-foi", "vegan"])
def test_without_an_aperture_it_is_the_shake_alone(name):
    recipe = load_recipe(name)
    shake = draw_shake(recipe, rng=np.random.default_rng(1))
    motion = draw_camera_motion(recipe, (200, 300), rng=np.random.default_rng(1))
    truth = motion.over(Box(0, 0, 10, 10), Box(0, 0, 10, 10), rng=np.random.default_rng(1)).truth
    assert np.array_equal(truth.kernel, shake.kernel)
    assert np.array_equal(truth.path, shake.path)
    assert motion.parameters == shake.parameters
    assert motion.reach == shake.kernel.shape[0] // 2


def test_defocus_and_motion_are_convolved():
    recipe = load_recipe("defocus")
    for seed in range(10):
        shake = draw_shake(recipe, rng=np.random.default_rng(seed))
        motion = draw_camera_motion(recipe, (200, 300), rng=np.random.default_rng(seed))
        drawn = motion.parameters
        assert drawn["blades"] in (0, 6, 8)
        assert 0.5 <= drawn["defocus_radius"] <= 6
        aperture = Aperture(int(drawn["blades"]), drawn["aperture_rotation"]).kernel(drawn["defocus_radius"])
        expected = convolve2d(shake.kernel.astype(float), aperture)
        kernel = motion.over(Box(0, 0, 1, 1), Box(0, 0, 1, 1), rng=np.random.default_rng(seed)).truth.kernel
        margin = (expected.shape[0] - kernel.shape[0]) // 2  # empty borders are left out
        inner = expected[margin : margin + kernel.shape[0], margin : margin + kernel.shape[0]]
        assert np.abs(kernel - inner).max() < 1e-6
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        assert max(map(abs, statistics(kernel).centroid)) < 0.02


def test_a_share_of_the_samples_is_defocused():
    recipe = load_recipe("defocus", ["defocus.share=0.3"])
    radii = [
        "defocus_radius" in draw_camera_motion(recipe, (9, 9), rng=np.random.default_rng(seed)).parameters for seed in range(300)
    ]
    assert np.mean(radii) == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize("seed", range(4))
def test_a_rotation_is_the_sum_over_its_poses(photograph, seed):
    recipe = load_recipe("rotation", PLAIN)
    pair = make_pair(photograph, recipe, rng=np.random.default_rng(seed), size=(96, 128))
    y, x, height, width = pair.crop
    weights = exposure_weights(len(pair.poses), pair.parameters["exposure"])
    center = ((photograph.shape[1] - 1) / 2, (photograph.shape[0] - 1) / 2)
    exact = blur_poses(SRGB.decode(photograph), pair.poses, weights, focal=pair.parameters["focal"], center=center, box=pair.crop)
    assert psnr(pair.blurred, SRGB.quantize(exact), peak=255) > 45
    assert np.array_equal(pair.sharp, photograph[y : y + height, x : x + width])
    assert pair.path.shape == (0, 2)
    assert np.allclose((weights[:, None] * pair.poses[: len(weights)]).sum(axis=0), 0, atol=1e-12)


def test_the_field_gives_the_kernel_of_any_pixel(photograph):
    """In the crop's own coordinates: applied to the photograph there, it makes the blurred pixel."""
    recipe = load_recipe("rotation", PLAIN)
    pair = make_pair(photograph, recipe, rng=np.random.default_rng(1), size=(96, 128))
    light = SRGB.decode(photograph)
    compared = 0
    for y, x in ((20, 30), (50, 64), (75, 100)):
        kernel = pair.nodes.at(y, x)
        half = len(kernel) // 2
        top, left = pair.crop[0] + y - half, pair.crop[1] + x - half
        around = light[top : top + len(kernel), left : left + len(kernel)]
        if around.shape[:2] != kernel.shape:
            continue
        compared += 1
        blurred = (around[::-1, ::-1] * kernel[..., None]).sum(axis=(0, 1))
        assert np.abs(SRGB.quantize(blurred.astype(np.float32)).astype(int) - pair.blurred[y, x]).max() <= 1
    assert compared


def test_a_crop_of_a_rotation_is_the_crop_of_the_whole(photograph):
    recipe = load_recipe("rotation", PLAIN)
    for seed in range(3):
        cropped = make_pair(photograph, recipe, rng=np.random.default_rng(seed), size=(64, 96))
        whole = make_pair(photograph, recipe, rng=np.random.default_rng(seed))
        y, x, height, width = cropped.crop
        assert np.array_equal(cropped.blurred, whole.blurred[y : y + height, x : x + width])


def test_the_focal_length_can_be_given_or_drawn(photograph):
    recipe = load_recipe("rotation", ["rotation.focal=[0.8, 2]"])
    drawn = [draw_camera_motion(recipe, (480, 640), rng=np.random.default_rng(seed)).parameters["focal"] for seed in range(200)]
    assert min(drawn) > 0.8 * 640
    assert max(drawn) < 2 * 640
    assert np.ptp(drawn) > 600
    assert draw_camera_motion(recipe, (480, 640), focal=700.0, rng=np.random.default_rng(0)).parameters["focal"] == 700.0


def test_what_cannot_go_together_is_refused():
    with pytest.raises(UsageError, match=r"remove \[trajectory\], because .* no single kernel is valid"):
        load_recipe("rotation", ["trajectory.length=5"])
    with pytest.raises(UsageError, match="no single kernel"):
        draw_kernel(load_recipe("rotation"), rng=np.random.default_rng(0))
