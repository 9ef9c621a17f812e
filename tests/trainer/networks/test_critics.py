"""Tests critics against the networks published in 2018 and 2019, written here as plain functions of their parameters."""

import pytest
import timm
import torch
import torch.nn.functional as F
from tensors import random_tensor

from blurkit.errors import UsageError
from trainer.networks.build import channels_last
from trainer.networks.classifier import Ramp
from trainer.networks.critics import build_critic


def plain_critic(parameters, x, layers):
    parameters = iter(parameters)

    def convolved(x, stride):
        return F.conv2d(x, next(parameters), next(parameters), stride=stride, padding=2)

    def leaky(x):
        return torch.where(x > 0, x, 0.2 * x)

    y = leaky(convolved(x, 2))
    for stride in [2] * (layers - 1) + [1]:
        y = convolved(y, stride)
        centred = y - y.mean((2, 3), keepdim=True)
        y = leaky(centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt())
    y = convolved(y, 1)
    assert next(parameters, None) is None
    return y


def small(name="patch", **options):
    torch.manual_seed(1)
    return build_critic({"name": name, "width": 4, **options}).double()


@pytest.mark.parametrize(("name", "count", "side"), [("patch", 2_764_737, 35), ("full", 11_154_369, 11)])
def test_sizes_are_those_published(name, count, side):
    with torch.device("meta"):
        critic = build_critic({"name": name})
        (scores,) = critic(torch.empty(1, 3, 256, 256))
    assert sum(parameter.numel() for parameter in critic.parameters()) == count
    assert scores.shape == (1, 1, side, side)


def test_names_are_those_published():
    names = [f"model.{layer}.{kind}" for layer in (0, 2, 5, 8, 11) for kind in ("weight", "bias")]
    assert list(small().state_dict()) == names


@pytest.mark.parametrize(("name", "layers"), [("patch", 3), ("full", 5), ("patch", 1)])
def test_scores_are_those_of_the_published_network(name, layers):
    critic = small(name) if layers > 1 else small(layers=1)
    for parameter in critic.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    sharp = random_tensor(2, 3, 40, 32)
    (scores,) = critic(sharp)
    expected = plain_critic(critic.parameters(), sharp, layers)
    assert scores.shape == expected.shape
    assert torch.allclose(scores, expected, rtol=0, atol=1e-12)
    assert scores.std() > 0.1


def test_the_scores_of_a_sample_do_not_depend_on_its_batch():
    critic, sharp = small(), random_tensor(3, 3, 32, 32)
    alone = torch.cat([critic(sharp[k : k + 1])[0] for k in range(3)])
    assert torch.allclose(critic(sharp)[0], alone, rtol=0, atol=1e-14)


def test_channels_last_is_the_same_function():
    critic, sharp = small().float(), random_tensor(2, 3, 64, 64).float()
    expected = critic(sharp)[0]
    assert torch.allclose(channels_last(critic)(sharp)[0], expected, rtol=0, atol=5e-6)


def test_initial_weights_are_the_published_ones():
    critic = build_critic({"name": "patch"})
    weights = torch.cat([module.weight.detach().flatten() for module in critic.modules() if isinstance(module, torch.nn.Conv2d)])
    assert weights.std() == pytest.approx(0.02, rel=0.005)
    assert not critic.model[2].bias.any()


def test_published_states_load():
    state = {f"module.{name}": value for name, value in small().state_dict().items()}
    state["module.model.3.running_mean"] = torch.zeros(8)
    critic = small()
    torch.nn.init.zeros_(critic.model[0].weight)
    critic.load_state_dict(state)
    assert torch.equal(critic.model[0].weight, state["module.model.0.weight"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "path"}, "unknown critic 'path'; did you mean 'patch'"),
        ({"name": "full", "layer": 2}, "unknown option 'layer'; did you mean 'layers'"),
        ({"name": "full", "layers": 2.0}, "layers takes a value like 0"),
        ({"name": "patch", "layers": -1}, "critic.layers takes values within"),
        ({"name": "classifier", "backbone": "efficientnet_b"}, "timm has no network 'efficientnet_b'; did you mean"),
        ({"name": "classifier", "conditional": True, "pretrained": True}, "a conditional critic sees two"),
    ],
)
def test_invalid_specifications_are_refused(spec, message):
    with pytest.raises(UsageError, match=message):
        build_critic(spec)


@pytest.mark.parametrize(
    ("backbone", "count"),
    [("mobilenetv3_large_100", 4_203_313), ("efficientnet_b0", 4_008_829), ("seresnext50_32x4d", 25_512_945)],
)
def test_classifiers_have_one_logit_and_the_published_sizes(backbone, count):
    with torch.device("meta"):
        critic = build_critic({"name": "classifier", "backbone": backbone})
        (scores,) = critic(torch.empty(2, 3, 64, 64))
    assert scores.shape == (2, 1)
    assert sum(parameter.numel() for parameter in critic.parameters()) == count


def test_the_score_of_a_classifier_is_minus_its_logit_of_blurred():
    critic, sharp = build_critic({"name": "classifier", "statistics": "instance"}), random_tensor(2, 3, 64, 64).float()
    mean, std = (torch.tensor(levels)[:, None, None] for levels in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    logit = critic.network(((sharp + 1) / 2 - mean) / std)
    assert torch.allclose(critic(sharp)[0], -logit, rtol=0, atol=1e-5)
    assert logit.std() > 0


def test_the_double_critic_is_a_patch_and_a_full_one():
    critic, sharp = small("double"), random_tensor(2, 3, 64, 64)
    patch, full = critic(sharp)
    assert torch.equal(patch, critic.patch(sharp)[0])
    assert torch.equal(full, critic.full(sharp)[0])
    assert [len(list(part.parameters())) for part in (critic.patch, critic.full)] == [10, 14]


def test_a_conditional_critic_sees_the_blurred_photograph_too():
    critic, sharp, blurred = small(conditional=True), random_tensor(2, 3, 40, 32), random_tensor(2, 3, 40, 32, seed=9)
    expected = plain_critic(critic.parameters(), torch.cat([sharp, blurred], 1), 3)
    assert torch.allclose(critic(sharp, blurred)[0], expected, rtol=0, atol=1e-12)
    with pytest.raises(UsageError, match="together with the blurred photographs"):
        critic(sharp)
    plain = small()
    assert torch.equal(plain(sharp, blurred)[0], plain(sharp)[0])


@pytest.mark.parametrize("name", ["patch", "double", "classifier"])
def test_a_frozen_critic_is_started_from_a_file_and_never_trained(tmp_path, name):
    other, path = build_critic({"name": name}), str(tmp_path / "critic.pt")
    torch.save(other.state_dict(), path)
    critic = build_critic({"name": name, "weights": path, "frozen": True}).train()
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in critic.state_dict().items())
    assert not any(parameter.requires_grad for parameter in critic.parameters())
    assert not any(module.training for module in critic.modules())
    with pytest.raises(UsageError, match="weights are missing"):
        build_critic({"name": "full", "weights": path})


def test_a_classifier_starts_from_the_weights_of_a_thousand_classes(tmp_path):
    library = timm.create_model("mobilenetv3_large_100")
    torch.save(library.state_dict(), tmp_path / "imagenet.pth")
    critic = build_critic({"name": "classifier", "weights": str(tmp_path / "imagenet.pth")}).train()
    assert torch.equal(critic.network.conv_stem.weight, library.conv_stem.weight)
    assert critic.network.classifier.weight.shape == (1, 1280)
    norms = [module for module in critic.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert critic.training
    assert not any(norm.training for norm in norms)  # stored statistics, so that the scores of a batch are those of its samples
    sharp = random_tensor(2, 3, 64, 64).float()
    assert torch.allclose(critic(sharp)[0][:1], critic(sharp[:1])[0], rtol=0, atol=1e-4)


def test_a_classifier_can_be_differentiated_twice():
    critic, sharp = build_critic({"name": "classifier"}), random_tensor(1, 3, 64, 64).float().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(sharp)[0].sum(), sharp, create_graph=True)
    gradient.square().sum().backward()  # torch has no second derivative of the hard sigmoid of this network
    assert critic.network.conv_stem.weight.grad.abs().max() > 0
    values = torch.linspace(-5, 5, 101)
    assert torch.allclose(Ramp()(values), F.hardsigmoid(values), rtol=0, atol=1e-6)
