"""Tests the light of scenes and the noise that torch draws."""

import dataclasses

import numpy as np
import pytest
import scipy.stats
import torch

from blurkit import load_recipe, load_response
from blurkit.camera import highlight_table
from blurkit.torch import draw_blur
from blurkit.torch.sensor import add_noise, scene_light


def test_scenes_have_their_highlights_and_gains():
    recipe = load_recipe("handheld", ["sensor.gain=[0.5, 2]", "saturation.threshold=0.8"])
    draws = [draw_blur(recipe, (16, 16), key=key) for key in (1, 2)]
    codes = torch.arange(256, dtype=torch.float32).reshape(1, 1, 16, 16) / 255
    for draw, light in zip(draws, scene_light(codes.expand(2, 3, 16, 16), draws), strict=True):
        expected = highlight_table(load_response("srgb"), draw.parameters["highlight"], 0.8, draw.parameters["gain"])
        np.testing.assert_allclose(light[1].ravel(), expected, rtol=2e-7)


def test_without_a_section_on_saturation_no_light_is_raised():
    recipe = dataclasses.replace(load_recipe("handheld"), saturation=None)
    light = scene_light(torch.ones(1, 3, 4, 4), [draw_blur(recipe, (4, 4), key=1)])
    np.testing.assert_array_equal(light, 1)


@pytest.mark.parametrize("level", [0.9, 0.2, 0.004])
def test_noise_has_the_mean_and_the_variance_of_the_model(level):
    shot, read, count = 1e-3, 2e-3, 100_000
    drawn = add_noise(torch.full((count,), level, dtype=torch.float64), shot, read, generator=torch.Generator().manual_seed(1))
    variance = shot * level + read**2
    assert abs(drawn.mean() - level) < 4 * (variance / count) ** 0.5
    assert abs(drawn.var() / variance - 1) < 4 * (2.5 / count) ** 0.5


def test_few_photons_are_poisson():
    photons = add_noise(torch.full((200_000,), 0.003), 1e-3, 0.0, generator=torch.Generator().manual_seed(2)).numpy() / 1e-3
    counts = np.bincount(np.rint(photons).astype(int), minlength=13)[:13]
    np.testing.assert_allclose(photons, np.rint(photons), atol=1e-4)
    expected = 200_000 * scipy.stats.poisson.pmf(np.arange(13), 3)
    assert scipy.stats.chisquare(counts[:9], expected[:9] * counts[:9].sum() / expected[:9].sum()).pvalue > 1e-3
