"""Tests averaged frames against plain means, the choice of frames, and the errors for bad clips."""

import functools

import cv2
import numpy as np
import pytest
from first_shard import make_first_shard
from masked_samples import save
from photographs import random_squares
from srgb import decode, encode

from blurkit.blurring.frames import average_frames
from blurkit.blurring.interpolate import interpolated
from blurkit.camera.downscaling import downscale
from blurkit.camera.response import load_response
from blurkit.errors import BadImageError, UsageError
from blurkit.pair.camera_motion import draw_kernel
from blurkit.pair.frames import draw_frames
from blurkit.pair.pair import make_pair
from blurkit.pipeline.plan import make_plan
from blurkit.pipeline.produce import make_samples
from blurkit.pipeline.settings import Settings
from blurkit.recipes.load import load_recipe
from blurkit.recipes.sections import FrameAveraging
from blurkit.shard import Shard
from blurkit.sources import open_source
from blurkit.truth.scene import Frames, Scene

SRGB = load_response("srgb")
COUNT, PLACE = 15, 7


@functools.cache
def clip():
    """Blocks that pan to the right by two pixels a frame."""
    rng = np.random.default_rng(8)
    wide = random_squares(rng, (9, 20), 8)
    return [np.ascontiguousarray(wide[:, 40 - 2 * number : 136 - 2 * number]) for number in range(COUNT)]


def scene_of(frames=None, place=PLACE, read=None):
    frames = clip() if frames is None else frames
    return Scene(frames=Frames(read or frames.__getitem__, len(frames), place))


@pytest.mark.parametrize("name", ["frames", "frames-encoded"])
@pytest.mark.parametrize("size", [None, (40, 48)])
def test_blurred_is_the_mean_around_the_sharp_frame(name, size):
    lengths = set()
    for seed in range(8):
        pair = make_pair(clip()[PLACE], load_recipe(name), rng=np.random.default_rng(seed), size=size, scene=scene_of())
        y, x, height, width = pair.crop
        first, count = int(pair.parameters["first_frame"]), int(pair.parameters["frames"])
        assert first + count // 2 == PLACE
        part = [frame[y : y + height, x : x + width] for frame in clip()[first : first + count]]
        assert np.array_equal(pair.sharp, clip()[PLACE][y : y + height, x : x + width])
        mean = 255 * encode(decode(np.array(part)).mean(axis=0)) if name == "frames" else np.mean(part, axis=0)
        assert np.abs(pair.blurred - mean).max() < 0.501
        assert pair.kernel.shape == (0, 0)
        assert pair.valid == (0, 0, height, width)
        lengths.add(count)
    assert lengths <= {7, 9, 11, 13}
    assert len(lengths) > 2


def test_interpolated_frames_are_those_of_the_region_and_its_surroundings():
    recipe = load_recipe("frames", ["frames.steps=4", "frames.count=[3, 3]"])
    pair = make_pair(clip()[PLACE], recipe, rng=np.random.default_rng(0), scene=scene_of())
    expected = average_frames(interpolated(clip()[PLACE - 1 : PLACE + 2], 4, SRGB), SRGB)
    assert np.array_equal(pair.blurred, SRGB.quantize(expected))
    assert pair.parameters["frame_steps"] == 4
    assert repr(pair) == "Pair(72x96 pixels, 3 parameters)"

    plain = make_pair(
        clip()[PLACE], load_recipe("frames", ["frames.count=[3, 3]"]), rng=np.random.default_rng(0), scene=scene_of()
    )
    assert np.abs(pair.blurred.astype(int) - plain.blurred).max() > 20
    small = make_pair(clip()[PLACE], recipe, rng=np.random.default_rng(0), size=(24, 24), scene=scene_of())
    y, x, height, width = small.crop
    assert np.abs(small.blurred - pair.blurred[y : y + height, x : x + width].astype(float)).mean() < 3


def test_the_sharp_frame_itself_is_not_read_again():
    read = []
    scene = scene_of(read=lambda number: read.append(number) or clip()[number])
    make_pair(clip()[PLACE], load_recipe("frames", ["frames.count=[5, 5]"]), rng=np.random.default_rng(0), scene=scene)
    assert read == [5, 6, 8, 9]


@pytest.mark.parametrize(("place", "fits"), [(0, None), (2, None), (3, 7), (13, None), (4, 9)])
def test_near_the_ends_windows_are_shorter_or_there_is_none(place, fits):
    recipe, scene = load_recipe("frames"), scene_of(place=place)
    if fits is None:
        with pytest.raises(BadImageError, match="7 frames at least") as caught:
            make_pair(clip()[place], recipe, rng=np.random.default_rng(0), scene=scene)
        assert caught.value.reason == "too_few_frames"
        return
    drawn = {
        make_pair(clip()[place], recipe, rng=np.random.default_rng(seed), scene=scene).parameters["frames"] for seed in range(9)
    }
    assert max(drawn) == fits


def test_a_photograph_without_frames_is_skipped():
    with pytest.raises(BadImageError) as caught:
        make_pair(clip()[0], load_recipe("frames"), rng=np.random.default_rng(0))
    assert caught.value.reason == "too_few_frames"


def test_a_frame_of_another_size_is_named():
    frames = [frame[:, :90] if number == 9 else frame for number, frame in enumerate(clip())]
    with pytest.raises(BadImageError, match=r"frame 9 has shape \(72, 90, 3\), the sharp one \(72, 96, 3\)") as caught:
        make_pair(clip()[PLACE], load_recipe("frames"), rng=np.random.default_rng(0), scene=scene_of(frames))
    assert caught.value.reason == "frame_size"


def test_too_small_to_measure_motion_in_is_skipped():
    rule, frames = FrameAveraging((3, 3), steps=2), Frames(clip().__getitem__, COUNT, PLACE)
    with pytest.raises(BadImageError, match="96x15 pixels") as caught:
        draw_frames(rule, frames, (15, 96), rng=np.random.default_rng(0))
    assert caught.value.reason == "too_small"
    narrow = [frame[:16, :20] for frame in clip()]
    pair = make_pair(
        narrow[PLACE], load_recipe("frames", ["frames.count=3", "frames.steps=2"]), rng=np.random.default_rng(0),
        size=(4, 4), scene=scene_of(narrow),
    )  # fmt: skip
    assert pair.blurred.shape == (4, 4, 3)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "clip"
    root.mkdir()
    for number, frame in enumerate(clip()):
        cv2.imwrite(str(root / f"{number:03}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return root


@pytest.mark.parametrize("factor", [1, 3])
def test_frames_of_a_folder_are_downscaled_alike(folder, factor):
    record = list(open_source("video", root=folder).records)[PLACE]
    (sample,) = make_samples(record, Settings(load_recipe("frames"), size=None, downscale=factor))
    first, count = int(sample.meta["first_frame"]), int(sample.meta["frames"])
    smaller = [downscale(frame, factor, SRGB) for frame in clip()[first : first + count]]
    assert np.array_equal(sample.sharp, downscale(clip()[PLACE], factor, SRGB))
    assert np.abs(sample.blurred - 255 * encode(decode(np.array(smaller)).mean(axis=0))).max() < 0.501


def test_a_clip_gives_a_pair_for_each_frame_with_a_window(folder, tmp_path):
    plan = make_plan(open_source("video", root=folder), Settings(load_recipe("frames"), size=(32, 32)))
    record = make_first_shard(plan, tmp_path)
    assert record["samples"] == COUNT - 6
    assert {(line["stage"], line["reason"]) for line in record["failures"]} == {("frames", "too_few_frames")}
    assert plan.notices() == []
    for sample in map(Shard(tmp_path / record["file"]).__getitem__, range(record["samples"])):
        assert sample.kernel.shape == (0, 0)
        for ask in (lambda sample: sample.field, lambda sample: sample.kernel_at(3, 3)):
            with pytest.raises(UsageError, match="kernels of this blur are not known: it is a mean of frames"):
                ask(sample)


def test_samples_with_and_without_a_kernel_share_a_shard(folder, make_sample, tmp_path):
    record = list(open_source("video", root=folder).records)[PLACE]
    (mean,) = make_samples(record, Settings(load_recipe("frames"), size=None))
    shard = Shard(save(tmp_path, [make_sample(3, 70, 50), mean, make_sample(1, 70, 50)]))
    assert [shard[index].kernel.shape for index in range(3)] == [(7, 7), (0, 0), (3, 3)]
    assert np.array_equal(shard[1].blurred, mean.blurred)


def test_single_photographs_are_refused_or_named(tmp_path):
    source = open_source("sample", masks=False)
    with pytest.raises(UsageError, match="averages frames, and sample has single photographs; take --src video"):
        make_plan(source, Settings(load_recipe("frames"), size=(32, 32)))
    (tmp_path / "both.toml").write_text("[mixture]\nframes = 1\nobjects = 1\n")
    plan = make_plan(source, Settings(load_recipe(str(tmp_path / "both.toml")), size=(32, 32)))
    moving, averaging = plan.notices()
    assert "no outlined objects" in moving
    assert "no pair is made" in averaging
    assert make_plan(source, Settings(load_recipe("clean"))).notices() == []
    with pytest.raises(UsageError, match="no single kernel"):
        draw_kernel(load_recipe("frames"), rng=np.random.default_rng(0))
