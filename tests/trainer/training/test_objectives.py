"""Tests steps with each adversarial objective: what changes, what stays, and that a step continues from a saved state exactly."""

import copy

import pytest
import torch
from small_steps import networks, photographs, recipe, step_of

from trainer.losses.adversarial import OBJECTIVES
from trainer.sections import Adversarial, ContentWeights


def small(seed=0, **adversarial):
    changes = {"content": ContentWeights(perceptual=0.0, l1=1.0), "adversarial": Adversarial(**adversarial), "seed": seed}
    torch.manual_seed(9)
    generator, critic, features = networks(torch.float32)
    return step_of(recipe(**changes), generator, critic, features)


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_steps_train_both_networks_and_continue_exactly(objective):
    options = {"objective": objective, "critic_steps": 1, "queue": 3, "gp": "sample", "diffaugment": ("colour", "cutout")}
    whole, (blurred, sharp) = small(**options), photographs(dtype=torch.float32)
    before = [weights(network) for network in (whole.generator, whole.critic)]
    for number in range(4):
        losses = whole(number, blurred, sharp)
        assert all(loss.isfinite() for loss in losses.values())
        if number == 1:
            saved = copy.deepcopy(whole.state_dict())
    assert not whole.skipped.any()
    changes = [(weights(network) - old).abs() for network, old in zip((whole.generator, whole.critic), before, strict=True)]
    assert all((change > 0).float().mean() > 0.5 for change in changes)
    again = small(**options)
    again.load_state_dict(saved)
    for number in (2, 3):
        again(number, blurred, sharp)
    for name, tensors in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensors, rtol=0, atol=0, equal_nan=True)


def test_the_state_of_an_older_checkpoint_has_no_adversarial_loss():
    step, (blurred, sharp) = small(critic_steps=1), photographs(dtype=torch.float32)
    step(0, blurred, sharp)
    state = copy.deepcopy(step.state_dict())
    assert state.pop("adversarial") == {}
    small(critic_steps=1).load_state_dict(state)
    with pytest.raises(Exception, match="AdversarialLoss"):
        small(objective="ragan").load_state_dict(state)


def test_without_critic_steps_the_critic_judges_and_stays():
    step, (blurred, sharp) = small(objective="gan", critic_steps=0, weight=100.0), photographs(dtype=torch.float32)
    before = weights(step.critic)
    losses = step(0, blurred, sharp)
    assert set(losses) == {"adversarial", "l1"}
    assert torch.equal(weights(step.critic), before)
    without = small(objective="gan", critic_steps=0, weight=0.0)
    without(0, blurred, sharp)
    assert not torch.equal(weights(step.generator), weights(without.generator))


def test_the_weights_of_a_wasserstein_critic_stay_small():
    step, (blurred, sharp) = small(objective="wgan", critic_steps=2, clip=0.005), photographs(dtype=torch.float32)
    assert weights(step.critic).abs().max() == pytest.approx(0.005)
    step(0, blurred, sharp)
    assert weights(step.critic).abs().max() <= 0.005


def test_the_changes_of_a_critics_view_depend_on_the_seed_and_the_step():
    def after(seed, number):
        step = small(seed, objective="gan", diffaugment=("translation",))
        step(number, *photographs(dtype=torch.float32))
        return weights(step.critic)

    assert torch.equal(after(0, 0), after(0, 0))
    assert not torch.equal(after(0, 0), after(0, 1))
    assert not torch.equal(after(0, 0), after(1, 0))
