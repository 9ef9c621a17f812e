"""The check of arrays: which values it refuses, and what the error says."""

import numpy as np
import pytest
import torch
from PIL import Image

from blurkit.camera.arrays import check_array
from blurkit.errors import UsageError


@pytest.mark.parametrize(
    ("dtypes", "shapes", "given"),
    [
        ("float32", ["H, W", "H, W, C"], np.zeros((2, 3), np.float32)),
        ("float32", ["H, W", "H, W, C"], np.zeros((2, 3, 7), np.float32)),
        ("uint8 or float32", ["H, W, 3"], np.zeros((1, 1, 3), np.uint8)),
        ("bool", ["n, 4, 5"], np.zeros((0, 4, 5), bool)),
    ],
)
def test_arrays_that_fit_are_accepted(dtypes, shapes, given):
    check_array("an image", given, dtypes, *shapes)


@pytest.mark.parametrize(
    ("dtypes", "shape", "given", "message"),
    [
        ("float32", "H, W, 3", np.zeros((2, 3, 4), np.float32), r"\(H, W, 3\) .*, got float32 of shape \(2, 3, 4\)$"),
        ("float32", "H, W", np.zeros((2, 0), np.float32), "at least one pixel"),
        ("float32", "H, W", np.zeros((2, 2), ">f4"), "got >f4"),
        ("float32", "H, W", np.zeros((2, 2), np.uint8), "got uint8 .*; decode codes with Response.decode first"),
        ("uint8 or float32", "H, W", np.zeros((2, 2)), "is uint8 or float32 of shape .* got float64"),
        ("bool", "n, 4, 5", np.zeros((1, 5, 4), bool), r"\(n, 4, 5\)"),
        ("bool", "n, H, W", np.zeros((1, 0, 4), bool), r"\(n, H, W\)"),
        ("float32", "H, W", [[0.5]], "an image is a numpy array, got list; numpy.asarray"),
        ("float32", "H, W", None, "got NoneType"),
        ("uint8", "H, W, 3", Image.new("RGB", (4, 4)), r"got PIL\.Image\.Image; numpy\.asarray"),
        ("uint8", "H, W, 3", torch.zeros(3, 4, 4), r"got torch\.Tensor; use image\.permute\(1, 2, 0\)\.cpu\(\)\.numpy\(\)"),
        ("uint8", "H, W, 3", torch.nn.Parameter(torch.zeros(1)), r"got torch\.nn\.parameter\.Parameter; use image\.permute"),
    ],
)
def test_other_values_are_refused(dtypes, shape, given, message):
    with pytest.raises(UsageError, match=message):
        check_array("an image", given, dtypes, shape)
