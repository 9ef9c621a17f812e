"""The benchmark of reading."""

from unittest import mock

from trainer.commands import bench


def test_the_loader_is_measured_on_the_same_pixels():
    small = {"_SHAPE": (96, 128), "_PAIRS": 4, "_CROP": 64, "_BATCH": 2, "_OURS": 20, "_THEIRS": 4}
    with mock.patch.multiple(bench, **small):
        ours, theirs = bench.loader_rates(repeats=1)
    assert ours > theirs > 0
