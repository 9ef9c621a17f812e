"""Tests the motion of objects: its arrays fit together, and each pixel has the kernel of the object in front."""

import dataclasses

import numpy as np
import pytest

from blurkit.errors import UsageError
from blurkit.shard import Sample
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import ObjectMotion


def moves(objects=(0, 2), paths=(2, 5, 2), kernels=(2, 3, 3), types=("i4", "f4", "f4")):
    return ObjectMotion(np.array(objects, types[0]), np.zeros(paths, types[1]), np.zeros(kernels, types[2]))


def test_what_fits_together_passes():
    moves().check()
    moves((0,), (1, 1, 2), (1, 1, 1)).check()
    ObjectMotion.none().check()
    assert len(ObjectMotion.none()) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"objects": (0, 1, 2)},
        {"objects": ((0, 1),)},
        {"paths": (2, 5, 3)},
        {"paths": (2, 5)},
        {"paths": (1, 5, 2)},
        {"paths": (2, 0, 2)},
        {"kernels": (2, 4, 4)},
        {"kernels": (2, 3, 5)},
        {"kernels": (2, 3)},
        {"kernels": (3, 3, 3)},
        {"types": ("i8", "f4", "f4")},
        {"types": ("i4", "f8", "f4")},
        {"types": ("i4", "f4", "f8")},
    ],
    ids=str,
)
def test_what_does_not_is_refused(changes):
    with pytest.raises(UsageError, match="moves"):
        moves(**changes).check()


@pytest.fixture
def sample():
    """A sample with three objects. The first and the last moved, the last in front of the first. The second did not move."""
    planes = np.zeros((3, 20, 30), bool)
    planes[0, 2:12, 2:12] = planes[1, 15:18, 2:8] = planes[2, 8:16, 8:16] = True
    kernels = np.zeros((2, 3, 3), np.float32)
    kernels[0, 0, 0] = kernels[1, 2, 2] = 1
    made = ObjectMotion(np.array([0, 2], np.int32), np.zeros((2, 4, 2), np.float32), kernels)
    image = np.zeros((20, 30, 3), np.uint8)
    camera = np.full((3, 3), 1 / 9, np.float32)
    objects = Masks(planes, ("a", "b", "c"), (1, 2, 3), (False,) * 3)
    return Sample(image, image, camera, np.zeros((0, 2), np.float32), "a", {"variant": 0}, objects=objects, moves=made)


@pytest.mark.parametrize(
    ("y", "x", "moved"),
    [
        (5, 5, 0),
        (2, 2, 0),
        (10, 10, 1),
        (15, 15, 1),
        (16, 4, None),
        (0, 0, None),
        (19, 29, None),
        (11.4, 2.4, 0),
        (11.6, 2.4, None),
    ],
)
def test_the_kernel_of_a_pixel_is_that_of_what_is_seen_there(sample, y, x, moved):
    expected = sample.kernel if moved is None else sample.moves.kernels[moved]
    assert np.array_equal(sample.kernel_at(y, x), expected)


def test_beside_objects_a_field_has_its_own_kernels(sample):
    kernels = np.zeros((1, 2, 3, 3), np.float32)
    kernels[0, 0, 1, 1] = kernels[0, 1, 1, 0] = 1
    sample = dataclasses.replace(sample, nodes=KernelField.of([0], [0, 29], kernels))
    assert np.array_equal(sample.kernel_at(5, 5), sample.moves.kernels[0])
    assert sample.kernel_at(19, 29)[1, 0] == 1
    assert sample.kernel_at(0, 0)[1, 1] == 1


@pytest.mark.parametrize("numbers", [(0, 3), (-1, 0)])
def test_moves_of_objects_that_are_not_there_are_refused(sample, numbers):
    wrong = dataclasses.replace(sample.moves, objects=np.array(numbers, np.int32))
    with pytest.raises(UsageError, match="sample's 3 objects"):
        dataclasses.replace(sample, moves=wrong)
