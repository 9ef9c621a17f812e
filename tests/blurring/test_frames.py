"""Tests averages of frames against 16-bit means of an exact pan, against its kernel, and against numpy."""

import cv2
import numpy as np
import pytest
from psnr import psnr

from blurkit.blurring.convolve import blur
from blurkit.blurring.frames import average_frames, window
from blurkit.camera.response import load_response
from blurkit.errors import UsageError
from blurkit.kernels.rasterization import rasterize

SRGB, CODES = load_response("srgb"), load_response("linear")


@pytest.fixture(scope="module")
def pan(test_data):
    """33 frames of a pan, with less than a pixel from frame to frame, and the folder of the frames."""
    folder = test_data / "video" / "pan_colorado_sign"
    paths = sorted((folder / "frames").iterdir())
    return [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in paths], folder


@pytest.fixture(scope="module")
def stored(pan):
    """The stored means of the pan, encoded with 16 bits, by the response with which they were made."""
    names = {CODES: "mean_gamma_16bit.png", SRGB: "mean_linear_16bit.png"}
    return {response: cv2.imread(str(pan[1] / name), cv2.IMREAD_UNCHANGED)[..., ::-1] / 65535 for response, name in names.items()}


@pytest.mark.parametrize(("response", "other"), [(CODES, SRGB), (SRGB, CODES)])
def test_the_pan_has_the_mean_that_was_stored(pan, stored, response, other):
    frames, _ = pan
    assert psnr(response.encode(average_frames(frames, response)), stored[response]) > 65
    assert psnr(other.encode(average_frames(frames, other)), stored[response]) < 30


@pytest.mark.parametrize("response", [SRGB, CODES])
def test_the_pan_has_the_kernel_of_its_trajectory(pan, stored, response):
    # The window moves along the trajectory, so the scene moves against it; frame 16 of 33 is the middle of the exposure.
    frames, folder = pan
    path = -np.loadtxt(folder / "trajectory.csv", delimiter=",", skiprows=1)[:, 1:]
    kernel = rasterize(path, anchor="midpoint")
    centre = response.decode(frames[16])
    assert psnr(response.encode(blur(centre, kernel)), stored[response], margin=12) > 38
    assert psnr(response.encode(blur(centre, np.ascontiguousarray(kernel[::-1, ::-1]))), stored[response], margin=12) < 25


@pytest.mark.parametrize("name", ["srgb", "linear", "gamma2.2"])
def test_the_order_of_frames_changes_no_bit(rng, name):
    frames = rng.integers(0, 256, (40, 9, 11, 3), np.uint8)
    response = load_response(name)
    mean = average_frames(frames, response)
    assert mean.dtype == np.float32
    for _ in range(5):
        np.testing.assert_array_equal(average_frames(frames[rng.permutation(40)], response), mean)
    np.testing.assert_allclose(mean, response.decode(frames).mean(axis=0, dtype=float), rtol=0, atol=1e-7)


def test_weights_are_shares_of_the_exposure(rng):
    frames, weights = rng.integers(0, 256, (5, 6, 7, 3), np.uint8), [0, 1, 0.5, 2, 0.25]
    expected = np.average(SRGB.decode(frames).astype(float), axis=0, weights=weights)
    np.testing.assert_allclose(average_frames(frames, SRGB, weights=weights), expected, rtol=0, atol=1e-7)


def test_linear_light_is_taken_as_it_is_and_frames_one_at_a_time(rng):
    light = rng.random((4, 6, 7, 3), np.float32)
    mean = average_frames((frame[::-1, ::-1] for frame in light), SRGB)
    np.testing.assert_allclose(mean, light.mean(axis=0, dtype=float)[::-1, ::-1], rtol=0, atol=1e-7)


def test_one_frame_is_its_own_mean(rng):
    frame = rng.integers(0, 256, (3, 4, 3), np.uint8)
    np.testing.assert_array_equal(SRGB.quantize(average_frames([frame], SRGB)), frame)


def zeros(*shape, dtype=np.uint8):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("frames", "weights", "message"),
    [
        ([], None, "no frame"),
        ([zeros(4, 5, 3), zeros(5, 4, 3)], None, "frame 1 has shape"),
        ([zeros(4, 5)], None, "frame 0 is uint8 or float32 of shape"),
        ([zeros(0, 5, 3)], None, "frame 0 is .* at least one pixel"),
        ([zeros(4, 5, 4)], None, r"frame 0 is .*\(H, W, 3\)"),
        ([zeros(4, 5, 3), zeros(4, 5, 3, dtype=np.uint16)], None, "frame 1 is uint8 or float32.*got uint16"),
        ([zeros(4, 5, 3)] * 3, [1, 1], "2 weights and more frames"),
        ([zeros(4, 5, 3)], [1, 1], "2 weights and 1 frames"),
        ([zeros(4, 5, 3)], [-1], "weights"),
        ([zeros(4, 5, 3)], [0], "weights"),
        ([zeros(4, 5, 3)], [np.nan], "weights"),
    ],
)
def test_bad_frames_are_refused(frames, weights, message):
    with pytest.raises(UsageError, match=message):
        average_frames(frames, SRGB, weights=weights)


def test_windows_are_odd_and_each_is_as_likely(rng):
    drawn = [window(20, (6, 12), rng=rng) for _ in range(2000)]
    counts = {length: sum(len(frames) == length for frames in drawn) for length in (7, 9, 11)}
    assert sum(counts.values()) == 2000
    assert min(counts.values()) > 580
    assert min(frames.start for frames in drawn) == 0
    assert max(frames.stop for frames in drawn) == 20


def test_a_window_around_a_frame_has_it_in_the_middle(rng):
    for centre in range(2, 18):
        lengths = set()
        for _ in range(60):
            frames = window(20, (4, 9), rng=rng, centre=centre)
            assert frames[len(frames) // 2] == centre
            assert frames[0] >= 0
            assert frames[-1] < 20
            lengths.add(len(frames))
        assert lengths == {length for length in (5, 7, 9) if length // 2 <= min(centre, 19 - centre)}


@pytest.mark.parametrize(
    ("count", "lengths", "centre"),
    [(5, (7, 9), None), (20, (9, 7), None), (20, (6, 6), None), (20, (0, 5), None), (20, (5, 9), 1), (20, (1, 3), 20)],
)
def test_windows_that_do_not_fit_are_refused(rng, count, lengths, centre):
    with pytest.raises(UsageError):
        window(count, lengths, rng=rng, centre=centre)
