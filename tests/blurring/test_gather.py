"""Tests spatially varying blur against brute force, scipy, the exact sum of poses, and the crop of the whole."""

import numpy as np
import pytest
import scipy.ndimage
from borders import NUMPY, SCIPY
from psnr import encoded_psnr
from warp import blur_poses

import blurkit.blurring.gather
from blurkit.blurring.convolve import blur
from blurkit.blurring.gather import blur_field
from blurkit.camera.response import load_response
from blurkit.decode import read_image
from blurkit.errors import UsageError
from blurkit.kernels.field import SPACING, rotation_field
from blurkit.kernels.rasterization import exposure_weights
from blurkit.kernels.rotation import camera_rotation, centered
from blurkit.truth.kernel_field import KernelField


def draw_poses(rng, *, samples=300, length=0.05, roll_length=0.1, diffusion=0.3):
    poses = camera_rotation(
        length=length, roll_length=roll_length, diffusion=diffusion, pull=20, reversals=0.3, samples=samples, rng=rng
    )
    weights = exposure_weights(samples, 0.9)
    return centered(poses, weights), weights


def draw_field(rng, y, x, size=5, share=0.4):
    kernels = rng.random((len(y), len(x), size, size), dtype=np.float32)
    kernels *= rng.random(kernels.shape) < share
    kernels[..., size // 2, 0] = 0.5
    return KernelField.of(y, x, kernels / kernels.sum(axis=(2, 3), keepdims=True))


@pytest.mark.parametrize("border", SCIPY)
@pytest.mark.parametrize("shape", [(30, 41, 3), (17, 20, 1), (1, 12, 3), (11, 1, 2), (1, 1, 3)])
def test_each_pixel_gathers_by_its_own_kernel(rng, border, shape):
    """Brute force: for every pixel the sum over the displacements of its kernel."""
    field = draw_field(rng, np.arange(-4, 45, 12.0), np.arange(-1, 60, 14.0))
    image = rng.random(shape, np.float32)
    padded = np.pad(image.astype(float), ((2, 2), (2, 2), (0, 0)), mode=NUMPY[border])
    expected = np.empty(shape)
    for y, x in np.ndindex(shape[:2]):
        turned = field.at(y, x)[::-1, ::-1, None]
        expected[y, x] = (turned * padded[y : y + 5, x : x + 5]).sum(axis=(0, 1))
    result = blur_field(image, field, border=border)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("border", SCIPY)
def test_scipy_blends_whole_images(rng, border):
    """The sum over the nodes: the whole image convolved with the node's kernel, weighted by the node's hat function."""
    y, x = np.array([0.0, 20, 40]), np.array([0.0, 16, 32, 64])
    field, image = draw_field(rng, y, x, size=11, share=0.2), rng.random((41, 60, 3), np.float32)
    expected = np.zeros(image.shape)
    for i, j in np.ndindex(3, 4):
        along_y, along_x = np.interp(np.arange(41), y, np.eye(3)[i]), np.interp(np.arange(60), x, np.eye(4)[j])
        part = scipy.ndimage.convolve(image.astype(float), field.kernels[i, j, ..., None], mode=SCIPY[border])
        expected += along_y[:, None, None] * along_x[:, None] * part
    np.testing.assert_allclose(blur_field(image, field, border=border), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("nodes", [(1, 1), (1, 4), (5, 1), (5, 4)])
def test_equal_kernels_are_a_uniform_blur(rng, nodes):
    image, kernel = rng.random((50, 70, 3), np.float32), draw_field(rng, [0], [0], size=15).kernels[0, 0]
    kernels = np.broadcast_to(kernel, (*nodes, 15, 15)).copy()
    field = KernelField.of(np.arange(nodes[0]) * 20.0, np.arange(nodes[1]) * 25.0, kernels)
    np.testing.assert_allclose(blur_field(image, field), blur(image, kernel), rtol=0, atol=1e-6)


def test_a_constant_image_stays_constant(rng):
    poses, weights = draw_poses(rng)
    field = rotation_field(poses, weights, shape=(150, 200), focal=400.0)
    np.testing.assert_allclose(blur_field(np.full((150, 200, 3), 0.7, np.float32), field), 0.7, rtol=0, atol=1e-6)


def test_the_light_of_every_point_is_kept(rng):
    """Kernels with the sum 1 conserve the light that arrives at a pixel, but not exactly the light that leaves a pixel."""
    poses, weights = draw_poses(rng)
    field = rotation_field(poses, weights, shape=(200, 260), focal=260.0)
    spread = []
    for y, x in np.ndindex(6, 8):
        point = np.zeros((200, 260, 1), np.float32)
        point[38 + 24 * y + x, 36 + 25 * x + y] = 1
        light = blur_field(point, field)
        spread.append(np.count_nonzero(light))
        assert light.sum(dtype=float) == pytest.approx(1, abs=0.005)
    assert min(spread) > 20
    image = np.zeros((200, 260, 3), np.float32)
    image[30:-30, 30:-30] = rng.random((140, 200, 3))
    assert blur_field(image, field).sum(dtype=float) == pytest.approx(image.sum(dtype=float), rel=0.001)


@pytest.mark.parametrize("border", ["reflect101", "zero"])
def test_on_every_pixel_a_node_the_field_is_the_exact_sum(rng, border):
    """The path is asymmetric and the image is noise, so a wrong direction or a wrong inverse of a pose would be noticed."""
    poses, weights = draw_poses(rng)
    image, box = rng.random((90, 120, 2), np.float32), (60, 85, 30, 35)
    exact = blur_poses(image, poses, weights, focal=150.0, box=box, border=border)
    field = rotation_field(poses, weights, shape=(90, 120), focal=150.0, box=box, spacing=1)
    np.testing.assert_allclose(blur_field(image, field, box, border=border), exact, rtol=0, atol=5e-7)
    for wrong in (-poses, poses * [1, 1, -1], poses[::1, [1, 0, 2]]):
        turned = rotation_field(wrong, weights, shape=(90, 120), focal=150.0, box=box, spacing=1)
        assert np.abs(blur_field(image, turned, box, border=border) - exact).max() > 0.05


def test_on_photographs_the_field_is_close_to_the_exact_sum(rng, test_data):
    response = load_response("srgb")
    for name in ("brick_wall", "nyc_taxis"):
        image = response.decode(read_image(test_data / "photos" / f"{name}.jpg").pixels)
        shape, focal = image.shape[:2], float(max(image.shape))
        poses, weights = draw_poses(rng, samples=100, length=0.03, roll_length=0.04)
        assert 0.015 < np.ptp(poses[:, 2]) < 0.04
        box = (shape[0] - 200, shape[1] - 200, 160, 160)  # far from the centre, but no pixel depends on the border
        exact = blur_poses(image, poses, weights, focal=focal, box=box)
        fields = [rotation_field(poses, weights, shape=shape, focal=focal, box=box, spacing=s) for s in (SPACING, 2 * SPACING)]
        agreement = [encoded_psnr(blur_field(image, field, box), exact) for field in fields]
        assert fields[0].reach < 38
        assert agreement[0] > 51
        assert agreement[0] > agreement[1] + 6  # the error is of second order in the spacing: 12 dB


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (47, 48, 2, 49), (13, 100, 77, 99), (95, 0, 54, 200), (96, 144, 48, 48)])
def test_the_blur_of_a_crop_is_the_crop_of_the_blur(rng, box):
    poses, weights = draw_poses(rng)
    image = rng.standard_normal((150, 200, 3)).astype(np.float32)
    whole = blur_field(image, rotation_field(poses, weights, shape=(150, 200), focal=300.0))
    y, x, height, width = box
    part = blur_field(image, rotation_field(poses, weights, shape=(150, 200), focal=300.0, box=box), box)
    assert np.array_equal(part, whole[y : y + height, x : x + width])


def test_bits_do_not_depend_on_tiles(rng, monkeypatch):
    poses, weights = draw_poses(rng)
    image = rng.standard_normal((150, 200, 3)).astype(np.float32)
    field = rotation_field(poses, weights, shape=(150, 200), focal=300.0)
    whole = blur_field(image, field)
    for side in (7, 64, 149):
        monkeypatch.setattr(blurkit.blurring.gather, "_TILE", side)
        assert np.array_equal(blur_field(image, field), whole)


def test_codes_are_decoded_by_their_table(rng):
    codes, table = rng.integers(0, 256, (40, 50, 3), np.uint8), load_response("srgb").table
    field = draw_field(rng, [0.0, 50], [0.0, 50])
    for border in SCIPY:
        assert np.array_equal(
            blur_field(codes, field, table=table, border=border), blur_field(table[codes], field, border=border)
        )


def test_the_image_is_left_as_it_was_and_may_be_any_view(rng):
    image, field = rng.random((60, 44, 3), np.float32), draw_field(rng, [0.0, 60], [0.0, 60])
    before = image.copy()
    image.setflags(write=False)
    view = image[::-2, :, ::-1]
    assert np.array_equal(blur_field(view, field), blur_field(np.ascontiguousarray(view), field))
    assert np.array_equal(image, before)


@pytest.mark.parametrize(
    ("image", "box", "table", "border", "message"),
    [
        (np.zeros((8, 8, 3)), None, None, "wrap", "without a table is float32.*got float64"),
        (np.zeros((8, 8, 3), np.uint8), None, None, "wrap", "without a table is float32.*got uint8"),
        (np.zeros((8, 8, 3), np.float32), None, np.zeros(256, np.float32), "wrap", "with a table is uint8.*got float32"),
        (np.zeros((8, 8), np.float32), None, None, "wrap", "shape \\(H, W, C\\).*of shape \\(8, 8\\)"),
        (np.zeros((8, 0, 3), np.float32), None, None, "wrap", "at least one pixel"),
        (np.zeros((8, 8, 3), np.float32), (0, 0, 9, 1), None, "wrap", "the image of 8 x 8 pixels"),
        (np.zeros((8, 8, 3), np.float32), (-1, 0, 2, 1), None, "wrap", "the image of 8 x 8 pixels"),
        (np.zeros((8, 8, 3), np.float32), None, None, "wrapped", "did you mean 'wrap'"),
        (np.zeros((20, 8, 3), np.float32), None, None, "wrap", "from 0 to 10 along this axis, and is asked for 0 to 19"),
    ],
)
def test_bad_input_is_refused(image, box, table, border, message):
    field = KernelField.of([0, 10], [0, 10], np.ones((2, 2, 1, 1), np.float32))
    with pytest.raises(UsageError, match=message):
        blur_field(image, field, box, table=table, border=border)
