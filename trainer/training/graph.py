"""A step recorded as a CUDA graph: thousands of small kernels started by one call, where starting them is what takes the time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: Steps taken as usual before one is recorded: libraries choose their algorithms, and the optimisers get their state.
USUAL = 3

Compute = Callable[[Tensor, Tensor, Tensor | None], dict[str, Tensor]]


class Recorded:
    """``compute`` as a function of tensors of the same shapes each time: the first calls are usual ones, then one is recorded,
    and from then on it is replayed. With and without a critic are two recordings. The next call overwrites the losses."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._calls = {False: 0, True: 0}
        self._graphs: dict[bool, torch.cuda.CUDAGraph] = {}
        self._inputs: dict[bool, list[Tensor | None]] = {}
        self._losses: dict[bool, dict[str, Tensor]] = {}

    def __call__(self, blurred: Tensor, sharp: Tensor, alphas: Tensor | None) -> dict[str, Tensor]:
        kind, given = alphas is not None, [blurred, sharp, alphas]
        self._calls[kind] += 1
        if self._calls[kind] <= USUAL:
            return self._usual(blurred, sharp, alphas)
        if kind not in self._graphs:
            self._inputs[kind] = [None if tensor is None else tensor.clone() for tensor in given]
            self._graphs[kind] = torch.cuda.CUDAGraph()
            static_blurred, static_sharp, static_alphas = self._inputs[kind]
            assert static_blurred is not None
            assert static_sharp is not None
            with torch.cuda.graph(self._graphs[kind]):  # records, computes nothing
                self._losses[kind] = self._compute(static_blurred, static_sharp, static_alphas)
        for place, tensor in zip(self._inputs[kind], given, strict=True):
            if place is not None and tensor is not None:
                place.copy_(tensor)
        self._graphs[kind].replay()
        return self._losses[kind]

    def _usual(self, blurred: Tensor, sharp: Tensor, alphas: Tensor | None) -> dict[str, Tensor]:
        """On a stream of its own, as recording will be: what is set up now serves there."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            losses = self._compute(blurred, sharp, alphas)
        torch.cuda.current_stream().wait_stream(stream)
        return losses
