"""Tests damaged datasets: ``blurkit verify`` names the damage, and the next run makes missing shards again."""

import json
import shutil

import h5py
import pytest
from damage import flip

from blurkit.shard import Shard


def problems(done):
    """What was found, as (shard, sample) pairs."""
    assert done.stderr == ""
    return [(problem["shard"], problem["sample"]) for problem in json.loads(done.stdout)["problems"]]


def flip_in(path, name, row):
    """Flip one bit of a row of a data set; the row's middle byte."""
    with h5py.File(path) as root:
        values = root[name]
        length = values.nbytes // len(values)
        offset = values.id.get_offset() + row * length + length // 2
    flip(path, offset)


def test_a_sound_dataset_has_no_problems(blurkit, undisturbed):
    done = blurkit.verify(undisturbed.folder)
    assert done.stderr == ""
    assert f"54 samples in {len(list(undisturbed.folder.glob('*.h5')))} shards, no problems" in done.stdout


def test_flipped_bits_are_found_in_their_shards_and_samples(blurkit, begun):
    shards = sorted(begun.glob("*.h5"))
    names = {path.name: [Shard(path).name(row) for row in range(len(Shard(path)))] for path in shards}
    columns = ["sharp", "blurred", "kernel", "crc32", "row_crc32", "source_sha256", "valid", "parameters/length"]
    expected = []
    for row, (path, column) in enumerate(zip(shards, columns, strict=False)):
        row %= len(names[path.name])
        flip_in(path, column, row)
        expected.append((path.name, names[path.name][row]))
    recipe, path = shards[8].read_bytes().find(b"clean"), shards[8]
    flip(path, recipe)
    assert recipe > 0
    assert problems(blurkit.verify(begun, "--json", code=1)) == [*expected, (path.name, "")]


@pytest.mark.slow
def test_one_flipped_bit_is_named_for_a_person(blurkit, begun):
    path = begun / "00004.h5"
    name = Shard(path).name(1)
    flip_in(path, "blurred", 1)
    done = blurkit.verify(begun, code=1)
    assert done.stdout.startswith(f"00004.h5 {name}: ")
    assert "rows 0 to 63 of blurred" in done.stdout


def test_files_that_are_missing_cut_off_or_strange_are_named_and_mended(blurkit, undisturbed, begun):
    (begun / "00001.h5").unlink()
    (begun / "00002.h5").write_bytes((begun / "00002.h5").read_bytes()[:-5000])
    shutil.copy(begun / "00003.h5", begun / "00004.h5")
    flip(begun / "00005.h5", 0)  # the signature of HDF5
    (begun / "00006.h5").write_bytes(b"")
    shutil.copy(begun / "00003.h5", begun / "00042.h5")
    (begun / "00007.h5.abcdefgh.tmp").write_bytes(b"half of a shard")
    named = [f"{number:05d}.h5" for number in (1, 2, 4, 5, 6, 42)]
    found = problems(blurkit.verify(begun, "--json", code=1))
    assert sorted({shard for shard, _ in found}) == sorted([*named, "00007.h5.abcdefgh.tmp"])

    for number in (4, 5):  # as the message of a damaged shard has it
        (begun / f"{number:05d}.h5").unlink()
        (begun / f"{number:05d}.json").unlink()
    (begun / "00042.h5").unlink()  # nobody but its owner knows what it is
    done = blurkit.generate(begun)
    assert (done.returncode, done.stderr) == (0, "")
    undisturbed.check_same(begun)


@pytest.mark.slow
def test_damaged_records_and_summaries_are_written_again(blurkit, undisturbed, begun):
    (begun / "00001.json").write_text("")
    (begun / "00002.json").write_bytes(bytes(231))
    (begun / "00003.json").write_text("{}")
    (begun / "00004.json").write_bytes((begun / "00004.json").read_bytes()[:100])
    (begun / "ledger.jsonl").write_text("half of a li")
    (begun / "dataset.json").write_bytes((begun / "dataset.json").read_bytes()[:500])
    done = blurkit.verify(begun, code=1)
    assert f"{begun / 'dataset.json'} is damaged" in done.stderr
    done = blurkit.generate(begun)
    assert (done.returncode, done.stderr) == (0, "")
    undisturbed.check_same(begun)


def test_a_dataset_that_is_not_complete_is_not_called_sound(blurkit, begun):
    (begun / "dataset.json").unlink()
    (begun / "00003.json").unlink()
    assert ("dataset.json", "") in problems(blurkit.verify(begun, "--json", code=1))
