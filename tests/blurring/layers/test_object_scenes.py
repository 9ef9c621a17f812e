"""Tests the blur of moving objects on drawn scenes against closed forms, and that wrong arguments are refused."""

import numpy as np
import pytest
from moving_objects import line

from blurkit.blurring.layers.objects import blur_layers
from blurkit.blurring.layers.paths import UniformPath
from blurkit.errors import UsageError

STILL = UniformPath.of([[0, 0]], [1.0])


def scene(height=60, width=160):
    """A dark grey photograph with a bright square, and the outline of that."""
    linear, mask = np.full((height, width, 3), 0.1, np.float32), np.zeros((1, height, width), bool)
    mask[0, 20:36, 70:86] = True
    linear[mask[0]] = 0.8
    return linear, mask


def test_displacements_move_the_content_to_the_right_and_down():
    linear, masks = scene()
    box = (0, 0, 60, 160)
    result = blur_layers(linear, masks, UniformPath.of([[2, 5]], [1.0]), [[[9, -4]]], box=box)
    solid = np.argwhere(result[..., 0] > 0.75)
    assert (solid.min(axis=0) - (20, 70)).tolist() == pytest.approx([1, 11], abs=1)
    assert (solid.max(axis=0) - (35, 85)).tolist() == pytest.approx([1, 11], abs=1)
    weight = result[..., 0] - 0.1
    rows, columns = np.indices(weight.shape)
    assert (weight * columns).sum() / weight.sum() == pytest.approx(77.5 + 11, abs=0.05)
    assert (weight * rows).sum() / weight.sum() == pytest.approx(27.5 + 1, abs=0.05)
    shifted = blur_layers(linear, masks, UniformPath.of([[2, 5]], [1.0]), [[[0, 0]]], box=box)
    assert np.allclose(shifted[5:, 2:], linear[:-5, :-2])


def test_later_masks_are_in_front():
    linear, mask = scene()
    other = np.zeros_like(mask)
    other[0, 20:36, 48:64] = True
    linear[other[0]] = (0.1, 0.4, 0.1)
    towards = [[[0, 0]], [[22, 0]]]  # the second, green, comes to lie over the first
    both = np.concatenate((mask, other))
    result = blur_layers(linear, both, STILL, towards, box=(0, 0, 60, 160))
    assert np.allclose(result[24:32, 74:82], (0.1, 0.4, 0.1), atol=0.01)
    result = blur_layers(linear, both[::-1], STILL, towards[::-1], box=(0, 0, 60, 160))
    assert np.allclose(result[24:32, 74:82], 0.8, atol=0.01), "a standing object hides what moves behind it"
    assert np.allclose(result[24:32, 52:60], 0.1, atol=0.01), "what was behind the moved object is the background"


def test_a_straight_motion_is_a_trapezium():
    linear, masks = scene()
    still = UniformPath.of(np.zeros((2000, 2)), np.ones(2000))
    result = blur_layers(linear, masks, still, line(12, 0)[None], box=(28, 0, 1, 160))
    columns = np.arange(160)
    covered = np.clip((14 - np.abs(columns - 77.5)) / 12, 0, 1)  # the share of the time that a square 16 px wide is there
    inside = (np.abs(covered - 0.5) < 0.3) | (covered == 1) | (np.abs(columns - 77.5) > 18)
    assert np.abs(result[0, inside, 0] - (0.1 + 0.7 * covered[inside])).max() < 0.02
    assert (result[0, :, 0].sum() - 16) / 0.7 == pytest.approx(16, abs=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"linear": np.zeros((60, 160, 3))}, "float32"),
        ({"masks": np.zeros((1, 60, 160))}, "masks is bool"),
        ({"masks": np.zeros((2, 60, 160), bool)}, r"for 2 masks"),
        ({"own": np.zeros((1, 3, 2))}, r"1 instants own has shape \(1, 1, 2\)"),
        ({"own": [[[0, np.nan]]]}, "finite"),
        ({"box": (0, 0, 61, 160)}, "box"),
        ({"box": (0, 0, 0, 80)}, "box"),
        ({"border": "mirror"}, "border"),
        ({"tolerance": -1.0}, "tolerance"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    linear, masks = scene()
    arguments = {
        "linear": linear,
        "masks": masks,
        "camera": STILL,
        "own": [[[1, 0]]],
        "box": (0, 0, 60, 160),
    }
    with pytest.raises(UsageError, match=message):
        blur_layers(**{**arguments, **change})


@pytest.mark.parametrize(
    ("path", "weights", "message"),
    [
        (np.zeros((3, 2)), [1.0], r"path is \(T, 2\)"),
        ([[0, np.nan]], [1.0], "finite"),
        ([[0, 0]], [-1.0], "weights"),
        ([[0, 0]], [0.0], "weights"),
    ],
)
def test_a_path_that_makes_no_sense_is_refused(path, weights, message):
    with pytest.raises(UsageError, match=message):
        UniformPath.of(path, weights)
