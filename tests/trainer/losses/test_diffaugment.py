"""Tests the changes that a critic sees photographs through, against plain arithmetic with the same random numbers."""

import numpy as np
import pytest
import torch
from tensors import random_tensor

from trainer.losses.adversarial import AdversarialLoss
from trainer.losses.diffaugment import DRAWS, diffaugment
from trainer.networks.critics import build_critic
from trainer.sections import Adversarial


def plain(image, changes, u):
    """One image, float64 (3, h, w), changed with loops over the definition."""
    image = image.copy()
    _, height, width = image.shape
    if "colour" in changes:
        image += u[0] - 0.5
        grey = (image[0] + image[1] + image[2]) / 3
        image = grey + 2 * u[1] * (image - grey)
        image = image.mean() + (0.5 + u[2]) * (image - image.mean())
    if "translation" in changes:
        dy, dx = (
            int(u[3 + axis] * (2 * int(side / 8 + 0.5) + 1)) - int(side / 8 + 0.5) for axis, side in enumerate((height, width))
        )
        moved = np.zeros_like(image)
        for y in range(height):
            for x in range(width):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    moved[:, y, x] = image[:, y + dy, x + dx]
        image = moved
    if "cutout" in changes:
        sides = [int(side / 2 + 0.5) for side in (height, width)]
        starts = [
            int(u[5 + axis] * (side + 1 - cut % 2)) - cut // 2
            for axis, (side, cut) in enumerate(zip((height, width), sides, strict=True))
        ]
        ends = [start + cut for start, cut in zip(starts, sides, strict=True)]
        image[:, max(starts[0], 0) : ends[0], max(starts[1], 0) : ends[1]] = 0
    return image


@pytest.mark.parametrize("changes", [(), ("colour",), ("translation",), ("cutout",), ("cutout", "translation", "colour")])
@pytest.mark.parametrize("shape", [(16, 24), (15, 9)])
def test_changes_are_their_definitions(changes, shape):
    images, draws = random_tensor(6, 3, *shape), random_tensor(6, DRAWS, seed=3) / 2 + 0.5
    draws[0], draws[1] = 0.0, 1 - 1e-9  # the ends of the ranges
    found = diffaugment(images, changes, draws)
    expected = [plain(image, changes, u) for image, u in zip(images.numpy(), draws.tolist(), strict=True)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_a_gradient_passes_and_each_sample_has_its_own_changes():
    images = random_tensor(1, 3, 16, 16).expand(4, -1, -1, -1).clone().requires_grad_()
    torch.manual_seed(2)
    changed = diffaugment(images, ("colour", "translation", "cutout"))
    assert len({image.detach().numpy().tobytes() for image in changed}) == 4
    changed.square().sum().backward()
    assert all(images.grad.flatten(1).abs().sum(1) > 0)
    torch.manual_seed(2)
    assert torch.equal(diffaugment(images, ("colour", "translation", "cutout")), changed)


def test_the_critic_sees_both_kinds_changed_and_the_poster_stops_the_gradient():
    torch.manual_seed(3)
    critic, (fake, real) = build_critic({"name": "patch", "layers": 1, "width": 4}).double(), random_tensor(2, 2, 3, 16, 16)
    seen = []

    def score(images):
        seen.append(images)
        return critic(images)

    fake.requires_grad_()
    for detach in (False, True):
        seen.clear()
        losses = AdversarialLoss(Adversarial(objective="gan", diffaugment=("cutout",), detach_augmented=detach))
        losses.critic_loss(score, fake, real, torch.zeros(1))
        loss = losses.generator_loss(score, fake, real)
        assert len(seen) == 3
        assert all((images == 0).all(1).flatten(1).sum(1).min() >= 16 for images in seen)
        assert not seen[0].requires_grad
        assert seen[2].requires_grad == (not detach)
        if not detach:
            (gradient,) = torch.autograd.grad(loss, fake)
            assert torch.equal((gradient != 0).any(1), (seen[2] != 0).any(1))  # no gradient where the square was cut out
