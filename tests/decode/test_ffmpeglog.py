"""Tests that complaints of FFmpeg about metadata are no damage, and that complaints about pixels are."""

import numpy as np
from clips import FRAMES, in_order

from blurkit.decode.ffmpeglog import is_harmless
from blurkit.decode.video import open_video_file

HARMLESS = [
    "[mjpeg @ 0x55a3c1] invalid TIFF header in EXIF data: Invalid data found when processing input",
    "[mjpeg @ 0x55a3c1] unable to decode APP fields: Invalid data found when processing input",
    "[h264 @ 0x55a3c1] SEI type 5 size 1208 truncated at 40",
    "[h264 @ 0x55a3c1] Increasing reorder buffer to 2",
    "[swscaler @ 0x55a3c1] deprecated pixel format used, make sure you did set range correctly",
    "[aac @ 0x55a3c1] channel element 0.0 is not allocated",
    "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55a3c1] stream 1, timescale not set",
]
DAMAGE = [
    "[mjpeg @ 0x55a3c1] overread 8",
    "[mjpeg @ 0x55a3c1] com: invalid len 16",
    "[mjpeg @ 0x55a3c1] No JPEG data found in image",
    "[h264 @ 0x55a3c1] error while decoding MB 3 14, bytestream -7",
    "[h264 @ 0x55a3c1] concealing 120 DC, 120 AC, 120 MV errors in P frame",
    "[hevc @ 0x55a3c1] Could not find ref with POC 12",
    "[mpegts @ 0x55a3c1] Packet corrupt (stream = 0, dts = 135000).",
    "[matroska,webm @ 0x55a3c1] File ended prematurely",
]


def test_complaints_are_told_apart():
    assert [line for line in HARMLESS if not is_harmless(line)] == []
    assert [line for line in DAMAGE if is_harmless(line)] == []


def test_broken_metadata_in_every_frame_of_motion_jpeg_lose_no_frame(videos, tmp_path, capfd):
    data, truth = videos["avi"].read_bytes(), in_order(videos["avi"])
    start = data.index(b"\xff\xd8\xff")
    segment = data[start + 2 : start + 4]
    assert segment[1] in (0xE0, 0xFE)  # a segment of metadata, of which 12 bytes are replaced
    odd = data.replace(segment + data[start + 4 : start + 6], b"\xff\xe1" + data[start + 4 : start + 6])
    odd = odd.replace(data[start + 6 : start + 14], b"Exif\0\0??")
    assert odd.count(b"Exif\0\0??") >= FRAMES
    path = tmp_path / "odd.avi"
    path.write_bytes(odd)
    clip = open_video_file(str(path))
    assert (len(clip), clip.damage) == (FRAMES, "")
    np.testing.assert_array_equal(clip.read(17).pixels, truth[17])
    assert capfd.readouterr() == ("", "")
    in_order(path)
    assert "EXIF" in capfd.readouterr().err  # FFmpeg does complain
