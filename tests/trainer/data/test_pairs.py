"""Tests the pairs of several datasets, and that held-out photographs are never used for training."""

import itertools
import os
import re
import resource
import shutil
from collections import Counter

import cv2
import numpy as np
import pytest
from command_line import SMALL, run
from pair_folders import variants, write_folder

from blurkit.errors import BadImageError, CorruptShardError, UsageError
from blurkit.shard import open_dataset
from trainer.data.pairs import hold_out, open_pairs


@pytest.fixture
def folder(tmp_path, make_sample):
    """Ten photographs with four variants each, in three shards. The variants of a photograph can be in two shards."""
    samples = [sample for number in range(10) for sample in variants(make_sample(number, 24, 20), 4)]
    return write_folder(tmp_path / "shards", [samples[:15], samples[15:18], samples[18:]])


@pytest.fixture
def second(tmp_path, make_sample):
    """Six photographs. The first two are copies of photographs in the other folder, with other names."""
    return write_folder(tmp_path / "second", [[make_sample(number, 30, 24) for number in (8, 9, 20, 21, 22, 23)]])


def photographs(pairs):
    return set(pairs.photographs.tolist())


def test_pairs_are_those_of_the_datasets_in_their_order(folder, second):
    pairs = open_pairs([folder, second])
    samples = [*open_dataset(folder), *open_dataset(second)]
    assert len(pairs) == len(samples) == 46
    assert pairs.counts == [40, 6]
    for index, sample in enumerate(samples):
        for image, expected in zip(pairs.images(index), (sample.sharp, sample.blurred), strict=True):
            assert np.array_equal(image, expected)
        assert pairs.name(index) == sample.name
        assert pairs.photographs[index].decode() == sample.meta["source_sha256"]
        assert tuple(pairs.sizes[index]) == sample.sharp.shape[:2]
    assert np.array_equal(pairs.crop(41, 3, 2, 11)[1], samples[41].blurred[3:14, 2:13])


def test_held_out_photographs_are_never_trained_on(folder, second):
    pairs = open_pairs([folder, second])
    for seed in range(20):
        train, held = hold_out(pairs, 0.2, seed=seed)
        assert not photographs(train) & photographs(held)
        assert photographs(train) | photographs(held) == photographs(pairs)
        assert len(photographs(held)) == 3  # of 14
        assert len(train) + len(held) == len(pairs)
        names = [train.name(index) for index in range(len(train))] + [held.name(index) for index in range(len(held))]
        assert sorted(names) == sorted(pairs.name(index) for index in range(len(pairs)))


def test_the_held_out_photographs_depend_only_on_seed_and_photographs(folder, second):
    one, other = open_pairs([folder, second]), open_pairs([second, folder])
    chosen = [photographs(hold_out(one, seed=seed)[1]) for seed in range(30)]
    assert chosen == [photographs(hold_out(other, seed=seed)[1]) for seed in range(30)]
    assert len(set.union(*chosen)) > 10


def test_real_variants_stay_together(tmp_path):
    run("generate", *SMALL, "--src", "sample", "--limit", 4, "--per-image", 4, "--out", tmp_path / "shards", cwd=tmp_path)
    train, held = hold_out(open_pairs([tmp_path / "shards"]), 0.3, seed=1)
    ids = [{pairs.name(index).split("#")[0] for index in range(len(pairs))} for pairs in (train, held)]
    assert (len(train), len(held)) == (12, 4)
    assert (len(ids[0]), len(ids[1])) == (3, 1)
    assert not ids[0] & ids[1]


@pytest.mark.parametrize("most", [1, 3, 10, 25, 39, 100])
def test_a_few_pairs_show_many_photographs_and_different_variants(folder, most):
    pairs = open_pairs([folder])
    few = pairs.spread(most)
    names = [few.name(index) for index in range(len(few))]
    assert names == [name for name in (pairs.name(index) for index in range(len(pairs))) if name in set(names)]  # in their order
    assert len(set(names)) == len(names) == min(most, 40)
    counts = Counter(few.photographs.tolist())
    assert len(counts) == min(most, 10)
    assert max(counts.values()) - min(counts.values()) <= 1
    used = Counter(name.split("#")[1] for name in names)  # of the four variants
    assert len(used) == min(most, 4)
    assert max(used.values()) - min(used.values()) <= 2


def test_two_held_out_photographs_with_many_variants_are_both_seen(tmp_path, make_sample):
    """Eight of 36 pairs."""
    samples = [sample for number in range(2) for sample in variants(make_sample(number, 9, 9), 18)]
    few = open_pairs([write_folder(tmp_path / "two", [samples])]).spread(8)
    names = [few.name(index).split("#") for index in range(len(few))]
    assert sorted(Counter(photograph for photograph, _ in names).values()) == [4, 4]
    assert len({variant for _, variant in names}) >= 5


def test_one_photograph_cannot_be_divided(tmp_path, make_sample):
    pairs = open_pairs([write_folder(tmp_path / "one", [variants(make_sample(0, 9, 9), 3)])])
    with pytest.raises(UsageError, match=r"1 photograph.*--val"):
        hold_out(pairs, seed=0)


def test_digests_of_different_pairs_differ(folder, second):
    pairs = open_pairs([folder])
    others = [
        open_pairs([second]),
        open_pairs([folder, second]),
        open_pairs([folder, second], weights=[1, 2]),
        *hold_out(pairs, seed=0),
        hold_out(pairs, seed=1)[0],
    ]
    assert open_pairs([folder]).digest == pairs.digest
    assert len({pairs.digest, *(other.digest for other in others)}) == 7
    assert open_pairs([second]).digest == open_pairs([second / "00000.h5"]).digest  # with and without an index


def test_no_file_stays_open(tmp_path, make_sample):
    """Thirty shards, and eight file handles that are free."""
    samples = [make_sample(number, 8, 8) for number in range(30)]
    folder = write_folder(tmp_path / "many", [[sample] for sample in samples])
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = {int(name) for name in os.listdir("/dev/fd")}  # other tests may have left files open, with gaps between them
    free = (number for number in itertools.count() if number not in used)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, 8, None)), limits[1]))
    try:
        pairs = open_pairs([folder])
        kept = [pairs.images(index) for index in range(30)] + list(open_dataset(folder))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    for (sharp, _), sample in zip(kept, samples, strict=False):
        assert np.array_equal(sharp, sample.sharp)
    assert len(kept) == 60


def test_a_shard_that_its_index_does_not_know(tmp_path, make_sample):
    folder = write_folder(tmp_path / "a", [[make_sample(number, 8, 8)] for number in range(2)])
    other = write_folder(tmp_path / "b", [[make_sample(number, 8, 8) for number in range(2)]])
    shutil.copy(other / "00000.h5", folder / "00001.h5")
    with pytest.raises(CorruptShardError, match=r"00001\.h5 is not the shard .* it holds 2 samples, its record says 1"):
        open_pairs([folder])


def test_a_shard_copied_over_another_is_not_served_as_that_other(tmp_path, make_sample):
    """Two shards of one size and one number of samples."""
    folder = write_folder(tmp_path / "a", [[make_sample(number, 8, 8)] for number in (4, 8)])
    assert (folder / "00000.h5").stat().st_size == (folder / "00001.h5").stat().st_size
    shutil.copy(folder / "00000.h5", folder / "00001.h5")
    pairs = open_pairs([folder])
    assert pairs.name(0) == "züge/4.jpg#0"
    with pytest.raises(CorruptShardError, match=r"00001\.h5 is not the shard .* its samples are others"):
        pairs.crop(1, 0, 0, 8)
    with pytest.raises(CorruptShardError, match=r"00001\.h5 is not the shard .* its samples are others"):
        open_dataset(folder)[1]


def test_missing_data_says_what_to_do(tmp_path, folder):
    with pytest.raises(UsageError, match="blurkit generate"):
        open_pairs([])
    with pytest.raises(UsageError, match="blurkit generate"):
        open_pairs([tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="no pairs"):
        open_pairs([write_folder(tmp_path / "empty", [])])
    for weights in ([1.0, 2.0], [0.0], [float("nan")]):
        with pytest.raises(UsageError, match="weights"):
            open_pairs([folder], weights=weights)


def test_a_folder_without_pairs_is_refused_and_the_advice_is_to_write_elsewhere(tmp_path):
    (tmp_path / "my photos").mkdir()
    cv2.imwrite(str(tmp_path / "my photos" / "1.png"), np.zeros((40, 40, 3), np.uint8))
    reason = r"no dataset of shards, and it cannot be used as a folder of pairs: .*no names that"
    with pytest.raises(UsageError, match=reason) as caught:
        open_pairs([tmp_path / "my photos"])
    assert f"--src '{tmp_path / 'my photos'}' --out NEW_FOLDER" in str(caught.value)
    assert not re.search(rf"--out '?{re.escape(str(tmp_path))}", str(caught.value))


def write_images(root, name, seed, shape=(40, 48, 3)):
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, pixels) if path.suffix == ".npy" else cv2.imwrite(str(path), pixels[..., ::-1])
    return pixels


def test_folders_of_pairs_are_read_as_they_are(tmp_path, folder):
    """Images and arrays, beside a dataset of shards: names, sizes, crops and digests."""
    sharp = write_images(tmp_path, "pairs/000/sharp/1.png", 1)
    blurred = write_images(tmp_path, "pairs/000/blur/1.png", 2)
    stack = write_images(tmp_path, "pairs/001/sharp/all.npy", 3, (3, 30, 36, 3))
    blurs = write_images(tmp_path, "pairs/001/blur/all.npy", 4, (3, 30, 36, 3))
    pairs = open_pairs([tmp_path / "pairs", folder], weights=[3, 1])
    assert pairs.counts == [4, 40]
    assert pairs.sizes[:4].tolist() == [[40, 48]] + 3 * [[30, 36]]
    assert len(set(pairs.photographs[:4])) == 4
    for index, expected in ((0, (sharp, blurred)), (2, (stack[1], blurs[1]))):
        for found, whole in zip(pairs.images(index), expected, strict=True):
            assert np.array_equal(found, whole)
        for found, whole in zip(pairs.crop(index, 3, 5, 20), expected, strict=True):
            assert np.array_equal(found, whole[3:23, 5:25])
    assert pairs.name(2) == "001/blur/all.npy[1]"
    before = pairs.digest
    write_images(tmp_path, "pairs/000/blur/1.png", 5)
    assert open_pairs([tmp_path / "pairs", folder], weights=[3, 1]).digest != before


def test_sequences_of_a_folder_are_held_out_as_a_whole(tmp_path):
    for sequence in range(4):
        for frame in range(3):
            for side in ("blur", "sharp"):
                write_images(tmp_path, f"{sequence:03}/{side}/{frame}.png", 100 * sequence + frame)
    train, held = hold_out(open_pairs([tmp_path]), 0.25, seed=1)
    names = [{part.name(index)[:3] for index in range(len(part))} for part in (train, held)]
    assert (len(train), len(held)) == (9, 3)
    assert not names[0] & names[1]


def test_an_array_that_is_cut_off_is_named(tmp_path):
    write_images(tmp_path, "sharp/all.npy", 3, (3, 30, 36, 3))
    write_images(tmp_path, "blur/all.npy", 4, (3, 30, 36, 3))
    pairs = open_pairs([tmp_path])
    os.truncate(tmp_path / "blur/all.npy", 8000)
    with pytest.raises(BadImageError, match=r"blur/all\.npy: the array cannot be read: the file is cut off"):
        pairs.crop(2, 0, 0, 16)
    with pytest.raises(BadImageError, match=r"^[^:]*blur/all\.npy: the array cannot be read: the file is cut off"):
        open_pairs([tmp_path])
    np.save(tmp_path / "blur/all.npy", np.asfortranarray(np.zeros((3, 30, 36, 3), np.uint8)))
    with pytest.raises(BadImageError, match="in the order of Fortran"):
        open_pairs([tmp_path])
