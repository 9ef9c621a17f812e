"""Tests that ``trainer bench`` gives both loaders the same pixels and reports pairs per second."""

from unittest import mock

import h5py
import numpy as np

from blurkit.shard.format import FIELDS
from trainer.commands import bench


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
