"""The losses that the networks minimise: adversarial losses with a gradient penalty, and content losses."""

from trainer.losses.adversarial import AdversarialLoss, gradient_penalty
from trainer.losses.content import build_content

__all__ = ["AdversarialLoss", "build_content", "gradient_penalty"]
