"""Tests that FFmpeg never opens files that are no videos, and that only the whole frames of damaged videos are used."""

import os
import socket

import numpy as np
import pytest
from clips import FORMATS, FRAMES, HEIGHT, WIDTH, in_order, number_in, write_numbers

from blurkit.decode import video
from blurkit.decode.video import VideoFile, open_video_file
from blurkit.errors import BadImageError


def special_files(folder, sound):
    os.mkfifo(folder / "fifo.mp4")
    os.symlink(sound, folder / "link.mp4")
    os.symlink("nowhere", folder / "broken.mp4")
    (folder / "folder.mp4").mkdir()
    (folder / "text.mp4").write_text("no video\n" * 100)
    (folder / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{sound}\n#EXT-X-ENDLIST\n")
    (folder / "concat.mp4").write_text(f"ffconcat version 1.0\nfile '{sound}'\n")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "wave.avi").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(100))
    (folder / "header.mp4").write_bytes(sound.read_bytes()[:40])
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
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
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
    monkeypatch.setattr(video, "open_capture", lambda *_: pytest.fail("given to FFmpeg"))
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
    assert bool(lengths) == (suffix not in ("mp4", "mov"))  # these have their table of contents at the end
    assert capfd.readouterr() == ("", "")


def test_a_video_that_changes_under_a_run_is_an_error_that_names_the_frame(videos, tmp_path):
    path = write_numbers(tmp_path / "clip.avi", 5)
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
