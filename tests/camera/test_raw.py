"""Tests the raw camera model against closed forms: colours come back, noise has its variance, saturated light is white."""

import numpy as np
import pytest

from blurkit.camera.bayer import REACH, mosaic
from blurkit.camera.raw import XYZ_TO_A7R3, Camera, transform
from blurkit.errors import UsageError
from blurkit.pair.exposure import draw_camera
from blurkit.recipes.sections import Bayer

MAGENTA = (0.8, 0.1, 0.6)


def sony(pattern="RGGB"):
    return Camera.from_xyz(XYZ_TO_A7R3, red_gain=2.2, blue_gain=1.7, pattern=pattern)


def flat(colour, side=40):
    return np.broadcast_to(np.array(colour, np.float32), (side, side, 3))


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
@pytest.mark.parametrize("colour", [(1, 1, 1), (0.18, 0.18, 0.18), MAGENTA, (0, 0.9, 0.02), (0, 0, 0)])
def test_a_flat_colour_comes_back(colour, pattern):
    camera = sony(pattern)
    np.testing.assert_allclose(camera.develop(camera.expose(flat(colour))), flat(colour), atol=3e-6)


def test_the_sensor_sees_white_through_the_white_balance():
    raw = sony().expose(flat((1, 1, 1)))
    expected = mosaic(flat((1 / 2.2, 1, 1 / 1.7)))
    np.testing.assert_allclose(raw, expected, rtol=1e-5)


def test_the_matrix_is_that_of_its_parts(rng):
    light = rng.random((6, 5, 3), dtype=np.float32)
    camera = sony()
    np.testing.assert_allclose(camera.matrix.sum(axis=1), 1, rtol=1e-12)
    expected = np.einsum("ij,yxj->yxi", camera.matrix, light.astype(np.float64))
    np.testing.assert_allclose(transform(light, camera.matrix), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(transform(transform(light, camera.matrix), np.linalg.inv(camera.matrix)), light, atol=2e-6)


def test_noise_is_that_of_the_raw_image(rng):
    """With the identity as matrix, a pixel keeps its own colour: light I is I / g on the sensor, and is amplified by g."""
    shot, read, level = 1e-4, 2e-3, 0.3
    camera = Camera(np.eye(3), (2.0, 1.0, 1.6))
    noisy = camera.photograph(flat((level,) * 3, 1200), shot=shot, read=read, rng=rng)
    for (row, column), channel in np.ndenumerate([[0, 1], [1, 2]]):
        gain = camera.gains[channel]
        own = noisy[row::2, column::2, channel]
        assert own.var(dtype=np.float64) == pytest.approx(gain**2 * (shot * level / gain + read**2), rel=0.02)
        assert own.mean(dtype=np.float64) == pytest.approx(level, abs=1e-4)


def test_saturated_light_is_white_and_free_of_noise(rng):
    made = sony().photograph(flat((1.6, 1.5, 1.7)), shot=1e-4, read=1e-4, rng=rng)
    np.testing.assert_allclose(made, 1, atol=1e-6)


@pytest.mark.parametrize(("y", "x"), [(0, 0), (1, 0), (5, 8), (6, 11), (27, 31)])
def test_a_crop_is_developed_as_the_frame_is(y, x, rng):
    """A crop has the same bits as in the frame, if it has a margin of two pixels or ends at the border of the frame."""
    light = rng.random((36, 40, 3), dtype=np.float32)
    camera = sony("GRBG")
    whole = camera.develop(camera.expose(light))
    top, left, bottom, right = max(y - REACH, 0), max(x - REACH, 0), y + 9 + REACH, x + 9 + REACH
    seen = camera.at(top, left)
    crop = seen.develop(seen.expose(light[top:bottom, left:right]))
    assert np.array_equal(crop[y - top :, x - left :][:9, :9], whole[y : y + 9, x : x + 9])


def test_drawn_cameras_are_those_of_the_recipe(rng):
    cameras = [draw_camera(Bayer(pattern=("RGGB", "GBRG")), rng=rng) for _ in range(300)]
    assert {camera.pattern for camera in cameras} == {"RGGB", "GBRG"}
    red, green, blue = np.array([camera.gains for camera in cameras]).T
    assert np.all(green == 1)
    assert (red.min(), red.max()) == pytest.approx((1.9, 2.4), abs=0.02)
    assert (blue.min(), blue.max()) == pytest.approx((1.5, 1.9), abs=0.02)
    np.testing.assert_array_equal(cameras[0].matrix, sony().matrix)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"pattern": ("RGBG",)}, r"bayer\.pattern is one of RGGB"),
        ({"pattern": ()}, "at least one"),
        ({"red_gain": (2.0, 1.0)}, "lower end first"),
        ({"matrix": (1.0, 0.0)}, "nine numbers"),
        ({"matrix": (1.0,) * 9}, "invertible"),
    ],
)
def test_bad_keys_are_named(keys, message):
    Bayer().check()
    with pytest.raises(UsageError, match=message):
        Bayer(**keys).check()


def test_matrices_that_are_none_are_refused():
    with pytest.raises(UsageError, match="invertible"):
        Camera.from_xyz(np.ones((3, 3)), red_gain=2, blue_gain=2)
    with pytest.raises(UsageError, match="shapes"):
        transform(np.zeros((4, 4), np.float32), np.eye(3))
