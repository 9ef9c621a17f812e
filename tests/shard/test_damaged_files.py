"""Tests whole damaged files: flipped bits, lost pages and halves, sizes beyond any memory, and links."""

import h5py
import numpy as np
import pytest
from command_line import run
from damage import flip, tamper
from pair_folders import write_folder

from blurkit.errors import CorruptShardError
from blurkit.shard import Shard, open_dataset


@pytest.fixture
def folder(tmp_path, make_sample):
    return write_folder(tmp_path / "data", [[make_sample(number, 70, 50) for number in range(4)]])


def check_flips(folder, count, tmp_path):
    """Flip one bit of a shard at a time. Verification names the file, and the sample if the bit is one of its pixels."""
    path = folder / "00000.h5"
    good = path.read_bytes()
    with h5py.File(path) as file:
        images = {name: (file[name].id.get_offset(), file[name].nbytes) for name in ("sharp", "blurred")}
    for place in np.random.default_rng(3).integers(len(good), size=count).tolist():
        path.write_bytes(good)
        flip(path, place, place % 8)
        done = run("verify", folder, cwd=tmp_path, code=1)
        assert done.stdout.startswith("00000.h5"), (place, done)
        for name, (start, length) in images.items():
            if start <= place < start + length:
                row, inner = divmod(place - start, 70 * 50 * 3)
                band = inner // 150 // 64 * 64
                assert f"züge/{row}.jpg#{row % 2}: " in done.stdout
                assert f"rows {band} to {min(band + 64, 70) - 1} of {name}" in done.stdout


def test_flipped_bits_are_located(folder, tmp_path):
    check_flips(folder, 12, tmp_path)


@pytest.mark.slow
def test_five_hundred_flipped_bits_are_located(folder, tmp_path):
    check_flips(folder, 500, tmp_path)


PAGE = 4096
DAMAGES = {
    "a zeroed page": lambda data: data[: 10 * PAGE] + bytes(PAGE) + data[11 * PAGE :],
    "half of it zeros": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "half a file": lambda data: data[: len(data) // 2],
    "all but a byte": lambda data: data[:-1],
    "an empty file": lambda data: b"",
    "00 turned FF": lambda data: data[: 9 * PAGE] + data[9 * PAGE :].replace(b"\x00", b"\xff"),
    "more at the end": lambda data: data + b"more",
    "all zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_lost_parts_are_named_by_verification_and_never_served(folder, tmp_path, kind, make_sample):
    path = folder / "00000.h5"
    path.write_bytes(DAMAGES[kind](path.read_bytes()))
    assert run("verify", folder, cwd=tmp_path, code=1).stdout.startswith("00000.h5")
    refused = []
    for number in range(4):
        try:
            sample = open_dataset(folder)[number]
        except CorruptShardError as error:
            refused.append(str(error))
        else:
            assert np.array_equal(sample.sharp, make_sample(number, 70, 50).sharp)
    assert refused
    assert all("00000.h5" in message for message in refused)


HUGE = {
    "a shape of 2**40": lambda file: file.create_dataset("extra", (2**40,), "u1"),
    "2**40 rows of nothing": lambda file: file.create_dataset("extra", (2**40, 0), "u1"),
    "a chunk bomb": lambda file: file.create_dataset("extra", (2**30,), "u1", chunks=(2**30,), compression="gzip"),
    "a compact data set": lambda file: _compact(file),
    "no space at all": lambda file: file.create_dataset("extra", data=h5py.Empty("f4")),
}


def _compact(file):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    h5py.h5d.create(file.id, b"extra", h5py.h5t.STD_U8LE, h5py.h5s.create_simple((5,)), properties)


@pytest.mark.parametrize("kind", [kind for kind in HUGE if kind != "2**40 rows of nothing"])
def test_sizes_beyond_the_file_are_refused(folder, kind):
    tamper(folder / "00000.h5", HUGE[kind])
    with pytest.raises(CorruptShardError, match=r"extra (needs|is not stored)"):
        Shard(folder / "00000.h5")


def test_a_shape_without_bytes_takes_no_memory(folder):
    tamper(folder / "00000.h5", HUGE["2**40 rows of nothing"])
    assert Shard(folder / "00000.h5").name(0) == "züge/0.jpg#0"


def test_attributes_that_nobody_needs_are_not_read(folder):
    tamper(folder / "00000.h5", lambda file: file.attrs.update({"text": "of any length", "many": np.zeros(5000)}))
    shard = Shard(folder / "00000.h5")
    assert "text" not in shard.attributes
    assert "many" not in shard.attributes


def test_links_to_shards_are_refused_in_a_dataset_and_followed_where_they_are_named(folder, tmp_path):
    (folder / "00000.h5").rename(tmp_path / "elsewhere.h5")
    (folder / "00000.h5").symlink_to(tmp_path / "elsewhere.h5")
    with pytest.raises(CorruptShardError, match=r"00000\.h5: This is a symbolic link"):
        open_dataset(folder)[0]
    assert "symbolic link" in run("verify", folder, cwd=tmp_path, code=1).stdout
    assert len(open_dataset(folder / "00000.h5")) == 4
