"""Every blur refuses the images of other libraries, and the error says what was given and what to do."""

import numpy as np
import pytest
import torch
from PIL import Image

from blurkit import blurring, load_response
from blurkit.errors import UsageError
from blurkit.truth.kernel_field import KernelField

SRGB = load_response("srgb")
STILL = blurring.UniformPath.of([[0, 0]], [1.0])
FIELD = KernelField.of([0], [0], np.ones((1, 1, 1, 1), np.float32))
GOOD = np.zeros((8, 8, 3), np.float32)
BOX = (0, 0, 8, 8)

BLURS = {
    "blur": lambda image: blurring.blur(image, [[1.0]]),
    "blur_direct": lambda image: blurring.blur_direct(image, [[1.0]]),
    "blur_fft": lambda image: blurring.blur_fft(image, [[1.0]]),
    "blur_codes": lambda image: blurring.blur_codes(image, [[1.0]], SRGB),
    "blur_field": lambda image: blurring.blur_field(image, FIELD),
    "blur_field, codes": lambda image: blurring.blur_field(image, FIELD, table=SRGB.table),
    "blur_layers": lambda image: blurring.blur_layers(image, np.zeros((0, 8, 8), bool), STILL, np.zeros((0, 1, 2)), box=BOX),
    "blur_layers, masks": lambda masks: blurring.blur_layers(GOOD, masks, STILL, np.zeros((0, 1, 2)), box=BOX),
    "blur_depth": lambda image: blurring.blur_depth(image, np.zeros((8, 8))),
    "blur_depth, radius": lambda radius: blurring.blur_depth(GOOD, radius),
    "circle_of_confusion": lambda disparity: blurring.circle_of_confusion(disparity, focus=0, strength=1),
    "average_frames": lambda image: blurring.average_frames([image], SRGB),
    "interpolated": lambda image: list(blurring.interpolated([image], 2, SRGB)),
}


@pytest.mark.parametrize("name", BLURS)
def test_other_types_than_numpy_arrays_are_refused(name):
    advice = r"is a numpy array, got torch\.Tensor; use image\.permute\(1, 2, 0\)\.cpu\(\)\.numpy\(\)"
    with pytest.raises(UsageError, match=advice):
        BLURS[name](torch.zeros(3, 8, 8))
    for given, kind in (([[0.5]], "list"), (Image.new("RGB", (8, 8)), r"PIL\.Image\.Image"), (None, "NoneType")):
        with pytest.raises(UsageError, match=rf"is a numpy array, got {kind}; numpy\.asarray"):
            BLURS[name](given)


def test_the_advice_is_right(rng):
    image = torch.from_numpy(rng.random((3, 9, 8), np.float32))
    kernel = np.full((3, 3), 1 / 9)
    blurred = blurring.blur(image.permute(1, 2, 0).cpu().numpy(), kernel)
    for channel, plane in enumerate(image):
        np.testing.assert_array_equal(blurred[..., channel], blurring.blur(plane.cpu().numpy(), kernel))
