"""Tests the gradient penalty and the losses of "wgan-gp" with finite differences and with the published code."""

import pytest
import torch
from tensors import random_tensor

from trainer.losses.adversarial import AdversarialLoss, gradient_penalty
from trainer.networks.critics import build_critic
from trainer.sections import Adversarial

torch.set_num_threads(1)


def small_critic():
    torch.manual_seed(3)
    critic = build_critic({"name": "patch", "layers": 1, "width": 4}).double()
    for parameter in critic.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    return critic


def input_gradients(critic, photographs, step=1e-5):
    """The gradient of the mean score of each sample, by central differences for each pixel."""
    answer = torch.empty_like(photographs)
    with torch.no_grad():
        for place in range(photographs[0].numel()):
            change = torch.zeros_like(photographs[0]).flatten()
            change[place] = step
            change = change.view_as(photographs[0])
            difference = critic(photographs + change)[0] - critic(photographs - change)[0]
            answer.flatten(1)[:, place] = difference.mean((1, 2, 3)) / (2 * step)
    return answer


@pytest.mark.parametrize("alphas", [[0.3], [0.3, 0.8]])
@pytest.mark.parametrize("gp", ["pixel", "sample"])
def test_the_penalty_equals_finite_differences(gp, alphas):
    critic, fake, real = small_critic(), random_tensor(2, 3, 6, 8, seed=1), random_tensor(2, 3, 6, 8, seed=2)
    alpha = torch.tensor(alphas, dtype=torch.float64).view(-1, 1, 1, 1)
    gradient = input_gradients(critic, alpha * real + (1 - alpha) * fake)
    patches = critic(fake)[0][0].numel()
    norms = patches * gradient.square().sum(1).sqrt() if gp == "pixel" else gradient.square().sum((1, 2, 3)).sqrt()
    expected = (norms - 1).square().mean()
    penalty = gradient_penalty(critic, fake, real, alpha=alpha, gp=gp)
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-8)
    terms = AdversarialLoss(Adversarial(gp=gp)).critic_loss(critic, fake, real, alpha)
    assert terms["penalty"].item() == pytest.approx(10 * expected.item(), rel=1e-8)


@pytest.mark.parametrize("gp", ["pixel", "sample"])
def test_the_gradient_of_the_penalty_equals_finite_differences(gp):
    critic, fake, real = small_critic(), random_tensor(1, 3, 6, 8, seed=1), random_tensor(1, 3, 6, 8, seed=2)
    alpha = torch.full((1, 1, 1, 1), 0.4)
    weight, step = critic.model[2].weight, 1e-6
    (gradient,) = torch.autograd.grad(gradient_penalty(critic, fake, real, alpha=alpha, gp=gp), weight)
    for place in [(0, 0, 0, 0), (3, 2, 1, 3), (7, 1, 2, 2)]:
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
            ends.append(gradient_penalty(critic, fake, real, alpha=alpha, gp=gp).item())
            with torch.no_grad():
                weight[place] -= sign * step
        assert gradient[place].item() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("gp", ["pixel", "sample"])
@pytest.mark.parametrize("joint", [False, True])
def test_a_step_of_the_critic_is_that_of_the_published_code(gp, joint):
    critic, fake, real = small_critic(), random_tensor(3, 3, 16, 16, seed=1), random_tensor(3, 3, 16, 16, seed=2)
    alpha = random_tensor(1, 1, 1, 1) / 2 + 0.5
    ours = sum(AdversarialLoss(Adversarial(gp=gp, joint=joint)).critic_loss(critic, fake, real, alpha).values())

    mixed = (real * alpha.expand(real.size()) + fake * (1 - alpha.expand(real.size()))).requires_grad_(True)
    (scores,) = critic(mixed)
    share = 1 if gp == "pixel" else 1 / scores[0].numel()  # the paper has one score per sample, and the critic has many
    gradient = torch.autograd.grad(scores, mixed, share * torch.ones_like(scores), create_graph=True)[0]
    norms = gradient.norm(2, dim=1) if gp == "pixel" else gradient.view(3, -1).norm(2, dim=1)
    plain = critic(fake)[0].mean() - critic(real)[0].mean() + ((norms - 1) ** 2).mean() * 10

    assert ours.item() == pytest.approx(plain.item(), rel=1e-12)
    pairs = zip(*(torch.autograd.grad(loss, list(critic.parameters())) for loss in (ours, plain)), strict=True)
    assert max((a - b).abs().max() for a, b in pairs) < 1e-11


def test_only_the_loss_of_the_generator_has_a_gradient_for_the_generator():
    critic, real, alpha = small_critic(), random_tensor(1, 3, 8, 8), torch.full((1, 1, 1, 1), 0.4)
    fake = random_tensor(1, 3, 8, 8, seed=1).requires_grad_()
    losses = AdversarialLoss(Adversarial())
    sum(losses.critic_loss(critic, fake, real, alpha).values()).backward()
    assert fake.grad is None
    loss = losses.generator_loss(critic, fake, real)
    assert loss.item() == pytest.approx(-critic(fake)[0].mean().item(), rel=1e-12)
    loss.backward()
    expected = -input_gradients(critic, fake.detach())
    assert torch.allclose(fake.grad, expected, rtol=1e-6, atol=1e-9)


def test_a_constant_critic_has_a_finite_penalty():
    critic = small_critic().float()
    torch.nn.init.zeros_(critic.model[-1].weight)
    fake, real, alpha = (
        random_tensor(2, 3, 8, 8).float(),
        random_tensor(2, 3, 8, 8, seed=1).float(),
        torch.full((1, 1, 1, 1), 0.4),
    )
    for gp in ("pixel", "sample"):
        penalty = gradient_penalty(critic, fake, real, alpha=alpha, gp=gp)
        assert penalty == 1
        gradients = torch.autograd.grad(penalty, list(critic.parameters()), allow_unused=True)
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


def test_under_bfloat16_the_penalty_stays_float32():
    critic = small_critic().float()
    fake, real, alpha = (
        random_tensor(2, 3, 16, 16).float(),
        random_tensor(2, 3, 16, 16, seed=1).float(),
        torch.full((1, 1, 1, 1), 0.4),
    )
    losses = AdversarialLoss(Adversarial())
    exact = losses.critic_loss(critic, fake, real, alpha)
    with torch.autocast("cpu", torch.bfloat16):
        terms = losses.critic_loss(critic, fake, real, alpha)
        half = losses.critic_loss(critic, fake.bfloat16().float(), real.bfloat16(), alpha)
    assert torch.equal(terms["penalty"], exact["penalty"])
    double = losses.critic_loss(critic.double(), fake.double(), real.double(), alpha)
    assert terms["penalty"].item() == pytest.approx(double["penalty"].item(), rel=1e-5)
    assert half["penalty"].dtype == torch.float32
    assert terms["critic"].dtype == torch.float32
    assert terms["critic"].item() != exact["critic"].item()
    assert terms["critic"].item() == pytest.approx(exact["critic"].item(), abs=0.02)


@pytest.mark.parametrize("gp", ["pixel", "sample"])
def test_the_penalty_of_two_maps_is_the_mean_of_theirs(gp):
    critic, fake, real = small_critic(), random_tensor(2, 3, 8, 8, seed=1), random_tensor(2, 3, 8, 8, seed=2)
    other, alpha = build_critic({"name": "patch", "layers": 2, "width": 4}).double(), torch.full((1, 1, 1, 1), 0.4)
    single = [gradient_penalty(each, fake, real, alpha=alpha, gp=gp).item() for each in (critic, other)]
    both = gradient_penalty(lambda images: (*critic(images), *other(images)), fake, real, alpha=alpha, gp=gp)
    assert both.item() == pytest.approx(sum(single) / 2, rel=1e-12)
    assert single[0] != pytest.approx(single[1], rel=1e-3)


def test_the_slope_of_the_mean_score_comes_near_one_whatever_the_number_of_patches():
    """A penalty on the slope of the sum of the scores would leave a slope of one over the number of patches, 64 to 289 here."""
    ratios = {}
    for side in (8, 16):
        torch.manual_seed(1)
        critic = build_critic({"name": "patch", "layers": 1, "width": 8})
        fake, real = random_tensor(2, 4, 3, side, side, dtype=torch.float32) * torch.tensor([0.3, 1.0]).view(2, 1, 1, 1, 1)
        losses, alpha = AdversarialLoss(Adversarial(gp="sample")), torch.zeros(4, 1, 1, 1)
        adam = torch.optim.Adam(critic.parameters(), lr=0.02)
        for _ in range(30):
            adam.zero_grad()
            sum(losses.critic_loss(critic, fake, real, alpha).values()).backward()
            adam.step()
        fake.requires_grad_()
        terms = losses.generator_loss(critic, fake, real), torch.nn.functional.l1_loss(fake, real)
        adversarial, pixels = (torch.autograd.grad(term, fake)[0].norm() for term in terms)
        ratios[side] = (adversarial / pixels / (3 * side * side) ** 0.5).item()
    assert all(0.7 < ratio < 1.4 for ratio in ratios.values()), ratios  # one, if the slope of each sample has the norm one
