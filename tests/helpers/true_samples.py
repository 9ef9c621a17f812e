"""Samples with kernel fields, poses, saturation, moves and radii, for the tests of shards."""

import dataclasses

import numpy as np
from masked_samples import draw_objects

from blurkit.shard import Sample
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.object_motion import ObjectMotion

NODES = ("node_rows", "node_columns", "node_reach", "node_y", "node_x", "tap_count", "tap_place", "tap_weight")
POSES = ("pose_length", "pose")
SATURATION = ("saturation_stored", "saturation")
MOVES = ("move_count", "move_length", "move_size", "move_object", "move_path", "move_kernel")
RADIUS = ("radius_stored", "radius")
COLUMNS = {"nodes": NODES, "poses": POSES, "saturation": SATURATION, "moves": MOVES, "radius": RADIUS}


def draw_field(rng: np.random.Generator, height: int, width: int) -> KernelField:
    """A random field for an image of this size: 2 to 4 nodes per axis, kernels of 3 to 7 pixels with zero taps."""
    (rows, columns), reach = rng.integers(2, 5, 2), int(rng.integers(1, 4))
    shape = (rows, columns, 2 * reach + 1, 2 * reach + 1)
    kernels = rng.random(shape) * (rng.random(shape) < 0.5)
    kernels[..., reach, reach] = 1
    kernels /= kernels.sum((2, 3), keepdims=True)
    return KernelField.of(np.linspace(-7.5, height, rows), np.linspace(-0.25, width, columns), kernels.astype(np.float32))


def draw_moves(rng: np.random.Generator) -> ObjectMotion:
    """The random motion of the second and the first of two objects."""
    length, side = int(rng.integers(1, 9)), 2 * int(rng.integers(0, 4)) + 1
    drawn = [rng.random((2, *shape), dtype=np.float32) for shape in ((length, 2), (side, side))]
    return ObjectMotion(np.array([1, 0], np.int32), *drawn)


def with_truth(sample: Sample, kinds: str, seed: int = 0) -> Sample:
    """The sample with random truth. The letters: n(odes), p(oses), s(aturation), S for a saturation map without a true pixel,
    m(oves) of two objects, r(adius)."""
    rng, shape = np.random.default_rng((seed, *map(ord, kinds))), sample.sharp.shape[:2]
    truth = {
        "n": lambda: {"nodes": draw_field(rng, *shape)},
        "p": lambda: {"poses": rng.normal(size=(int(rng.integers(1, 9)), 3)).astype(np.float32)},
        "s": lambda: {"saturation": rng.random(shape) < 0.5},
        "S": lambda: {"saturation": np.zeros(shape, bool)},
        "m": lambda: {"moves": draw_moves(rng), "objects": draw_objects(seed, 2, *shape)},
        "r": lambda: {"radius": rng.normal(size=shape).astype(np.float32)},
    }
    return dataclasses.replace(sample, **{name: value for kind in kinds for name, value in truth[kind]().items()})
