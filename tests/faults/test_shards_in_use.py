"""Tests shards that fail while they are in use: cut off, replaced, on a broken disk, after a fork, and with few file handles."""

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from failing_disk import failing_reads, needs_compiler
from pair_folders import write_folder

import blurkit.shard.index
from blurkit.errors import CorruptShardError
from blurkit.shard import Shard, open_dataset


@pytest.fixture
def samples(make_sample):
    return [make_sample(number, 70, 50) for number in range(6)]


@pytest.fixture
def folder(tmp_path, samples):
    """Two shards of three samples."""
    return write_folder(tmp_path / "data", [samples[:3], samples[3:]])


def run(program, *arguments, **environment):
    """Run a Python program in a process of its own. A signal that kills it is seen in the exit code."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False)


_READ_THEN_CUT = """
import os, sys
from blurkit.errors import CorruptShardError
from blurkit.shard import open_dataset
dataset = open_dataset(sys.argv[1])
kept = dataset[0]
before = kept.sharp.copy()
os.truncate(sys.argv[1] + "/00000.h5", int(sys.argv[2]))
assert (kept.sharp == before).all()
for number in (0, 1, 2):
    try:
        dataset.crop(number, 0, 0, 50)
    except CorruptShardError as error:
        print(error)
print(dataset[3].name)
"""


@pytest.mark.parametrize("size", [0, 100, 5000, 40_000])
def test_a_shard_that_is_cut_off_while_it_is_in_use_is_named(folder, size):
    """The process of a mapped file would end with SIGBUS."""
    done = run(_READ_THEN_CUT, folder, size)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("00000.h5") == 3
    assert "züge/3.jpg#1" in done.stdout


def test_readers_and_a_file_that_shrinks_and_grows(folder, samples):
    """A thread cuts the file and writes it again, in place, while others read. No crop is wrong, and the process lives."""
    path = folder / "00000.h5"
    whole, end, wrong, refused = path.read_bytes(), threading.Event(), [], []

    def disturb():
        while not end.is_set():
            os.truncate(path, len(whole) // 2)
            path.write_bytes(whole)

    def read(_):
        dataset = open_dataset(folder)
        for number in list(range(3)) * 60:
            try:
                if not np.array_equal(dataset.crop(number, 3, 4, 40)[1], samples[number].blurred[3:43, 4:44]):
                    wrong.append(number)
            except CorruptShardError as error:
                refused.append(str(error))

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(read, range(3)))
    finally:
        end.set()
        disturber.join()
    assert not wrong
    assert refused
    assert all("00000.h5" in message for message in refused)


def test_a_shard_that_is_replaced_by_its_equal_is_read_on(folder, samples):
    dataset = open_dataset(folder)
    assert np.array_equal(dataset.crop(1, 0, 0, 20)[0], samples[1].sharp[:20, :20])
    shutil.copy(folder / "00000.h5", folder / "copy")
    os.replace(folder / "copy", folder / "00000.h5")
    assert np.array_equal(dataset[1].sharp, samples[1].sharp)


def test_a_shard_that_is_replaced_by_another_is_refused(folder):
    dataset, alone = open_dataset(folder), Shard(folder / "00000.h5")
    dataset.crop(1, 0, 0, 20)
    shutil.copy(folder / "00001.h5", folder / "copy")
    os.replace(folder / "copy", folder / "00000.h5")
    with pytest.raises(CorruptShardError, match=r"00000\.h5 is not the shard that dataset\.json describes"):
        dataset.crop(1, 0, 0, 20)
    with pytest.raises(CorruptShardError, match=r"00000\.h5 was replaced or changed"):
        alone.crop(1, 0, 0, 20)


_READ_ALL = """
import sys
from blurkit.errors import CorruptShardError
from blurkit.shard import open_dataset
dataset = open_dataset(sys.argv[1])
for number in range(len(dataset)):
    try:
        print(dataset[number].name)
    except CorruptShardError as error:
        print(error)
"""


@needs_compiler
def test_a_broken_place_on_the_disk_is_named_and_the_rest_is_read(folder, tmp_path):
    with h5py.File(folder / "00000.h5") as file:
        place = file["blurred"].id.get_offset() + 70 * 50 * 3 + 5000  # in the second sample
    broken = failing_reads(tmp_path, "00000.h5", place)
    done = run(_READ_ALL, folder, **broken)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:1] + lines[2:] == [f"züge/{number}.jpg#{number % 2}" for number in (0, 2, 3, 4, 5)]
    assert "00000.h5: The file cannot be read: Input/output error" in lines[1]
    command = [sys.executable, "-m", "blurkit", "verify", str(folder), "--json"]
    done = subprocess.run(command, env={**os.environ, **broken}, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    problems = [(problem["shard"], problem["sample"]) for problem in json.loads(done.stdout)["problems"]]
    assert problems == [("00000.h5", ""), ("00000.h5", "züge/1.jpg#1")]


@needs_compiler
def test_a_broken_place_where_hdf5_looks_is_named(folder, tmp_path):
    done = run(_READ_ALL, folder, **failing_reads(tmp_path, "00000.h5", 20))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("00000.h5") == 3
    assert "züge/5.jpg#1" in done.stdout


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_fork_reads_on(folder, samples):
    dataset = open_dataset(folder)
    dataset.crop(0, 0, 0, 20)
    child = os.fork()
    if not child:
        right = all(np.array_equal(dataset[number].sharp, sample.sharp) for number, sample in enumerate(samples))
        os._exit(0 if right else 1)
    for number, sample in enumerate(samples):
        assert np.array_equal(dataset[number].sharp, sample.sharp)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_share_a_dataset_that_forgets(tmp_path, make_sample, monkeypatch):
    """Eight threads, twenty shards, and a dataset that keeps two of them in mind."""
    monkeypatch.setattr(blurkit.shard.index, "MOST_OPEN", 2)
    samples = [make_sample(number, 9, 8) for number in range(20)]
    dataset = open_dataset(write_folder(tmp_path / "many", [[sample] for sample in samples]))

    def read(seed):
        order = np.random.default_rng(seed).integers(20, size=60).tolist()
        return all(np.array_equal(dataset[number].sharp, samples[number].sharp) for number in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))
    assert len(dataset._open) == 2


_KEEP_EVERY_SAMPLE = """
import resource, sys
from blurkit.shard import open_dataset
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
dataset = open_dataset(sys.argv[1])
kept = list(dataset)
print(len(kept), len({int(sample.sharp.sum()) for sample in kept}))
"""


@pytest.mark.slow
def test_every_sample_of_two_thousand_shards_with_256_file_handles(tmp_path, make_sample):
    folder = write_folder(tmp_path / "many", [[make_sample(number, 8, 8)] for number in range(2000)])
    done = run(_KEEP_EVERY_SAMPLE, folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[0] == "2000"


_OPEN_PAIRS = """
import os, re, resource, sys
from pathlib import Path
import torch
from trainer.data.pairs import hold_out, open_pairs

def megabytes():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

before, begin = megabytes(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
train, held = hold_out(open_pairs([sys.argv[1]]), seed=0)
train.crop(1234, 0, 0, 8)
print(len(train) + len(held), len(os.listdir("/proc/self/fd")), megabytes() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
def test_ten_thousand_shards_and_a_million_pairs_open_in_bounded_memory(tmp_path, make_sample):
    """Ten thousand names of one shard of a hundred samples."""
    folder = write_folder(tmp_path / "many", [[make_sample(number, 8, 8) for number in range(100)]])
    index = json.loads((folder / "dataset.json").read_text())
    for number in range(1, 10_000):
        os.link(folder / "00000.h5", folder / f"{number:05d}.h5")
    index["shards"] = [{**index["shards"][0], "file": f"{number:05d}.h5"} for number in range(10_000)]
    (folder / "dataset.json").write_text(json.dumps(index))
    done = run(_OPEN_PAIRS, folder)
    assert done.returncode == 0, done.stderr
    pairs, handles, megabytes = map(float, done.stdout.split())
    assert pairs == 1_000_000
    assert handles < 64
    assert megabytes < 500
