"""Tests the measures that compare recipes with real blur, on blur of known extent."""

import importlib
import sys

import numpy as np
import pytest
from checkout import ROOT

from blurkit import load_recipe

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def real_blur():
    """The script as a module; it finds those beside it, as when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        yield importlib.import_module("real_blur")
        for name in ("real_blur", "blur_measures", "pictures"):
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def measures(real_blur):
    """The measures as a module."""
    return sys.modules["blur_measures"]


def frequencies(shape):
    return 2 * np.pi * np.fft.fftfreq(shape[1])[None, :], 2 * np.pi * np.fft.fftfreq(shape[0])[:, None]


def texture(seed, side=140):
    """Periodic noise with the 1/f spectrum of photographs, in (0, 1)."""
    u, v = frequencies((side, side))
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=(side, side))) / np.maximum(np.hypot(u, v), 0.02)
    image = np.fft.ifft2(spectrum).real
    return 0.5 + 0.12 * (image - image.mean()) / image.std()


def moved(image, length, angle=0.0, shift=(0.0, 0.0)):
    """The exact straight uniform blur of a periodic image, shifted."""
    u, v = frequencies(image.shape)
    along = np.sinc((u * np.cos(angle) + v * np.sin(angle)) * length / (2 * np.pi))
    return np.fft.ifft2(np.fft.fft2(image) * along * np.exp(-1j * (u * shift[0] + v * shift[1]))).real


def discs(side=240):
    """Bright discs with soft edges: edges of every orientation in every patch."""
    y, x = np.indices((side, side))
    distance = np.hypot((x + 7) % 60 - 30, (y + 11) % 60 - 30)
    return 40 + 160 / (1 + np.exp(np.clip((distance - 18) * 4, -50, 50)))


@pytest.mark.parametrize("exponent", [0.5, 0.8, 1, 2])
def test_the_exponent_of_a_known_density_is_found(measures, exponent, rng):
    size = rng.gamma(1 / exponent, size=200_000) ** (1 / exponent)
    assert measures.shape_exponent(size * rng.choice([-1, 1], size.size)) == pytest.approx(exponent, rel=0.03)


def test_the_scale_of_the_gradients_does_not_matter(measures, rng):
    values = rng.laplace(size=10_000)
    assert measures.shape_exponent(values * 9) == pytest.approx(measures.shape_exponent(values))


@pytest.mark.parametrize("length", [4, 8, 14, 20])
@pytest.mark.parametrize("angle", [0, 0.6, 2.2])
def test_a_straight_blur_between_a_pair_is_recovered(measures, length, angle):
    sharp, shift = texture(1), (0.7, -1.2)
    found = list(measures.pair_blur(sharp, moved(sharp, length, angle, shift)))
    assert len(found) == 4
    matrix = np.median([matrix for matrix, _ in found], axis=0)
    width, long = measures.sides(matrix)
    axis = 0.5 * np.arctan2(2 * matrix[0, 1], matrix[0, 0] - matrix[1, 1])
    assert long == pytest.approx(length, rel=0.06)
    assert width < 0.12 * length
    assert abs(np.sin(axis - angle)) < 0.03
    assert np.median([offset for _, offset in found], axis=0) == pytest.approx(shift, abs=0.15)


def test_a_gaussian_between_a_pair_is_recovered_exactly(measures):
    sharp = texture(2)
    u, v = frequencies(sharp.shape)
    covariance = np.array([[6.0, 2.0], [2.0, 3.0]])
    power = covariance[0, 0] * u * u + 2 * covariance[0, 1] * u * v + covariance[1, 1] * v * v
    blurred = np.fft.ifft2(np.fft.fft2(sharp) * np.exp(-power / 2)).real
    found = list(measures.pair_blur(sharp, blurred))
    assert len(found) == 4
    for matrix, shift in found:
        assert matrix / measures.NEAREST == pytest.approx(covariance, rel=0.02, abs=0.03)
        assert shift == pytest.approx([0, 0], abs=0.01)


def test_patches_without_texture_say_nothing(measures):
    striped = np.tile(np.sin(np.arange(140) / 2) / 4 + 0.5, (140, 1))
    assert not list(measures.pair_blur(striped, striped))


def test_a_frame_is_known_by_how_its_blur_varies(measures):
    sharp = texture(3, 220)
    frames = {
        "uniform": moved(sharp, 8),
        "longer": np.hstack([moved(sharp, 6)[:, :110], moved(sharp, 12)[:, 110:]]),
        "turned": np.hstack([moved(sharp, 8)[:, :110], moved(sharp, 8, np.pi / 2)[:, 110:]]),
    }
    found = {name: [measures.stacked(m for m, _ in measures.pair_blur(sharp, blurred))] for name, blurred in frames.items()}
    variation, disagreement = (
        {name: f(each)[0] for name, each in found.items()} for f in (measures.variation, measures.disagreement)
    )
    assert variation["uniform"] < 0.03
    assert variation["longer"] == pytest.approx(np.log(2) / 2, rel=0.2)
    assert disagreement["uniform"] < 0.01
    assert disagreement["longer"] < 0.02
    assert disagreement["turned"] > 0.6


@pytest.mark.parametrize("length", [6, 10, 14])
@pytest.mark.parametrize("degrees", [0, 45, 90, 160])
def test_edges_widen_by_the_length_of_a_blur_along_it(measures, length, degrees):
    image, angle = discs(), np.deg2rad(degrees)
    least = np.mean([measures.sides(matrix) for matrix in measures.edge_blur(image)])
    matrix = np.mean(list(measures.edge_blur(moved(image, length, angle))), axis=0)
    width, long = measures.sides(matrix)
    axis = 0.5 * np.arctan2(2 * matrix[0, 1], matrix[0, 0] - matrix[1, 1])
    assert long == pytest.approx(np.hypot(least, length), rel=0.15)
    assert width < 1.6 * least
    assert abs(np.sin(axis - angle)) < 0.15


def test_a_group_holds_the_statistics_of_its_images(real_blur, measures, rng):
    codes = np.clip(255 * texture(4), 0, 255).astype(np.uint8)
    group = real_blur.Group()
    group.add(np.repeat(codes[:, :, None], 3, axis=2), np.repeat(codes[:, :, None], 3, axis=2))
    assert group.counts.sum() == 2 * 140 * 139
    assert group.counts[255] == sum(np.count_nonzero(np.diff(codes.astype(int), axis=axis) == 0) for axis in (0, 1))
    assert measures.lengths(group.pairs).max() < 0.1
    assert "| same | 1 |" in real_blur.table({"same": group})


def test_the_settings_that_come_nearer_are_a_recipe_and_on_the_page(real_blur):
    settings = (*real_blur.NEARER, real_blur.ROLL)
    load_recipe("street", settings)
    page = (DOCS / "real-blur.md").read_text(encoding="utf-8")
    assert all(f"--set '{setting}'" in page for setting in settings)
