"""Tests runs that start from weights, and finished runs that are lengthened."""

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tiny_runs import RECIPE, write_pairs, write_recipe

from blurkit.errors import UsageError
from trainer.commands.run import RunOptions, run
from trainer.config import load_recipe
from trainer.networks.generators import build_generator
from trainer.networks.weights import NAME, load_generator, read_start
from trainer.sections import Schedule
from trainer.training import checkpoint, loop
from trainer.training.distributed import Ranks
from trainer.training.outputs import CURVES, SHEET
from trainer.training.step import build_step

STILL = ("optimizer.rate=0", "steps=1", "optimizer.ema=0")  # a step that leaves the weights as they are


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(loop, "draw", lambda out, *_, **__: [(out / name).touch() for name in (SHEET, CURVES)])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    write_pairs(folder)
    write_recipe(folder, RECIPE.replace("validate_every = 4", "validate_every = 2"))
    torch.manual_seed(5)
    generator = build_generator({"name": "resnet", "blocks": 1, "width": 2})
    statistics = {"module.model.2.running_mean": torch.zeros(2)}  # as in the files of DeblurGAN
    torch.save({f"module.{name}": value for name, value in generator.state_dict().items()} | statistics, folder / "net_G.pth")
    return folder


def train(place, out, *settings, init=None, resume="auto"):
    rest = {"device": "cpu", "resume": resume, "json": True, "quiet": False, "weight": (), "val": (), "settings": settings}
    recipe = str(place / "tiny.toml")
    return run(RunOptions(data=(place / "00000.h5",), out=out, recipe=recipe, init=init, **rest))


def weights(out):
    return (out / NAME).read_bytes()


def test_a_run_starts_from_a_published_file_and_from_another_run(place, tmp_path, capsys):
    train(place, tmp_path / "one", *STILL, init=place / "net_G.pth")
    assert "starting from " in capsys.readouterr().err
    state, given = load_generator(tmp_path / "one")[0].state_dict(), load_generator(place / "net_G.pth")[0].state_dict()
    assert all(torch.equal(value, given[name]) for name, value in state.items())
    train(place, tmp_path / "two", *STILL, "seed=9", init=tmp_path / "one")
    assert weights(tmp_path / "two") == weights(tmp_path / "one")


def test_the_average_starts_there_too_and_the_critic_does_not(place):
    start, recipe = read_start(place / "net_G.pth"), load_recipe(str(place / "tiny.toml"))
    begun, drawn = (build_step(recipe, torch.device("cpu"), Ranks(), given) for given in (start, None))
    for network in (begun.generator, begun.average):
        assert torch.equal(network.model[1].weight, start.state["module.model.1.weight"])
    assert not torch.equal(drawn.generator.model[1].weight, begun.generator.model[1].weight)
    assert torch.equal(drawn.critic.model[0].weight, begun.critic.model[0].weight)


def test_a_run_continues_without_the_file_and_not_with_another(place, tmp_path):
    start = Path(shutil.copy(place / "net_G.pth", tmp_path / "start.pth"))
    train(place, tmp_path / "whole", init=start)
    train(place, tmp_path / "drawn")
    assert weights(tmp_path / "whole") != weights(tmp_path / "drawn")
    half = str(tmp_path / "whole" / checkpoint.FOLDER / "00000006.ckpt")
    train(place, tmp_path / "same", init=start, resume=half)
    start.unlink()
    train(place, tmp_path / "without", resume=half)
    assert weights(tmp_path / "same") == weights(tmp_path / "without") == weights(tmp_path / "whole")
    for out in ("whole", "drawn"):
        with pytest.raises(UsageError, match="other initial weights"):
            train(place, tmp_path / out, init=tmp_path / "drawn")
    with pytest.raises(UsageError, match="no such file"):
        train(place, tmp_path / "new", init=start)


def test_weights_of_another_network_are_refused_with_its_name(place, tmp_path):
    with pytest.raises(UsageError, match=r"use --set 'generator=\{name=\"resnet\", blocks=1, width=2.*size mismatch"):
        train(place, tmp_path, "generator.width=3", init=place / "net_G.pth")
    state = build_generator({"name": "unet", "width": 1}).state_dict()
    (tmp_path / "unet.safetensors").write_bytes(safetensors.torch.save(state))
    train(place, tmp_path / "unet", *STILL, 'generator={name="unet", width=1}', init=tmp_path / "unet.safetensors")
    (tmp_path / "more.safetensors").write_bytes(safetensors.torch.save({**state, "more": torch.zeros(1)}))
    with pytest.raises(UsageError, match=r"do not fit the generator of the recipe: Unexpected key.*more"):
        train(place, tmp_path / "more", 'generator={name="unet", width=1}', init=tmp_path / "more.safetensors")


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_a_finished_run_is_lengthened(place, tmp_path, schedule):
    """With "linear" the first three steps are those before the rate falls."""
    settings = f"schedule.kind={schedule}", "checkpoint_every=2"
    train(place, tmp_path / "whole", *settings, "steps=6")
    train(place, tmp_path / "longer", *settings, "steps=3")
    best = json.loads((tmp_path / "longer/best/generator.json").read_text())["validation"]["best"]
    train(place, tmp_path / "longer", *settings, "steps=6")
    assert weights(tmp_path / "longer") == weights(tmp_path / "whole")
    assert json.loads((tmp_path / "longer/best/generator.json").read_text())["validation"]["best"] >= best
    for name in ("00000004.ckpt", "00000006.ckpt", checkpoint.BEST):
        assert checkpoint.load(tmp_path / "longer" / checkpoint.FOLDER / name).origin.recipe == checkpoint.digest_of(
            load_recipe(str(place / "tiny.toml"), [*settings, "steps=6"])
        )


def test_a_run_whose_rate_fell_is_not_lengthened(place, tmp_path):
    train(place, tmp_path, "steps=6")
    with pytest.raises(UsageError, match=r"has ended its 6 steps, and schedule.kind = 'linear' had begun.*--init"):
        train(place, tmp_path, "steps=9")


@pytest.mark.parametrize("schedule", [Schedule("constant", 4), Schedule("linear", 2, 7, 3), Schedule("cosine", 5)])
def test_settled_steps_have_the_same_rates_in_a_run_of_any_length(schedule):
    for done in range(1, 20):
        same = all(schedule.factor(step, done) == schedule.factor(step, 40) for step in range(done))
        assert schedule.settled(done) == same
