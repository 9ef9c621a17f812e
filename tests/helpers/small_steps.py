"""Training steps of small networks, and the weights that can be compared after them."""

import itertools

import torch
from tensors import random_tensor
from torch import nn

from trainer.config import Adversarial, ContentWeights, Optimizer, TrainingRecipe
from trainer.losses.content import TERMS, ContentLoss, Perceptual
from trainer.losses.features import Features
from trainer.networks.critics import build_critic
from trainer.networks.generators import build_generator
from trainer.training.distributed import Ranks
from trainer.training.step import Step


def networks(dtype=torch.float64, dropout=0.0):
    """A small generator and critic of the published shape, and a small network in place of VGG."""
    torch.manual_seed(3)
    features = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 3)).requires_grad_(False)
    generator = build_generator({"name": "resnet", "width": 4, "blocks": 2, "dropout": dropout})
    return tuple(network.to(dtype) for network in (generator, build_critic({"name": "patch", "width": 4}), features))


def photographs(batch=2, side=32, dtype=torch.float64):
    return random_tensor(2, batch, 3, side, side, seed=5, dtype=dtype)


def recipe(**changes):
    values = {
        "batch": 2,
        "adversarial": Adversarial(),
        "optimizer": Optimizer(rate=1e-4),
        "content": ContentWeights(perceptual=100.0),
    }
    return TrainingRecipe(**(values | changes))


def step_of(recipe, generator, critic, features, ranks=Ranks()):  # noqa: B008  # frozen
    losses = {name: TERMS[name](recipe.content) for name in recipe.content.terms if name != "perceptual"}
    if recipe.content.perceptual:
        losses["perceptual"] = Perceptual(Features(features, [len(features) - 1]))
    return Step(recipe, generator, critic, ContentLoss(recipe.content.terms, losses), torch.device("cpu"), ranks)


def lasting(network):
    """All weights except the biases that a normalisation removes: their gradients are only rounding, which Adam magnifies."""
    rows = [list(part) for part in network.modules() if isinstance(part, nn.Sequential)]
    followed = [one for row in rows for one, other in itertools.pairwise(row) if isinstance(other, nn.InstanceNorm2d)]
    idle = {id(module.bias) for module in followed}
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters() if id(parameter) not in idle])
