"""What networks minimise: adversarial losses with their gradient penalty, and content losses."""

from trainer.losses.adversarial import OBJECTIVES, AdversarialLoss, gradient_penalty
from trainer.losses.content import build_content

__all__ = ["OBJECTIVES", "AdversarialLoss", "build_content", "gradient_penalty"]
