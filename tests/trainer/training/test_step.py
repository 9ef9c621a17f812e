"""Tests a training step against the published step, and its other options against plain arithmetic."""

import copy
import math

import pytest
import torch
from small_steps import lasting, networks, photographs, recipe, step_of

from trainer.config import Adversarial, ContentWeights, Optimizer, Precision
from trainer.training.distributed import Ranks
from trainer.training.published import Published
from trainer.training.step import seed_of

CPU = torch.device("cpu")


def pixels(**changes):
    return recipe(content=ContentWeights(perceptual=0.0, l1=1.0), adversarial=None, **changes)


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def gradients(step):
    """Record the gradients of each optimiser step, the newest last."""
    found = {name: [] for name in step._optimizers}
    for name, optimizer in step._optimizers.items():
        parameters = optimizer.param_groups[0]["params"]
        optimizer.register_step_pre_hook(
            lambda *_, name=name, parameters=parameters: found[name].append([p.grad.clone() for p in parameters])
        )
    return found


def test_three_steps_are_the_published_ones():
    generator, critic, features = networks()
    plain = Published(copy.deepcopy(generator), copy.deepcopy(critic.model), features)
    ours = step_of(recipe(), generator, critic, features)
    found = gradients(ours)
    for number in range(3):
        blurred, sharp = photographs().roll(number, -1)
        alphas = ours.alphas(number).to(torch.float64)
        assert alphas.shape == (5, 1, 1, 1, 1)
        plain.step(blurred, sharp, alphas)
        for group in (ours._optimizers["generator"].param_groups, ours._optimizers["critic"].param_groups):
            group[0]["lr"].fill_(1e-4)
        losses = ours.compute(blurred, sharp, alphas)
        for name, loss in plain.losses.items():
            torch.testing.assert_close(losses[name], loss.detach(), rtol=1e-9, atol=1e-9)
        for mine, parameter in zip(found["generator"][-1], plain.generator.parameters(), strict=True):
            torch.testing.assert_close(mine, parameter.grad, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(lasting(generator), lasting(plain.generator), rtol=0, atol=1e-9)
    torch.testing.assert_close(lasting(critic), lasting(plain.critic), rtol=0, atol=1e-9)


def test_the_critics_gradients_are_the_published_ones():
    generator, critic, features = networks()
    plain = Published(copy.deepcopy(generator), copy.deepcopy(critic.model), features)
    ours = step_of(recipe(), generator, critic, features)
    found, (blurred, sharp) = gradients(ours), photographs()
    alphas = torch.full((1, 1, 1, 1, 1), 0.3, dtype=torch.float64)
    fake = plain.generator(blurred)
    opinion = plain.critic(fake.detach()).mean() - plain.critic(sharp).mean()
    expected = torch.autograd.grad(opinion + plain.penalty(fake, sharp, alphas[0]), list(plain.critic.parameters()))
    ours.compute(blurred, sharp, alphas)
    for mine, other in zip(found["critic"][0], expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


def test_parts_of_a_batch_sum_up_to_the_batch():
    blurred, sharp = photographs(batch=4)
    alphas = torch.rand((2, 4, 1, 1, 1), dtype=torch.float64)
    results = []
    for parts in (1, 2, 4):
        generator, critic, features = networks()
        step = step_of(recipe(batch=4, accumulate=parts, adversarial=Adversarial(gp="sample")), generator, critic, features)
        for optimizer in step._optimizers.values():
            optimizer.param_groups[0]["lr"].fill_(1e-4)
        losses = step.compute(blurred, sharp, alphas)
        logged = torch.stack([losses[name] for name in sorted(losses)])
        results.append(torch.cat([logged, lasting(generator), lasting(critic)]))
    torch.testing.assert_close(results[1], results[0], rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(results[2], results[0], rtol=1e-9, atol=1e-11)


def test_the_critic_is_not_used_before_its_start():
    generator, critic, features = networks(torch.float32)
    step = step_of(recipe(adversarial=Adversarial(start=1, critic_steps=1)), generator, critic, features)
    before, (blurred, sharp) = weights(critic), photographs(dtype=torch.float32)
    assert "adversarial" not in step(0, blurred, sharp)
    assert torch.equal(weights(critic), before)
    assert {"critic", "penalty", "adversarial", "perceptual"} <= set(step(1, blurred, sharp))
    assert not torch.equal(weights(critic), before)


def test_clipping_changes_only_gradients_that_are_too_long():
    blurred, sharp = photographs()
    norms = []
    for clip in (0.0, 1e-4, 1e9):
        generator, critic, features = networks()
        step = step_of(pixels(optimizer=Optimizer(clip=clip)), generator, critic, features)
        found = gradients(step)
        step.compute(blurred, sharp, None)
        norms.append(torch.cat([gradient.flatten() for gradient in found["generator"][0]]).norm().item())
    assert norms[0] > 1e-3
    assert norms[1] == pytest.approx(1e-4, rel=1e-9)
    assert norms[2] == norms[0]


def test_a_step_that_is_not_finite_changes_nothing_and_is_counted():
    generator, critic, features = networks(torch.float32)
    step = step_of(recipe(adversarial=Adversarial(critic_steps=2)), generator, critic, features)
    blurred, sharp = photographs(dtype=torch.float32)
    step(0, blurred, sharp)
    before = torch.cat([weights(generator), weights(critic)])
    for number in (1, 2):
        step(number, blurred, sharp.clone().fill_(math.nan))
        assert torch.equal(torch.cat([weights(generator), weights(critic)]), before)
        assert step.skipped.tolist() == [number, number]
    step(3, blurred, sharp)
    assert step.skipped.tolist() == [0, 2]
    assert weights(generator).isfinite().all()
    assert not torch.equal(weights(generator), before[: weights(generator).numel()])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_penalty_that_is_not_finite_updates_no_critic(monkeypatch, value):
    """The other losses stay finite, so the generator is updated; the step counts as skipped."""
    generator, critic, features = networks(torch.float32)
    step = step_of(recipe(adversarial=Adversarial(critic_steps=2)), generator, critic, features)
    blurred, sharp = photographs(dtype=torch.float32)
    before, first = weights(critic).clone(), weights(generator).clone()
    critic_loss = step._loss.critic_loss

    def wrong(*given):
        terms = critic_loss(*given)
        return {**terms, "penalty": terms["penalty"] * value}

    monkeypatch.setattr(step._loss, "critic_loss", wrong)
    losses = step(0, blurred, sharp)
    assert not losses["penalty"].isfinite()
    assert losses["critic"].isfinite()
    assert torch.equal(weights(critic), before)
    assert weights(generator).isfinite().all()
    assert not torch.equal(weights(generator), first)
    assert step.skipped.tolist() == [1, 1]


def test_the_average_follows_the_weights():
    generator, critic, features = networks(torch.float32)
    step = step_of(pixels(optimizer=Optimizer(rate=0.01, ema=0.5)), generator, critic, features)
    expected, (blurred, sharp) = weights(generator), photographs(dtype=torch.float32)
    for number in range(5):
        step(number, blurred, sharp)
        decay = min(0.5, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * weights(generator)
    torch.testing.assert_close(weights(step.average), expected, rtol=1e-6, atol=1e-7)
    assert step.average is not generator
    assert not step.average.training
    without = step_of(pixels(), generator, critic, features)
    assert without.average is generator


def test_dropout_is_drawn_by_step_and_process():
    def after(number, ranks=Ranks()):  # noqa: B008  # frozen
        generator, critic, features = networks(torch.float32, dropout=0.5)
        torch.manual_seed(int(1e6 * torch.rand(())))  # earlier draws have no effect
        step = step_of(pixels(), generator, critic, features, ranks)
        step(number, *photographs(dtype=torch.float32))
        return weights(generator)

    assert torch.equal(after(0), after(0))
    assert not torch.equal(after(0), after(1))
    assert not torch.equal(after(0), after(0, Ranks(rank=1)))
    assert seed_of(1, 2, 3) != seed_of(1, 2, 4) != seed_of(12, 4)


def test_half_precision_comes_close():
    blurred, sharp = photographs(dtype=torch.float32)
    losses = {}
    for bf16 in (False, True):
        generator, critic, features = networks(torch.float32)
        step = step_of(recipe(precision=Precision(bf16=bf16)), generator, critic, features)
        losses[bf16] = step(0, blurred, sharp)
        assert all(loss.dtype == torch.float32 for loss in losses[bf16].values())
    assert losses[True]["perceptual"] == pytest.approx(losses[False]["perceptual"].item(), rel=0.05)
    assert losses[True]["penalty"] == pytest.approx(losses[False]["penalty"].item(), rel=0.05)
    assert losses[True]["perceptual"] != losses[False]["perceptual"]


def test_channels_last_is_the_same_function():
    from trainer.training.step import build_step

    results = []
    for last in (False, True):
        small = pixels(generator={"width": 4, "blocks": 1, "dropout": 0.0}, precision=Precision(channels_last=last))
        step = build_step(small, CPU, Ranks())
        results.append(step(0, *photographs(dtype=torch.float32))["l1"])
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-6)
