"""Datasets and shards work as lists of samples, and a torch loader makes batches of them."""

import dataclasses

import numpy as np
import pytest
import torch
from masked_samples import draw_objects
from pair_folders import write_folder
from torch.utils.data import DataLoader

from blurkit.errors import UsageError
from blurkit.shard import Shard, collate, open_dataset
from blurkit.shard.format import stack_kernels

COUNTS = (3, 1, 4)


@pytest.fixture
def samples(make_sample):
    """Eight samples of one size, whose kernels have 1, 3, 5 and 7 pixels a side."""
    return [make_sample(number) for number in range(sum(COUNTS))]


@pytest.fixture
def folder(tmp_path, samples):
    """A dataset of three shards with these samples."""
    rest = iter(samples)
    return write_folder(tmp_path / "data", [[next(rest) for _ in range(count)] for count in COUNTS])


def names(samples):
    return [sample.name for sample in samples]


@pytest.fixture(params=["dataset", "shard"])
def opened(request, folder):
    """A dataset or a shard, and the list of the names of its samples."""
    if request.param == "dataset":
        return open_dataset(folder), [f"züge/{number}.jpg#{number % 2}" for number in range(8)]
    return Shard(folder / "00002.h5"), [f"züge/{number}.jpg#{number % 2}" for number in range(4, 8)]


PLACES = (None, 0, 1, 3, 7, 8, 100, -1, -3, -8, -9)


@pytest.mark.parametrize("step", [None, 1, 2, -1, -3])
def test_slices_are_those_of_a_list(opened, step):
    found, expected = opened
    for first in PLACES:
        for last in PLACES:
            read = found[first:last:step]
            assert isinstance(read, list)
            assert names(read) == expected[first:last:step]


def test_numbers_are_those_of_a_list(opened):
    found, expected = opened
    count = len(expected)
    for number in (*range(-count, count), np.int64(2), np.int32(-2)):
        assert found[number].name == expected[number]
    assert names(found) == expected
    for number in (count, -count - 1):
        with pytest.raises(IndexError, match=f"{count} samples.* has no number {number}$"):
            found[number]
    with pytest.raises(TypeError):
        found["0"]


def test_crops_and_shapes_count_from_the_end_too(opened):
    found, expected = opened
    last = found[len(expected) - 1]
    assert found.shape(-1) == (70, 50)
    assert np.array_equal(found.crop(-1, 5, 4, 20)[1], last.blurred[5:25, 4:24])
    with pytest.raises(IndexError, match=f"has no number {-1 - len(expected)}$"):
        found.crop(-1 - len(expected), 0, 0, 1)


def test_slices_of_no_samples(tmp_path):
    empty = open_dataset(write_folder(tmp_path / "empty", []))
    assert (empty[:], empty[-3:], list(empty)) == ([], [], [])
    with pytest.raises(IndexError, match="0 samples in 0 shards"):
        empty[0]


def test_representations_are_one_line(folder, tmp_path, write, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert repr(open_dataset("data")) == "Dataset('data': 8 samples in 3 shards)"
    assert repr(open_dataset("data/00001.h5")) == "Dataset('data': 1 sample in 1 shard)"
    assert repr(Shard("data/00000.h5")) == "Shard('data/00000.h5': 3 samples)"
    folder.rename(tmp_path / "two\nlines")
    assert repr(open_dataset("two\nlines")) == r"Dataset('two\nlines': 8 samples in 3 shards)"


def test_a_batch_is_stacked(samples):
    batch = collate(samples)
    assert list(batch) == ["sharp", "blurred", "kernel", "id", "meta"]
    for name in ("sharp", "blurred"):
        assert (batch[name].dtype, batch[name].shape) == (np.uint8, (8, 70, 50, 3))
        for image, sample in zip(batch[name], samples, strict=True):
            assert np.array_equal(image, getattr(sample, name))
    assert (batch["kernel"].dtype, batch["kernel"].shape) == (np.float32, (8, 7, 7))
    assert batch["id"] == [sample.id for sample in samples]
    assert batch["meta"] == [sample.meta for sample in samples]


def test_smaller_kernels_lie_in_the_middle_of_zeros(samples):
    """Compared with the padding of numpy."""
    for stacked, sample in zip(collate(samples)["kernel"], samples, strict=True):
        assert np.array_equal(stacked, np.pad(sample.kernel, (7 - len(sample.kernel)) // 2))
    alone = collate(samples[1:2])["kernel"]
    assert np.array_equal(alone, samples[1].kernel[None])


def test_a_kernel_that_nobody_knows_is_zeros(samples):
    unknown = dataclasses.replace(samples[0], kernel=np.empty((0, 0), np.float32))
    known, hidden = collate([samples[3], unknown])["kernel"]
    assert np.array_equal(known, samples[3].kernel)
    assert not hidden.any()
    assert stack_kernels([unknown.kernel]).tolist() == [[[0]]]


def test_other_truth_does_not_disturb_a_batch(samples):
    some = dataclasses.replace(samples[0], objects=draw_objects(0, 2, 70, 50))
    assert collate([some, samples[1]])["sharp"].shape == (2, 70, 50, 3)


def test_images_of_several_sizes_are_refused_with_advice(make_sample):
    several = [make_sample(0), make_sample(1, 65, 9), make_sample(2), make_sample(3, 50, 70)]
    with pytest.raises(UsageError, match="need one size, got 70x50, 9x65, 50x70; make the dataset with a fixed --size"):
        collate(several)
    with pytest.raises(UsageError, match="got no sample"):
        collate([])


def test_a_batch_is_a_copy_that_torch_accepts(folder):
    """Samples are read-only views of a file. Torch warns about such arrays."""
    dataset = open_dataset(folder)
    assert not dataset[0].sharp.flags.writeable
    batch = collate(dataset[:2])
    sharp, kernel = torch.from_numpy(batch["sharp"]), torch.from_numpy(batch["kernel"])
    sharp[:], kernel[:] = 0, 0
    assert dataset[0].sharp.any()
    assert dataset[0].kernel.any()


def spawned(workers):
    """Options of a loader that starts new processes as workers, so that everything is pickled."""
    return {"num_workers": workers, "multiprocessing_context": "spawn" if workers else None}


@pytest.mark.parametrize("workers", [0, 2])
def test_torch_loads_batches(folder, samples, workers):
    loader = DataLoader(open_dataset(folder), batch_size=3, collate_fn=collate, **spawned(workers))
    batches = list(loader)
    assert len(loader) == 3
    assert [len(batch["sharp"]) for batch in batches] == [3, 3, 2]
    assert [name for batch in batches for name in batch["id"]] == [sample.id for sample in samples]
    expected = [collate(samples[first : first + 3]) for first in (0, 3, 6)]
    for batch, wanted in zip(batches, expected, strict=True):
        for name in ("sharp", "blurred", "kernel"):
            assert np.array_equal(batch[name], wanted[name])
            assert batch[name].dtype == wanted[name].dtype
        assert batch["meta"] == wanted["meta"]


def test_torch_shuffles_and_leaves_out_the_rest(folder, samples):
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(open_dataset(folder), 3, shuffle=True, drop_last=True, collate_fn=collate, generator=generator)
    batches, known = list(loader), {sample.id: sample for sample in samples}
    drawn = [name for batch in batches for name in batch["id"]]
    assert len(set(drawn)) == len(drawn) == 6
    assert drawn != [sample.id for sample in samples[:6]]
    for batch in batches:
        for name, image in zip(batch["id"], batch["blurred"], strict=True):
            assert np.array_equal(image, known[name].blurred)


def test_samples_themselves_come_from_workers(tmp_path, samples):
    """The workers pickle samples of a single shard, with their objects, and the loader makes lists of them."""
    samples = [dataclasses.replace(sample, objects=draw_objects(1, 2, 70, 50)) for sample in samples]
    dataset = open_dataset(write_folder(tmp_path / "objects", [samples]) / "00000.h5")
    read = [sample for batch in DataLoader(dataset, 4, collate_fn=list, **spawned(1)) for sample in batch]
    assert names(read) == names(samples)
    for found, sample in zip(read, samples, strict=True):
        assert np.array_equal(found.sharp, sample.sharp)
        assert np.array_equal(found.masks, sample.masks)
        assert np.array_equal(found.path, sample.path)
        assert found.meta == sample.meta


def test_images_of_several_sizes_are_refused_in_a_worker_too(tmp_path, make_sample):
    folder = write_folder(tmp_path / "mixed", [[make_sample(0), make_sample(1, 65, 9)]])
    with pytest.raises(UsageError, match="images of a batch need one size"):
        list(DataLoader(open_dataset(folder), 2, collate_fn=collate, **spawned(1)))
