"""Tests that two processes over gloo end with the weights of one process with twice the batch."""

import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from json_lines import read_lines
from small_steps import lasting, networks, photographs, recipe, step_of
from tensors import threads
from tiny_runs import RECIPE, write_pairs, write_recipe

from blurkit.errors import UsageError
from blurkit.program.signals import Stop
from trainer.config import Adversarial, TrainingRecipe
from trainer.training.distributed import Ranks, joined
from trainer.training.loop import _stopped

CPU = torch.device("cpu")


def take_steps(batch, ranks):
    """Three steps on this process's part of four pairs, in float64; all weights but idle ones."""
    generator, critic, features = networks()
    step = step_of(recipe(batch=batch, adversarial=Adversarial(gp="sample", critic_steps=2)), generator, critic, features, ranks)
    part = slice(ranks.rank * batch, (ranks.rank + 1) * batch)
    for number in range(3):
        blurred, sharp = photographs(batch=4).roll(number, -1)
        step(number, blurred[part], sharp[part])
    return torch.cat([lasting(generator), lasting(critic)])


def worker(rank, port, path):
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with threads(1), joined(CPU) as ranks:
        assert ranks == Ranks(rank, 2)
        assert ranks.agree(15 * rank, CPU) == 15
        assert ranks.gather(torch.full((2, 1), float(rank))).tolist() == [[0], [0], [1], [1]]
        torch.save(take_steps(2, ranks), f"{path}/{rank}.pt")


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


@pytest.mark.slow
def test_two_processes_compute_the_weights_of_one_process(tmp_path):
    torch.multiprocessing.spawn(worker, (free_port(), str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert torch.equal(first, second)
    alone = take_steps(4, Ranks())
    torch.testing.assert_close(first, alone, rtol=1e-9, atol=1e-10)


#: The command line, which sends a signal to itself within the step STOP_AT.
PROGRAM = """
import os, signal, sys
from trainer.cli import main
from trainer.training.step import Step

call = Step.__call__

def stop(self, number, *images):
    if number == int(os.environ["STOP_AT"]):
        os.kill(os.getpid(), signal.SIGTERM)
    return call(self, number, *images)

Step.__call__ = stop
sys.exit(main())
"""


def torchrun(folder, out, processes, *settings, stop_at=-1):
    """Train with several processes and return the finished process."""
    start = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", str(free_port()), "--no-python"]
    given = ["--data", str(folder / "00000.h5"), "--out", str(out), "--recipe", str(folder / "tiny.toml"), "--device", "cpu"]
    command = [sys.executable, *start, sys.executable, "-c", PROGRAM, "run", *given, *(f"--set={text}" for text in settings)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "STOP_AT": str(stop_at)}
    return subprocess.run(command, check=False, timeout=300, env=environment, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path):
    write_pairs(tmp_path)
    write_recipe(tmp_path, RECIPE.replace("blocks = 1", "blocks = 1\ndropout = 0.0"))
    return tmp_path


def numbers(out):
    """All numbers of the metrics."""
    lines = read_lines(out / "metrics.jsonl")
    return [value for line in lines for tag, value in line.items() if tag not in ("seconds", "step")]


@pytest.mark.slow
def test_torchrun_trains_as_one_process_does(folder):
    for processes in (1, 2):
        assert torchrun(folder, folder / str(processes), processes, f"batch={4 // processes}").returncode == 0
    assert numbers(folder / "1")
    assert numbers(folder / "2") == pytest.approx(numbers(folder / "1"), rel=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_another_number_of_processes_continues_a_run(folder, accumulate):
    """Processes 1, 2, 1: to the byte if one process divides a step as two do, else to rounding, which Adam magnifies."""
    alone = (1, "batch=4", f"accumulate={accumulate}")
    whole, out = folder / "whole", folder / "changed"
    assert torchrun(folder, whole, *alone).returncode == 0
    assert "a checkpoint of step 4 is in" in torchrun(folder, out, *alone, stop_at=3).stderr
    second = torchrun(folder, out, 2, "batch=2", stop_at=6).stderr
    assert "resumed at step 4" in second
    assert "sums may be rounded differently" in second
    assert "a checkpoint of step 7 is in" in second
    done = torchrun(folder, out, *alone)
    assert done.returncode == 0, done.stderr
    if accumulate == 2:
        assert (out / "generator.safetensors").read_bytes() == (whole / "generator.safetensors").read_bytes()
    assert numbers(out) == pytest.approx(numbers(whole), rel=2e-3)


@pytest.mark.slow
def test_a_number_of_processes_that_changes_the_pairs_of_a_step_is_refused(folder):
    assert "a checkpoint of step 4" in torchrun(folder, folder / "run", 1, "batch=4", stop_at=3).stderr
    done = torchrun(folder, folder / "run", 2, "batch=4")
    assert done.returncode != 0
    assert "4 pairs per step with 1 processes; this run, with 2, trains on 8; use --set batch=2" in done.stderr


def test_a_single_process_exchanges_nothing(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with joined(CPU) as ranks:
        numbers = torch.arange(3.0)
        ranks.average([numbers])
        assert numbers.tolist() == [0, 1, 2]
        assert ranks.agree(7, CPU) == 7
        assert ranks.gather(numbers) is numbers
        assert ranks.first
        ranks.wait()


def test_an_incomplete_environment_of_torchrun_is_refused(monkeypatch):
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="start with torchrun"), joined(CPU):
        pass


@pytest.mark.parametrize(("device", "steps"), [("cuda", [0, 4, 8, 10, 12]), ("cpu", list(range(13)))])
def test_gpus_agree_on_a_stop_rarely(device, steps):
    """To agree they wait for each other. After a validation, which a signal cuts short, they agree too."""
    asked, recipe, place = [], TrainingRecipe(steps=12, validate_every=4), torch.device(device)

    def stopped(number):
        ranks = SimpleNamespace(world=2, agree=lambda signal, where: asked.append((number, where)) or signal)
        return _stopped(SimpleNamespace(recipe=recipe, ranks=ranks, device=place), SimpleNamespace(step=number), Stop(15))

    assert [number for number in range(13) if stopped(number)] == steps
    assert asked == [(number, place) for number in steps]
