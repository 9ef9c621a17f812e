"""An exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """Weights w averaged over steps: a <- decay a + (1 - decay) w, with a decay of (1 + t) / (10 + t) where that is less, so that
    the first, random weights are soon forgotten. Without a decay it is the network itself."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval() if decay else network
        self._source, self._decay = network, decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        if self._decay:
            weight = 1 - min(self._decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(self.network.parameters()), list(self._source.parameters()), weight)
