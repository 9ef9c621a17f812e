"""Tests trainings that are killed at system calls, or that meet a full disk, little memory or little shared memory."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from same_runs import differing_files
from tiny_runs import RECIPE, write_pairs, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="finds the names of open files in /proc")]

#: A checkpoint after each validation, so that every kill is near one.
TEXT = (
    RECIPE.replace("steps = 9", "steps = 4")
    .replace("checkpoint_every = 3", "checkpoint_every = 2")
    .replace("validate_every = 4", "validate_every = 2")
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pairs, a recipe and an undisturbed run."""
    folder = tmp_path_factory.mktemp("trainings")
    write_pairs(folder)
    write_recipe(folder, TEXT)
    done = train(folder, folder / "calm")
    assert done.returncode == 0, done.stderr
    return folder


def train(place, out, *before, settings=(), **how):
    """Run the trainer to its end. ``before``: a command that starts it."""
    options = ["--data", place / "00000.h5", "--recipe", place / "tiny.toml", "--out", out, "--device", "cpu"]
    command = [*before, sys.executable, "-m", "trainer", "run", *options, *(f"--set={text}" for text in settings)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, **how)


def check_continued(place, out):
    """The same command ends with the files of the undisturbed run."""
    done = train(place, out)
    assert done.returncode == 0, done.stderr
    assert differing_files(out, place / "calm") == []


def test_killed_at_any_call_it_ends_with_every_file_of_an_undisturbed_run(tmp_path):
    command = [sys.executable, Path(__file__).with_name("cut_off_training.py"), tmp_path, "5"]
    helpers = os.pathsep.join([str(Path(__file__).parents[1] / "helpers"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": helpers})
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {"generator.safetensors", "checkpoints/00000004.ckpt", "best/generator.json"} <= {file for _, file in result["calls"]}
    assert result["kills"] >= 15
    assert result["problems"] == {}


@pytest.mark.parametrize("number", [3, 8, 11, 14, 15, 16])
def test_killed_by_the_kernel_at_a_rename_it_ends_with_the_same_files(place, tmp_path, number):
    """The kill is real: strace has the kernel deliver it at the entry of the system call."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    trace = ["strace", "-f", "-qq", "-o", tmp_path / "trace", "-e", "trace=rename"]
    train(place, tmp_path / "run", *trace, "-e", f"inject=rename:signal=KILL:when={number}")
    assert "killed by SIGKILL" in (tmp_path / "trace").read_text()
    check_continued(place, tmp_path / "run")


def test_a_checkpoint_that_the_disk_refuses_is_reported(place, tmp_path):
    """Pictures fit the limit, a checkpoint does not."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    wider = "generator.width=12"
    done = train(place, tmp_path / "run", settings=(wider,), preexec_fn=limit)
    assert done.returncode == 1
    assert f".ckpt: {os.strerror(errno.EFBIG)}" in done.stderr
    assert "run the same command again" in done.stderr
    assert not list((tmp_path / "run").rglob("*.tmp"))
    for name in ("run", "calm"):
        assert train(place, tmp_path / name, settings=(wider,)).returncode == 0
    assert differing_files(tmp_path / "run", tmp_path / "calm") == []


def test_little_shared_memory_is_enough(place, tmp_path):
    """No process reads the pairs for another, so /dev/shm holds nothing."""
    mount = 'mount -t tmpfs -o size=4m none /dev/shm && exec "$@"'
    within = ["unshare", "-m", "sh", "-c", mount, "sh"]
    if not shutil.which("unshare") or subprocess.run([*within, "true"], capture_output=True).returncode:
        pytest.skip("cannot mount a small /dev/shm here")
    done = train(place, tmp_path / "run", *within)
    assert done.returncode == 0, done.stderr
    assert differing_files(tmp_path / "run", place / "calm") == []


def test_a_limit_of_memory_is_named(place, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (1500 << 20, 1500 << 20))

    done = train(place, tmp_path / "run", settings=("batch=20000", "generator.width=64"), preexec_fn=limit)
    assert done.returncode == 1, done.stderr
    assert "trainer: out of memory; lower --set batch=10000 or --set crop=8, or raise --set accumulate" in done.stderr
