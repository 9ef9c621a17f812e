"""Kernels on a lattice, compared with the interpolation of scipy and with the same field in other coordinates."""

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from blurkit.errors import UsageError
from blurkit.truth.kernel_field import KernelField


def test_between_nodes_kernels_are_bilinear(rng):
    kernels = rng.random((3, 4, 5, 5), dtype=np.float32) * (rng.random((3, 4, 5, 5)) < 0.4)
    y, x = np.array([-3.0, 10.5, 20]), np.array([0.0, 8, 16, 24])
    field, exact = KernelField.of(y, x, kernels), RegularGridInterpolator((y, x), kernels.astype(float))
    for place in [*(rng.random((20, 2)) * [23, 24] - [3, 0]), (-3, 0), (20, 24), (10.5, 24), (-3, 8)]:
        np.testing.assert_allclose(field.at(*place), exact(np.array([place]))[0], atol=1e-6)
    assert np.array_equal(field.kernels, kernels)
    assert field.reach == 2


def test_along_an_axis_of_one_node_the_kernel_is_constant(rng):
    kernels = rng.random((1, 2, 3, 3), dtype=np.float32)
    field = KernelField.of([5], [0, 10], kernels)
    np.testing.assert_allclose(field.at(-40, 5), kernels.mean(axis=(0, 1)), atol=1e-6)
    np.testing.assert_allclose(field.at(7, 5), kernels.mean(axis=(0, 1)), atol=1e-6)


@pytest.mark.parametrize(
    ("y", "x", "kernels", "message"),
    [
        ([0], [0], np.zeros((1, 1, 3, 3)), "float32 .* got float64"),
        ([0], [0], np.zeros((1, 1, 2, 2), np.float32), "k odd"),
        ([0], [0], np.zeros((1, 1, 3, 5), np.float32), "got float32 \\(1, 1, 3, 5\\)"),
        ([0, 1], [0], np.zeros((1, 1, 3, 3), np.float32), "y holds 1 increasing"),
        ([0], [4, 4], np.zeros((1, 2, 3, 3), np.float32), "x holds 2 increasing"),
    ],
)
def test_impossible_fields_are_refused(y, x, kernels, message):
    with pytest.raises(UsageError, match=message):
        KernelField.of(y, x, kernels)


def test_places_outside_the_nodes_are_refused():
    field = KernelField.of([0, 10], [0, 10], np.ones((2, 2, 1, 1), np.float32))
    with pytest.raises(UsageError, match="from 0 to 10 along this axis, and is asked for 11 to 11"):
        field.at(11, 3)


def test_a_shifted_field_is_the_same_in_the_coordinates_of_a_crop(rng):
    kernels = rng.random((3, 4, 5, 5), dtype=np.float32)
    field = KernelField.of([0, 48, 96], [0, 48, 96, 144], kernels)
    crop = field.shifted(17, 40)
    for y, x in ((17, 40), (50, 41), (95, 143)):
        assert np.array_equal(crop.at(y - 17, x - 40), field.at(y, x))
    assert crop.weights is field.weights
    assert field.y[0] == 0


def test_fields_that_are_made_are_sound(rng):
    for kernels in (rng.random((3, 1, 5, 5), dtype=np.float32), np.zeros((3, 1, 1, 1), np.float32)):
        KernelField.of([0, 1, 3], [5], kernels).check()
