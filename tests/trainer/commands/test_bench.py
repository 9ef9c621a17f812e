"""Tests that ``trainer bench`` gives both loaders the same pixels and reports pairs per second."""

from unittest import mock

import h5py
import numpy as np
import pytest
import torch

from blurkit.shard.format import FIELDS
from trainer.commands import bench, bench_drawn, bench_step


def test_both_loaders_read_the_same_pixels_and_are_counted_in_pairs():
    small = {"_SHAPE": (96, 128), "_PAIRS": 4, "_CROP": 64, "_BATCH": 2, "_OURS": 20, "_THEIRS": 4}
    write_pairs, written = bench._write_pairs, []

    def write(shard, gzipped):
        write_pairs(shard, gzipped)
        with h5py.File(shard) as ours, h5py.File(gzipped) as theirs:
            written.append(
                [np.array_equal(ours[field], theirs[field]) and ours[field].shape == (4, 96, 128, 3) for field in FIELDS]
            )

    def times(theirs, ours, repeats):
        theirs()
        ours()
        return [0.5, 0.25]

    with mock.patch.multiple(bench, **small, _write_pairs=write, times=times):
        assert bench.loader_rates() == (20 * 2 / 0.25, 4 * 2 / 0.5)
    assert written == [[True, True]]


@pytest.mark.slow
def test_what_is_measured_on_a_gpu_runs_on_a_cpu():
    """The code of the GPU's sections with small networks: parity holds, plain steps equal themselves, and times are counted."""
    small = ("crop=32", "generator.width=4", "generator.blocks=1", "critic.width=4")
    sections = bench_step.card_sections(torch.device("cpu"), *small, repeats=1)
    (parity,) = sections["parity"]()
    assert parity.value < 1e-4
    (graph,) = sections["graph"]()
    assert graph.value == 0
    speed = list(sections["speed"]())
    assert [figure.limit for figure in speed] == [1, 4, 8, 8]
    assert all(figure.value > 0 for figure in speed)


def test_parity_notices_another_step():
    small = ("crop=32", "generator.width=4", "generator.blocks=1", "critic.width=4")
    with mock.patch.object(bench_step, "LAYERS", {"vgg19": (12,)}):
        step = bench_step._step(torch.device("cpu"), small)
    with mock.patch.object(bench_step, "_step", return_value=step):
        (parity,) = bench_step.card_sections(torch.device("cpu"), *small)["parity"]()
    assert not parity.holds


def test_drawn_pairs_are_counted_in_pairs_and_compared_with_the_same_pairs_stored():
    opened, load, changes = [], bench_drawn.open_pairs, []

    def open_pairs(paths):
        opened.append(load(paths))
        return opened[-1]

    def times(*actions, repeats):
        for action in actions:
            action()
        for pairs in opened:
            still = pairs.images(0)[1][:64, :64]
            changes.append([np.array_equal(pairs.crop(0, 0, 0, 64, key=(key,))[1], still) for key in (1, 2)])
        return [0.5, 0.25][: len(actions)]

    with mock.patch.multiple(bench_drawn, open_pairs=open_pairs, times=times, _PAIRS=2, _BATCHES=1, _STEPS=1):
        rate, step = bench_drawn.drawn_figures()
    assert (rate.value, step.value) == (8 / 0.5, 0.5 / 0.25)
    assert changes == [[False, False], [True, True]] * 2  # drawn, stored
