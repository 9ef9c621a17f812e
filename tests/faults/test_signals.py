"""Tests signals: the run finishes its current shards and leaves no temporary file, and the next run continues."""

import os
import signal
import subprocess
import time

import pytest
from marks import needs_proc

TERM, INT, USR1 = signal.SIGTERM, signal.SIGINT, signal.SIGUSR1
CODES = {TERM: 75, INT: 130, USR1: 75}


def shards(out):
    """Names of the shards that are there."""
    return {path.name for path in out.glob("*.h5")}


def begun(out):
    """Names of the shards that are being written."""
    return {path.name[: len("00000.h5")] for path in out.glob("*.h5.*.tmp")}


def interrupt(blurkit, out, number, send, wait_until, *, workers, env):
    """Start a run, send it a signal when it has made a shard and is making more, and return how it ended."""
    before = shards(out)
    process = blurkit.start(out, "--workers", str(workers), env=env)
    wait_until(lambda: shards(out) - before and begun(out))
    under_way = begun(out)
    send(process.pid, number)
    done = blurkit.finish(process)
    assert under_way <= shards(out), "what was under way should have been finished"
    return done


def check_stopped(done, out, number):
    """It said that it was stopped, and nothing else, and left nothing behind."""
    assert done.returncode == CODES[number], done.stderr
    assert done.stderr.startswith(f"blurkit: stopped by {signal.Signals(number).name}")
    assert done.stderr.endswith("run the same command again to resume\n")
    assert done.stderr.count("\n") == 1
    assert not list(out.glob("*.tmp"))
    assert not (out / "dataset.json").exists()


def slow(*values):
    """Values of a parameter for the slow tests alone."""
    return [pytest.param(*value, marks=pytest.mark.slow) for value in values]


@pytest.mark.parametrize(
    ("number", "send"),
    [(TERM, os.killpg), *slow((INT, os.killpg), (USR1, os.killpg), (TERM, os.kill), (INT, os.kill), (USR1, os.kill))],
)
def test_a_signal_ends_it_well(blurkit, undisturbed, slowly, wait_until, tmp_path, number, send):
    out = tmp_path / "shards"
    out.mkdir()
    done = interrupt(blurkit, out, number, send, wait_until, workers=2, env=slowly)
    check_stopped(done, out, number)
    assert f"{len(shards(out))} of " in done.stderr
    undisturbed.check_whole(out)
    done = blurkit.generate(out)
    assert (done.returncode, done.stderr) == (0, "")
    undisturbed.check_same(out)


@pytest.mark.slow
def test_stopped_by_one_signal_after_another_it_ends_with_the_same_bytes(blurkit, undisturbed, slowly, wait_until, tmp_path):
    out = tmp_path / "shards"
    out.mkdir()
    for number, send in ((TERM, os.kill), (INT, os.killpg), (USR1, os.kill)):
        done = interrupt(blurkit, out, number, send, wait_until, workers=1, env=slowly)
        check_stopped(done, out, number)
        undisturbed.check_whole(out)
    done = blurkit.generate(out)
    assert (done.returncode, done.stderr) == (0, "")
    undisturbed.check_same(out)


@needs_proc
@pytest.mark.parametrize("number", [USR1, *slow([INT], [TERM])])
def test_a_signal_to_the_group_while_workers_start_ends_it_quietly(blurkit, lingering, wait_until, tmp_path, number):
    """No traceback of a worker, nor of a helper that Python itself starts, hides the message."""
    a_worker_starts = 'event == "import" and arguments[0] == "cv2" and "spawn_main" in " ".join(sys.orig_argv)'
    process = blurkit.start(tmp_path / "shards", "--limit", "4", env=lingering(a_worker_starts, 0.5))
    wait_until((tmp_path / "lingering").exists)
    os.killpg(process.pid, number)
    check_stopped(blurkit.finish(process), tmp_path / "shards", number)


def check_interrupted(done, number):
    """It said in one line that it was stopped, although there was nothing to keep."""
    assert done.returncode == CODES[number], done.stderr
    assert done.stderr == f"blurkit: stopped by {signal.Signals(number).name}; run the same command again\n"


@pytest.mark.parametrize("number", [TERM, *slow([INT], [USR1])])
def test_a_signal_while_it_plans_ends_it_with_the_same_code(blurkit, lingering_over, wait_until, tmp_path, number):
    env = lingering_over("first/gravel.jpg", 1000)
    process = blurkit.start(tmp_path / "shards", "--size", "full", env=env)  # it reads the size of every photograph
    wait_until((tmp_path / "lingering").exists)
    process.send_signal(number)
    check_interrupted(blurkit.finish(process), number)
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize("module", ["click", *slow(["numpy"], ["cv2"], ["numba"], ["blurkit.pair"])])
@pytest.mark.parametrize("number", [TERM, *slow([INT], [USR1])])
def test_a_signal_while_it_imports_ends_it_with_the_same_code(blurkit, lingering, wait_until, tmp_path, module, number):
    env = lingering(f'event == "import" and arguments[0] == {module!r}', 1000)
    process = blurkit.start(tmp_path / "shards", env=env)
    wait_until((tmp_path / "lingering").exists)
    process.send_signal(number)
    check_interrupted(blurkit.finish(process), number)


@pytest.mark.slow
@pytest.mark.parametrize("number", [TERM, INT, USR1])
def test_a_second_signal_keeps_the_code_until_the_process_is_gone(blurkit, slowly, wait_until, tmp_path, number):
    """Also while Python tidies up, when no Python code can handle a signal any more."""
    for delay in (0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2):
        process = blurkit.start(tmp_path / "shards", "--overwrite", env=slowly)
        wait_until(lambda: begun(tmp_path / "shards"))
        process.send_signal(number)
        assert "stopped by" in process.stderr.readline()
        time.sleep(delay)
        process.send_signal(number)
        assert blurkit.finish(process).returncode == CODES[number]


@needs_proc
@pytest.mark.parametrize("number", [TERM, *slow([INT], [USR1])])
def test_a_second_signal_ends_it_at_once(
    blurkit, undisturbed, lingering_over, wait_until, worker_processes, are_gone, tmp_path, number
):
    out = tmp_path / "shards"
    process = blurkit.start(out, env=lingering_over("first/gravel.jpg", 1000))
    wait_until((tmp_path / "lingering").exists)
    workers = worker_processes(process.pid)
    assert len(workers) == 1
    process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(number)
    assert process.wait(60) == CODES[number]  # the worker would wait for 1000 s
    wait_until(lambda: are_gone(workers))
    assert "Traceback" not in blurkit.finish(process).stderr
    undisturbed.check_whole(out)
