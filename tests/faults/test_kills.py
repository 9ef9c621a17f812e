"""Tests killed runs: the whole group at random times, or the parent alone."""

import math
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from marks import needs_proc

#: How often the tests of the storm kill a run.
KILLS = int(os.environ.get("BLURKIT_TEST_KILLS", "200"))


def storm(blurkit, out, rounds, longest, check, *options, env=None):
    """Kill a run again and again, at a random time after it has begun to write; at the end let it finish."""
    chance = random.Random(str(out))
    out.mkdir()
    for _ in range(rounds):
        before = set(os.listdir(out))
        process = blurkit.start(out, *options, env=env)
        while process.poll() is None and not [name for name in os.listdir(out) if ".h5" in name and name not in before]:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, longest))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        assert blurkit.finish(process).returncode == -signal.SIGKILL, "it came to its end before it could be killed"
        check(out)
    done = blurkit.generate(out, *options)
    assert done.returncode == 0, done.stderr
    lines = (out / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(set(lines)) == 4


@pytest.mark.slow
def test_killed_at_random_times_it_ends_with_the_same_bytes(blurkit, undisturbed, slowly, tmp_path):
    storm(blurkit, tmp_path / "shards", 2, 0.2, undisturbed.check_whole, env=slowly)
    undisturbed.check_same(tmp_path / "shards")


@pytest.mark.slow
def test_killed_many_times_it_ends_with_the_same_bytes(blurkit, snapshot, tmp_path):
    options = ("--workers", "2", "--per-image", "30", "--set", "shard_bytes=1")
    assert blurkit.generate(tmp_path / "calm", *options).returncode == 0
    calm = snapshot(tmp_path / "calm")
    for number in range(math.ceil(KILLS / 10)):  # a run is finished after ten kills, and another begins
        out = tmp_path / f"shards-{number}"
        storm(blurkit, out, 10, 0.1, calm.check_whole, *options)
        calm.check_same(out)
        shutil.rmtree(out)


@needs_proc
def test_a_killed_parent_leaves_no_process_behind(blurkit, slowly, wait_until, worker_processes, are_gone, tmp_path):
    process = blurkit.start(tmp_path / "shards", "--workers", "2", env=slowly)
    wait_until(lambda: len(worker_processes(process.pid)) == 2 and list((tmp_path / "shards").glob("*.h5*")))
    process.kill()
    wait_until(lambda: are_gone(group_of(process.pid)))
    assert blurkit.finish(process).returncode == -signal.SIGKILL
    assert len(list((tmp_path / "shards").glob("*.h5"))) < 9, "the workers went on without it"


def group_of(leader):
    """Every process of a process group."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[2]) == leader:
                members.append(int(stat.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return members


@needs_proc
@pytest.mark.parametrize("module", ["cv2", pytest.param("numba", marks=pytest.mark.slow)])
def test_a_parent_killed_while_its_workers_import_leaves_nobody(blurkit, lingering, wait_until, are_gone, tmp_path, module):
    importing = f'event == "import" and arguments[0] == {module!r} and "spawn_main" in " ".join(sys.orig_argv)'
    process = blurkit.start(tmp_path / "shards", "--workers", "2", env=lingering(importing, 1000))
    wait_until((tmp_path / "lingering").exists)
    process.kill()
    wait_until(lambda: are_gone(group_of(process.pid)))  # they would import for 1000 s
    assert blurkit.finish(process).returncode == -signal.SIGKILL


@needs_proc
@pytest.mark.slow
def test_a_parent_killed_at_any_time_while_workers_start_leaves_no_process_behind(blurkit, wait_until, are_gone, tmp_path):
    chance = random.Random(4)
    for number in range(20):
        process = blurkit.start(tmp_path / f"shards-{number}", "--workers", "4", "--set", "shard_bytes=1")
        wait_until(lambda: len(group_of(process.pid)) > 2 or process.poll() is not None)  # noqa: B023
        time.sleep(chance.uniform(0, 1))
        process.kill()
        wait_until(lambda: are_gone(group_of(process.pid)))  # noqa: B023
        assert blurkit.finish(process).returncode == -signal.SIGKILL
