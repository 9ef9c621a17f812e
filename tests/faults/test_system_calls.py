"""Tests a shard's commit and a checkpoint's save that strace kills at each of their system calls."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
]


def run_script(name, *arguments):
    """Run a script of this folder and return the lines of strace that it prints."""
    command = [sys.executable, Path(__file__).with_name(name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode == 77:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return [re.match(r"\w+", line)[0] for line in json.loads(done.stdout)]


def test_a_shard_killed_at_each_system_call_ends_with_the_same_bytes(fill_mixed, blurkit, snapshot, tmp_path):
    source, calm, cut = (tmp_path / name for name in ("photographs", "calm", "cut"))
    calls = run_script("cut_off.py", fill_mixed(source, 100), calm, cut, "traced")
    assert {"openat", "pwrite64", "fsync", "close", "rename", "write"} <= set(calls)
    whole = snapshot(calm)
    whole.check_whole(cut)
    assert 1 < len(list(cut.glob("0*.json"))) < len(list(cut.glob("*.h5"))) <= len(calls)
    assert list(cut.glob("*.tmp"))

    done = blurkit.generate(cut, "--per-image", "1", "--set", "shard_bytes=100000", source=source)
    assert done.returncode == 0, done.stderr
    whole.check_same(cut)


def test_a_checkpoint_killed_at_each_system_call_is_the_old_or_the_new(tmp_path):
    pytest.importorskip("torch")
    calls = run_script("cut_save.py", tmp_path)
    assert {"openat", "write", "fsync", "close", "rename", "unlink"} <= set(calls)
    assert calls[calls.index("write") :].count("fsync") == 2  # of the file and of its folder
