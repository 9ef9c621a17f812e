"""Tests the adversarial objectives against losses written plainly from their papers and from the code of DeblurGAN-v2."""

import contextlib
import copy

import numpy as np
import pytest
import torch
from tensors import random_tensor

from blurkit.errors import UsageError
from trainer.losses.adversarial import OBJECTIVES, AdversarialLoss, gradient_penalty
from trainer.sections import OBJECTIVES as STEPS
from trainer.sections import Adversarial

ALPHA = torch.full((1, 1, 1, 1), 0.4)


class Scores(torch.nn.Module):
    """A critic with two maps of different sizes, whose scores are a linear function of the photographs."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.maps = torch.nn.ModuleList([torch.nn.Conv2d(3, 1, 3), torch.nn.Conv2d(3, 1, 5, stride=2)]).double()

    def forward(self, photographs):
        return tuple(layer(photographs) for layer in self.maps)


def sigmoid(scores):
    return 1 / (1 + np.exp(-scores))


def plain(objective, fake, real, mean_fake=0.0, mean_real=0.0):
    """The losses of the critic and of the generator for numpy arrays of scores."""
    if objective == "gan":
        return -(np.log(sigmoid(real)).mean() + np.log(1 - sigmoid(fake)).mean()) / 2, -np.log(sigmoid(fake)).mean()
    if objective == "lsgan":
        return (((real - 1) ** 2).mean() + (fake**2).mean()) / 2, ((fake - 1) ** 2).mean()
    if objective in ("wgan", "wgan-gp"):
        return fake.mean() - real.mean(), -fake.mean()
    real, fake = real - mean_fake, fake - mean_real
    if objective == "ragan":
        critic = -(np.log(sigmoid(real)).mean() + np.log(1 - sigmoid(fake)).mean()) / 2
        return critic, -(np.log(1 - sigmoid(real)).mean() + np.log(sigmoid(fake)).mean()) / 2
    return (((real - 1) ** 2).mean() + ((fake + 1) ** 2).mean()) / 2, (((real + 1) ** 2).mean() + ((fake - 1) ** 2).mean()) / 2


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_each_objective_is_its_definition_and_the_mean_over_the_maps(objective, joint):
    critic, fake, real = Scores(), random_tensor(3, 3, 9, 9, seed=1), random_tensor(3, 3, 9, 9, seed=2)
    losses = AdversarialLoss(Adversarial(objective=objective, queue=0, joint=joint))
    found = losses.critic_loss(critic, fake, real, ALPHA), losses.generator_loss(critic, fake, real)
    rows = []
    for low, high in zip(critic(fake), critic(real), strict=True):
        low, high = low.detach().numpy(), high.detach().numpy()
        rows.append(plain(objective, low, high, low.mean(), high.mean()))
    expected = np.mean(rows, axis=0)
    assert found[0]["critic"].item() == pytest.approx(expected[0], rel=1e-12)
    assert found[1].item() == pytest.approx(expected[1], rel=1e-12)
    assert ("penalty" in found[0]) == (objective == "wgan-gp")
    single = losses.generator_loss(lambda images: critic(images)[:1], fake, real)
    assert single.item() == pytest.approx(rows[0][1], rel=1e-12)


def test_the_table_of_objectives_and_their_usual_steps_agree():
    assert set(OBJECTIVES) == set(STEPS)
    steps = {objective: Adversarial(objective=objective).critic_steps for objective in OBJECTIVES}
    assert steps == {"gan": 1, "lsgan": 1, "ragan": 1, "ragan-ls": 1, "wgan": 5, "wgan-gp": 5}


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_only_the_generators_loss_has_a_gradient_for_the_generator(objective):
    critic, real = Scores(), random_tensor(2, 3, 9, 9)
    fake = random_tensor(2, 3, 9, 9, seed=1).requires_grad_()
    losses = AdversarialLoss(Adversarial(objective=objective))
    sum(losses.critic_loss(critic, fake, real, ALPHA).values()).backward()
    assert fake.grad is None
    assert all(parameter.grad.abs().sum() > 0 for name, parameter in critic.named_parameters() if "weight" in name)
    losses.generator_loss(critic, fake, real).backward()
    assert fake.grad.abs().sum() > 0


def queued(objective, batches, queue):
    """The losses of the critic as the code of DeblurGAN-v2 computes them: the score maps of each sample enter a queue first."""
    pools, answers = [[[], []] for _ in range(2)], []
    for fake, real in batches:
        rows = []
        for pool, low, high in zip(pools, fake, real, strict=True):
            for entries, scores in zip(pool, (low, high), strict=True):
                entries.extend(scores)
                del entries[:-queue]
            rows.append(plain(objective, low, high, np.mean(pool[0]), np.mean(pool[1])))
        answers.append(np.mean(rows, axis=0))
    return answers


@pytest.mark.parametrize("objective", ["ragan", "ragan-ls"])
def test_a_queue_is_that_of_the_published_code(objective):
    critic, losses = Scores(), AdversarialLoss(Adversarial(objective=objective, queue=5)).double()
    batches = [random_tensor(2, 2, 3, 9, 9, seed=seed) for seed in range(5)]
    scores = [[tuple(score.detach().numpy() for score in critic(half)) for half in batch] for batch in batches]
    for number, ((fake, real), expected) in enumerate(zip(batches, queued(objective, scores, 5), strict=True)):
        found = losses.critic_loss(critic, fake, real, ALPHA)["critic"], losses.generator_loss(critic, fake, real)
        assert [loss.item() for loss in found] == pytest.approx(expected, rel=1e-12)
        assert int(losses.pools[:2].isfinite().sum()) == 4 * min(2 * number + 2, 5)


def test_the_mean_of_a_queue_has_no_gradient_and_that_of_a_batch_can_have_one():
    critic, real = Scores(), random_tensor(2, 3, 9, 9)
    gradients = {}
    for name, options in {"queue": {}, "batch": {"queue": 0}, "detached": {"queue": 0, "detach_mean": True}}.items():
        fake = random_tensor(2, 3, 9, 9, seed=1).requires_grad_()
        losses = AdversarialLoss(Adversarial(objective="ragan-ls", **options)).double()
        losses.critic_loss(critic, fake, real, ALPHA)
        losses.generator_loss(critic, fake, real).backward()
        gradients[name] = fake.grad
    torch.testing.assert_close(
        gradients["queue"], gradients["detached"], rtol=1e-9, atol=1e-12
    )  # the queue holds this batch only
    assert not torch.allclose(gradients["batch"], gradients["detached"], rtol=1e-3)


def test_an_empty_queue_counts_as_the_batch():
    critic, (fake, real) = Scores(), random_tensor(2, 2, 3, 9, 9)
    losses = [AdversarialLoss(Adversarial(objective="ragan", queue=queue)) for queue in (0, 50)]
    values = [each.generator_loss(critic, fake, real).item() for each in losses]
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_queues_are_saved_and_take_in_no_score_that_is_not_finite():
    critic, losses = Scores(), AdversarialLoss(Adversarial(objective="ragan", queue=4))
    losses.critic_loss(critic, *random_tensor(2, 2, 3, 9, 9), ALPHA)
    before, address = losses.pools.clone(), losses.pools.data_ptr()
    losses.critic_loss(critic, *random_tensor(2, 2, 3, 9, 9).fill_(float("inf")), ALPHA)
    torch.testing.assert_close(losses.pools, before, equal_nan=True, rtol=0, atol=0)
    assert losses.pools.data_ptr() == address  # a recorded step writes to the same memory
    other = AdversarialLoss(Adversarial(objective="ragan", queue=4))
    other.load_state_dict(losses.state_dict())
    torch.testing.assert_close(other.pools, before, equal_nan=True, rtol=0, atol=0)
    assert AdversarialLoss(Adversarial()).state_dict() == {}
    assert AdversarialLoss(Adversarial(objective="ragan", queue=0)).state_dict() == {}


def test_processes_share_their_queues():
    """Scores of two processes enter together, in the order of the processes."""
    critic, (fake, real) = Scores(), random_tensor(2, 4, 3, 9, 9)
    whole = AdversarialLoss(Adversarial(objective="ragan", queue=6))
    whole.critic_loss(critic, fake, real, ALPHA)
    sent = []
    for rank in range(2):
        losses = AdversarialLoss(Adversarial(objective="ragan", queue=6), gather=lambda rows: sent.append(rows) or rows)
        losses.critic_loss(critic, fake[2 * rank : 2 * rank + 2], real[2 * rank : 2 * rank + 2], ALPHA)
    losses = AdversarialLoss(Adversarial(objective="ragan", queue=6), gather=lambda rows: torch.cat(sent))
    losses.critic_loss(critic, fake[:2], real[:2], ALPHA)
    torch.testing.assert_close(losses.pools, whole.pools, equal_nan=True)


def test_the_weights_of_a_wasserstein_critic_are_clipped():
    critic = Scores()
    before = copy.deepcopy(critic)
    AdversarialLoss(Adversarial(objective="wgan-gp")).constrain(critic)
    assert all(map(torch.equal, critic.parameters(), before.parameters()))
    AdversarialLoss(Adversarial(objective="wgan", clip=0.05)).constrain(critic)
    for clipped, free in zip(critic.parameters(), before.parameters(), strict=True):
        assert torch.equal(clipped, free.clamp(-0.05, 0.05))
    AdversarialLoss(Adversarial(objective="wgan", clip=0.01)).constrain(critic.requires_grad_(False))
    assert max(parameter.abs().max() for parameter in critic.parameters()) == 0.05  # a frozen critic stays as it is


def test_losses_of_half_precision_scores_are_single():
    real, fake = random_tensor(2, 2, 3, 9, 9, dtype=torch.float32)
    critic = Scores().float()
    for objective in OBJECTIVES:
        losses = AdversarialLoss(Adversarial(objective=objective))
        with torch.autocast("cpu", torch.bfloat16):
            found = losses.critic_loss(critic, fake, real, ALPHA)["critic"], losses.generator_loss(critic, fake, real)
        assert {loss.dtype for loss in found} == {torch.float32}


def test_values_that_cannot_be_combined_are_refused():
    assert Adversarial(objective="gan", critic_steps=0).critic_steps == 0
    with pytest.raises(UsageError, match="did you mean 'ragan-ls'"):
        Adversarial(objective="raganls")
    with pytest.raises(UsageError, match="did you mean 'colour'"):
        Adversarial(diffaugment=("color",))


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_no_loss_reads_a_value(monkeypatch, objective):
    """On the device "meta" tensors have no values. A step that is recorded as a CUDA graph must not wait for one either."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # torch knows none for this device
    with torch.device("meta"):
        losses, critic = (
            AdversarialLoss(Adversarial(objective=objective, diffaugment=("cutout", "translation", "colour"))),
            Scores(),
        )
        fake, real = torch.zeros((2, 2, 3, 16, 16), dtype=torch.float64)
        fake.requires_grad_()
        total = sum(losses.critic_loss(critic, fake, real, torch.zeros(2, 1, 1, 1)).values())
        (total + losses.generator_loss(critic, fake, real)).backward()
        losses.constrain(critic)
    assert fake.grad.shape == fake.shape


def test_a_classifier_with_one_score_per_sample_is_a_critic():
    fake, real = random_tensor(2, 3, 3, 8, 8)
    for shape in ((3,), (3, 1)):
        critic = lambda images, shape=shape: (images.square().mean((1, 2, 3)).reshape(shape),)  # noqa: E731
        losses = AdversarialLoss(Adversarial(objective="ragan-ls")).double()
        losses.critic_loss(critic, fake, real, ALPHA)
        assert losses.pools[0, 1, -3:] == pytest.approx(real.square().mean((1, 2, 3)))
        assert gradient_penalty(critic, fake, real, alpha=ALPHA, gp="sample") > 0
