"""Tests that every recipe trains: at reduced size, with random weights in place of downloaded ones."""

import pytest
import torch
from docs_scripts import docs_script
from tensors import random_tensor

from trainer.config import load_recipe, recipe_names
from trainer.training.distributed import Ranks
from trainer.training.step import build_step

SIDE = 64
SMALL = {
    "resnet": ("width=4", "blocks=1"),
    "residual-unet": ("width=4",),
    "fpn": ("width=8", "backbone=mobilenetv2", "pretrained=false"),
    "ird": ("width=4",),
    "dense": ("rate=2",),
    "unet": ("width=4",),
    "nafnet": ("width=4", "encoder=[1, 1]", "decoder=[1, 1]"),
}
GRADIENTS = docs_script("gradients")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Files with random weights of the networks of content losses."""
    return GRADIENTS.random_weights(tmp_path_factory.mktemp("weights"))


def small(name, weights, backbone):
    """A step of a recipe at reduced size. ``backbone``: that of generators and critics on a network of others, or None."""
    whole = load_recipe(name)
    parts = {"generator": whole.generator["name"] == "fpn", "critic": whole.critic["name"] == "classifier"}
    backbones = [f"{part}.backbone={backbone}" for part, has_one in parts.items() if backbone and has_one]
    sizes = ("adversarial.start=0", f"crop={SIDE}", "batch=1")
    recipe = GRADIENTS.reduced(name, weights, SMALL, 4, [*sizes, *backbones])
    return build_step(recipe, torch.device("cpu"), Ranks())


def flat(network, frozen):
    chosen = [parameter.detach().flatten() for parameter in network.parameters() if parameter.requires_grad != frozen]
    return torch.cat(chosen) if chosen else torch.zeros(0)


def gradients_of_terms(step, blurred, sharp):
    """The norm of the generator's gradient of each term."""
    restored = step.generator(blurred)
    _, terms = step.judge(restored, blurred, sharp, adversarial=step.recipe.adversarial is not None)
    parameters = [parameter for parameter in step.generator.parameters() if parameter.requires_grad]
    found = {}
    for name, term in terms.items():
        gradients = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        found[name] = sum(gradient.square().sum() for gradient in gradients if gradient is not None).sqrt().item()
    return found


def train(name, weights, steps, backbone=None):
    step = small(name, weights, backbone)
    blurred, sharp = random_tensor(2, 1, 3, SIDE, SIDE, dtype=torch.float32)
    sharp = 0.5 * blurred + 0.5 * sharp
    before = flat(step.generator, frozen=False), flat(step.generator, frozen=True), flat(step._content, frozen=True)
    critic = torch.cat([parameter.detach().flatten() for parameter in step.critic.parameters()])
    norms = gradients_of_terms(step, blurred, sharp)
    assert set(norms) == set(step.recipe.content.terms) | ({"adversarial"} if step.recipe.adversarial else set())
    assert all(0 < norm < float("inf") for norm in norms.values()), norms
    for number in range(steps):
        losses = step(number, blurred, sharp)
        assert all(loss.isfinite() for loss in losses.values()), losses
    assert step.skipped.tolist() == [0, 0]
    after = flat(step.generator, frozen=False), flat(step.generator, frozen=True), flat(step._content, frozen=True)
    assert [torch.equal(*both) for both in zip(before, after, strict=True)] == [False, True, True]
    trained = torch.cat([parameter.detach().flatten() for parameter in step.critic.parameters()])
    assert torch.equal(trained, critic) == (step.recipe.adversarial is None or step.critic.frozen)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_takes_two_steps(name, weights):
    train(name, weights, 2, backbone="test_efficientnet")


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_takes_twenty_steps(name, weights):
    train(name, weights, 20)


@pytest.mark.parametrize("name", ["ird", "vegan-fourier", "nogan-lsgan-patch"])
def test_the_norms_of_the_documentation_are_slopes_of_weighted_losses(weights, name):
    """Along its gradient, a loss changes by the norm of the gradient for each unit of length."""
    step = small(name, weights, None)
    restored, blurred, sharp = random_tensor(3, 1, 3, SIDE, SIDE, dtype=torch.float32)
    norms = GRADIENTS.norms(step, restored, blurred, sharp)
    assert set(norms) == {*step.recipe.content.terms, "adversarial"}
    for term, norm in norms.items():
        leaf = restored.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(step.judge(leaf, blurred, sharp, adversarial=True)[1][term], leaf)
        along = gradient / gradient.norm() * 0.02
        with torch.no_grad():
            high, low = (step.judge(restored + sign * along, blurred, sharp, adversarial=True)[1][term] for sign in (1, -1))
        assert step.weights[term] * (high - low).item() / 0.04 == pytest.approx(norm, rel=0.02), term
