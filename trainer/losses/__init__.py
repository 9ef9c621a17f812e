"""The losses that the networks minimise: adversarial losses with a gradient penalty, and content losses."""

from trainer.losses.adversarial import critic_loss, generator_loss, gradient_penalty
from trainer.losses.content import build_content

__all__ = ["build_content", "critic_loss", "generator_loss", "gradient_penalty"]
