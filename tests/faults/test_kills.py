"""Tests killed processes: the whole group, a worker, the parent, or the process that opens a certain photograph."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from json_lines import read_lines
from marks import needs_proc

from blurkit.shard import Shard


def storm(blurkit, out, rounds, longest, check, *options, env=None):
    """Kill a run again and again, at a random time after it has begun to write; at the end let it finish."""
    chance = random.Random(rounds)
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


def test_killed_at_random_times_it_ends_with_the_same_bytes(blurkit, undisturbed, slowly, tmp_path):
    storm(blurkit, tmp_path / "shards", 2, 0.2, undisturbed.check_whole, env=slowly)
    undisturbed.check_same(tmp_path / "shards")


@pytest.mark.slow
def test_killed_many_times_it_ends_with_the_same_bytes(blurkit, snapshot, tmp_path):
    options = ("--workers", "2", "--per-image", "30", "--set", "shard_bytes=1")
    assert blurkit.generate(tmp_path / "calm", *options).returncode == 0
    calm = snapshot(tmp_path / "calm")
    storm(blurkit, tmp_path / "shards", 12, 0.1, calm.check_whole, *options)
    calm.check_same(tmp_path / "shards")


@needs_proc
@pytest.mark.slow
def test_a_killed_worker_is_replaced(blurkit, undisturbed, slowly, wait_until, worker_processes, tmp_path):
    out = tmp_path / "shards"
    process = blurkit.start(out, env=slowly)
    wait_until(lambda: len(list(out.glob("*.h5"))) >= 6 and list(out.glob("*.h5.*.tmp")))
    os.kill(worker_processes(process.pid)[0], signal.SIGKILL)
    assert not (out / "dataset.json").exists()
    done = blurkit.finish(process)
    assert (done.returncode, done.stderr) == (0, "")
    undisturbed.check_same(out)


@needs_proc
@pytest.mark.slow
def test_workers_killed_at_any_time_are_replaced(blurkit, undisturbed, slowly, wait_until, worker_processes, tmp_path):
    out, chance = tmp_path / "shards", random.Random(3)
    process = blurkit.start(out, "--workers", "2", env=slowly)
    for finished in (0, 2, 4, 6, 8):
        wait_until(lambda: worker_processes(process.pid) and len(list(out.glob("*.h5"))) >= finished)  # noqa: B023
        time.sleep(chance.uniform(0, 0.5))
        for worker in worker_processes(process.pid)[:1]:
            os.kill(worker, signal.SIGKILL)
    done = blurkit.finish(process)
    assert (done.returncode, done.stderr) == (0, "")
    undisturbed.check_same(out)


@needs_proc
def test_a_worker_killed_while_it_waits_for_work_holds_up_nobody(blurkit, lingering_over, wait_until, worker_processes, tmp_path):
    """It dies with the lock of the queue in its hands, which the worker that is still busy will want."""
    out, busy = tmp_path / "shards", tmp_path / "lingering"
    process = blurkit.start(out, "--limit", "4", "--workers", "2", env=lingering_over("first/astronaut.jpg", 1))
    wait_until(lambda: (out / "00001.json").exists() and busy.exists() and busy.read_text())
    (idle,) = set(worker_processes(process.pid)) - {int(busy.read_text())}
    os.kill(idle, signal.SIGKILL)
    busy.unlink()
    done = blurkit.finish(process, patience=30)
    assert (done.returncode, done.stderr) == (0, "")


def deadly(*photographs):
    """Code that ends whoever opens one of these photographs as a segmentation fault does."""
    return f"""
        import os, signal, sys

        def die(event, arguments):
            if event == "open" and str(arguments[0]).endswith({photographs!r}):
                os.kill(os.getpid(), signal.SIGSEGV)

        sys.addaudithook(die)
        """


def died(out):
    """What the ledger says of photographs on which a worker died."""
    lines = read_lines(out / "ledger.jsonl")
    return [(line["id"], line["stage"], line["items"]) for line in lines if line["reason"] == "worker_died"]


def test_a_photograph_that_kills_its_worker_is_left_out(blurkit, sabotage, tmp_path):
    done = blurkit.generate(tmp_path / "shards", "--limit", "2", env=sabotage(deadly("first/brick.jpg")))
    assert done.returncode == 0, done.stderr
    assert died(tmp_path / "shards") == [("first/brick.jpg", "process", 3)]
    index = json.loads((tmp_path / "shards" / "dataset.json").read_text(encoding="utf-8"))
    assert (index["samples"], index["failed"]) == (3, 3)


@pytest.mark.slow
def test_photographs_that_kill_are_left_out_and_can_be_tried_again(blurkit, undisturbed, sabotage, tmp_path):
    out = tmp_path / "shards"
    names = ("first/brick.jpg", "second/grass.jpg", "second/gravel.jpg")
    done = blurkit.generate(out, "--workers", "2", env=sabotage(deadly(*names)))
    assert done.returncode == 0, done.stderr
    assert died(out) == [(name, "process", 3) for name in names]
    index = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
    assert (index["samples"], index["failed"]) == (15 * 3, 6 * 3)
    touched = [f"{shard_of(name, undisturbed.folder)}.*" for name in names]
    of_the_whole = ("dataset.json", "README.md", "croissant.json", "examples.jpg")
    ignore = shutil.ignore_patterns(*of_the_whole, *touched)
    undisturbed.check_whole(shutil.copytree(out, tmp_path / "others", ignore=ignore))

    done = blurkit.generate(out, "--retry-failed")  # the cause is gone
    assert done.returncode == 0, done.stderr
    undisturbed.check_same(out)


def shard_of(photograph, folder):
    """The stem of the shard that holds a photograph."""
    return next(path.stem for path in folder.glob("*.h5") if photograph.encode() in Shard(path).columns["id"])


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
