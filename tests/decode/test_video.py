"""Tests clips: every frame is exact, in any order and process. FFmpeg never gets a file that is no video. Nothing hangs."""

import hashlib
import multiprocessing
import os
import pickle
import shutil
import socket
import struct
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from blurkit.decode import read_image
from blurkit.decode import video as module
from blurkit.decode.video import FrameFolder, VideoFile, open_video_file
from blurkit.errors import BadImageError

FRAMES, HEIGHT, WIDTH = 40, 64, 96
FORMATS = {"avi": "MJPG", "mp4": "mp4v", "mov": "MJPG", "mkv": "mp4v", "webm": "VP80"}


def numbered(number, height=HEIGHT, width=WIDTH):
    """BGR pixels that show a number in binary in six columns of different colours. The top is marked."""
    columns = np.array([200 if number >> bit & 1 else 40 for bit in range(6)], np.uint8)
    frame = np.repeat(np.repeat(columns, width // 6)[None, :, None], height, 0) * np.ones(3, np.uint8)
    frame[: height // 4, :, 0] = 255
    return frame


def number_in(pixels):
    """The number that :func:`numbered` wrote, from RGB pixels."""
    columns = pixels[pixels.shape[0] // 2 :].reshape(-1, 6, pixels.shape[1] // 6, 3).mean((0, 2, 3))
    return sum(1 << bit for bit, level in enumerate(columns) if level > 120)


def write_video(path, frames=FRAMES):
    fourcc = cv2.VideoWriter_fourcc(*FORMATS[path.suffix[1:]])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 25, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(numbered(number))
    writer.release()
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return {suffix: write_video(folder / f"numbers.{suffix}") for suffix in FORMATS}


def in_order(path):
    """All frames, RGB, by OpenCV's own loop."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while (found := capture.read())[0]:
        frames.append(cv2.cvtColor(found[1], cv2.COLOR_BGR2RGB))
    return frames


def digests(clip, numbers):
    """What a worker process reads."""
    return [hashlib.sha256(clip.read(number).pixels).hexdigest() for number in numbers]


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
    capture, grab = module._capture, module._Decoder._grab
    monkeypatch.setattr(module, "_capture", lambda *arguments: opened.append(1) or capture(*arguments))
    monkeypatch.setattr(module._Decoder, "_grab", lambda decoder: grabbed.append(1) or grab(decoder))
    for centre in range(3, FRAMES - 3):
        for number in range(centre - 3, centre + 4):
            clip.read(number)
    assert (len(opened), len(grabbed)) == (1, FRAMES)


def test_few_frames_are_kept(videos, monkeypatch):
    monkeypatch.setattr(module, "_KEPT_BYTES", 3 * HEIGHT * WIDTH * 3)
    clip = open_video_file(str(videos["avi"]))
    for number in range(FRAMES):
        clip.read(number)
    decoder = module._last._decoder
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
    path, fourcc = str(tmp_path / "noise.avi"), cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, fourcc, 25, (640, 480))
    for _ in range(20):  # more bytes than OpenCV reads ahead
        writer.write(rng.integers(0, 256, (480, 640, 3), np.uint8))
    writer.release()
    # In another process: this process may have threads, and a forked child would wait for their locks.
    program = f"import cv2; cv2.setNumThreads(1); import test_video; test_video.fork_within({path!r})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=environment)


def fork_within(path):
    module._KEPT_FRAMES = 1
    clip = open_video_file(path)
    expected = digests(clip, range(20))
    clip.read(5)
    child = os.fork()
    if child == 0:
        try:
            os._exit(digests(clip, range(6, 16)) != expected[6:16])
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert digests(clip, range(6, 20)) == expected[6:]


@pytest.mark.parametrize("index", [-1, FRAMES, 10**9])
def test_there_is_no_frame_beyond_either_end(videos, index):
    video = open_video_file(str(videos["mp4"]))
    folder = FrameFolder("", tuple(map(str, range(FRAMES))))
    for clip in (video, folder):
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


def special_files(folder, video):
    os.mkfifo(folder / "fifo.mp4")
    os.symlink(video, folder / "link.mp4")
    os.symlink("nowhere", folder / "broken.mp4")
    (folder / "folder.mp4").mkdir()
    (folder / "text.mp4").write_text("no video\n" * 100)
    (folder / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{video}\n#EXT-X-ENDLIST\n")
    (folder / "concat.mp4").write_text(f"ffconcat version 1.0\nfile '{video}'\n")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "wave.avi").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(100))
    (folder / "header.mp4").write_bytes(video.read_bytes()[:40])
    (folder / "zeros.mkv").write_bytes(b"\x1aE\xdf\xa3" + bytes(10_000))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket.mp4"))


REFUSED = {
    "fifo.mp4": "not_a_file",
    "link.mp4": "link",
    "broken.mp4": "link",
    "folder.mp4": "not_a_file",
    "socket.mp4": "not_a_file",
    "text.mp4": "not_a_video",
    "list.m3u8": "not_a_video",
    "concat.mp4": "not_a_video",
    "empty.mp4": "empty",
    "wave.avi": "not_a_video",
    "header.mp4": "corrupt",
    "zeros.mkv": "corrupt",
    "nowhere.mp4": "missing",
    "nul\0.mp4": "missing",
}


def test_what_is_no_video_is_refused_at_once(videos, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    special_files(tmp_path, videos["mp4"])
    for name, reason in REFUSED.items():
        with pytest.raises(BadImageError) as caught:
            open_video_file(str(tmp_path / name))
        assert (name, caught.value.reason) == (name, reason)
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(BadImageError, match="device"):
            open_video_file(device)
    assert capfd.readouterr() == ("", "")


def test_opencv_never_sees_what_is_no_video(videos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    special_files(tmp_path, videos["mp4"])
    monkeypatch.setattr(module, "_capture", lambda *_: pytest.fail("given to FFmpeg"))
    for name in [name for name, reason in REFUSED.items() if reason != "corrupt"]:
        with pytest.raises(BadImageError):
            open_video_file(str(tmp_path / name))


def test_frames_of_too_many_pixels_are_refused(videos):
    path = str(videos["mp4"])
    assert open_video_file(path, max_pixels=HEIGHT * WIDTH).frames == FRAMES
    with pytest.raises(BadImageError, match=f"{WIDTH} x {HEIGHT} pixels; the limit is {HEIGHT * WIDTH - 1}"):
        open_video_file(path, max_pixels=HEIGHT * WIDTH - 1)


@pytest.mark.parametrize("suffix", FORMATS)
def test_of_a_truncated_video_the_whole_frames_count(videos, suffix, tmp_path, capfd):
    truth, data = in_order(videos[suffix]), videos[suffix].read_bytes()
    path = tmp_path / f"cut.{suffix}"
    lengths = []
    for share in (0.02, 0.3, 0.55, 0.8, 0.95):
        path.write_bytes(data[: int(len(data) * share)])
        try:
            clip = open_video_file(str(path))
        except BadImageError as error:
            assert error.reason == "corrupt"  # noqa: PT017
            continue
        lengths.append(len(clip))
        assert clip.damage
        assert len(clip) < FRAMES
        for number in range(len(clip)):
            np.testing.assert_array_equal(clip.read(number).pixels, truth[number])
    assert lengths == sorted(lengths)
    assert bool(lengths) == (suffix not in ("mp4", "mov"))  # their table of contents is at the end
    assert capfd.readouterr() == ("", "")


def test_a_video_that_changes_under_a_run_is_an_error_that_names_the_frame(videos, tmp_path):
    path = tmp_path / "clip.avi"
    write_video(path, frames=5)
    clip = open_video_file(str(path))
    longer = VideoFile(clip.path, FRAMES, clip.shape)
    with pytest.raises(BadImageError, match=r"Frame 5 cannot be decoded: the video ends"):
        longer.read(7)
    assert number_in(longer.read(4).pixels) == 4
    with pytest.raises(BadImageError, match=r"Frame 2 has \(height, width\) \(64, 96\), the first one \(96, 64\)"):
        VideoFile(clip.path, 5, (WIDTH, HEIGHT)).read(2)
    path.unlink()
    with pytest.raises(BadImageError, match="No such file"):
        clip.read(0)


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


def test_a_damaged_real_video_shows_no_wrong_frame(test_data, tmp_path, capfd):
    path = test_data / "video" / "realshort.mp4"
    truth, data = in_order(path), path.read_bytes()
    damaged = bytearray(data)
    for position in range(len(data) // 3, len(data) // 3 + 2000):
        damaged[position] ^= 0x5A
    (tmp_path / "damaged.mp4").write_bytes(damaged)
    clip = open_video_file(str(tmp_path / "damaged.mp4"))
    assert 10 < len(clip) < len(truth)
    assert "NAL unit" in clip.damage
    for number in range(len(clip)):
        np.testing.assert_array_equal(clip.read(number).pixels, truth[number])
    assert capfd.readouterr() == ("", "")
