"""Tests kernels of different sizes as one array."""

import numpy as np
import pytest

from blurkit.errors import UsageError
from blurkit.kernels.stack import stacked


def test_each_kernel_keeps_its_centre(rng):
    kernels = [rng.random((3, 7), np.float32), rng.random((1, 1), np.float32), rng.random((5, 5), np.float32)]
    stack = stacked(kernels)
    assert (stack.shape, stack.dtype) == ((3, 7, 7), np.float32)
    for plane, kernel in zip(stack, kernels, strict=True):
        down, across = (side // 2 for side in kernel.shape)
        np.testing.assert_array_equal(plane[3 - down : 4 + down, 3 - across : 4 + across], kernel)
        assert np.count_nonzero(plane) == kernel.size
    np.testing.assert_array_equal(stacked(kernels, 9)[:, 1:-1, 1:-1], stack)


@pytest.mark.parametrize("side", [5, 8])
def test_a_side_that_is_too_small_or_even_is_refused(side):
    with pytest.raises(UsageError, match=f"the largest, 7 pixels; got {side}"):
        stacked([np.ones((7, 7), np.float32)], side)
