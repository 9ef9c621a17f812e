"""Tests that impossible fields, poses, saturation, moves and radii are neither written nor read."""

import dataclasses

import numpy as np
import pytest
from masked_samples import save

from blurkit.errors import CorruptShardError, UsageError
from blurkit.shard import Sample, Shard
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.object_motion import ObjectMotion


def field(**changes):
    good = KernelField.of([0, 8], [0, 4, 8], np.full((2, 3, 3, 3), 1 / 9, np.float32))
    return dataclasses.replace(good, **changes)


UNSOUND = {
    "places increasing": {"y": np.array([8.0, 0])},
    "x holds finite": {"x": np.array([0, 4, np.inf])},
    "reach covers its taps, 1 pixels away": {"reach": 0},
    "covers its taps, 300 pixels away": {"places": np.full((54, 2), -300, np.int16)},
    "no more than 32767: 32768": {"reach": 1 << 15},
}


@pytest.mark.parametrize("message", UNSOUND)
def test_fields_that_no_writer_makes_are_refused(samples, tmp_path, monkeypatch, message):
    """With right checksums: by a person who wants compiled code to read beside its arrays."""
    unsound, words = field(**UNSOUND[message]), message.replace("places increasing", "y holds finite, increasing places")
    written = dataclasses.replace(samples([(6, 5)], ("",))[0], nodes=unsound)
    with pytest.raises(UsageError, match=words):
        save(tmp_path, [written])
    with monkeypatch.context() as patch:
        patch.setattr(KernelField, "check", lambda self: None)
        path = save(tmp_path, [written])
    with pytest.raises(CorruptShardError, match=f"sample 0 .* is not valid: .*{words}"):
        Shard(path)[0]


def moves(objects=(1, 0), paths=(2, 4, 2), kernels=(2, 3, 3)):
    return ObjectMotion(np.array(objects, np.int32), np.zeros(paths, np.float32), np.zeros(kernels, np.float32))


UNSOUND_MOVES = {
    "k odd, got": moves(kernels=(2, 4, 4)),
    "T >= 1": moves(paths=(2, 0, 2)),
    "2 objects, got numbers": moves(objects=(1, 2)),
}


@pytest.mark.parametrize("message", UNSOUND_MOVES)
def test_moves_that_no_writer_makes_are_refused(samples, tmp_path, monkeypatch, message):
    """With right checksums, so that nothing that looks at them reads beside an array."""
    (good,) = samples([(6, 5)], ("m",))
    with pytest.raises(UsageError, match=message):
        save(tmp_path, [dataclasses.replace(good, moves=UNSOUND_MOVES[message])])
    with monkeypatch.context() as patch:
        patch.setattr(ObjectMotion, "check", lambda self: None)
        patch.setattr(Sample, "__post_init__", lambda self: None)
        path = save(tmp_path, [dataclasses.replace(good, moves=UNSOUND_MOVES[message])])
    with pytest.raises(CorruptShardError, match=f"sample 0 .* is not valid: .*{message}"):
        Shard(path)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"moves": ObjectMotion(np.zeros(0), np.zeros((0, 0, 2)), np.zeros((0, 0, 0)))},
            "int32, float32 and float32, got float64",
        ),
        ({"radius": np.zeros((6, 5))}, r"radius is float32 \(6, 5\), a number for each pixel, got float64"),
        ({"radius": np.zeros((5, 6), np.float32)}, r"got float32 \(5, 6\)"),
        ({"poses": np.zeros((4, 3))}, r"float32 \(P, 3\), got float64 \(4, 3\)"),
        ({"poses": np.zeros((4, 2), np.float32)}, r"got float32 \(4, 2\)"),
        ({"saturation": np.zeros((5, 6), bool)}, r"bool \(6, 5\), a flag for each pixel, got bool \(5, 6\)"),
        ({"saturation": np.zeros((6, 5), np.uint8)}, r"got uint8 \(6, 5\)"),
        ({"nodes": field(weights=np.zeros(54))}, "int16, float32"),
        ({"nodes": field(weights=np.zeros(53, np.float32))}, "starts rise from 0 to its 53 taps in 6 steps"),
        ({"nodes": field(starts=np.array([0, 54]))}, "in 6 steps"),
        ({"nodes": field(starts=np.array([0, 9, 8, 9, 36, 45, 54]))}, "starts rise"),
        ({"nodes": field(places=np.zeros((53, 2), np.int16))}, r"got \(53, 2\), \(54,\)"),
    ],
)
def test_truth_that_does_not_fit_its_sample_is_not_written(samples, tmp_path, change, message):
    with pytest.raises(UsageError, match=message):
        save(tmp_path, [dataclasses.replace(samples([(6, 5)], ("",))[0], **change)])
    assert list(tmp_path.iterdir()) == []
