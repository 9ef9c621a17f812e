"""Tests steps with frozen parts, with BatchNorm, and with critics that see the blurred photograph."""

import contextlib

import pytest
import torch
from small_steps import photographs, recipe, step_of
from torch import nn

from blurkit.errors import UsageError
from trainer.config import Adversarial, ContentWeights, Optimizer
from trainer.networks.critics import build_critic
from trainer.networks.generators import build_generator
from trainer.training.distributed import Ranks

PIXELS = ContentWeights(perceptual=0.0, l1=1.0)


class Plain(nn.Module):
    """A generator with a backbone, which is frozen for two steps."""

    multiple, least, freeze = 1, 1, 2

    def __init__(self):
        super().__init__()
        self.backbone, self.tail = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, blurred):
        return self.tail(self.backbone(blurred))


def step_with(generator, critic=None, **changes):
    critic = critic or build_critic({"name": "patch", "width": 2, "layers": 1})
    changes = {"adversarial": Adversarial(critic_steps=1), **changes}
    return step_of(recipe(content=PIXELS, **changes), generator.float(), critic, None)


def flat(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def pairs():
    return photographs(dtype=torch.float32)


def test_a_backbone_is_trained_after_its_frozen_steps():
    torch.manual_seed(1)
    generator = Plain()
    step, changed = step_with(generator), []
    for number in range(4):
        before = flat(generator.backbone), flat(generator.tail)
        step(number, *pairs())
        changed.append(
            [not torch.equal(*both) for both in zip(before, (flat(generator.backbone), flat(generator.tail)), strict=True)]
        )
    assert changed == [[False, True], [False, True], [True, True], [True, True]]


@pytest.mark.parametrize("stopped", [1, 2, 3])
def test_a_run_with_a_frozen_backbone_continues_exactly(stopped):
    def begun():
        torch.manual_seed(1)
        generator = Plain()
        return step_with(generator, build_critic({"name": "patch", "width": 2, "layers": 1}), optimizer=Optimizer(ema=0.5))

    whole, first, second = begun(), begun(), begun()
    for number in range(4):
        whole(number, *pairs())
    for number in range(stopped):
        first(number, *pairs())
    second.load_state_dict(first.state_dict())
    for number in range(stopped, 4):
        second(number, *pairs())
    for network in ("generator", "critic", "average"):
        assert torch.equal(flat(getattr(second, network)), flat(getattr(whole, network)))


def test_the_encoder_of_a_pyramid_is_frozen_and_then_trained():
    torch.manual_seed(1)
    spec = {"name": "fpn", "backbone": "mobilenetv2", "width": 8, "freeze": 1, "statistics": "instance"}
    generator = build_generator(spec)
    step, sharp = step_with(generator, adversarial=None, batch=1), torch.rand(1, 3, 64, 64)
    states = [flat(generator.backbone)]
    statistics = [buffer.clone() for buffer in generator.buffers()]
    for number in range(2):
        step(number, sharp / 2, sharp)
        states.append(flat(generator.backbone))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[1], states[2])
    assert all(torch.equal(*both) for both in zip(statistics, generator.buffers(), strict=True))


@pytest.mark.parametrize("name", ["patch", "classifier"])
def test_a_frozen_critic_judges_and_stays(name):
    torch.manual_seed(1)
    critic = build_critic({"name": name, "frozen": True})
    generator = Plain()
    step, before = step_with(generator, critic), flat(critic)
    losses = step(0, *pairs())
    assert set(losses) == {"adversarial", "l1"}
    assert torch.equal(flat(critic), before)
    assert not any(module.training for module in critic.modules())
    (gradient,) = torch.autograd.grad(critic(generator(pairs()[0]))[0].mean(), [generator.tail.weight])
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("joint", [False, True])
def test_a_conditional_critic_is_given_what_each_photograph_was_restored_from(joint):
    critic = build_critic({"name": "double", "width": 2, "conditional": True})
    calls = []
    critic.register_forward_hook(lambda module, given, found: calls.append(given))
    settings = Adversarial(critic_steps=1, joint=joint, gp="sample")
    step = step_with(Plain(), critic, adversarial=settings, batch=2, accumulate=2)
    blurred, sharp = pairs()
    step(0, blurred, sharp)
    assert len(calls) == (6 if joint else 8)
    for images, condition in calls:
        assert len(images) == len(condition)
    given = [part for _, condition in calls for part in condition]
    assert all(any(torch.equal(part, one) for one in blurred) for part in given)
    assert sum(torch.equal(part, blurred[0]) for part in given) == len(given) / 2


def test_the_average_and_skipped_steps_cover_the_statistics_of_batch_norm():
    torch.manual_seed(1)
    generator = build_generator({"name": "dense", "rate": 2, "dropout": 0.0})
    norm = generator.join[2]
    step = step_with(generator, adversarial=None, optimizer=Optimizer(ema=0.5))
    expected, (blurred, sharp) = norm.running_var.clone(), pairs()
    for number in range(3):
        step(number, blurred, sharp)
        decay = min(0.5, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * norm.running_var
    torch.testing.assert_close(step.average.join[2].running_var, expected)
    assert not torch.equal(norm.running_var, torch.ones(8))
    before = [buffer.clone() for buffer in generator.buffers() if buffer.is_floating_point()]
    step(3, blurred * torch.nan, sharp)
    assert step.skipped.tolist() == [1, 1]
    after = [buffer for buffer in generator.buffers() if buffer.is_floating_point()]
    assert all(torch.equal(*both) for both in zip(before, after, strict=True))


def test_processes_agree_on_the_statistics_of_batch_norm():
    class Both(Ranks):
        """Another process had the double of everything."""

        def average(self, tensors):
            for tensor in tensors:
                tensor.mul_(1.5)

    torch.manual_seed(1)
    generator = build_generator({"name": "dense", "rate": 2, "dropout": 0.0})
    alone = build_generator({"name": "dense", "rate": 2, "dropout": 0.0})
    alone.load_state_dict(generator.state_dict())
    settings = recipe(content=PIXELS, adversarial=None)
    critic = build_critic({"name": "patch", "width": 2})
    step_of(settings, generator, critic, None, Both())(0, *pairs())
    step_of(settings, alone, critic, None)(0, *pairs())
    torch.testing.assert_close(generator.join[2].running_var, 1.5 * alone.join[2].running_var)


@pytest.mark.parametrize(
    ("spec", "objective", "reason"),
    [
        ({"name": "dense", "rate": 2}, "wgan-gp", "BatchNorm in the generator"),
        ({"name": "resnet", "width": 2, "blocks": 1}, "ragan", "the relativistic objective"),
        ({"name": "dense", "rate": 2, "variant": "poster"}, "wgan-gp", ""),
        ({"name": "fpn", "backbone": "mobilenetv2", "width": 8, "statistics": "instance"}, "lsgan", ""),
    ],
)
def test_where_samples_are_mixed_another_division_of_the_batch_is_refused(spec, objective, reason):
    step = step_with(build_generator(spec), adversarial=Adversarial(objective=objective))
    with pytest.raises(UsageError, match=reason) if reason else contextlib.nullcontext():
        step.require_independent_samples()


def test_processes_without_statistics_exchange_none():
    Ranks(0, 2).average([])


def test_a_recording_is_dropped_when_other_parts_take_part(monkeypatch):
    made = []
    monkeypatch.setattr("trainer.training.step.Recorded", lambda compute: made.append(compute) or compute)
    step = step_with(Plain(), adversarial=Adversarial(critic_steps=1, start=3))
    step._records = True
    for number in range(5):
        step(number, *pairs())
    assert len(made) == 2  # at step 2 the backbone is trained, at step 3 the critic starts
