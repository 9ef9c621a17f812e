"""Tests the small commands of the trainer, and the choice of a device."""

import json
import re

import pytest
import torch

from blurkit.errors import BlurkitError, UsageError
from blurkit.program.benchmark import Figure
from trainer.commands.bench import bench
from trainer.commands.recipes import recipes
from trainer.config import parse_recipe, recipe_names
from trainer.training.device import choose_device, memory_advice


def test_recipes_are_listed_and_printed(capsys):
    assert recipes(None, (), as_json=True) == 0
    assert [recipe["name"] for recipe in json.loads(capsys.readouterr().out)] == recipe_names()
    assert recipes(None, (), as_json=False) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    assert blocks[0].startswith("Our own\n  quick (the default)  ")
    heads = [block.splitlines()[0] for block in blocks[:-1]]
    systems = [head.partition(":")[0].lower() for head in heads[1:]]
    assert systems == sorted(systems)
    listed = [line.split()[0] for block in blocks[:-1] for line in block.splitlines() if re.match(r"  \S", line)]
    assert sorted(listed) == sorted(recipe_names())
    (family,) = (block for block in blocks if block.startswith("NoGAN: the network of DeblurGAN-v2"))
    assert re.search(r"\n  nogan-lsgan-patch    least squares, one critic of patches\n", family)
    assert max(len(line) for block in blocks for line in block.splitlines()) <= 130
    assert recipes("quick", ("batch=5",), as_json=False) == 0
    assert parse_recipe(capsys.readouterr().out, where="printed").batch == 5


def test_an_unknown_section_of_the_bench_is_refused(capsys):
    with pytest.raises(UsageError, match="did you mean 'loader'"):
        bench(("loder",), device="cpu", as_json=False)
    assert Figure("a", 1.0, 1.05, at_most=True).holds
    assert not Figure("a", 30.0, 40.0).holds
    assert Figure("a", 30.0, 40.0).line().endswith("MISSED")


def test_a_device_has_a_reason():
    device, reason = choose_device("cpu")
    assert device == torch.device("cpu")
    assert reason.endswith("(as requested)")
    for name in ("gpu", "cpu:1", "cuda:x", ""):
        with pytest.raises(UsageError, match="--device is auto, cpu, cuda or cuda:N"):
            choose_device(name)
    with pytest.raises(UsageError, match="use --device cpu"):
        choose_device(f"cuda:{torch.cuda.device_count()}")
    if not torch.cuda.is_available():
        assert choose_device("auto")[0] == torch.device("cpu")
        assert "no GPU found" in choose_device("auto")[1]


def test_each_process_uses_its_own_gpu(monkeypatch):
    class Card:
        name, total_memory = "a card", 8e9

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Card)
    current = []
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("auto") == (torch.device("cuda", 1), "cuda:1, a card, 8 GB (the GPU of this process)")
    assert choose_device("cuda:0")[0] == torch.device("cuda", 0)
    assert current == [1, 0]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UsageError, match="this machine has 2 GPUs"):
        choose_device("cuda")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA"), MemoryError(), RuntimeError("can't allocate memory")])
def test_out_of_memory_gives_advice(error):
    with pytest.raises(BlurkitError, match=r"out of .*memory; lower it"), memory_advice("lower it"):
        raise error


def test_other_errors_are_unchanged():
    with pytest.raises(RuntimeError, match="something else"), memory_advice("lower it"):
        raise RuntimeError("something else")
