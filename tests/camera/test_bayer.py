"""Tests the mosaic of a sensor and its interpolation against the published filters, applied to whole planes."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from blurkit.camera.bayer import BAYER_PATTERNS, demosaic_malvar, mosaic, pattern_at, scale
from blurkit.camera.response import load_response
from blurkit.decode import read_image
from blurkit.errors import UsageError
from blurkit.sources import open_source

GREEN = np.array([[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]) / 8
IN_ROW = np.array([[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]) / 8
OPPOSITE = np.array([[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]]) / 8


def masks(shape, pattern):
    """For each colour, the mask of the pixels where the sensor sees this colour."""
    grid = np.array(list(pattern)).reshape(2, 2)
    seen = np.tile(grid, (shape[0] // 2 + 1, shape[1] // 2 + 1))[: shape[0], : shape[1]]
    return {colour: seen == colour for colour in "RGB"}


def planes(raw, pattern):
    """Figure 2 of Malvar, He and Cutler: each filter is applied to the whole plane, and masks select the right result."""
    raw = raw.astype(np.float64)
    seen = masks(raw.shape, pattern)
    green, in_row, in_column, opposite = (
        ndimage.correlate(raw, weights, mode="mirror") for weights in (GREEN, IN_ROW, IN_ROW.T, OPPOSITE)
    )
    colours = {"G": np.where(seen["G"], raw, green)}
    for colour, other in (("R", "B"), ("B", "R")):
        rows = np.any(seen[colour], axis=1)[:, None] & seen["G"]
        colours[colour] = np.select([seen[colour], rows, seen[other]], [raw, in_row, opposite], in_column)
    return np.stack([colours[colour] for colour in "RGB"], axis=-1)


@pytest.fixture(scope="module")
def photograph():
    record = next(iter(open_source("sample").records))
    return load_response("srgb").decode(read_image(record.path).pixels[:256, :300])


@pytest.mark.parametrize("pattern", BAYER_PATTERNS)
@pytest.mark.parametrize("shape", [(16, 18), (15, 21), (3, 3), (4, 5)])
def test_it_is_the_published_filters(pattern, shape, rng):
    raw = rng.random(shape, dtype=np.float32)
    np.testing.assert_allclose(demosaic_malvar(raw, pattern), planes(raw, pattern), atol=1e-6)


@pytest.mark.parametrize("pattern", BAYER_PATTERNS)
def test_a_mosaic_keeps_what_each_pixel_sees(pattern, rng):
    light = rng.random((7, 10, 3), dtype=np.float32)
    raw = mosaic(light, pattern)
    colours = demosaic_malvar(raw, pattern)
    for channel, mask in enumerate(masks(raw.shape, pattern).values()):
        assert np.array_equal(raw[mask], light[mask][:, channel])
        assert np.array_equal(colours[mask][:, channel], light[mask][:, channel])


@pytest.mark.parametrize("pattern", BAYER_PATTERNS)
def test_constants_and_ramps_come_back(pattern):
    constant = np.broadcast_to(np.array([0.75, 0.5, 0.125], np.float32), (9, 12, 3))
    assert np.array_equal(demosaic_malvar(mosaic(constant, pattern), pattern), constant)
    y, x = np.mgrid[:20, :24]
    ramp = np.stack([x + 2 * y, 3 * x - y, 5 - x + 4 * y], axis=-1).astype(np.float32) / 64
    inner = slice(2, -2)
    assert np.array_equal(demosaic_malvar(mosaic(ramp, pattern), pattern)[inner, inner], ramp[inner, inner])


@pytest.mark.parametrize("pattern", BAYER_PATTERNS)
@pytest.mark.parametrize(("y", "x"), [(2, 4), (3, 4), (2, 5), (7, 3)])
def test_a_crop_is_the_crop_of_the_frame(pattern, y, x, rng):
    light = rng.random((30, 32, 3), dtype=np.float32)
    whole = mosaic(light, pattern)
    seen = pattern_at(pattern, y, x)
    assert np.array_equal(mosaic(light[y : y + 12, x : x + 10], seen), whole[y : y + 12, x : x + 10])
    around = pattern_at(pattern, y - 2, x - 2)
    crop = demosaic_malvar(whole[y - 2 : y + 14, x - 2 : x + 12], around)[2:-2, 2:-2]
    assert np.array_equal(crop, demosaic_malvar(whole, pattern)[y : y + 12, x : x + 10])
    assert around == seen


def test_it_beats_the_bilinear_interpolation_of_another_library(photograph):
    raw = mosaic(photograph, "RGGB")
    bilinear = cv2.demosaicing(np.rint(raw * 65535).astype(np.uint16), cv2.COLOR_BayerRGGB2RGB) / 65535
    inner = slice(4, -4)
    error, coarse = (
        np.mean((made - photograph)[inner, inner].astype(np.float64) ** 2) for made in (demosaic_malvar(raw), bilinear)
    )
    assert coarse < 0.01  # it is the same pattern
    assert error < 0.6 * coarse


def test_white_balance_acts_on_the_colour_of_a_pixel(rng):
    raw = rng.random((9, 8), dtype=np.float32)
    balanced = scale(raw, (2.0, 1.0, 1.5), "GBRG")
    seen = masks(raw.shape, "GBRG")
    for colour, gain in (("R", 2.0), ("G", 1.0), ("B", 1.5)):
        np.testing.assert_allclose(balanced[seen[colour]], raw[seen[colour]] * gain, rtol=1e-7)
    np.testing.assert_allclose(scale(balanced, (1 / 2.0, 1.0, 1 / 1.5), "GBRG"), raw, rtol=3e-7)


def test_what_is_no_mosaic_is_refused():
    with pytest.raises(UsageError, match="RGGB, BGGR"):
        mosaic(np.zeros((4, 4, 3), np.float32), "RGBG")
    with pytest.raises(UsageError, match="at least 3 x 3"):
        demosaic_malvar(np.zeros((2, 9), np.float32))
    with pytest.raises(UsageError, match=r"\(H, W, 3\)"):
        mosaic(np.zeros((4, 4), np.float32))
