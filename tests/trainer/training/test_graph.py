"""Tests that a step can be recorded as a CUDA graph. Its operators are recorded and replayed on the CPU, as a graph does it:
the same operators on the same memory, whatever the Python code around them would compute."""

import contextlib
import gc
import threading
import weakref

import pytest
import torch
from tensors import random_tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from blurkit.program.toml import with_settings
from trainer.config import parse_recipe
from trainer.training import graph as module
from trainer.training.distributed import Ranks
from trainer.training.graph import USUAL, Recorded
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


#: The graphs that were made, as weak references.
GRAPHS = []


class Graph:
    """In place of a CUDA graph. The CPU cannot record without running, so the first replay has run already."""

    def __init__(self):
        self.recorder, self.replays = Recorder(), 0
        GRAPHS.append(weakref.ref(self))

    def replay(self):
        self.replays += 1
        if self.replays > 1:
            with torch.no_grad():
                self.recorder.replay()


class Line:
    """In place of a CUDA stream."""

    made = 0

    def __init__(self):
        Line.made += 1

    def wait_stream(self, other):
        assert isinstance(other, Line)


@contextlib.contextmanager
def captured(graph, *, stream, capture_error_mode):
    assert isinstance(stream, Line)
    assert capture_error_mode == "thread_local"  # threads that wait for copies would end a capture in the mode "global"
    with graph.recorder:
        yield


@pytest.fixture
def on_gpu(monkeypatch):
    """Torch's graphs and streams, emulated on the CPU."""
    current = Line()
    Line.made = 0
    GRAPHS.clear()
    fakes = {"CUDAGraph": Graph, "Stream": Line, "current_stream": lambda: current, "graph": captured}
    for name, fake in {**fakes, "stream": lambda _: contextlib.nullcontext()}.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    module._stream.cache_clear()
    yield
    module._stream.cache_clear()


def state_of(step):
    return [value for value in tree_flatten(step.state_dict())[0] if isinstance(value, torch.Tensor)]


def recorded(step):
    """The same step, which records itself as on a GPU."""
    step._records = True
    step._enter(0, first=True)
    return step


def test_a_replayed_step_is_the_plain_step_to_the_bit(on_gpu):
    """Two recordings, before and after the critic begins, a falling rate, an average, a limit of gradients and a NaN. The second
    recording takes the stream of the first, whose graph is dropped."""
    recipe = parse_recipe(RECIPE, where="test")
    plain, replayed = (build_step(recipe, torch.device("cpu"), Ranks()) for _ in range(2))
    recorded(replayed)
    for number in range(14):
        blurred, sharp = random_tensor(2, 2, 3, 16, 16, seed=number, dtype=torch.float32)
        if number in (4, 11):
            sharp = sharp / 0
        losses = [step(number, blurred, sharp) for step in (plain, replayed)]
        assert losses[0].keys() == losses[1].keys()
        assert all(torch.equal(losses[0][name].nan_to_num(), losses[1][name].nan_to_num()) for name in losses[0])
        assert all(map(torch.equal, state_of(plain), state_of(replayed))), number
    assert plain.skipped.tolist() == [0, 2]
    del losses
    gc.collect()
    assert [graph().replays if graph() else None for graph in GRAPHS] == [None, 6]
    assert Line.made == 1


def test_numbers_of_python_are_frozen_by_a_recording(on_gpu):
    """The replay would notice a rate that is a number of Python and not a tensor."""
    rate, weight = [1.0], torch.ones(3)
    step = Recorded(lambda x: {"y": weight.sub_(rate[0] * x)})
    for number in range(USUAL + 1):
        rate[0] = 1.0 / 2**number
        step(torch.ones(3))
    before = weight.clone()
    rate[0] = 5.0
    step(torch.ones(3))
    assert torch.equal(weight, before - 1.0 / 2**USUAL)


def test_reading_a_value_is_refused():
    with pytest.raises(AssertionError, match="Python reads a value"), Recorder():
        float(torch.ones(1))


def test_the_weights_of_the_penalty_are_copied_without_waiting(monkeypatch):
    step, copies = build_step(parse_recipe(RECIPE, where="test"), torch.device("cpu"), Ranks()), []
    expected = step.alphas(3)
    step.device = torch.device("cuda")
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: copies.append("pinned") or tensor)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device, **how: copies.append((device.type, how)) or tensor)
    assert torch.equal(step.alphas(3), expected)
    assert copies == ["pinned", ("cuda", {"non_blocking": True})]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_step_is_recorded_on_a_gpu_while_threads_wait_for_it():
    """A loader waits for events in its threads. Rounding may differ, since some operators of a GPU sum in a random order."""
    device, ended = torch.device("cuda"), threading.Event()

    def wait():
        while not ended.is_set():
            torch.cuda.current_stream().record_event().synchronize()

    recipe = parse_recipe(RECIPE, where="test")
    plain, replayed = (build_step(each, device, Ranks()) for each in (recipe, with_settings(recipe, ["precision.graph=true"])))
    thread = threading.Thread(target=wait)
    thread.start()
    try:
        for number in range(14):
            blurred, sharp = random_tensor(2, 2, 3, 16, 16, seed=number, dtype=torch.float32).to(device)
            losses = [step(number, blurred, sharp / 0 if number == 11 else sharp) for step in (plain, replayed)]
    finally:
        ended.set()
        thread.join()
    assert torch.equal(plain.skipped, replayed.skipped)
    for name, loss in losses[0].items():
        torch.testing.assert_close(losses[1][name], loss, rtol=0.02, atol=0.02)
