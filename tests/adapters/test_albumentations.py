"""Tests the Albumentations transform against ``make_pair``."""

import numpy as np
import pytest

import blurkit
from blurkit.errors import UsageError

albumentations = pytest.importorskip("albumentations", reason="Albumentations is not installed")

from blurkit.adapters.albumentations import RandomBlur  # noqa: E402


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (40, 50, 3), np.uint8)


def replayed(transform, seed, **targets):
    """The targets after a transform, and its key."""
    replay = albumentations.ReplayCompose([transform])
    replay.set_random_seed(seed)
    result = replay(**targets)
    return result, result["replay"]["transforms"][0]["params"]["key"]


@pytest.mark.parametrize("recipe", ["handheld", pytest.param("rotation", marks=pytest.mark.slow)])
def test_the_key_gives_the_pair_and_masks_stay(image, rng, recipe):
    mask = rng.integers(0, 3, (40, 50), np.uint8)
    result, key = replayed(RandomBlur(recipe, p=1), 3, image=image, mask=mask)
    np.testing.assert_array_equal(result["image"], blurkit.make_pair(image, recipe, rng=key).blurred)
    np.testing.assert_array_equal(result["mask"], mask)


def test_a_seed_of_the_pipeline_decides(image):
    blurred = [albumentations.Compose([RandomBlur("clean", p=1)], seed=seed)(image=image)["image"] for seed in (4, 4, 5)]
    np.testing.assert_array_equal(blurred[0], blurred[1])
    assert (blurred[0] != blurred[2]).any()


def test_float_images_are_rounded_to_codes(image):
    result, key = replayed(RandomBlur("clean", p=1), 1, image=image / np.float32(255))
    assert result["image"].dtype == np.float32
    np.testing.assert_allclose(result["image"] * 255, blurkit.make_pair(image, "clean", rng=key).blurred, atol=1e-4)


def test_it_is_written_to_a_file_and_read(tmp_path, image):
    pipeline = albumentations.Compose([RandomBlur("clean", p=1)], seed=1)
    albumentations.save(pipeline, tmp_path / "pipeline.json")
    loaded = albumentations.load(tmp_path / "pipeline.json")
    loaded.set_random_seed(1)
    np.testing.assert_array_equal(loaded(image=image)["image"], pipeline(image=image)["image"])


def test_recipes_and_images_that_do_not_fit_are_refused(image):
    with pytest.raises(UsageError, match="averages the frames"):
        RandomBlur("frames")
    with pytest.raises(UsageError, match=r"uint8 \(H, W, 3\) RGB"):
        albumentations.Compose([RandomBlur("clean", p=1)])(image=image[..., 0])
