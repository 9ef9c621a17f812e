"""Tests that two processes over gloo end with the weights of one process with twice the batch."""

import os
import socket
import subprocess
import sys

import pytest
import torch
from json_lines import read_lines
from small_steps import lasting, networks, photographs, recipe, step_of
from tensors import threads
from tiny_runs import RECIPE, write_pairs, write_recipe

from blurkit.errors import UsageError
from trainer.config import Adversarial
from trainer.training.distributed import Ranks, joined

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


@pytest.mark.slow
def test_torchrun_trains_as_one_process_does(tmp_path):
    text = RECIPE.replace("blocks = 1", "blocks = 1\ndropout = 0.0")
    write_pairs(tmp_path)
    losses = {}
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        path = write_recipe(folder, text.replace("batch = 2", f"batch = {4 // processes}"))
        start = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", str(free_port())]
        command = [
            sys.executable,
            *start,
            "-m",
            "trainer",
            "run",
            "--data",
            str(tmp_path / "00000.h5"),
            "--out",
            str(folder / "run"),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, "--recipe", str(path), "--device", "cpu"], check=True, timeout=300, env=environment)
        lines = read_lines(folder / "run" / "metrics.jsonl")
        losses[processes] = [value for line in lines for tag, value in line.items() if tag not in ("seconds", "step")]
    assert losses[1]
    assert losses[2] == pytest.approx(losses[1], rel=2e-3)


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
