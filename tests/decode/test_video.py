"""Tests clips: every frame is read exactly, in any order and from any process."""

import hashlib
import multiprocessing
import os
import pickle
import shutil
import struct
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
import pytest
from clips import FORMATS, FRAMES, HEIGHT, WIDTH, digests, in_order, number_in, numbered, write_video

from blurkit.decode import read_image, video
from blurkit.decode.video import FrameFolder, open_video_file


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_frame_is_the_right_one_in_any_order(videos, suffix, rng):
    truth = in_order(videos[suffix])
    clip = open_video_file(str(videos[suffix]))
    assert (len(clip), clip.shape, clip.damage) == (FRAMES, (HEIGHT, WIDTH), "")
    orders = range(FRAMES), reversed(range(FRAMES)), rng.permutation(FRAMES), (39, 0, 39, 1, 38, 20, 20, 21)
    for order in orders:
        for number in map(int, order):
            decoded = clip.read(number)
            np.testing.assert_array_equal(decoded.pixels, truth[number])
            assert number_in(decoded.pixels) == number
            assert clip.size(number) == decoded.pixels.shape[:2]


def test_colours_are_red_green_blue(videos):
    red, green, blue = open_video_file(str(videos["mp4"])).read(0).pixels[4].mean(0)
    assert blue > 200
    assert red < 90
    assert green < 90


def test_the_digest_is_that_of_the_file_and_follows_it(videos, tmp_path):
    path = tmp_path / "clip.mp4"
    shutil.copy(videos["mp4"], path)
    clip = open_video_file(str(path))
    assert clip.read(3).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    os.replace(shutil.copy(videos["avi"], tmp_path / "other"), path)
    assert clip.read(4).sha256 == hashlib.sha256(videos["avi"].read_bytes()).hexdigest()
    np.testing.assert_array_equal(clip.read(5).pixels, in_order(videos["avi"])[5])


def test_the_pixels_belong_to_the_caller(videos):
    clip = open_video_file(str(videos["mp4"]))
    pixels = clip.read(7).pixels
    before = pixels.copy()
    pixels[:] = 0
    np.testing.assert_array_equal(clip.read(7).pixels, before)


def test_successive_frames_and_windows_of_them_are_decoded_once(videos, monkeypatch):
    clip = open_video_file(str(videos["mp4"]))
    clip.read(FRAMES - 1)
    opened, grabbed = [], []
    capture, grab = video.open_capture, video._Decoder._grab
    monkeypatch.setattr(video, "open_capture", lambda *arguments: opened.append(1) or capture(*arguments))
    monkeypatch.setattr(video._Decoder, "_grab", lambda decoder: grabbed.append(1) or grab(decoder))
    for centre in range(3, FRAMES - 3):
        for number in range(centre - 3, centre + 4):
            clip.read(number)
    assert (len(opened), len(grabbed)) == (1, FRAMES)


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_rate_is_that_of_the_frames(videos, suffix, monkeypatch):
    """The videos have 25 frames a second. If a container states its unit of time instead, the times of the frames count."""
    clip = open_video_file(str(videos[suffix]))
    assert clip.length == pytest.approx((FRAMES - 1) / 25, abs=2e-3)
    assert clip.playback().rate == pytest.approx(25, rel=1e-3)
    stated = video._Decoder.property
    monkeypatch.setattr(video._Decoder, "property", lambda self, n: 1000.0 if n == cv2.CAP_PROP_FPS else stated(self, n))
    assert clip.playback().rate == pytest.approx(25, rel=1e-3)
    clip.read(10)
    assert clip.seconds() == pytest.approx(0.4, abs=2e-3)


def test_few_frames_are_kept(videos, monkeypatch):
    monkeypatch.setattr(video, "_KEPT_BYTES", 3 * HEIGHT * WIDTH * 3)
    clip = open_video_file(str(videos["avi"]))
    for number in range(FRAMES):
        clip.read(number)
    decoder = video._last._decoder
    assert decoder is not None
    assert list(decoder._kept) == [FRAMES - 3, FRAMES - 2, FRAMES - 1]
    assert number_in(clip.read(0).pixels) == 0


def test_clips_travel_to_worker_processes(videos):
    clip = open_video_file(str(videos["mp4"]))
    assert len(pickle.dumps(clip)) < 400
    expected = digests(clip, range(FRAMES))
    clip.read(10)  # leaves this process in the middle of the file
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(digests, clip, (11, 12, 3)).result(60) == [expected[number] for number in (11, 12, 3)]


def test_a_forked_child_does_not_move_its_parent_within_the_file(tmp_path, rng):
    # The file is longer than the bytes that are read ahead. A new process forks, because this process may have threads, and a
    # forked child would wait for their locks.
    path = str(write_video(tmp_path / "noise.avi", rng.integers(0, 256, (20, 480, 640, 3), np.uint8)))
    program = f"import cv2; cv2.setNumThreads(1); import clips; print(*clips.fork_within({path!r}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment)
    assert done.stdout == "True True\n", done.stderr


@pytest.mark.parametrize("index", [-1, FRAMES, 10**9])
def test_there_is_no_frame_beyond_either_end(videos, index):
    for clip in (open_video_file(str(videos["mp4"])), FrameFolder("", tuple(map(str, range(FRAMES))))):
        with pytest.raises(IndexError, match=f"no frame {index} in a clip of {FRAMES}"):
            clip.read(index)
        with pytest.raises(IndexError, match="no frame"):
            clip.size(index)


def test_a_folder_of_frames(tmp_path):
    for number in (3, 1, 2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered(number))
    clip = pickle.loads(pickle.dumps(FrameFolder(str(tmp_path), ("1.png", "2.png", "3.png"))))
    assert [number_in(clip.read(index).pixels) for index in range(len(clip))] == [1, 2, 3]
    assert clip.size(2) == (HEIGHT, WIDTH)
    assert clip.read(1).sha256 == read_image(tmp_path / "2.png").sha256


def test_the_rotation_in_the_metadata_is_applied_and_said(videos, tmp_path):
    data = bytearray(videos["mp4"].read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40  # ISO/IEC 14496-12, 8.3.2
    one = 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    path = tmp_path / "turned.mp4"
    path.write_bytes(data)
    clip = open_video_file(str(path))
    assert clip.shape == (WIDTH, HEIGHT)
    decoded = clip.read(11)
    upright = open_video_file(str(videos["mp4"])).read(11)
    np.testing.assert_array_equal(decoded.pixels, cv2.rotate(upright.pixels, cv2.ROTATE_90_CLOCKWISE))
    assert upright.notes == ()
    assert decoded.notes == ("rotated by 90 degrees, as the video's metadata say",)


def test_sixteen_bits_are_rounded_and_said(tmp_path):
    path, fourcc = str(tmp_path / "deep.avi"), cv2.VideoWriter_fourcc(*"FFV1")
    depth = [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U, cv2.VIDEOWRITER_PROP_IS_COLOR, 0]
    writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, fourcc, 25, (WIDTH, HEIGHT), depth)
    for level in (0, 20_000, 65_535):
        writer.write(np.full((HEIGHT, WIDTH), level, np.uint16))
    writer.release()
    decoded = open_video_file(path).read(1)
    assert decoded.notes == ("16 bits to 8",)
    assert abs(int(decoded.pixels[0, 0, 0]) - 20_000 / 257) <= 1


def test_the_environment_is_left_as_it_was(videos, monkeypatch, capfd):
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "input_format;avi")  # would open no MP4
    monkeypatch.setenv("OPENCV_FFMPEG_DEBUG", "1")
    monkeypatch.delenv("OPENCV_FFMPEG_LOGLEVEL", raising=False)
    assert open_video_file(str(videos["mp4"])).frames == FRAMES
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "input_format;avi"
    assert os.environ["OPENCV_FFMPEG_DEBUG"] == "1"
    assert "OPENCV_FFMPEG_LOGLEVEL" not in os.environ
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["realshort.mp4", "nasa_13013.mp4"])
def test_real_videos_have_the_frames_of_a_plain_loop(test_data, name, rng):
    path = test_data / "video" / name
    truth = in_order(path)
    clip = open_video_file(str(path))
    assert len(clip) == len(truth)
    for number in [*range(12), *map(int, rng.integers(0, len(truth), 12)), len(truth) - 1]:
        np.testing.assert_array_equal(clip.read(number).pixels, truth[number])
