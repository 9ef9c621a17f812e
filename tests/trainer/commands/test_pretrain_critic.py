"""Tests ``trainer pretrain-critic``: the sign of the scores, the files, and runs that start from them."""

import json
import shlex

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import write_pairs, write_recipe

from blurkit.errors import UsageError
from blurkit.program.origin import made_here
from trainer.cli import cli
from trainer.commands.pretrain_critic import PretrainOptions, pretrain_critic
from trainer.commands.run import RunOptions, run
from trainer.config import load_recipe
from trainer.data.pairs import open_pairs
from trainer.networks.critics import build_critic
from trainer.training import checkpoint
from trainer.training.distributed import Ranks
from trainer.training.pretrain import classify, reliability
from trainer.training.step import build_step

CPU = torch.device("cpu")
#: Critics that learn within seconds: "double" has two maps.
CRITICS = {
    "patch": '{name="patch", width=4, layers=1}',
    "double": '{name="double", width=4}',
    "classifier": '{name="classifier", backbone="resnet10t"}',
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("critic")
    write_pairs(folder, side=40)
    write_recipe(folder)
    return folder


def train(place, out, critic, steps, *settings, **changes):
    given = (f"critic={critic}", "crop=32", "batch=4", *settings)
    rest = {"steps": steps, "device": "cpu", "overwrite": False, "as_json": True, "quiet": True, **changes}
    options = PretrainOptions((place / "00000.h5",), (), str(place / "tiny.toml"), given, out=out, **rest)
    return pretrain_critic(options)


@pytest.mark.parametrize(("name", "steps"), [("patch", 30), ("double", 60), ("classifier", 12)])
def test_sharp_photographs_score_higher_and_a_run_starts_there(place, tmp_path, capsys, name, steps):
    assert train(place, tmp_path, CRITICS[name], steps, f"optimizer.rate={0.001 if name == 'classifier' else 0.01}") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["accuracy"] == 1
    assert result["crops"] == 6
    assert json.loads((tmp_path / "critic.json").read_text())["accuracy"] == 1
    assert made_here((tmp_path / "calibration.png").read_bytes())
    spec = CRITICS[name].rstrip("}") + f', weights="{tmp_path / "critic.safetensors"}"'
    for frozen in ("false", "true"):
        recipe = load_recipe(
            str(place / "tiny.toml"), [f"critic={spec}, frozen={frozen}}}", "adversarial.objective='gan'", "adversarial.start=0"]
        )
        step = build_step(recipe, CPU, Ranks())
        blurred, sharp = (torch.from_numpy(image.copy()).permute(2, 0, 1)[None, :, :32, :32] / 127.5 - 1 for image in pair(place))
        for high, low in zip(step.critic(sharp), step.critic(blurred), strict=True):
            assert high.mean() > low.mean()
        before = [parameter.clone() for parameter in step.critic.parameters()]
        step(0, blurred.repeat(2, 1, 1, 1), sharp.repeat(2, 1, 1, 1))
        assert all(map(torch.equal, before, step.critic.parameters())) == (frozen == "true")


def pair(place):
    sharp, blurred = open_pairs([place / "00000.h5"]).images(0)
    return blurred, sharp


def test_it_is_the_binary_cross_entropy_of_the_labels(place, tmp_path):
    """One step of plain torch, with the label as the target of minus the score."""
    train(place, tmp_path, CRITICS["patch"], 1, "augment.flips='none'", "augment.transpose=false", "optimizer.rate=0.25")
    spec = {"name": "patch", "width": 4, "layers": 1}
    torch.manual_seed(0)
    critic, trained = build_critic(spec), build_critic({**spec, "weights": str(tmp_path / "critic.safetensors")})
    steps = [(new - old).detach() for old, new in zip(critic.parameters(), trained.parameters(), strict=True)]
    pairs = open_pairs([place / "00000.h5"])
    sides = zip(*map(pairs.images, range(15)), strict=True)  # sharp, blurred
    images = [torch.from_numpy(np.stack(side)).permute(0, 3, 1, 2) / 127.5 - 1 for side in sides]
    scores = torch.cat([critic(side)[0].flatten(1) for side in images])
    labels = torch.tensor([[0.0]] * 15 + [[1.0]] * 15).expand_as(scores)
    torch.nn.functional.binary_cross_entropy_with_logits(-scores, labels).backward()
    last = critic.model[-1].weight.grad  # the first step of Adam has the rate and minus the sign of the gradient
    clear = last.abs() > last.abs().mean()
    assert torch.equal(-steps[-2].sign()[clear], last.sign()[clear])


def test_the_diagram_is_that_of_a_plain_sum():
    rng = np.random.default_rng(1)
    chances = np.append(rng.random(200), 1.0)
    labels = (rng.random(201) < chances**2).astype(int)
    rows, error = reliability(chances, labels)
    total = 0.0
    for number in range(10):
        inside = [i for i, p in enumerate(chances) if number / 10 <= p < (number + 1) / 10 or (number == 9 and p == 1)]
        total += abs(sum(chances[i] for i in inside) - sum(labels[i] for i in inside))
        assert rows[number].tolist() == pytest.approx([chances[inside].mean(), labels[inside].mean(), len(inside)])
    assert error == pytest.approx(total / 201)


def test_the_middles_are_classified(place):
    critic, pairs = build_critic({"name": "patch", "width": 2, "layers": 1}), open_pairs([place / "00000.h5"])
    chances, labels = classify(critic, pairs.spread(2), 16, CPU)
    assert labels.tolist() == [0, 1, 0, 1]
    sharp = torch.from_numpy(pairs.images(0)[0][12:28, 12:28].copy()).permute(2, 0, 1)[None] / 127.5 - 1
    assert chances[0] == pytest.approx(float(torch.sigmoid(-critic(sharp)[0].mean()).detach()), abs=1e-6)


@pytest.mark.parametrize(("name", "critic"), [("patch", "width=2"), ("mobilenetv3-frozen", 'backbone="resnet10t"')])
def test_a_run_without_its_critic_gives_the_commands_that_make_and_use_it(place, tmp_path, monkeypatch, name, critic):
    monkeypatch.chdir(tmp_path)
    small = ['generator={name="unet", width=1}', "content.perceptual=0", "crop=32", "steps=2", "validate_pairs=1", "pretrain=2"]
    small += [f"critic.{critic}"] + ([] if name == "patch" else ["critic.pretrained=false"])
    words = ["run", "--recipe", f"nogan-pretrained-{name}", "--data", str(place / "00000.h5")]
    words += [word for setting in small for word in ("--set", setting)]
    with pytest.raises(UsageError, match="first learns to tell blurred from sharp") as refused:
        cli(words, standalone_mode=False)
    assert not list(tmp_path.iterdir())
    advice = [shlex.split(line)[1:] for line in str(refused.value).splitlines()[1:]]
    assert [first for first, *_ in advice] == ["pretrain-critic", "run"]
    for given in advice:
        assert cli([*given, "--device", "cpu", "-q"], standalone_mode=False) == 0
    made = tmp_path / f"runs/nogan-pretrained-{name}-critic"
    assert json.loads((made / "critic.json").read_text())["steps"] == 2
    recipe = load_recipe(f"runs/nogan-pretrained-{name}/recipe.toml")
    assert recipe.critic["weights"] == str(made.relative_to(tmp_path) / "critic.safetensors")
    (last,) = (tmp_path / f"runs/nogan-pretrained-{name}/checkpoints").glob("0*.ckpt")
    trained = checkpoint.load(last).state["critic"]
    before = load_file(made / "critic.safetensors")
    assert all(torch.equal(trained[key], value) for key, value in before.items()) == name.endswith("frozen")


def test_weights_of_a_critic_without_a_part_are_refused(place, tmp_path):
    settings = ("adversarial=none", "critic.weights=critic.safetensors")
    options = RunOptions((place / "00000.h5",), (), tmp_path / "run", str(place / "tiny.toml"), settings, "cpu", quiet=True)
    with pytest.raises(UsageError, match=r"critic\.weights is of no use: .* set adversarial\.objective"):
        run(options)
    assert not (tmp_path / "run").exists()


def test_without_adversarial_training_no_critic_is_needed(place, tmp_path):
    settings = ["pretrain=2", "adversarial=none", "steps=1", "validate_pairs=1"]
    options = RunOptions((place / "00000.h5",), (), tmp_path, str(place / "tiny.toml"), tuple(settings), "cpu", quiet=True)
    assert run(options) == 0


def test_weights_of_a_file_take_the_place_of_those_of_imagenet(tmp_path):
    critic = build_critic({"name": "classifier", "backbone": "resnet10t"})
    torch.save(critic.state_dict(), tmp_path / "critic.pth")
    again = build_critic(
        {"name": "classifier", "backbone": "resnet10t", "pretrained": True, "weights": str(tmp_path / "critic.pth")}
    )
    assert all(map(torch.equal, critic.state_dict().values(), again.state_dict().values()))


def test_a_conditional_critic_and_files_of_others_are_refused(place, tmp_path):
    with pytest.raises(UsageError, match=r"sees one photograph.*critic\.conditional = false"):
        train(place, tmp_path, '{name="patch", conditional=true}', 1)
    with pytest.raises(UsageError, match=r"sees one photograph.*critic\.conditional = false or pretrain = 0"):
        load_recipe("nogan-pretrained-patch", ["critic.conditional=true"])
    (tmp_path / "critic.json").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        train(place, tmp_path, CRITICS["patch"], 1)
