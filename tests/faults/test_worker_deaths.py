"""Tests workers that die: killed while they wait, import or work, or by the photograph that they open."""

import contextlib
import json
import os
import random
import shutil
import signal
import time

import pytest
from json_lines import read_lines
from marks import needs_proc

from blurkit.shard import Shard


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
@pytest.mark.slow
def test_workers_killed_while_they_wait_at_the_end_hold_up_nobody(blurkit, undisturbed, worker_processes, wait_until, tmp_path):
    """The last shards commit while other workers have no more work. All but one of the workers are killed, one after another."""
    chance, out = random.Random(5), tmp_path / "shards"
    for number in range(10):
        process = blurkit.start(out, "--workers", "4", "--overwrite")
        wait_until(lambda: len(list(out.glob("0*.json"))) >= 7 or process.poll() is not None)  # noqa: B023
        workers = worker_processes(process.pid)
        chance.shuffle(workers)
        for worker in workers[1:]:
            time.sleep(chance.uniform(0, 0.1))
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        done = blurkit.finish(process, patience=60)
        assert (done.returncode, done.stderr) == (0, ""), number
        undisturbed.check_same(out)


@needs_proc
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_workers_killed_as_soon_as_they_start_are_replaced(blurkit, undisturbed, worker_processes, wait_until, tmp_path, workers):
    """Five kills within seconds, and no photograph is to blame."""
    out, killed = tmp_path / "shards", set()
    process = blurkit.start(out, "--workers", str(workers))
    while len(killed) < 5:
        wait_until(lambda: set(worker_processes(process.pid)) - killed)
        worker = (set(worker_processes(process.pid)) - killed or {0}).pop()
        if worker:
            os.kill(worker, signal.SIGKILL)
            killed.add(worker)
    done = blurkit.finish(process)
    assert (done.returncode, done.stderr) == (0, "")
    undisturbed.check_same(out)


@pytest.mark.slow
def test_workers_that_cannot_start_end_the_run_with_a_message(blurkit, sabotage, tmp_path):
    dying = sabotage("""
        import os, sys
        if "spawn_main" in " ".join(sys.orig_argv):
            os._exit(7)
        """)
    done = blurkit.generate(tmp_path / "shards", env=dying)
    assert done.returncode == 1
    assert done.stderr.startswith("blurkit: 10 worker processes died, and no shard was finished between them; the last one died ")
    assert "(exit code 7)" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_package_that_a_worker_cannot_import_is_named(blurkit, sabotage, tmp_path):
    breaking = sabotage("""
        import sys
        if "spawn_main" in " ".join(sys.orig_argv):
            sys.modules["numba"] = None
        """)
    done = blurkit.generate(tmp_path / "shards", env=breaking)
    assert done.returncode == 3
    assert "numba" in done.stderr
