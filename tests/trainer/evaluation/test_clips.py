"""Tests restored videos: each frame against the same image restored alone, what is kept, and what is left of a failure."""

import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from clips import write_video
from movie_boxes import with_matrix, with_times
from photographs import random_texture
from psnr import psnr
from torch import nn

import trainer.commands.deblur
from blurkit.decode.container import read_presentation
from blurkit.decode.sequence import Colours
from blurkit.decode.video import open_video_file
from blurkit.errors import BadImageError, Interruption, UsageError
from trainer.evaluation.album import plan
from trainer.evaluation.clips import restore_clip
from trainer.evaluation.encoders import _CARRIED, choose_encoder
from trainer.evaluation.restore import Restorer

FFMPEG = shutil.which("ffmpeg")
with_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="the program ffmpeg is not installed")
HEIGHT, WIDTH, FRAMES = 64, 96, 12


class Darker(nn.Module):
    """A network that halves the distance from white: another picture, which the codecs do not strain."""

    multiple, least = 4, 8

    def forward(self, x):
        return 0.5 + 0.5 * x


@pytest.fixture
def restore():
    return Restorer(Darker(), torch.device("cpu"))


@pytest.fixture
def opencv(monkeypatch, tmp_path):
    """No program is on the path."""
    monkeypatch.setenv("PATH", str(tmp_path))


def frames_of(count=FRAMES, height=HEIGHT, width=WIDTH):
    """A window that moves over a texture, BGR."""
    texture = random_texture(np.random.default_rng(3), height, width + 4 * count, (4, 8))
    texture = np.clip(128 + 40 * texture / texture.std(), 0, 255).astype(np.uint8)
    return [texture[:, 4 * number : 4 * number + width] for number in range(count)]


@pytest.fixture
def source(tmp_path):
    return write_video(tmp_path / "in" / "a walk; $(x) 'y'.mp4", frames_of(), "mp4v")


def check_frames(restore, source, target, least):
    """The frames are as many as in the source, and each is its own frame restored as an image."""
    before, after = open_video_file(str(source)), open_video_file(str(target))
    assert (len(after), after.shape, after.damage) == (len(before), before.shape, "")
    alone = [restore(before.read(number).pixels) for number in range(len(before))]
    for number in range(len(before)):
        values = [psnr(after.read(number).pixels, image, peak=255) for image in alone]
        assert max(values) == values[number] > least
    assert after.playback().rate == pytest.approx(before.playback().rate, rel=1e-4)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_frames_without_ffmpeg(restore, source, tmp_path, opencv, suffix):
    target = tmp_path / f"out{suffix}"
    _, notes = restore_clip(restore, source, target, crf=16, quiet=True)
    assert notes == ["the program ffmpeg is not installed, so it is in MPEG-4 Part 2, and without its sound if it has any"]
    check_frames(restore, source, target, 30)
    assert sorted(os.listdir(tmp_path)) == ["in", target.name]


@with_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_frames_with_ffmpeg(restore, source, tmp_path, suffix):
    sizes = []
    for crf, least in ((8, 40), (40, 20)):
        target = tmp_path / f"{crf}{suffix}"
        assert restore_clip(restore, source, target, crf=crf, quiet=True)[1] == []
        check_frames(restore, source, target, least)
        sizes.append(target.stat().st_size)
    assert sizes[1] < sizes[0] / 2


@with_ffmpeg
@pytest.mark.parametrize("side", [(63, 96), (64, 95), (63, 95)])
def test_odd_sizes_with_ffmpeg(restore, tmp_path, side):
    source = odd_clip(tmp_path, side)
    restore_clip(restore, source, tmp_path / "out.mp4", crf=4, quiet=True)
    check_frames(restore, source, tmp_path / "out.mp4", 40)


def odd_clip(folder, side):
    """A clip with an odd number of rows or columns, which OpenCV cannot write."""
    raw = b"".join(np.ascontiguousarray(frame).tobytes() for frame in frames_of(4, *side))
    size = f"{side[1]}x{side[0]}"
    given = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", size, "-i", "-", "-c:v", "ffv1", folder / "in.mkv")
    subprocess.run([FFMPEG, "-v", "error", *map(str, given)], input=raw, check=True)
    return folder / "in.mkv"


@with_ffmpeg
@pytest.mark.parametrize("side", [(64, 96), (63, 95)])
def test_an_ffmpeg_without_libx264(restore, tmp_path, ffmpeg, side):
    source = odd_clip(tmp_path, side)
    folder = ffmpeg(f'#!/bin/sh\ncase "$*" in *-encoders*) exit 0;; esac\nexec {FFMPEG} "$@"\n')
    notes = restore_clip(restore, source, tmp_path / "out.mp4", crf=16, quiet=True)[1]
    assert notes == ["the program ffmpeg has no libx264, so it is in MPEG-4 Part 2"]
    check_frames(restore, source, tmp_path / "out.mp4", 30)
    assert os.listdir(folder) == ["ffmpeg"]


@pytest.mark.slow
@with_ffmpeg
def test_all_numbers_of_colours_that_are_carried_over_are_accepted(restore, source, tmp_path):
    clip = open_video_file(str(source))
    frame = restore(clip.read(0).pixels)
    for name, carried in _CARRIED.items():
        for value in (*carried, 0, 3, 255):
            playback = replace(clip.playback(), colours=frozenset({Colours(**{name: value})}))
            with choose_encoder(clip, playback, crf=40).writing(tmp_path / "x.mp4") as write:
                write(frame)
            with open(tmp_path / "x.mp4", "rb") as file:
                colours = read_presentation(file.fileno(), "mov").colours
            assert {getattr(one, name) for one in colours} - {2} == ({value} if value in carried else set())


@with_ffmpeg
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
def test_colours_and_the_shape_of_pixels_are_kept(restore, tmp_path, matrix):
    """Saturated colours are decoded with the matrix that the file names. With another one they would be off by 20 codes."""
    picture = np.kron(np.array([[[200, 30, 30], [30, 200, 30]], [[30, 30, 200], [120, 200, 60]]]), np.ones((32, 48, 1)))
    filters = f"scale=out_color_matrix={matrix},format=yuv420p,setparams=color_primaries={matrix}:color_trc={matrix},setsar=4/3"
    given = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-i", "-", "-vf", filters, "-c:v", "libx264", "-crf", "4")
    raw = picture.astype(np.uint8).tobytes() * 5
    subprocess.run([FFMPEG, "-v", "error", *given, str(tmp_path / "in.mp4")], input=raw, check=True)
    restore_clip(restore, tmp_path / "in.mp4", tmp_path / "out.mp4", crf=4, quiet=True)
    before, after = (open_video_file(str(tmp_path / name)) for name in ("in.mp4", "out.mp4"))
    assert after.playback() == before.playback()
    assert after.playback().aspect == pytest.approx(4 / 3)
    middles = np.s_[16::32, 24::48]
    difference = after.read(2).pixels[middles].astype(int) - restore(before.read(2).pixels)[middles]
    assert np.abs(difference).max() <= 4


@with_ffmpeg
def test_the_sound_is_kept_packet_by_packet(restore, tmp_path, test_data):
    source = test_data / "video" / "realshort.mp4"
    clip, notes = restore_clip(restore, source, tmp_path / "out.mp4", crf=16, quiet=True)
    assert notes == []

    def sound(path):
        command = [FFMPEG, "-v", "error", "-i", str(path), "-map", "0:a", "-c", "copy", "-f", "md5", "-"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert sound(tmp_path / "out.mp4") == sound(source) != ""
    assert len(open_video_file(str(tmp_path / "out.mp4"))) == len(clip) == 36


#: A program that is called ffmpeg: keeps its arguments and its input, and writes what it was given as a video.
FAKE = """#!{python}
import json, pathlib, sys
if "-encoders" in sys.argv:
    sys.exit(print("libx264"))
here = pathlib.Path(__file__).parent
(here / "arguments.json").write_text(json.dumps(sys.argv[1:]))
data = sys.stdin.buffer.read()
(here / "frames.raw").write_bytes(data)
import cv2, numpy
width, height = map(int, sys.argv[sys.argv.index("-video_size") + 1].split("x"))
frames = numpy.frombuffer(data, numpy.uint8).reshape(-1, height, width, 3)
writer = cv2.VideoWriter(sys.argv[-1].removeprefix("file:"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 25, (width, height))
for frame in frames{some}:
    writer.write(frame[..., ::-1].copy())
writer.release()
"""
FAILING = """#!/bin/sh
case "$*" in *-encoders*) echo libx264; exit 0;; esac
echo "Could not find tag for codec vorbis in stream #1" >&2
exit 1
"""


@pytest.fixture
def ffmpeg(monkeypatch, tmp_path):
    """Puts a program called ffmpeg on the path."""

    def put(text):
        program = tmp_path / "bin" / "ffmpeg"
        program.parent.mkdir()
        program.write_text(text)
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        return program.parent

    return put


def test_what_ffmpeg_is_given(restore, source, tmp_path, ffmpeg):
    """Every frame in full, the source by its own name as the one container that it is, and no shell."""
    folder = ffmpeg(FAKE.format(python=sys.executable, some=""))
    target = tmp_path / "-out $(y).mp4"
    assert restore_clip(restore, source, target, crf=21, quiet=True)[1] == []
    arguments = json.loads((folder / "arguments.json").read_text())
    clip = open_video_file(str(source))
    raw = b"".join(restore(clip.read(number).pixels).tobytes() for number in range(FRAMES))
    assert (folder / "frames.raw").read_bytes() == raw
    text = " ".join(arguments)
    assert f"-f mov -format_whitelist mov -protocol_whitelist file -i file:{source} " in text
    assert "-map 0:v -map 1:a? -map_metadata 1 -c:a copy" in text
    assert "-framerate 25 -i pipe:0" in text
    assert "-crf 21" in text
    assert arguments[-1].startswith(f"file:{tmp_path}/-out $(y).mp4.")
    assert target.exists()


@pytest.mark.parametrize(
    ("some", "said"), [("[:-1]", "11 of 12 frames"), ("[:0]", "could not be written whole: The file has no video")]
)
def test_a_video_that_lacks_frames_is_no_result(restore, source, tmp_path, ffmpeg, some, said):
    ffmpeg(FAKE.format(python=sys.executable, some=some))
    with pytest.raises(BadImageError, match=said):
        restore_clip(restore, source, tmp_path / "out.mp4", crf=16, quiet=True)
    assert sorted(os.listdir(tmp_path)) == ["bin", "in"]


def test_what_ffmpeg_says_is_told(restore, source, tmp_path, ffmpeg):
    ffmpeg(FAILING)
    with pytest.raises(BadImageError, match=r"Could not find tag for codec vorbis.*\.mkv takes any sound") as caught:
        restore_clip(restore, source, tmp_path / "out.mp4", crf=16, quiet=True)
    assert caught.value.reason == "not_written"
    assert sorted(os.listdir(tmp_path)) == ["bin", "in"]


@pytest.mark.parametrize("place", [0.5, 0.85])
@pytest.mark.parametrize("suffix", ["avi", "mkv", "mp4"])
def test_a_cut_clip_is_refused_and_nothing_is_written(restore, tmp_path, opencv, suffix, place):
    path = write_video(tmp_path / "in" / f"clip.{suffix}", frames_of())
    path.write_bytes(path.read_bytes()[: int(place * path.stat().st_size)])
    with pytest.raises(BadImageError) as caught:
        restore_clip(restore, path, tmp_path / "out.mp4", crf=16, quiet=True)
    assert caught.value.reason == "corrupt"
    assert os.listdir(tmp_path) == ["in"]


def test_what_is_no_restorable_video(restore, tmp_path, opencv, test_data):
    for name, reason in (("hlg.mov", "unsupported"), ("gone.mp4", "missing")):
        with pytest.raises(BadImageError) as caught:
            restore_clip(restore, test_data / "reports" / "video" / name, tmp_path / "out.mp4", crf=16, quiet=True)
        assert caught.value.reason == reason
    assert os.listdir(tmp_path) == []


def test_odd_sizes_without_ffmpeg_are_refused(source, opencv):
    """OpenCV would leave out the last row and column without a word."""
    clip = open_video_file(str(source))
    for shape in ((HEIGHT - 1, WIDTH), (HEIGHT, WIDTH - 1)):
        with pytest.raises(BadImageError, match="an odd number, can only be written if the program ffmpeg is installed"):
            choose_encoder(replace(clip, shape=shape), clip.playback(), crf=16)


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, 1)])
def test_turned_and_mirrored_clips_become_upright(restore, source, tmp_path, opencv, matrix):
    source.write_bytes(with_matrix(source.read_bytes(), b"tkhd", matrix))
    _, notes = restore_clip(restore, source, tmp_path / "out.mp4", crf=16, quiet=True)
    assert "as the video's metadata say" in notes[0]
    check_frames(restore, source, tmp_path / "out.mp4", 30)
    assert open_video_file(str(tmp_path / "out.mp4")).read(0).notes == ()


def test_frames_at_uneven_times_are_named(restore, source, tmp_path, opencv):
    """Six frames of 512 units and six of 1536 units, at 12,800 units a second: 12 frames in 0.96 s."""
    source.write_bytes(with_times(source.read_bytes(), [(6, 512), (6, 1536)]))
    rate = open_video_file(str(source)).playback().rate
    times = np.cumsum([0, *[512] * 6, *[1536] * 5]) / 12800
    late = np.abs(times - np.arange(12) / rate).max()
    _, notes = restore_clip(restore, source, tmp_path / "out.mp4", crf=16, quiet=True)
    assert notes[-1] == f"its frames are not evenly spaced, and are now: up to {late:.2f} s earlier or later"
    check_frames(restore, source, tmp_path / "out.mp4", 30)


def test_frames_at_the_end_that_are_left_out_are_named(restore, tmp_path, opencv):
    source = write_video(tmp_path / "in" / "clip.ts", frames_of(), "MPG2")
    clip, notes = restore_clip(restore, source, tmp_path / "out.mkv", crf=16, quiet=True)
    assert notes[-1] == "the last 4 frames left out, because nothing tells whether they are whole"
    assert len(open_video_file(str(tmp_path / "out.mkv"))) == len(clip) <= FRAMES - 4


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interruption("stopped", 75, 15), RuntimeError("x")])
@pytest.mark.parametrize("program", [None, "#!/bin/sh\nexec cat >/dev/null\n"])
def test_nothing_is_left_of_an_interrupted_run(restore, source, tmp_path, monkeypatch, ffmpeg, program, error):
    if program is None:
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        ffmpeg(program)
    left = sorted(os.listdir(tmp_path))
    seen = []

    def stopping(pixels):
        seen.append(sorted(os.listdir(tmp_path)))
        if len(seen) == 4:
            raise error
        return restore(pixels)

    with pytest.raises(type(error)):
        restore_clip(stopping, source, tmp_path / "out.mp4", crf=16, quiet=True)
    assert len(seen[0]) == len(left) + 1
    assert sorted(os.listdir(tmp_path)) == left


def test_memory_does_not_grow_with_the_frames(restore, tmp_path, opencv):
    peaks = []
    for count in (40, 120):
        source = write_video(tmp_path / f"{count}.avi", frames_of(4) * (count // 4))
        tracemalloc.start()
        restore_clip(restore, source, tmp_path / f"out{count}.mp4", crf=16, quiet=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 3 * HEIGHT * WIDTH * 3


@pytest.mark.parametrize(("rate", "said"), [(30000 / 1001, "30000/1001"), (24000 / 1001, "24000/1001"), (25.0, "25")])
def test_rates_of_television_are_exact(source, tmp_path, rate, said, ffmpeg):
    ffmpeg(FAILING)
    clip = open_video_file(str(source))
    command = choose_encoder(clip, replace(clip.playback(), rate=rate), crf=16).command(tmp_path / "x.mp4")
    assert command[command.index("-framerate") + 1] == said


def test_names_of_outputs(source, tmp_path):
    out = tmp_path / "out"
    other = shutil.copy(write_video(tmp_path / "in" / "b.avi", frames_of(4)), tmp_path / "in" / "c.webm")
    cv2.imwrite(str(tmp_path / "in" / "photo.png"), frames_of(1)[0])
    album = plan([str(source), str(other), str(tmp_path / "in" / "photo.png")], out)
    assert {path.name: target.name for path, target in album.work.items()} == {
        source.name: source.name,
        "c.webm": "c.mkv",
        "photo.png": "photo.png",
    }
    assert album.videos == {source, tmp_path / "in" / "c.webm"}
    assert plan([str(source)], tmp_path / "x.mov").work == {source: tmp_path / "x.mov"}
    (tmp_path / "in" / "IMG.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    album = plan([str(tmp_path / "in")], out)
    assert (album.videos, sorted(path.name for path in album.passed)) == (set(), [source.name, "b.avi", "c.webm"])
    assert [path.name for path in album.refused] == ["IMG.heic"]
    assert list(plan([str(tmp_path / "in" / "IMG.heic")], out).refused) == [tmp_path / "in" / "IMG.heic"]
    with pytest.raises(UsageError, match=r"is a video and cannot be written to .*x\.png; use one of \.mp4, \.mov, \.mkv"):
        plan([str(source)], tmp_path / "x.png")
    with pytest.raises(UsageError, match="2 files cannot be written to one file"):
        plan([str(source), str(other)], tmp_path / "x.mp4")
    with pytest.raises(UsageError, match="never overwritten"):
        plan([str(source)], source)


def test_the_command(source, tmp_path, monkeypatch, capsys, opencv):
    monkeypatch.setattr("trainer.commands.deblur.load_generator", lambda path: (Darker(), {}))
    bad = source.with_name("bad.mp4")
    bad.write_bytes(source.read_bytes()[:2000])

    def deblur(inputs, **changes):
        given = {"tile": 0, "device": "cpu", "crf": 16, "overwrite": False, "as_json": False, "quiet": False, **changes}
        code = trainer.commands.deblur.deblur("runs/x", [str(text) for text in inputs], tmp_path / "out", **given)
        return code, capsys.readouterr()

    code, output = deblur([source, bad])
    assert code == 1
    assert "runs/x on 2 videos; " in output.err
    assert f"{bad} cannot be restored: " in output.err
    assert f"{tmp_path / 'out' / source.name}, {WIDTH}x{HEIGHT}, {FRAMES} frames, " in output.err
    assert output.out == f"{tmp_path / 'out'}: 1 video restored, 1 could not be restored\n"
    written = (tmp_path / "out" / source.name).read_bytes()
    code, output = deblur([source], as_json=True)
    assert (code, len(json.loads(output.out)["skipped"])) == (0, 1)
    assert (tmp_path / "out" / source.name).read_bytes() == written
    (made,) = json.loads(deblur([source], overwrite=True, as_json=True)[1].out)["restored"]
    assert (made["frames"], made["width"], made["height"], made["tile"]) == (FRAMES, WIDTH, HEIGHT, 0)
    assert os.listdir(tmp_path / "out") == [source.name]
    bad.unlink()
    cv2.imwrite(str(source.with_name("photo.png")), frames_of(1)[0])
    assert "videos are restored if they are named themselves" in deblur([source.parent])[1].err
