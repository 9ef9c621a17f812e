"""Tests fields, poses, saturation, moves and radii in shards: they are read as they were written, also with only h5py."""

import contextlib
import dataclasses
import io
import pickle
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from documentation import SHARD_FORMAT, fenced
from masked_samples import draw_objects, save, with_objects
from true_samples import COLUMNS, with_truth

from blurkit.pipeline.remake import _difference
from blurkit.shard import Shard, open_dataset
from blurkit.truth.object_motion import ObjectMotion

UNIFORM = [(70, 50)] * 4
MIXED = [(70, 50), (1, 1), (3, 5), (65, 9)]
ARRAYS = ("y", "x", "starts", "places", "weights")


def assert_same_truth(read, written):
    assert (read.nodes is None) == (written.nodes is None)
    if written.nodes is not None:
        assert read.nodes.reach == written.nodes.reach
        for name in ARRAYS:
            assert_same_array(getattr(read.nodes, name), getattr(written.nodes, name))
    assert_same_array(read.poses, written.poses)
    assert (read.saturation is None) == (written.saturation is None)
    if written.saturation is not None:
        assert_same_array(read.saturation, written.saturation)
    for name in ("objects", "paths", "kernels"):
        assert_same_array(getattr(read.moves, name), getattr(written.moves, name))
    assert (read.radius is None) == (written.radius is None)
    if written.radius is not None:
        assert_same_array(read.radius, written.radius)


def assert_same_array(read, written):
    np.testing.assert_array_equal(read, written)
    assert (read.dtype, read.shape) == (written.dtype, written.shape)


@pytest.mark.parametrize("sizes", [UNIFORM, MIXED])
@pytest.mark.parametrize(
    "kinds",
    [
        ("", "", "", ""),
        ("n", "", "n", "n"),
        ("", "p", "", "p"),
        ("s", "", "S", ""),
        ("npS", "s", "np", ""),
        ["npsmr"] * 4,
        ("m", "", "r", "mr"),
    ],
)
def test_what_is_written_is_read(samples, tmp_path, sizes, kinds):
    written = samples(sizes, kinds)
    shard = Shard(save(tmp_path, written))
    for kind, columns in COLUMNS.items():
        assert {name in shard.columns for name in columns} == {kind[0] in "".join(kinds).lower()}
    for index, sample in enumerate(written):
        assert_same_truth(shard[index], sample)
        assert np.array_equal(shard[index].blurred, sample.blurred)
    assert_same_truth(open_dataset(tmp_path)[-1], written[-1])


def test_beside_objects(samples, tmp_path):
    written = with_objects(samples(MIXED, ("nps", "", "s", "n")), (2, 3, 0, 1))
    shard = Shard(save(tmp_path, written))
    for index, sample in enumerate(written):
        assert_same_truth(shard[index], sample)
        np.testing.assert_array_equal(shard[index].masks, sample.masks)


def test_every_sample_has_a_kernel_at_every_pixel(samples, tmp_path):
    shard = Shard(save(tmp_path, samples(UNIFORM, ("", "n", "", ""))))
    uniform, varying = shard[2], shard[1]
    for y, x in ((0, 0), (69, 49), (31.5, 7)):
        assert_same_array(uniform.field.at(y, x), np.ascontiguousarray(uniform.kernel))
    assert varying.field is varying.nodes
    assert varying.field.at(0, 0).sum() == pytest.approx(1, abs=1e-6)
    assert not np.array_equal(varying.field.at(0, 0), varying.field.at(69, 49))


def test_a_sample_read_is_written_again_as_it_was(samples, tmp_path):
    path = save(tmp_path / "a", samples(MIXED, ("nps", "", "S", "np")))
    again = save(tmp_path / "b", open_dataset(path))
    assert again.read_bytes() == path.read_bytes()
    assert_same_truth(pickle.loads(pickle.dumps(Shard(path)[0])), Shard(path)[0])


def test_taps_are_read_only(samples, tmp_path):
    shard = Shard(save(tmp_path, samples(UNIFORM, ("n", "", "nps", ""))))
    read = shard[2]
    assert not any(
        array.flags.writeable for array in (read.nodes.places, read.nodes.weights, read.poses, read.sharp, read.kernel)
    )


def test_the_writer_keeps_bits_alone(make_sample, tmp_path):
    """Memory holds one photograph: the maps of written samples are freed."""
    size = (1000, 1200)

    def stream():
        for number in range(6):
            yield dataclasses.replace(make_sample(1, *size), id=str(number), saturation=np.ones(size, bool))
            held.append(tracemalloc.get_traced_memory()[0])

    held = []
    tracemalloc.start()
    save(tmp_path, stream())
    tracemalloc.stop()
    assert (held[-1] - held[2]) / (len(held) - 3) < size[0] * size[1] / 6


def test_samples_without_any_keep_their_checksums(samples, tmp_path):
    """Also in one shard with samples that have such truth: the digest of the dataset is the sum of their digests."""
    plain = samples(MIXED, ("", "", "", ""))
    mixed = [plain[0], with_truth(plain[1], "np"), with_truth(plain[2], "S"), plain[3]]
    first, second = Shard(save(tmp_path / "a", plain)), Shard(save(tmp_path / "b", mixed))
    same = [first.digest(index) == second.digest(index) for index in range(4)]
    assert same == [True, False, False, True]
    assert (first.columns["row_crc32"] == second.columns["row_crc32"]).tolist() == same


def test_no_map_is_not_a_map_of_nothing(samples, tmp_path):
    (plain,) = samples([(3, 5)], ("",))
    stored = [Shard(save(tmp_path / kind, [with_truth(plain, kind)])) for kind in "sS"]
    assert Shard(save(tmp_path / "none", [plain]))[0].saturation is None
    assert not stored[1][0].saturation.any()
    assert stored[0].digest(0) != stored[1].digest(0)


def test_checksums_follow_the_documented_rule(samples, tmp_path):
    """The row_crc32 of a sample continues the row_crc32 of the same sample without the optional truth."""
    (plain,) = samples([(5, 7)], ("",))
    plain = dataclasses.replace(plain, objects=draw_objects(0, 2, 5, 7))
    sample = with_truth(plain, "npsmr")
    with h5py.File(save(tmp_path / "plain", [plain])) as file:
        row = int(file["row_crc32"][0])
    nodes, poses = sample.nodes, sample.poses
    for text, values, kind in (
        (" ".join(COLUMNS["nodes"]), (len(nodes.y), len(nodes.x), nodes.reach), "<i4"),
        ("", nodes.y, "<f8"),
        ("", nodes.x, "<f8"),
        ("", [np.count_nonzero(kernel) for kernel in nodes.kernels.reshape(len(nodes.y) * len(nodes.x), -1)], "<i4"),
        ("", np.argwhere(nodes.kernels)[:, 2:] - nodes.reach, "<i2"),
        ("", nodes.kernels[nodes.kernels > 0], "<f4"),
        ("pose_length pose", [len(poses)], "<i4"),
        ("", poses, "<f4"),
        ("saturation_stored saturation", [1], "u1"),
    ):
        row = zlib.crc32(text.encode() + np.array(values, kind).tobytes(), row)
    bits = "".join("1" if pixel else "0" for pixel in sample.saturation.ravel()).ljust(40, "0")
    row = zlib.crc32(int(bits, 2).to_bytes(5, "big"), row)
    moves = sample.moves
    for text, values, kind in (
        (" ".join(COLUMNS["moves"]), (2, moves.paths.shape[1], moves.kernels.shape[1]), "<i4"),
        ("", moves.objects, "<i4"),
        ("", moves.paths, "<f4"),
        ("", moves.kernels, "<f4"),
        ("radius_stored radius", [1], "u1"),
        ("", sample.radius, "<f4"),
    ):
        row = zlib.crc32(text.encode() + np.array(values, kind).tobytes(), row)
    with h5py.File(save(tmp_path / "truth", [sample])) as file:
        assert file["row_crc32"][0] == row


@pytest.mark.parametrize("sizes", [[(163, 195)] * 6, [(150 + i, 195 - i) for i in range(6)]])
def test_the_documented_way_with_h5py_alone_gives_the_same(samples, tmp_path, monkeypatch, sizes):
    """Every block of the page runs on a dataset with all kinds of truth: the blocks that read, and the block that checks."""
    written = with_objects(samples(sizes, ("npsm", "r", "S", "n", "psr", "npm")), (2, 0, 1, 0, 0, 3))
    path = save(tmp_path / "shards", written)
    monkeypatch.chdir(tmp_path)
    namespace = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for _, block in fenced(SHARD_FORMAT, "python"):
            if "offset" not in Shard(path).columns or "places.json" not in block:  # this block needs images of one size
                exec(block, namespace)
    with h5py.File(path) as file:
        for row, sample in enumerate(written):
            read = namespace["kernel_field"](file, row)
            assert (read is None) == (sample.nodes is None)
            for values, name in zip(read or (), ("y", "x", "kernels"), strict=False):
                assert_same_array(values, getattr(sample.nodes, name))
            assert_same_array(namespace["poses"](file, row), sample.poses)
            assert np.array_equal(namespace["saturation"](file, row), sample.saturation)
            assert np.array_equal(namespace["radius"](file, row), sample.radius)
            moves = namespace["moves"](file, row)
            assert (moves is None) == (len(sample.moves) == 0)
            for values, name in zip(moves or (), ("objects", "paths", "kernels"), strict=False):
                assert_same_array(values, getattr(sample.moves, name))
    for columns in COLUMNS.values():
        with h5py.File(path, "r+") as file:
            values = file[columns[-1]]
            values[-1] = 255 - values[-1] if values.dtype == np.uint8 else values[-1] + 1
        with pytest.raises(AssertionError), h5py.File(path) as file:
            [namespace["checked"](file, row) for row in range(6)]


def test_every_column_is_documented():
    tables = "".join(line for line in SHARD_FORMAT.splitlines() if line.startswith("| `"))
    assert [name for columns in COLUMNS.values() for name in columns if f"`{name}`" not in tables] == []


def test_making_again_compares_all_of_it(samples, tmp_path):
    (made,) = samples([(6, 5)], ("npsmr",))
    stored = Shard(save(tmp_path, [made]))[0]
    assert _difference(stored, made) == ""
    for name, value in (("poses", made.poses + 1), ("poses", made.poses[1:]), ("saturation", ~made.saturation)):
        assert f"photograph, {name} differs" in _difference(stored, dataclasses.replace(made, **{name: value}))
    assert "saturation differs" in _difference(stored, dataclasses.replace(made, saturation=None))
    assert "radius differs" in _difference(stored, dataclasses.replace(made, radius=-made.radius))
    assert "radius differs" in _difference(stored, dataclasses.replace(made, radius=None))
    for name, value in (("objects", made.moves.objects[::-1]), ("paths", -made.moves.paths), ("kernels", 2 * made.moves.kernels)):
        other = dataclasses.replace(made, moves=dataclasses.replace(made.moves, **{name: value}))
        assert f"moves.{name} differs; have its annotations changed" in _difference(stored, other)
    assert "moves.objects differs" in _difference(stored, dataclasses.replace(made, moves=ObjectMotion.none()))
    assert "saturation differs" in _difference(dataclasses.replace(stored, saturation=None), made)
    nodes = made.nodes
    changed = {
        "y": nodes.y + 1,
        "x": nodes.x * 2,
        "reach": nodes.reach + 1,
        "places": -nodes.places,
        "weights": nodes.weights / 2,
    }
    for name, value in changed.items():
        other = dataclasses.replace(made, nodes=dataclasses.replace(nodes, **{name: value}))
        assert f"nodes.{name} differs" in _difference(stored, other)
    assert "nodes differs" in _difference(stored, dataclasses.replace(made, nodes=None))
