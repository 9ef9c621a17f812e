"""Tests shards: they are read as they were written, also with only h5py, and damaged or hostile files are refused."""

import hashlib
import json
import pickle
import zlib

import h5py
import numpy as np
import pytest
from damage import flip, put, tamper

from blurkit.errors import CorruptShardError, UsageError
from blurkit.shard import Shard, open_dataset
from blurkit.shard.format import BAND_ROWS
from blurkit.shard.layout import SparseFile
from blurkit.shard.writer import write_shard

UNIFORM = [(150, 90)] * 5
MIXED = [(150 - 7 * i, 40 + i) for i in range(6)]


def assert_equal(read, written):
    for name in ("sharp", "blurred", "kernel", "path"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
        assert getattr(read, name).dtype == getattr(written, name).dtype
    assert read.id == written.id
    assert read.meta == written.meta


@pytest.mark.parametrize("sizes", [UNIFORM, MIXED, [(1, 1)], [(64, 3), (65, 3)]])
def test_what_is_written_is_read(write, sizes):
    path, samples, written = write(sizes)
    shard = Shard(path)
    assert len(shard) == written.samples == len(sizes)
    for index, sample in enumerate(samples):
        assert_equal(shard[index], sample)
        assert shard.shape(index) == sample.sharp.shape[:2]
    assert written.bytes == path.stat().st_size
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_equal_samples_make_equal_bytes(write):
    first, second = write(MIXED, "00001.h5")[0], write(MIXED, "00002.h5")[0]
    assert first.read_bytes() == second.read_bytes()


def test_a_shard_is_read_with_h5py_alone(write):
    """As docs/shard-format.md shows."""
    path, samples, _ = write(UNIFORM)
    with h5py.File(path) as file:
        index = 3
        assert np.array_equal(file["sharp"][index], samples[index].sharp)
        assert np.array_equal(file["blurred"][index], samples[index].blurred)
        size = file["kernel_size"][index]
        margin = (file["kernel"].shape[1] - size) // 2
        kernel = file["kernel"][index, margin : margin + size, margin : margin + size]
        assert np.array_equal(kernel, samples[index].kernel)
        assert file["id"][index].decode() == samples[index].id
        assert file["parameters/length"][index] == samples[index].meta["length"]
        ends = np.cumsum(file["path_length"][:])
        assert np.array_equal(file["path"][ends[index - 1] : ends[index]], samples[index].path)
        assert file.attrs["recipe"].decode() == 'name = "test"\n'
        for name in ("sharp", "blurred"):
            plan = file[name].id.get_create_plist()
            assert plan.get_layout() == h5py.h5d.CONTIGUOUS
            assert plan.get_nfilters() == 0
    path, samples, _ = write(MIXED, "00001.h5")
    with h5py.File(path) as file:
        index = 4
        height, width, offset = (int(file[name][index]) for name in ("height", "width", "offset"))
        image = file["blurred"][offset : offset + height * width * 3].reshape(height, width, 3)
        assert np.array_equal(image, samples[index].blurred)


def test_the_pixels_can_be_mapped_with_numpy_alone(write):
    path, samples, _ = write(UNIFORM)
    with h5py.File(path) as file:
        offset, shape = file["blurred"].id.get_offset(), file["blurred"].shape
    pixels = np.memmap(path, np.uint8, "r", offset, shape)
    assert np.array_equal(pixels[2], samples[2].blurred)


def test_checksums_follow_the_documented_rule(write):
    path, samples, _ = write(UNIFORM)
    with h5py.File(path) as file:
        stored = file["crc32"][1]
    name = f"{samples[1].id}#{samples[1].meta['variant']}"
    rows = samples[1].blurred[BAND_ROWS : 2 * BAND_ROWS]
    assert stored[1, 1] == zlib.crc32(rows.tobytes(), zlib.crc32(f"{name}/blurred/1".encode()))


def test_crops_are_views_of_the_right_place(write):
    path, samples, _ = write(MIXED)
    shard = Shard(path)
    sharp, blurred = shard.crop(2, 70, 5, 30)
    assert np.array_equal(sharp, samples[2].sharp[70:100, 5:35])
    assert np.array_equal(blurred, samples[2].blurred[70:100, 5:35])
    assert not sharp.flags.writeable
    assert shard.crop(-1, 0, 0, (3, 4))[0].shape == (3, 4, 3)
    for y, x, size in ((-1, 0, 8), (0, 0, 200), (140, 0, 30)):
        with pytest.raises(IndexError, match="leaves sample 2"):
            shard.crop(2, y, x, size)
    with pytest.raises(IndexError):
        shard.crop(6, 0, 0, 1)


@pytest.mark.parametrize("sizes", [UNIFORM, MIXED])
def test_a_crop_checks_the_bands_that_it_touches_and_no_others(write, sizes):
    path, samples, _ = write(sizes)
    with h5py.File(path) as file:
        offset = file["blurred"].id.get_offset()
        offset += int(file["offset"][1]) if "offset" in file else samples[0].blurred.nbytes
    width = samples[1].blurred.shape[1]
    flip(path, offset + (BAND_ROWS + 3) * width * 3 + 7)  # in the second band of the second sample
    shard = Shard(path)
    shard.crop(1, 0, 0, 20)
    assert_equal(shard[0], samples[0])
    with pytest.raises(CorruptShardError, match=r"sample 1 \(züge/1\.jpg#1\): rows 64 to 127 of blurred"):
        shard.crop(1, 60, 0, 10)
    with pytest.raises(CorruptShardError, match="sample 1"):
        shard[1]


@pytest.mark.parametrize("sizes", [[(70, 50)] * 4, [(70, 50), (60, 40), (65, 9)]])
def test_no_flipped_bit_goes_unnoticed(write, sizes, tmp_path):
    """After any bit is flipped, reading either raises an error that names the shard, or returns exactly what was written."""
    path, samples, _ = write(sizes)
    good = path.read_bytes()
    with h5py.File(path) as file:
        columns = [
            (file[name].id.get_offset(), file[name].size * file[name].dtype.itemsize) for name in file if name != "parameters"
        ]
    rng = np.random.default_rng(0)
    places = [int(place) for place in rng.integers(0, len(good), 150)]
    places += [int(start + rng.integers(length)) for start, length in columns for _ in range(6) if length]
    places += list(range(0, 4096, 41))  # the superblock and the root group
    messages = []
    for place in places:
        path.write_bytes(good)
        flip(path, place, int(rng.integers(8)))
        try:
            shard = Shard(path)
            for index, sample in enumerate(samples):
                assert_equal(shard[index], sample)
        except CorruptShardError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert all(str(path) in message for message in messages)


def test_truncated_zeroed_and_foreign_files_are_refused(write, tmp_path):
    path, _, _ = write(UNIFORM)
    good = path.read_bytes()
    for length in (0, 7, 100, 5000, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        with pytest.raises(CorruptShardError, match=r"00000\.h5"):
            [sample.id for sample in (Shard(path)[i] for i in range(5))]
    page = len(good) // 2 // 4096 * 4096
    path.write_bytes(good[:page] + bytes(4096) + good[page + 4096 :])
    with pytest.raises(CorruptShardError, match="differ from what was written"):
        [Shard(path)[i] for i in range(5)]
    path.write_bytes(b"hello")
    with pytest.raises(CorruptShardError, match="not an HDF5 file"):
        Shard(path)
    with pytest.raises(CorruptShardError, match="No such file"):
        Shard(tmp_path / "none.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["blur"] = np.zeros((2, 3))
    with pytest.raises(CorruptShardError, match="not a shard of blurkit"):
        Shard(tmp_path / "other.h5")


def test_rows_that_were_swapped_are_noticed(write):
    path, samples, _ = write(UNIFORM)
    with h5py.File(path, "r+") as file:
        first, second = file["sharp"][0], file["sharp"][1]
        file["sharp"][0], file["sharp"][1] = second, first
    with pytest.raises(CorruptShardError, match="sample 0"):
        Shard(path)[0]
    assert_equal(Shard(path)[2], samples[2])


HOSTILE = {
    "a soft link": (lambda f: f.__setitem__("extra", h5py.SoftLink("/sharp")), "link to elsewhere"),
    "an external link": (lambda f: f.__setitem__("extra", h5py.ExternalLink("/etc/passwd", "x")), "link to elsewhere"),
    "a filter": (lambda f: f.create_dataset("extra", data=np.zeros(99), compression="gzip"), "not stored as one plain block"),
    "an object type": (lambda f: f.create_dataset("extra", data=["a", "bb"]), "only little-endian numbers"),
    "external storage": (lambda f: f.create_dataset("extra", (8,), "u1", external="/etc/hostname"), "one plain block"),
    "a virtual data set": (
        lambda f: f.create_virtual_dataset("extra", _virtual(f)),
        "one plain block",
    ),
    "a cycle": (lambda f: f["parameters"].__setitem__("again", f["parameters"]), "neither a data set nor a group"),
    "big-endian numbers": (lambda f: f.create_dataset("extra", data=np.zeros(3, ">f8")), "little-endian"),
    "another version": (lambda f: f.attrs.__setitem__("version", np.int64(2)), "format version 2"),
    "a missing column": (lambda f: f.__delitem__("crc32"), "it has no crc32"),
    "a short column": (put("variant", np.zeros(3, "<i4")), "one row per sample"),
    "a wrong type": (put("variant", np.zeros(5, "<f8")), "unexpected type"),
    "a kernel size beyond the kernels": (lambda f: f["kernel_size"].__setitem__(0, 999), "kernel, path or crc32"),
    "paths that overlap": (lambda f: f["path_length"].__setitem__(0, 999), "kernel, path or crc32"),
}


def _virtual(file):
    layout = h5py.VirtualLayout((3,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    return layout


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_could_reach_elsewhere_or_lead_astray_is_refused(write, kind):
    change, message = HOSTILE[kind]
    path, _, _ = write(UNIFORM)
    tamper(path, change)
    with pytest.raises(CorruptShardError, match=message):
        Shard(path)


def test_sizes_that_lead_astray_are_refused(write):
    path, _, _ = write(MIXED)
    tamper(path, lambda file: file["height"].__setitem__(0, 2**31 - 1))
    with pytest.raises(CorruptShardError, match="offset, height and width"):
        Shard(path)


def test_no_sample_no_file(tmp_path):
    assert write_shard(tmp_path / "00000.h5", iter(()), attributes={}) is None
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_writing_leaves_nothing(tmp_path, make_sample):
    def samples():
        yield make_sample(0)
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_shard(tmp_path / "00000.h5", samples(), attributes={})
    assert list(tmp_path.iterdir()) == []


def test_a_single_shard_opens_as_a_dataset(write):
    path, samples, _ = write(MIXED)
    dataset = open_dataset(path)
    assert len(dataset) == 6
    assert_equal(dataset[-1], samples[5])
    assert [sample.id for sample in dataset] == [sample.id for sample in samples]
    assert dataset.shape(1) == samples[1].sharp.shape[:2]
    with pytest.raises(IndexError, match=r"6 samples in 1 shard\) has no number 6"):
        dataset[6]
    again = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(again.crop(3, 1, 2, 9)[1], samples[3].blurred[1:10, 2:11])


def test_folders_that_are_no_datasets_say_so(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        open_dataset(tmp_path / "none")
    with pytest.raises(UsageError, match=r"holds no dataset\.json"):
        open_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text('{"shards": [')
    with pytest.raises(CorruptShardError, match=r"dataset\.json is damaged"):
        open_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text('{"shards": [{"file": "00000.h5", "samples": 1}]}')
    with pytest.raises(CorruptShardError, match=r"dataset\.json is damaged"):
        open_dataset(tmp_path)
    record = {"file": "../00000.h5", "samples": 1, "bytes": 1, "sha256": "0" * 64, "digest": "0" * 64}
    (tmp_path / "dataset.json").write_text(json.dumps({"shards": [record]}))
    with pytest.raises(CorruptShardError, match="not the name of a shard"):
        open_dataset(tmp_path)


def test_the_sparse_file_reads_what_was_written_and_zeros_elsewhere():
    file = SparseFile()
    file.seek(200_000)
    file.write(b"abc")
    file.seek(65_530)
    file.write(b"0123456789")
    file.seek(0)
    data = bytearray(200_003)
    assert file.readinto(data) == 200_003
    expected = bytearray(200_003)
    expected[200_000:], expected[65_530:65_540] = b"abc", b"0123456789"
    assert data == expected
    assert file.size == 200_003
    assert len(file.pages) == 3
