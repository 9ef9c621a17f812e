"""Tests streams: their pixels come from the shards, and only the seed and the position decide which pixels."""

import threading
import time
from collections import Counter

import numpy as np
import pytest
import torch
from command_line import run as command
from pair_folders import damage, write_folder
from waiting import wait_until

from blurkit import Redrawn, open_dataset
from blurkit.errors import CorruptShardError, UsageError
from trainer.config import Augment, TrainingRecipe
from trainer.data import stream as stream_module
from trainer.data.order import Order
from trainer.data.pairs import open_pairs
from trainer.data.stream import Stream

SIZES = [(20, 23), (18, 18), (25, 19)]
CROP = 16


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("crops")]


@pytest.fixture
def pairs(tmp_path, make_sample):
    """Eleven pairs of three sizes in two shards."""
    samples = [make_sample(number, *SIZES[number % 3]) for number in range(11)]
    return open_pairs([write_folder(tmp_path / "shards", [samples[:4], samples[4:]])])


def recipe(batch=3, seed=5, **augment):
    return TrainingRecipe(batch=batch, crop=CROP, seed=seed, augment=Augment(**augment))


def batches(pairs, count, batch=3, seed=5, **options):
    with Stream(pairs, recipe(batch, seed), **options) as stream:
        return [torch.stack(next(stream)) for _ in range(count)]


def assert_same(one, other):
    assert len(one) == len(other)
    assert all(map(torch.equal, one, other))


def every_crop(pairs):
    """A mapping from the bytes of each possible crop to its (sample, y, x, orientation)."""
    places = {}
    for index in range(len(pairs)):
        both = np.stack(pairs.images(index))
        _, height, width, _ = both.shape
        for y in range(height - CROP + 1):
            for x in range(width - CROP + 1):
                crop = both[:, y : y + CROP, x : x + CROP]
                for orientation in range(8):
                    turned = np.rot90(crop, orientation % 4, (1, 2))
                    turned = turned[:, ::-1] if orientation >= 4 else turned
                    places[turned.tobytes()] = index, y, x, orientation
    return places


def found(pairs, stream, count):
    places = every_crop(pairs)
    for _ in range(count):
        blurred, sharp = (((half + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy() for half in next(stream))
        for pair in zip(sharp, blurred, strict=True):
            yield places[np.stack(pair).tobytes()]  # a KeyError if it is not a crop of a pair


def test_batches_are_crops_in_order_at_all_places_and_in_all_orientations(pairs):
    with Stream(pairs, recipe(4)) as stream:
        crops = list(found(pairs, stream, 60))
    assert [crop[0] for crop in crops] == Order([11], seed=5).indices(0, 240).tolist()
    assert min(Counter(crop[3] for crop in crops).values()) > 240 / 8 / 2
    assert {crop[3] for crop in crops} == set(range(8))
    for index in range(3):  # about 20 draws of at most 10 rows or columns
        ys, xs = zip(*[crop[1:3] for crop in crops if crop[0] % 3 == index], strict=True)
        assert set(ys) == set(range(SIZES[index][0] - CROP + 1))
        assert set(xs) == set(range(SIZES[index][1] - CROP + 1))


@pytest.mark.parametrize(
    ("flips", "transpose", "count"), [("none", False, 1), ("horizontal", False, 2), ("both", False, 4), ("none", True, 2)]
)
def test_orientations_can_be_restricted(pairs, flips, transpose, count):
    with Stream(pairs, recipe(4, flips=flips, transpose=transpose)) as stream:
        crops = list(found(pairs, stream, 20))
    assert len({crop[3] for crop in crops}) == count
    if flips == "horizontal":
        assert {crop[3] for crop in crops} == {0, 6}  # np.rot90 twice and an upside-down flip make a left-right flip
    with Stream(pairs, recipe(4)) as stream:  # the places do not change
        assert [crop[:3] for crop in found(pairs, stream, 20)] == [crop[:3] for crop in crops]


def test_threads_and_reading_ahead_change_nothing(pairs):
    expected = batches(pairs, 12, threads=1, prefetch=1)
    for threads, prefetch in ((1, 4), (2, 3), (4, 9)):
        assert_same(batches(pairs, 12, threads=threads, prefetch=prefetch), expected)
    assert not torch.equal(batches(pairs, 1, seed=6)[0], expected[0])


def test_processes_share_the_batches_of_one(pairs):
    whole = batches(pairs, 5, batch=6)
    parts = [batches(pairs, 5, batch=2, process=(rank, 3)) for rank in range(3)]
    assert_same([torch.cat(part, dim=1) for part in zip(*parts, strict=True)], whole)


def test_a_stream_can_be_continued_after_any_batch(pairs):
    whole = batches(pairs, 12)
    for done in range(12):
        with Stream(pairs, recipe(3), prefetch=4) as stream:
            for _ in range(done):
                next(stream)
            consumed = stream.consumed
        assert consumed == 3 * done
        assert_same(batches(pairs, 12 - done, consumed=consumed, threads=1), whole[done:])
    with Stream(pairs, recipe(1), process=(1, 3), consumed=9) as stream:
        next(stream)
        assert stream.consumed == 12
    assert_same(batches(pairs, 4, batch=9), [torch.cat(whole[k : k + 3], dim=1) for k in (0, 3, 6, 9)])


def test_weights_reach_the_batches(tmp_path, make_sample):
    for name, first in (("rare", 0), ("often", 50)):
        write_folder(tmp_path / name, [[make_sample(number, CROP, CROP) for number in range(first, first + 6)]])
    pairs = open_pairs([tmp_path / "rare", tmp_path / "often"], weights=[1, 3])
    with Stream(pairs, recipe(4, seed=1)) as stream:
        counts = Counter(crop[0] >= 6 for crop in found(pairs, stream, 12))
    assert counts == {False: 12, True: 36}


def test_batches_keep_their_pixels(pairs):
    with Stream(pairs, recipe(2), prefetch=2) as stream:
        first = next(stream)
        kept = first.blurred.clone(), first.sharp.clone()
        for _ in range(6):
            next(stream)
    assert_same(first, kept)
    assert first.blurred.is_contiguous()
    assert first.sharp.dtype == torch.float32
    assert not np.shares_memory(first.blurred.numpy(), first.sharp.numpy())


@pytest.mark.parametrize("field", ["sharp", "blurred"])
def test_a_corrupt_shard_raises_and_ends_the_threads(tmp_path, make_sample, field):
    folder = write_folder(tmp_path / "shards", [[make_sample(number, CROP, CROP) for number in range(8)]])
    damage(folder / "00000.h5", 5, field)
    stream = Stream(open_pairs([folder]), recipe(1, seed=3))
    place = Order([8], seed=3).indices(0, 8).tolist().index(5)
    for _ in range(place):
        next(stream)
    with pytest.raises(CorruptShardError, match=f"00000.h5: sample 5 .*{field}"):
        next(stream)
    assert list(stream) == []


def test_closing_drops_batches_that_are_being_read(pairs, monkeypatch):
    crop, read = type(pairs).crop, []

    def slow(*arguments, **options):
        read.append(arguments)
        time.sleep(0.02)
        return crop(*arguments, **options)

    monkeypatch.setattr(type(pairs), "crop", slow)
    stream = Stream(pairs, recipe(1000, seed=1), threads=2, prefetch=5)
    wait_until(lambda: read)
    stream.close()
    assert len(read) < 1000  # no batch is complete
    assert list(stream) == []
    stream.close()


def test_crops_that_do_not_fit_say_sizes_and_what_to_do(pairs):
    with pytest.raises(UsageError, match=r"20x20 do not fit 7 of 11 pairs; the smallest is 18x18.*--set crop=18.*--size"):
        Stream(pairs, TrainingRecipe(crop=20))


def test_the_threads_choose_the_gpu_of_the_stream(pairs, monkeypatch):
    """A thread without a choice would open a context on the first GPU."""
    chosen, buffer = [], stream_module.Buffer
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: chosen.append((threading.current_thread().name, device)))
    monkeypatch.setattr(stream_module, "Buffer", lambda *sizes, pinned: pinned and buffer(*sizes, pinned=False))
    with Stream(pairs, recipe(2, seed=1), device=torch.device("cuda", 1), threads=2, prefetch=5) as stream:
        stream.take()
    assert {device for _, device in chosen} == {torch.device("cuda", 1)}
    assert {name.rpartition("_")[0] for name, _ in chosen} == {"crops"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gets_the_same_batches(pairs):
    expected = batches(pairs, 40)
    assert_same([batch.cpu() for batch in batches(pairs, 40, device=torch.device("cuda"))], expected)


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """A folder of six sharp images of two photographs, whose blurred images are drawn."""
    folder = tmp_path_factory.mktemp("endless")
    options = ("--limit", 2, "--per-image", 3, "--size", 48, "--set", "trajectory.length=[4,9]", "--store", "sharp")
    command("generate", *options, "--out", "shards", "-q", cwd=folder)
    return folder / "shards"


def test_every_visit_draws_another_blurred_image_of_the_same_sharp_one(endless):
    pairs = open_pairs([endless])
    recipe = TrainingRecipe(batch=6, crop=48, seed=5, augment=Augment(flips="none", transpose=False))  # an epoch is a batch
    with Stream(pairs, recipe) as stream:
        epochs = [next(stream) for _ in range(3)]
    sharp = [Counter(image.numpy().tobytes() for image in batch.sharp) for batch in epochs]
    assert sharp[0] == sharp[1] == sharp[2]
    assert len(sharp[0]) == 6
    assert len({image.numpy().tobytes() for batch in epochs for image in batch.blurred}) == 18
    held = [pairs.images(number)[1] for number in range(6)]
    assert all(np.array_equal(pairs.images(number)[1], held[number]) for number in range(6))  # in validation they stay


def test_a_stream_of_drawn_images_can_be_resumed_anywhere(endless):
    pairs = open_pairs([endless])
    expected = batches(pairs, 7)
    with Stream(pairs, recipe(), consumed=4 * 3, threads=1, prefetch=1) as stream:
        assert_same([torch.stack(next(stream)) for _ in range(3)], expected[4:])


def test_the_blurred_image_of_a_position_is_the_documented_one(endless):
    """Anybody can draw it: the key is (seed, position)."""
    pairs, dataset = open_pairs([endless]), open_dataset(endless)
    recipe = TrainingRecipe(batch=4, crop=48, seed=5, augment=Augment(flips="none", transpose=False))
    with Stream(pairs, recipe, consumed=8) as stream:
        blurred = ((next(stream).blurred + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    for place, index in enumerate(Order([6], seed=5).indices(8, 4).tolist()):
        assert np.array_equal(blurred[place], Redrawn(dataset).images(index, key=(5, 8 + place))[1])
