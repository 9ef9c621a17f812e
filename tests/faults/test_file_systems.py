"""Tests file systems that lack calls: what can be given up is given up with one notice, and other errors name file and call."""

import errno
import json
import os
import signal
import subprocess
import sys

import odd_disk
import pytest
from messages import check_said
from tiny_runs import write_pairs, write_recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return odd_disk.build(tmp_path_factory.mktemp("library"))


@pytest.fixture
def on(library, tmp_path):
    """A function that runs a program in a folder ``odd`` whose file system answers some calls with these errors."""
    place = tmp_path / "odd"
    place.mkdir()

    def call(*arguments, **answers):
        environment = {**os.environ, **odd_disk.environment(library, place, **answers)}
        command = [sys.executable, "-m", *map(str, arguments)]
        how = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 120}
        return subprocess.run(command, cwd=place, env=environment, **how)

    return call


#: Shards in several workers, which must not repeat the notice.
GENERATE = ("blurkit", "generate", "-q", "--limit", "3", "--size", "48", "--recipe", "clean", "--set", "shard_bytes=20000")
GENERATE += ("--workers", "2")

LACKS = {
    "CIFS": {"fchmod": "EPERM", "fsync_folder": "EINVAL"},
    "Lustre": {"flock": "ENOSYS"},
    "NFS": {"flock": "ENOLCK"},
    "sshfs": {"fchmod": "ENOSYS", "flock": "ENOTSUP", "fsync_folder": "EPERM", "link": "EPERM", "statvfs": "ENOSYS"},
    "FUSE": {"fsync": "EINVAL", "fsync_folder": "ENOSYS"},
}
SPOKEN = {"fsync_folder": "fsync of folders", "fsync": "fsync of files", "flock": "flock", "statvfs": "statvfs"}
MOST = "sshfs"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The files of a dataset from a file system that has all calls."""
    folder = tmp_path_factory.mktemp("plain")
    assert subprocess.run([sys.executable, "-m", *GENERATE], cwd=folder, capture_output=True).returncode == 0
    return contents(folder / "shards")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and not path.name.startswith(".lock")}


@pytest.mark.parametrize("kind", LACKS)
def test_a_dataset_is_the_same_and_one_notice_says_what_is_not_guaranteed(on, plain, tmp_path, kind):
    for _ in range(2):  # begun, and continued
        done = on(*GENERATE, **LACKS[kind])
        assert done.returncode == 0, done.stderr
        check_said(done, "shards", *(SPOKEN[call] for call in LACKS[kind] if call in SPOKEN))
        assert done.stderr.count("notice:") == done.stderr.count("\n") == 1
        assert contents(tmp_path / "odd/shards") == plain


def test_a_training_and_a_restoration_get_along_too(on, tmp_path):
    write_pairs(tmp_path)
    recipe = write_recipe(tmp_path)
    for _ in range(2):
        data = ("--data", tmp_path / "00000.h5", "--recipe", recipe, "--set", "steps=3", "--device", "cpu", "-q")
        done = on("trainer", "run", *data, "--out", "run", **LACKS[MOST])
        assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
        check_said(done, "notice: run is on a file system", "flock", "fsync of folders")
    on("blurkit", "preview", "-n", "1", "-o", "photo.png", **LACKS[MOST])
    done = on("trainer", "deblur", "run", "photo.png", "-o", "restored", "--device", "cpu", **LACKS[MOST])
    assert (done.returncode, done.stderr.count("notice:")) == (0, 1), done.stderr
    done = on("blurkit", "kernels", "-n", "2", "-o", "bank", **LACKS[MOST])
    assert (done.returncode, done.stderr.count("notice:")) == (0, 1), done.stderr


REFUSED = {
    "rename": ({"rename": "EINVAL"}, "plan.json", "rename", errno.EINVAL),
    "ftruncate": ({"ftruncate": "EPERM"}, ".h5", "ftruncate", errno.EPERM),
    "close": ({"close": "EIO"}, "shards", "", errno.EIO),
    "fsync": ({"fsync": "EIO"}, "plan.json", "", errno.EIO),
    "fsync of a folder": ({"fsync_folder": "EIO"}, "shards", "", errno.EIO),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_given_up_names_the_file_and_the_call(on, name):
    answers, file, call, number = REFUSED[name]
    done = on(*GENERATE, **answers)
    assert done.returncode == 1
    check_said(done, file, call, os.strerror(number))
    assert "the output:" not in done.stderr
    if call:
        check_said(done, f"refuses {call}", "choose a folder on another disk")


def test_without_locks_a_second_run_is_refused_and_a_killed_one_taken_over(on, library, plain, tmp_path, wait_until):
    place = tmp_path / "odd"
    environment = {**os.environ, **odd_disk.environment(library, place, flock="ENOSYS")}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    first = subprocess.Popen([sys.executable, "-m", *GENERATE], cwd=place, env=environment, **silent)
    try:
        wait_until(lambda: list(place.glob("shards/.held.lock.alone.*")) and list(place.glob("shards/plan.json")))
        os.kill(first.pid, signal.SIGSTOP)
        done = on(*GENERATE, flock="ENOSYS")
        assert done.returncode == 2
        check_said(done, "another run is writing shards", f"process {first.pid} on ", "--out")
    finally:
        first.kill()
        first.wait()
    done = on(*GENERATE, flock="ENOSYS")
    assert done.returncode == 0, done.stderr
    assert contents(place / "shards") == plain
    assert json.loads(plain["dataset.json"])["samples"] == 3
