"""The networks: generators that restore photographs, critics that score them, and files of weights."""

from trainer.networks.critics import CRITICS, build_critic
from trainer.networks.generators import GENERATORS, build_generator
from trainer.networks.weights import load_generator, save_generator

__all__ = ["CRITICS", "GENERATORS", "build_critic", "build_generator", "load_generator", "save_generator"]
