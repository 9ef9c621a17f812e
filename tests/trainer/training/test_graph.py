"""Tests that a step can be recorded as a CUDA graph. Its operators are recorded and replayed on the CPU, as a graph does it:
the same operators on the same memory, whatever the Python code around them would compute."""

import pytest
import torch
from tensors import random_tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from trainer.config import parse_recipe
from trainer.training import step as module
from trainer.training.distributed import Ranks
from trainer.training.graph import USUAL
from trainer.training.step import build_step

RECIPE = """
steps = 20
batch = 2
crop = 16
generator = {name = "resnet", blocks = 1, width = 4, dropout = 0.0}
critic = {name = "patch", width = 4, layers = 1}
adversarial = {start = 5, critic_steps = 2}
content = {perceptual = 0.0, l1 = 10.0}
optimizer = {rate = 1e-2, clip = 1.0, ema = 0.9}
schedule = {kind = "linear"}
"""


class Recorder(TorchDispatchMode):
    """Collects the operators that run, with their arguments and results. It refuses operators that hand a value to Python."""

    def __init__(self):
        super().__init__()
        self.operators = []

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        assert operator is not torch.ops.aten._local_scalar_dense.default, "Python reads a value"
        result = operator(*args, **(kwargs or {}))
        self.operators.append((operator, args, kwargs or {}, result))
        return result

    def replay(self):
        """Run the operators again on the same memory."""
        for operator, args, kwargs, result in self.operators:
            again = operator(*args, **kwargs)
            for old, new in zip(tree_flatten(result)[0], tree_flatten(again)[0], strict=True):
                if isinstance(old, torch.Tensor) and old is not new and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class Replayed:
    """As :class:`trainer.training.graph.Recorded`, on the CPU. After the usual calls, one call is recorded. It runs, too, so its
    inputs are what the first replay would see."""

    made = 0

    def __init__(self, compute):
        self._compute, self._calls = compute, 0
        Replayed.made += 1

    def __call__(self, *given):
        self._calls += 1
        if self._calls <= USUAL:
            return self._compute(*given)
        if self._calls == USUAL + 1:
            self._inputs = [tensor.clone() for tensor in given]
            self._recorder = Recorder()
            with self._recorder:
                self._losses = self._compute(*self._inputs)
            return self._losses
        with torch.no_grad():
            for place, tensor in zip(self._inputs, given, strict=True):
                place.copy_(tensor)
            self._recorder.replay()
        return self._losses


def state_of(step):
    return [value for value in tree_flatten(step.state_dict())[0] if isinstance(value, torch.Tensor)]


def test_a_replayed_step_is_the_plain_step_to_the_bit(monkeypatch):
    """Two recordings, before and after the critic begins, a falling rate, an average, a limit of gradients and a NaN."""
    recipe = parse_recipe(RECIPE, where="test")
    plain, replayed = (build_step(recipe, torch.device("cpu"), Ranks()) for _ in range(2))
    monkeypatch.setattr(module, "Recorded", Replayed)
    Replayed.made, replayed._records = 0, True
    replayed._enter(0, first=True)
    for number in range(14):
        blurred, sharp = random_tensor(2, 2, 3, 16, 16, seed=number, dtype=torch.float32)
        if number in (4, 11):
            sharp = sharp / 0
        losses = [step(number, blurred, sharp) for step in (plain, replayed)]
        assert losses[0].keys() == losses[1].keys()
        assert all(torch.equal(losses[0][name].nan_to_num(), losses[1][name].nan_to_num()) for name in losses[0])
        assert all(map(torch.equal, state_of(plain), state_of(replayed))), number
    assert Replayed.made == 2
    assert plain.skipped.tolist() == [0, 2]


def test_numbers_of_python_are_frozen_by_a_recording():
    """The replay would notice a rate that is a number of Python and not a tensor."""
    rate, weight = [1.0], torch.ones(3)
    recorded = Replayed(lambda x: {"y": weight.sub_(rate[0] * x)})
    for number in range(USUAL + 1):
        rate[0] = 1.0 / 2**number
        recorded(torch.ones(3))
    before = weight.clone()
    rate[0] = 5.0
    recorded(torch.ones(3))
    assert torch.equal(weight, before - 1.0 / 2**USUAL)


def test_reading_a_value_is_refused():
    with pytest.raises(AssertionError, match="Python reads a value"), Recorder():
        float(torch.ones(1))
