"""Tests power cuts: what a disk holds at any moment is a copy of its image while it is in use. What was committed is whole there.

Without the right to mount an image, the order of the system calls of a commit is read from a trace.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from blurkit.program.files import append_line, write_atomic

_SIZE = 24 << 20


def attempt(*command):
    """Run a command that only root may run, or skip the test."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]}")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{command[0]}: {done.stderr.strip()}")


@contextlib.contextmanager
def mounted(image, place):
    place.mkdir(exist_ok=True)
    attempt("mount", "-o", "loop", image, place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def disk(tmp_path):
    """The image and the folder of a disk of its own."""
    image = tmp_path / "disk.img"
    with open(image, "wb") as file:
        file.truncate(_SIZE)
    attempt("mkfs.ext4", "-q", "-F", image)
    with mounted(image, tmp_path / "disk") as place:
        yield image, place


def after_power_cut(image, copy, place, look):
    """What ``look(folder)`` finds on a copy of a disk, after the file system has recovered from its journal."""
    shutil.copy(image, copy)

    def find():
        with mounted(copy, place) as folder:
            return look(folder)

    return find


def test_what_was_committed_is_whole_after_a_power_cut_at_once(disk, tmp_path):
    image, place = disk
    (place / "run").mkdir()
    expected, finds = {}, []
    for number in range(12):
        name, data = f"{number % 4}.json", bytes([number]) * (1 + number * 30_000)
        write_atomic(place / "run" / name, data)
        expected[name] = data
        (place / "run" / f"{number}.loose").write_bytes(data)  # nobody syncs it
        copy = tmp_path / f"copy{number}.img"
        finds.append((dict(expected), after_power_cut(image, copy, tmp_path / "after", files_of)))
    loose = set()
    for wanted, find in finds:
        found = find()
        assert {name: data for name, data in found.items() if name.endswith(".json")} == wanted
        loose |= {name for name, data in found.items() if name.endswith(".loose") and data}
    assert "11.loose" not in loose, "the copies show what was never synced, so they are no images of a power cut"


def files_of(folder):
    return {path.name: path.read_bytes() for path in (folder / "run").iterdir()}


@pytest.mark.slow
def test_a_dataset_is_finished_after_a_power_cut_at_any_moment(disk, blurkit, undisturbed, slowly, tmp_path):
    image, place = disk
    process, copies = blurkit.start(place / "shards", env=slowly), []
    while process.poll() is None:
        if list((place / "shards").glob("*.tmp")) and len(copies) < 40:
            copies.append(tmp_path / f"copy{len(copies)}.img")
            os.killpg(process.pid, signal.SIGSTOP)  # else the disk changes while it is copied
            shutil.copy(image, copies[-1])
            os.killpg(process.pid, signal.SIGCONT)
        time.sleep(0.05)
    assert blurkit.finish(process).returncode == 0
    records = []
    for copy in copies:
        with mounted(copy, tmp_path / "after") as folder:
            if (folder / "shards").exists():
                undisturbed.check_whole(folder / "shards")
                records.append(len(list((folder / "shards").glob("0*.json"))))
    assert len(set(records)) > 3
    middle = copies[len(copies) // 2]
    with mounted(middle, tmp_path / "after") as folder:
        done = blurkit.generate(folder / "shards")
        assert done.returncode == 0, done.stderr
        undisturbed.check_same(folder / "shards")


PROGRAM = """
import sys
from pathlib import Path
from blurkit.program.files import write_atomic
write_atomic(Path(sys.argv[1]), bytes(100_000))
"""


def test_the_calls_of_a_commit_are_in_the_right_order(tmp_path):
    trace = ("strace", "-f", "-y", "-o", tmp_path / "trace", "-e", "trace=openat,write,pwrite64,fsync,rename,renameat,renameat2")
    attempt(*trace, sys.executable, "-c", PROGRAM, tmp_path / "a.json")
    calls = []
    for line in (tmp_path / "trace").read_text(errors="replace").splitlines():
        match = re.search(r"\b(write|pwrite64|fsync|rename\w*)\(", line)
        if match and str(tmp_path) in line and "= -1" not in line:
            file = "new" if ".tmp>" in line else "folder" if f"<{tmp_path}>" in line else "name"
            calls.append((match[1].removesuffix("64"), file))
    assert list(dict.fromkeys(calls)) == [("write", "new"), ("fsync", "new"), ("rename", "name"), ("fsync", "folder")]


def test_appended_lines_survive_with_the_record_that_follows(disk, tmp_path):
    """The ledger is not synced line by line: its lines are in the completion records too."""
    image, place = disk
    (place / "run").mkdir()
    append_line(place / "run" / "ledger.jsonl", "one")
    write_atomic(place / "run" / "00000.json", b"record")
    found = after_power_cut(image, tmp_path / "copy.img", tmp_path / "after", files_of)()
    assert found["00000.json"] == b"record"
    assert found.get("ledger.jsonl", b"") in (b"", b"one\n")
