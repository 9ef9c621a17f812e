"""Tests that runs with checkpoints of version 1 are continued, and that their files count as their own."""

import dataclasses
import io
import shutil

import pytest
import torch
from matplotlib.figure import Figure
from tiny_runs import RECIPE
from tiny_trainings import prepared, train

from blurkit.errors import BlurkitError, UsageError
from trainer.config import load_recipe
from trainer.networks.weights import NAME
from trainer.training import checkpoint

#: The recipe of these runs as the first version of the trainer wrote it, with this digest if gp is "pixel".
FIRST = """name = "tiny"
summary = ""
provenance = ""
seed = 0
steps = 9
batch = 2
accumulate = 1
crop = 16
checkpoint_every = 3
log_every = 2
validate_every = 4
validate_pairs = 2

[generator]
name = "resnet"
blocks = 1
width = 2
dropout = 0.5
upsampling = "transposed"
skip = true

[critic]
name = "patch"
width = 2
layers = 1

[adversarial]
objective = "wgan-gp"
gp = "pixel"
penalty = 10.0
joint = false
weight = 1.0
critic_steps = 2
start = 2

[content]
perceptual = 0.0
l1 = 100.0
mse = 0.0
charbonnier = 0.0
vgg_weights = ""

[optimizer]
rate = 0.001
betas = [0.5, 0.999]
clip = 5.0
ema = 0.9

[schedule]
kind = "linear"
warmup = 0
hold = 3
every = 1

[augment]
flips = "both"
transpose = true

[precision]
bf16 = false
channels_last = false
compile = false
graph = false
"""
DIGEST = "5f649de15c3445582467fdff3187cb2710c3ded5748f9ead8a8cb14a253fffa9"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = prepared(tmp_path_factory.mktemp("tiny"), RECIPE.replace('"sample"', '"pixel"'))
    for name in ("undisturbed", "old"):
        train(folder, folder / name)
    make_old(folder, folder / "old")
    assert load_recipe(str(folder / "tiny.toml")).digest == DIGEST
    return folder


def make_old(place, out, text=FIRST):
    """Turn a finished run into what the first version of the trainer left after step 6 of 9. ``text``: its recipe."""
    recipe = load_recipe(str(place / "tiny.toml"))
    (out / "checkpoints" / "00000009.ckpt").unlink()
    for path in (out / "checkpoints").glob("*.ckpt"):
        values = dataclasses.asdict(checkpoint.load(path))
        del values["losses"], values["state"]["adversarial"]
        for key in ("pairs", "parts", "init"):
            del values["origin"][key]
        values["origin"]["recipe"] = recipe.digest
        buffer = io.BytesIO()
        torch.save(values, buffer)
        path.write_bytes(checkpoint._head(buffer.getvalue(), b"trainer-checkpoint 1 ") + buffer.getvalue())
    (out / "recipe.toml").write_text(text)
    for name in ("validation.png", "curves.png"):
        Figure().savefig(out / name)  # with Matplotlib's own mark


def test_an_old_run_is_continued_to_the_same_weights(place, tmp_path):
    out = shutil.copytree(place / "old", tmp_path / "run")
    assert train(place, out) == 0
    assert (out / NAME).read_bytes() == (place / "undisturbed" / NAME).read_bytes()
    assert checkpoint.newest(out).step == 9


@pytest.mark.parametrize("start", [2, pytest.param(7, marks=pytest.mark.slow)])
def test_an_old_critic_of_another_penalty_is_refused(tmp_path, start):
    """The penalty "sample" was on the sum of the scores of a sample. A critic that was not yet trained has known none."""
    prepared(tmp_path, RECIPE.replace("start = 2", f"start = {start}"))
    train(tmp_path, tmp_path / "run")
    make_old(tmp_path, tmp_path / "run", FIRST.replace('"pixel"', '"sample"').replace("start = 2", f"start = {start}"))
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.*") if path.is_file()}
    if start == 2:
        with pytest.raises(UsageError, match=r"on the sum of the scores of a sample.*--resume never"):
            train(tmp_path, tmp_path / "run")
        assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.*") if path.is_file()} == before
    else:
        assert train(tmp_path, tmp_path / "run") == 0


def test_an_old_run_with_a_recipe_that_was_edited_is_refused(place, tmp_path):
    out = shutil.copytree(place / "old", tmp_path / "run")
    recipe = load_recipe(str(place / "tiny.toml"), ["batch=1"])
    (out / "recipe.toml").write_text(recipe.toml())
    with pytest.raises(BlurkitError, match=r"is not the recipe of 00000006\.ckpt"):
        train(place, out)


def test_an_old_recipe_beside_new_checkpoints_is_somebody_s_own(place, tmp_path):
    out = shutil.copytree(place / "undisturbed", tmp_path / "run")
    shutil.copy(place / "old" / "recipe.toml", out)
    with pytest.raises(UsageError, match=r"recipe\.toml was not written by blurkit"):
        train(place, out)
