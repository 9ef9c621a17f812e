"""Tests the source ``video``: one record per frame in the order of time, and a reason for each file that is passed over."""

import os
import pickle
import random
from collections import Counter

import cv2
import numpy as np
import pytest
from clips import write_grey, write_video
from listed import ids, reasons

from blurkit.decode import read_image
from blurkit.errors import UsageError
from blurkit.sources.video import natural_key, open_video

HEIGHT, WIDTH = 48, 64


def video(path, frames=6):
    """Write a video. Each frame is eight levels brighter than the frame before."""
    write_video(path, [np.full((HEIGHT, WIDTH, 3), 8 * number, np.uint8) for number in range(frames)])


@pytest.mark.parametrize(
    "names",
    [
        ["frame_2.png", "frame_10.png", "frame_100.png"],
        ["0001.png", "0002.png", "0010.png"],
        ["1.png", "02.png", "3.png"],
        ["a1b2.png", "a1b10.png", "a2b1.png"],
        ["x01.png", "x1.png"],  # equal numbers are sorted by bytes
        ["9" * 60 + ".png", "1" + "0" * 60 + ".png"],
        ["7.png", "B.png", "a.png", "é.png", os.fsdecode(b"\xff.png")],
    ],
)
def test_names_come_in_the_order_of_their_numbers(names):
    shuffled = random.Random(3).sample(names, len(names))
    assert sorted(shuffled, key=natural_key) == names


def test_a_folder_of_frames_is_one_clip(tmp_path):
    for number in (10, 9, 2, 1):
        write_grey(tmp_path / f"frame_{number}.png", level=number)
    source = open_video(tmp_path)
    assert ids(source) == ["frame_1.png", "frame_2.png", "frame_9.png", "frame_10.png"]
    assert (source.name, source.root) == ("video", tmp_path)
    clips = {id(record.clip) for record in source.records}
    assert len(clips) == 1
    for place, record in enumerate(source.records):
        assert (record.frame, len(record.clip), record.source, record.licence) == (place, 4, "video", "")
        assert record.read().sha256 == read_image(record.path).sha256
        assert record.size() == (HEIGHT, WIDTH)
    assert [int(record.read().pixels[0, 0, 0]) for record in source.records] == [1, 2, 9, 10]


@pytest.mark.parametrize(("suffix", "codec"), [("3gp", "mp4v"), ("M4V", "mp4v"), ("ts", "MPG2"), ("wmv", "WMV2")])
def test_suffixes_of_phones_and_cameras_are_videos(tmp_path, suffix, codec):
    write_video(tmp_path / f"walk.{suffix}", [np.full((HEIGHT, WIDTH, 3), 8 * number, np.uint8) for number in range(6)], codec)
    source = open_video(tmp_path)
    assert ids(source)[0] == f"walk.{suffix}#000000"
    assert list(source.passed_over) == []


def test_a_video_file_is_one_clip(tmp_path):
    video(tmp_path / "walk one.avi")
    source = open_video(tmp_path / "walk one.avi")
    assert ids(source) == [f"walk one.avi#{number:06d}" for number in range(6)]
    for place, record in enumerate(source.records):
        assert (record.frame, record.path) == (place, str(tmp_path / "walk one.avi"))
        assert abs(int(record.read().pixels.mean()) - 8 * place) <= 3
        assert record.size() == (HEIGHT, WIDTH)


def test_a_folder_of_clips(tmp_path):
    video(tmp_path / "walk10.avi", 2)
    video(tmp_path / "deep/er/walk.AVI", 1)
    for name in ("pan2/0.png", "pan2/1.png", "pan10/0.jpg", "deep/frames/5.png"):
        write_grey(tmp_path / name)
    source = open_video(tmp_path)
    assert ids(source) == [
        "deep/er/walk.AVI#000000",
        "deep/frames/5.png",
        "pan2/0.png",
        "pan2/1.png",
        "pan10/0.jpg",
        "walk10.avi#000000",
        "walk10.avi#000001",
    ]
    assert not source.passed_over
    assert [record.frame for record in source.records] == [0, 0, 0, 1, 0, 0, 1]
    assert [len(record.clip) for record in source.records] == [1, 1, 2, 2, 1, 2, 2]


def test_the_ids_do_not_depend_on_where_the_folder_lies(tmp_path):
    video(tmp_path / "here/a.avi", 2)
    write_grey(tmp_path / "here/b/1.png")
    before = ids(open_video(tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "there")
    assert ids(open_video(tmp_path / "there")) == before == ["a.avi#000000", "a.avi#000001", "b/1.png"]


def test_records_of_a_clip_share_it_when_they_travel(tmp_path):
    for number in range(50):
        write_grey(tmp_path / f"{number:04d}.png")
    records = list(open_video(tmp_path).records)
    assert len(pickle.dumps(records)) < 50 * 250
    assert len({id(record.clip) for record in pickle.loads(pickle.dumps(records))}) == 1


def test_what_is_no_frame_is_passed_over_with_a_reason(tmp_path):
    for name in ("frames/0.png", "frames/1.png", "frames/2.png", "mean.png", ".hidden.png", ".git/0.png"):
        write_grey(tmp_path / name)
    write_grey(tmp_path / "frames/0 thumbnail.png", height=12, width=16)
    video(tmp_path / "good.avi", 1)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "playlist.m3u8").write_text("#EXTM3U\n")
    (tmp_path / "playlist.mp4").write_text("#EXTM3U\n/etc/passwd\n")
    (tmp_path / "cut.avi").write_bytes((tmp_path / "good.avi").read_bytes()[:200])
    os.mkfifo(tmp_path / "fifo.mp4")
    os.mkfifo(tmp_path / "frames/fifo.png")
    os.symlink("good.avi", tmp_path / "link.avi")
    os.symlink(".", tmp_path / "loop")
    os.symlink("/etc", tmp_path / "frames/outside")
    source = open_video(tmp_path)
    assert ids(source) == ["frames/0.png", "frames/1.png", "frames/2.png", "good.avi#000000"]
    assert reasons(source) == {
        "frames/0 thumbnail.png": "other_size",
        "mean.png": "beside_clips",
        ".hidden.png": "hidden",
        ".git": "hidden",
        "notes.txt": "no_image_name",
        "playlist.m3u8": "no_image_name",
        "playlist.mp4": "not_a_video",
        "cut.avi": "corrupt",
        "fifo.mp4": "not_a_file",
        "frames/fifo.png": "not_a_file",
        "link.avi": "link",
        "loop": "link",
        "frames/outside": "link",
    }
    assert Counter(reasons(source).values()).total() == len(source.passed_over)
    messages = {entry.id: entry.message for entry in source.passed_over}
    assert messages["frames/0 thumbnail.png"] == "16 x 12 pixels, where most images of this folder have 64 x 48"
    assert "whatever its name says" in messages["playlist.mp4"]


def test_a_folder_without_clips_beside_the_frames_changes_nothing(tmp_path):
    write_grey(tmp_path / "0.png")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/log.txt").write_text("")
    source = open_video(tmp_path)
    assert ids(source) == ["0.png"]
    assert reasons(source) == {"logs/log.txt": "no_image_name"}


def test_a_damaged_frame_keeps_its_place(tmp_path):
    for number in range(4):
        write_grey(tmp_path / f"{number}.png", level=number)
    (tmp_path / "1.png").write_bytes(b"damaged")
    source = open_video(tmp_path)
    assert ids(source) == ["0.png", "1.png", "2.png", "3.png"]
    assert source.records[3].frame == 3
    assert source.records[2].read().pixels[0, 0, 0] == 2


def test_the_damaged_end_of_a_video_is_passed_over(tmp_path):
    video(tmp_path / "walk.avi", 30)
    whole = (tmp_path / "walk.avi").read_bytes()
    (tmp_path / "walk.avi").write_bytes(whole[: len(whole) * 2 // 3])
    source = open_video(tmp_path)
    used = len(source.records)
    assert 5 < used < 30
    (entry,) = source.passed_over
    assert (entry.id, entry.reason) == (f"walk.avi#{used:06d}", "damaged")
    assert f"the {used} frames before it are used" in entry.message


@pytest.mark.parametrize("name", ["new\nline", "100%", os.fsdecode(b"latin1_\xe9"), "-dash", "http:", "a%03d", "x" * 240])
def test_odd_names(tmp_path, name):
    video(tmp_path / "plain.avi", 2)
    os.rename(tmp_path / "plain.avi", tmp_path / f"{name}.avi")
    source = open_video(tmp_path)
    assert len(source.records) == 2
    for record in source.records:
        assert record.id.isprintable()
        assert record.id.encode().decode() == record.id
        assert record.read().pixels.shape == (HEIGHT, WIDTH, 3)


def test_nothing_there_says_where_it_looked_and_what_it_expects(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere: no such file or folder; --src video takes a video file \(MP4"):
        open_video(tmp_path / "nowhere")
    (tmp_path / "readme.txt").write_text("no video")
    with pytest.raises(UsageError, match=rf"no frames in {tmp_path} \(found: 1 no_image_name\); [^\n]*\nDIR/\n  0000.png"):
        open_video(tmp_path)
    with pytest.raises(UsageError, match=r"readme.txt: The file is none of MP4"):
        open_video(tmp_path / "readme.txt")
    os.mkfifo(tmp_path / "fifo.mp4")
    with pytest.raises(UsageError, match=r"fifo.mp4: This is a folder, a pipe"):
        open_video(tmp_path / "fifo.mp4")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_passed_over(tmp_path):
    write_grey(tmp_path / "frames/0.png")
    (tmp_path / "closed").mkdir(mode=0o000)
    source = open_video(tmp_path)
    assert ids(source) == ["frames/0.png"]
    assert reasons(source) == {"closed": "unreadable"}


def test_real_clips(test_data):
    source = open_video(test_data / "video")
    counts = Counter(record.id.partition("#")[0].rpartition("/")[0] or record.id.partition("#")[0] for record in source.records)
    assert counts["pan_colorado_sign/frames"] == 33
    assert (counts["realshort.mp4"], counts["nasa_13013.mp4"]) == (36, 325)
    means = {f"pan_colorado_sign/mean_{kind}_16bit.png": "beside_clips" for kind in ("linear", "gamma")}
    assert means.items() <= reasons(source).items()


def test_a_real_folder_of_frames(test_data):
    folder = test_data / "video/pan_colorado_sign/frames"
    source = open_video(folder)
    assert ids(source) == [f"{number:04d}.png" for number in range(33)]
    for record in source.records:
        assert record.size() == (240, 320)
        np.testing.assert_array_equal(record.read().pixels, cv2.imread(record.path)[..., ::-1])
    gamma = np.mean([record.read().pixels.astype(float) for record in source.records], axis=0)
    stored = cv2.imread(str(folder.parent / "mean_gamma_16bit.png"), cv2.IMREAD_UNCHANGED)[..., ::-1] / 257
    assert np.abs(gamma - stored).max() < 0.5
