"""Tests masks in shards: they are read as they were written, one bit per pixel, and shards without masks do not change."""

import contextlib
import dataclasses
import hashlib
import io
import pickle
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from documentation import SHARD_FORMAT, fenced
from masked_samples import COLUMNS, draw_objects, save

from blurkit.errors import UsageError
from blurkit.pipeline.remake import _difference
from blurkit.shard import Sample, Shard, open_dataset
from blurkit.truth.masks import Masks

UNIFORM = [(70, 50)] * 4
MIXED = [(70, 50), (1, 1), (3, 5), (65, 9), (8, 8)]


def assert_same_objects(read, written):
    assert read.masks.dtype == bool
    assert read.masks.shape == (len(read.objects), *read.sharp.shape[:2])
    np.testing.assert_array_equal(read.masks, written.masks)
    for name in ("names", "ids", "crowd"):
        assert getattr(read.objects, name) == getattr(written.objects, name)
    assert all(type(flag) is bool for flag in read.objects.crowd)


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        (UNIFORM, (1, 1, 1, 1)),
        (UNIFORM, (0, 3, 0, 120)),
        (MIXED, (2, 1, 4, 0, 3)),
        (MIXED, (0, 0, 0, 0, 1)),
        (UNIFORM, (0, 0, 0, 0)),
        ([(1, 1)], (2,)),
        ([(5, 3)], (1,)),
    ],
)
def test_what_is_written_is_read(samples, tmp_path, sizes, counts):
    written = samples(sizes, counts)
    shard = Shard(save(tmp_path, written))
    assert ("mask" in shard.columns) == any(counts)
    for index, sample in enumerate(written):
        assert_same_objects(shard[index], sample)
        assert shard[index].objects.problems == ()
        assert np.array_equal(shard[index].blurred, sample.blurred)
    assert open_dataset(tmp_path)[-1].objects.names == written[-1].objects.names


def test_names_without_a_letter(samples, tmp_path):
    """HDF5 has no text of length zero."""
    (sample,) = samples([(4, 6)], (2,))
    sample = dataclasses.replace(sample, objects=dataclasses.replace(sample.objects, names=("", "")))
    assert Shard(save(tmp_path, [sample]))[0].objects.names == ("", "")


def test_a_sample_read_is_written_again_as_it_was(samples, tmp_path):
    path = save(tmp_path / "a", samples(MIXED, (2, 0, 4, 1, 3)))
    again = save(tmp_path / "b", open_dataset(path))
    assert again.read_bytes() == path.read_bytes()
    unpickled = pickle.loads(pickle.dumps(Shard(path)[2]))
    assert_same_objects(unpickled, Shard(path)[2])


def test_masks_stay_packed_until_they_are_looked_at(samples, tmp_path, monkeypatch):
    path = save(tmp_path, samples(UNIFORM, (2, 1, 0, 5)))
    calls, unpack = [], np.unpackbits
    monkeypatch.setattr(np, "unpackbits", lambda *args, **kwargs: calls.append(1) or unpack(*args, **kwargs))
    shard = Shard(path)
    sample = shard[3]
    shard.verify(0)
    assert sample.objects.names
    assert not calls
    unpacked = sample.masks
    assert sample.masks is unpacked
    assert len(calls) == 1


def test_the_writer_keeps_bits_alone(samples, tmp_path):
    """Memory holds one photograph: the planes of written samples are freed."""
    height, width, count = 400, 500, 20
    planes = count * height * width

    def stream():
        for number in range(8):
            (sample,) = samples([(height, width)], (0,))
            objects = draw_objects(number, count, height, width)
            yield dataclasses.replace(sample, objects=objects)
            del sample, objects
            held.append(tracemalloc.get_traced_memory()[0])

    held = []
    tracemalloc.start()
    save(tmp_path, stream())
    tracemalloc.stop()
    growth = (held[-1] - held[2]) / (len(held) - 3)
    assert planes / 8 < growth < planes / 6  # the bits of one sample


def test_samples_without_objects_are_as_they_were(make_sample, tmp_path):
    """There are no columns of masks. Checksum and digest follow the rule of a format without masks."""
    sample = make_sample(1)
    assert sample.masks.shape == (0, 70, 50)
    path = save(tmp_path, [sample])
    meta, kernel = sample.meta, sample.kernel
    text = f"{sample.id}#1\0(70, 50, 3)source=folder\0licence=CC0-1.0\0source_sha256={1:064x}\0notes=\0"
    numbers = np.array([1, *meta["crop"], *meta["valid"]], "<i4").tobytes() + np.array(meta["seed"], "<u8").tobytes()
    truth = f"{kernel.shape}".encode() + kernel.tobytes() + sample.path.tobytes()
    drawn = b"".join(key.encode() + np.float64(meta[key]).tobytes() for key in ("exposure", "jpeg_quality", "length"))
    row = zlib.crc32(text.encode() + numbers + truth + drawn)
    bands = [
        zlib.crc32(image[start : start + 64].tobytes(), zlib.crc32(f"{sample.name}/{field}/{start // 64}".encode()))
        for field, image in (("sharp", sample.sharp), ("blurred", sample.blurred))
        for start in (0, 64)
    ]
    with h5py.File(path) as file:
        assert not set(COLUMNS) & set(file)
        assert file["row_crc32"][0] == row
    words = np.array([*bands, row], "<u4").tobytes()
    assert open_dataset(tmp_path).digest == hashlib.sha256(sample.name.encode() + b"\0" + words).hexdigest()


def test_checksums_follow_the_documented_rule(samples, tmp_path):
    """The row_crc32 of a sample continues the row_crc32 of the same sample without objects."""
    (sample,) = samples([(5, 7)], (3,))
    with h5py.File(save(tmp_path / "plain", [dataclasses.replace(sample, objects=Masks.none(5, 7))])) as file:
        row = int(file["row_crc32"][0])
    for name, number, crowd, mask in zip(
        sample.objects.names, sample.objects.ids, sample.objects.crowd, sample.masks, strict=True
    ):
        bits = "".join("1" if pixel else "0" for pixel in mask.ravel()).ljust(40, "0")
        row = zlib.crc32(name.encode() + b"\0" + number.to_bytes(4, "little", signed=True) + bytes([crowd]), row)
        row = zlib.crc32(int(bits, 2).to_bytes(5, "big"), row)
    with h5py.File(save(tmp_path / "masks", [sample])) as file:
        assert file["row_crc32"][0] == row


@pytest.mark.parametrize("counts", [(2, 0, 4, 1, 0, 3), (0, 0, 0, 0, 0, 1)])
def test_the_documented_way_with_h5py_alone_gives_the_same(samples, tmp_path, monkeypatch, counts):
    """Every block of the page runs on a dataset with masks: the blocks that read, and the block that checks."""
    written = samples([(163, 195)] * 6, counts)
    path = save(tmp_path / "shards", written)
    monkeypatch.chdir(tmp_path)
    namespace = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for _, block in fenced(SHARD_FORMAT, "python"):
            exec(block, namespace)
    assert_read_alike(namespace["objects"], path, written)
    with h5py.File(path, "r+") as file:
        file["mask"][-1] ^= 128
    with pytest.raises(AssertionError), h5py.File(path) as file:
        namespace["checked"](file, 5)


def test_the_documented_way_knows_samples_of_several_sizes(samples, tmp_path):
    written = samples(MIXED, (2, 0, 4, 1, 3))
    namespace = {"np": np}
    exec(next(block for _, block in fenced(SHARD_FORMAT, "python") if "def objects" in block).partition("\nwith ")[0], namespace)
    assert_read_alike(namespace["objects"], save(tmp_path, written), written)


def assert_read_alike(read, path, written):
    with h5py.File(path) as file:
        for row, sample in enumerate(written):
            masks, names = read(file, row)
            assert masks.dtype == bool
            np.testing.assert_array_equal(masks, sample.masks)
            assert tuple(names) == sample.objects.names


def test_every_column_is_documented():
    assert [name for name in COLUMNS if f"| `{name}` |" not in SHARD_FORMAT] == []


@pytest.mark.parametrize(
    "change",
    [
        {"masks": np.zeros((2, 5, 6), bool)},
        {"masks": np.zeros((2, 6, 5), np.uint8)},
        {"masks": np.zeros((3, 6, 5), bool)},
        {"ids": (1,)},
        {"crowd": ()},
    ],
)
def test_objects_that_do_not_fit_their_image_are_not_written(samples, tmp_path, change):
    (sample,) = samples([(6, 5)], (2,))
    with pytest.raises(UsageError, match="2 names, "):
        save(tmp_path, [dataclasses.replace(sample, objects=dataclasses.replace(sample.objects, **change))])
    assert list(tmp_path.iterdir()) == []


def test_masks_of_another_shard_do_not_fit_another_image(samples, tmp_path, make_sample):
    read = Shard(save(tmp_path, samples([(6, 5)], (2,))))[0]
    with pytest.raises(UsageError, match="masks of 5x6 pixels do not fit an image of 50x70"):
        save(tmp_path, [dataclasses.replace(make_sample(0), objects=read.objects)])


CHANGED = {
    "masks": lambda masks: ~masks,
    "names": lambda names: (names[0], "cat"),
    "ids": lambda ids: ids[::-1],
    "crowd": lambda crowd: (crowd[0], not crowd[1]),
}


@pytest.mark.parametrize("name", CHANGED)
def test_making_again_compares_objects(samples, tmp_path, name):
    (made,) = samples([(6, 5)], (2,))
    stored = Shard(save(tmp_path, [made]))[0]
    assert _difference(stored, made) == ""
    objects = dataclasses.replace(made.objects, **{name: CHANGED[name](getattr(made.objects, name))})
    assert f"objects.{name} differs; have its annotations changed" in _difference(
        stored, dataclasses.replace(made, objects=objects)
    )
    without = Sample(made.sharp, made.blurred, made.kernel, made.path, made.id, made.meta)
    assert "objects.masks differs" in _difference(stored, without)
