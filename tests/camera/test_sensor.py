"""The sensor, compared with its model: variances, exact Poisson numbers at few photons; and JPEG with another library."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from blurkit.blurring.convolve import blur
from blurkit.camera.response import load_response
from blurkit.camera.sensor import add_noise, compress, highlight_table, saturated
from blurkit.errors import UsageError


@pytest.mark.parametrize("level", [0.0, 0.002, 0.02, 0.2, 0.9])
def test_noise_has_the_models_mean_and_variance(level, rng):
    shot, read = 1e-3, 2e-3
    noisy = add_noise(np.full(400_000, level, np.float32), shot=shot, read=read, rng=rng)
    variance = shot * level + read**2
    assert noisy.dtype == np.float32
    assert noisy.mean() == pytest.approx(level, abs=5 * np.sqrt(variance / noisy.size))
    assert noisy.var() == pytest.approx(variance, rel=0.02)


def test_few_photons_are_counted_one_by_one(rng):
    shot = 1e-3
    photons = add_noise(np.full(200_000, 4 * shot, np.float32), shot=shot, read=0.0, rng=rng) / shot
    assert np.abs(photons - np.rint(photons)).max() < 1e-3
    counts = np.bincount(np.rint(photons).astype(int), minlength=12)[:12] / photons.size
    poisson = [np.exp(-4.0) * 4.0**k / np.prod(np.arange(1, k + 1)) for k in range(12)]
    assert counts == pytest.approx(poisson, abs=0.005)


def test_light_below_zero_by_rounding_counts_no_photons(rng):
    noisy = add_noise(np.full(1000, -1e-7, np.float32), shot=1e-3, read=0.0, rng=rng)
    assert np.all(noisy == 0)


def test_noise_depends_on_the_generator_alone(rng):
    light = rng.random((40, 30, 3), dtype=np.float32) * 0.1
    first, second = (add_noise(light, shot=1e-3, read=1e-3, rng=np.random.default_rng(3)) for _ in range(2))
    assert first.shape == light.shape
    assert np.array_equal(first, second)


def test_bits_do_not_depend_on_the_machine():
    light = (np.arange(200_000) % 1000).astype(np.float32) / 1000
    noisy = add_noise(light, shot=2e-3, read=1e-3, rng=np.random.Generator(np.random.Philox(9)))
    assert hashlib.sha256(noisy.tobytes()).hexdigest()[:16] == "69dcd4e53e0bb4fc"


def test_a_gain_acts_on_light_and_highlights_alike():
    response = load_response("srgb")
    np.testing.assert_allclose(highlight_table(response, 0.75, 0.99, 0.5), highlight_table(response, 0.75, 0.99) / 2)
    with pytest.raises(UsageError, match="only encodes"):
        highlight_table(load_response("a7r3"), 0.5, 0.99)


def test_saturated_is_full_well_in_any_channel():
    light = np.full((4, 5, 3), 0.5, np.float32)
    light[0, 0, 0] = light[1, 2, 2] = 1
    light[2, 3, 1] = 7
    light[3, 4] = 0.999
    assert np.argwhere(saturated(light)).tolist() == [[0, 0], [1, 2], [2, 3]]


@pytest.mark.parametrize("side", [3, 9, 45])
def test_a_blurred_surface_at_full_well_is_saturated_all_over(side, rng):
    kernel = rng.random((side, side), dtype=np.float32)
    light = blur(np.ones((64, 64, 3), np.float32), kernel / kernel.sum())
    assert saturated(light).all()
    assert not saturated(light * np.float32(0.9995)).any()


def test_highlights_are_raised_where_the_photograph_is_clipped():
    response = load_response("srgb")
    table = highlight_table(response, 0.75, 0.99)
    assert table[255] == pytest.approx(1.75)
    raised = table != response.table
    assert np.array_equal(raised, response.table >= 0.99)
    assert response.table[255] == 1  # the response itself is left alone


@pytest.mark.parametrize(("subsampling", "pillow"), [("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)])
def test_compression_is_that_of_another_library(subsampling, pillow, rng):
    image = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((9, 7, 1))).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=80, subsampling=pillow)
    expected = np.asarray(Image.open(buffer).convert("RGB"))
    made = compress(image, quality=80, subsampling=subsampling)
    assert made.shape == image.shape
    assert np.abs(made.astype(int) - expected).mean() < 1.0
