"""Tests a training in its own process under signals and kills: to the process, to its group, and repeatedly."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from tiny_runs import RECIPE, write_pairs, write_recipe
from waiting import wait_until

pytestmark = pytest.mark.slow

STEPS = 40


@pytest.fixture
def start(tmp_path):
    """A function that starts a run in a folder of the given name. The run leads its own process group."""
    write_pairs(tmp_path, side=48)
    recipe = write_recipe(tmp_path, RECIPE.replace("steps = 9", f"steps = {STEPS}").replace("log_every = 2", "log_every = 1"))
    started = []

    def start_run(name, *options):
        command = [sys.executable, "-m", "trainer", "run", "--data", str(tmp_path / "00000.h5"), "--recipe", str(recipe)]
        process = subprocess.Popen(
            [*command, "--out", str(tmp_path / name), "--device", "cpu", *options],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start_run
    for process in started:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def steps_of(out):
    """The last step in the metrics."""
    path = out / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return json.loads(lines[-1])["step"] if lines else 0


def weights(out):
    return (out / "generator.safetensors").read_bytes()


def wait_for(process, out, step):
    """Until the run has taken this step, or has ended."""
    wait_until(lambda: steps_of(out) >= step or process.poll() is not None, seconds=120)


def finish(process):
    stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout, stderr


def test_signals_to_the_process_and_the_group(start, tmp_path):
    assert finish(start("whole"))[0] == 0
    for place, (number, code) in enumerate([(signal.SIGTERM, 75), (signal.SIGINT, 130), (signal.SIGUSR1, 75)]):
        process = start("run")
        wait_for(process, tmp_path / "run", 8 * (place + 1))
        (os.killpg if place else os.kill)(process.pid, number)
        returned, _, stderr = finish(process)
        assert returned == code
        assert f"stopped by {number.name}; a checkpoint of step" in stderr
    assert finish(start("run"))[0] == 0
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


def test_a_second_signal_ends_it_at_once(start, tmp_path):
    process = start("run")
    wait_for(process, tmp_path / "run", 4)
    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGTERM)
    assert finish(process)[0] == 75
    assert finish(start("run"))[0] == 0


def test_killed_five_times(start, tmp_path):
    """At whatever time a run is killed, its continuation ends with the same bytes as a run without kills."""
    assert finish(start("whole"))[0] == 0
    rng, kills = random.Random(3), 0
    while kills < 5:
        process = start("run")
        wait_for(process, tmp_path / "run", min(steps_of(tmp_path / "run") + 1 + rng.randrange(5), STEPS - 1))
        time.sleep(0.05 * rng.random())
        os.killpg(process.pid, signal.SIGKILL)
        finish(process)
        kills += 1
    assert finish(start("run"))[0] == 0
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    assert not list((tmp_path / "run").rglob("*.tmp"))
