"""Interpolated frames, compared with frames that were left out, and with known motion."""

import cv2
import numpy as np
import pytest
from psnr import psnr

from blurkit.blurring.frames import average_frames
from blurkit.blurring.interpolate import interpolated
from blurkit.camera.response import load_response
from blurkit.decode.video import open_video_file
from blurkit.errors import UsageError

SRGB = load_response("srgb")


@pytest.fixture
def texture(rng):
    """uint8 (160, 220, 3), with detail of every size."""
    grain = sum(s * cv2.GaussianBlur(rng.standard_normal((160, 220, 3)), (0, 0), s) for s in (1, 2, 4, 8))
    return np.clip(128 + 50 * grain, 0, 255).astype(np.uint8)


def shifted(image, x, y):
    return cv2.warpAffine(image, np.array([[1, 0, x], [0, 1, y]], float), image.shape[1::-1], flags=cv2.INTER_LANCZOS4)


def test_every_fourth_frame_of_the_pan_stands_for_all(test_data):
    folder = test_data / "video" / "pan_colorado_sign" / "frames"
    frames = [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in sorted(folder.iterdir())]
    mean = average_frames(frames, SRGB)
    few = frames[::4]
    made = list(interpolated(few, 4, SRGB))
    assert len(made) == len(frames)
    plain, trapezoid = average_frames(few, SRGB), average_frames(few, SRGB, weights=[0.5, *[1] * 7, 0.5])
    assert psnr(average_frames(made, SRGB), mean, margin=12) > 43
    assert psnr(plain, mean, margin=12) < 39
    assert psnr(trapezoid, mean, margin=12) < 41.5


def test_a_frame_of_a_real_clip_that_was_left_out_is_found(test_data):
    clip = open_video_file(str(test_data / "video" / "bear.mp4"))
    before, left_out, after = (SRGB.decode(clip.read(number).pixels) for number in (10, 11, 12))
    made = list(interpolated([clip.read(number).pixels for number in (10, 12)], 2, SRGB))[1]
    assert psnr(made, left_out) > 35.6
    assert psnr((before + after) / 2, left_out) < 24


def test_a_known_shift_is_followed(texture):
    made = list(interpolated([texture, shifted(texture, 6, -3)], 3, SRGB))
    for step in (1, 2):
        assert psnr(made[step], SRGB.decode(shifted(texture, 2 * step, -step)), margin=12) > 45


def test_what_leaves_and_enters_at_the_border_comes_from_the_frame_that_has_it(texture):
    first, truth, last = (texture[20:140, x : x + 160] for x in (20, 26, 32))
    made = list(interpolated([first, last], 2, SRGB))[1]
    for edge in (slice(0, 8), slice(-8, None)):
        assert psnr(made[:, edge], SRGB.decode(truth)[:, edge]) > 33


def test_what_one_frame_hides_comes_from_the_other(texture, rng):
    """A bright block moves to the right. Only the last frame shows what it uncovers, and only the first what it will hide."""
    grain = sum(s * cv2.GaussianBlur(rng.standard_normal((160, 220, 3)), (0, 0), s) for s in (1, 2, 4))
    block = np.clip(150 + 40 * grain[:40, :50], 0, 255).astype(np.uint8)

    def scene(x):
        image = texture // 2
        image[60:100, x : x + 50] = block
        return image

    made = list(interpolated([scene(70), scene(80)], 2, SRGB))[1]
    truth = SRGB.decode(scene(75))
    assert psnr(made, truth) > 45
    for strip, least in ((slice(70, 75), 33.5), (slice(125, 130), 30)):
        assert psnr(made[62:98, strip], truth[62:98, strip]) > least


def test_frames_themselves_are_kept_and_the_same_frames_give_the_same_bits(texture):
    frames = [texture, shifted(texture, 2, 1), shifted(texture, 3, 3)]
    made = list(interpolated(frames, 4, SRGB))
    assert len(made) == 9
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(made[4 * number], SRGB.decode(frame))
    assert all(frame.dtype == np.float32 and frame.min() >= 0 and frame.max() <= 1 for frame in made)
    threads = cv2.getNumThreads()
    try:
        for count in (1, 2, 5):
            cv2.setNumThreads(count)
            np.testing.assert_array_equal(list(interpolated(frames, 4, SRGB)), made)
            assert cv2.getNumThreads() == count
    finally:
        cv2.setNumThreads(threads)


def test_a_factor_of_one_decodes(texture):
    made = list(interpolated([texture, texture[::-1]], 1, SRGB))
    np.testing.assert_array_equal(made, SRGB.decode(np.stack([texture, texture[::-1]])))


@pytest.mark.parametrize(
    ("frames", "factor"),
    [
        ([np.zeros((20, 20, 3), np.uint8)], 0),
        ([np.zeros((20, 20, 3), np.uint8), np.zeros((20, 21, 3), np.uint8)], 2),
        ([np.zeros((20, 20, 3), np.float32)], 2),
        ([np.zeros((20, 20), np.uint8)], 2),
        ([np.zeros((15, 20, 3), np.uint8)], 2),
    ],
)
def test_bad_frames_are_refused(frames, factor):
    with pytest.raises(UsageError):
        list(interpolated(frames, factor, SRGB))
