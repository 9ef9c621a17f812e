"""The networks: generators that restore photographs, critics that score them, and files of weights."""

from trainer.networks.critics import build_critic
from trainer.networks.generators import build_generator
from trainer.networks.weights import load_generator, save_generator

__all__ = ["build_critic", "build_generator", "load_generator", "save_generator"]
