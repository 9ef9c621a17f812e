"""Tests a training in its own process under signals and kills: to the process, to its group, and repeatedly."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from tiny_runs import RECIPE, write_pairs, write_recipe
from waiting import wait_until

from trainer.training.checkpoint import load

pytestmark = pytest.mark.slow

STEPS = 40

#: How often the test of the storm kills a run.
KILLS = int(os.environ.get("BLURKIT_TEST_RUN_KILLS", "50"))

CODES = {signal.SIGTERM: 75, signal.SIGINT: 130, signal.SIGUSR1: 75}


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_second_signal_keeps_the_code_until_the_process_is_gone(start, tmp_path, number):
    for delay in (None, 0, 0.01, 0.03, 0.1, 0.3):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)  # its metrics would be taken for those of the next run
        process = start("run", "--resume", "never", "--quiet")
        wait_for(process, tmp_path / "run", 3)
        process.send_signal(number)
        if delay is not None:
            assert f"stopped by {number.name}; a checkpoint of step" in process.stderr.readline()
            time.sleep(delay)
        process.send_signal(number)
        assert finish(process)[0] == CODES[number]
    assert finish(start("run"))[0] == 0
    assert finish(start("whole"))[0] == 0
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_before_the_first_step_ends_it_with_the_same_code(start, tmp_path, number):
    for delay in (0.3, 0.6, 1, 1.5, 2, 3, 4):
        process = start("run", "--resume", "never", "--quiet")
        time.sleep(delay)
        process.send_signal(number)
        returned, _, stderr = finish(process)
        assert returned == CODES[number]
        saved = list((tmp_path / "run" / "checkpoints").glob("*.ckpt"))
        assert ("a checkpoint of step" in stderr) == bool(saved), stderr
        assert stderr.startswith(f"trainer: stopped by {number.name}; ")
        assert (
            stderr.endswith("run the same command again\n" if not saved else "to resume\n") or "no step was completed" in stderr
        )


@pytest.mark.parametrize("send", [os.kill, os.killpg])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_during_a_validation_is_followed_by_a_checkpoint(start, tmp_path, number, send):
    """It validates after every step, and a validation takes longer than a step."""
    often = ("--set", "validate_every=1", "--set", "validate_pairs=3")
    process = start("run", *often)
    for step in (4, 9, 15):
        wait_for(process, tmp_path / "run", step)
        send(process.pid, number)
        returned, _, stderr = finish(process)
        assert returned == CODES[number]
        assert f"stopped by {number.name}; a checkpoint of step" in stderr
        process = start("run", *often)
    assert finish(process)[0] == 0
    assert finish(start("whole", *often))[0] == 0
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_killed_many_times(start, tmp_path):
    """At whatever time a run is killed, its continuation ends with the files and bytes of a run without kills."""
    assert finish(start("whole"))[0] == 0
    rng, kills = random.Random(3), 0
    while kills < KILLS:
        process = start("run")
        wait_for(process, tmp_path / "run", min(steps_of(tmp_path / "run") + 1 + rng.randrange(5), STEPS))
        time.sleep(0.3 * rng.random())
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        if finish(process)[0] == 0:  # it came to its end before the kill
            check_same_run(tmp_path)
            shutil.rmtree(tmp_path / "run")
        else:
            kills += 1
    assert finish(start("run"))[0] == 0
    check_same_run(tmp_path)


def check_same_run(place):
    """The run has the files of the whole run, with the same bytes. Metrics hold times. Equal checkpoints may differ in bytes:
    pickle writes an object that occurs twice once, and after loading there are two."""
    run, whole = files(place / "run"), files(place / "whole")
    assert run.keys() == whole.keys()
    assert {Path(name).suffix for name in run if run[name] != whole[name]} <= {".jsonl", ".ckpt"}
    numbers = [[json.loads(line) | {"seconds": 0} for line in found["metrics.jsonl"].splitlines()] for found in (run, whole)]
    assert numbers[0] == numbers[1]
    for name in (name for name in run if name.endswith(".ckpt")):
        one, other = (asdict(load(place / folder / name)) for folder in ("run", "whole"))
        torch.testing.assert_close(one.pop("state"), other.pop("state"), rtol=0, atol=0)
        assert one == other


def files(top):
    """The bytes of every file of a run by its name, without the lock and the files of TensorBoard."""
    paths = [path for path in top.rglob("*") if path.is_file() and path.name != ".lock" and path.parent.name != "tensorboard"]
    return {str(path.relative_to(top)): path.read_bytes() for path in sorted(paths)}
