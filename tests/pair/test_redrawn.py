"""Tests datasets whose blurred images are drawn anew: the stored seed draws the pair that would be stored, other keys others."""

import dataclasses

import numpy as np
import pytest
from command_line import result, run
from damage import flip
from photographs import random_photograph
from scipy import ndimage, stats
from srgb import decode, encode

from blurkit import Redrawn, make_pair, open_dataset
from blurkit.errors import CorruptShardError, UsageError
from blurkit.pair.seeds import generator
from blurkit.recipes.load import load_recipe
from blurkit.shard import Sample, Shard
from blurkit.shard.writer import write_shard

SEED = (3, 1, 2, 3, 4)


@pytest.fixture
def photograph(rng):
    return random_photograph(rng, (6, 8))


@pytest.fixture
def stored(tmp_path, photograph):
    """A function that stores the whole photograph by a recipe, in one shard of two samples, and opens it."""

    def store(kind, recipe):
        recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
        samples = []
        for variant in range(2):
            words = (*SEED[:-1], variant)
            pair = make_pair(photograph, recipe, rng=generator(words), store=kind)
            meta = {"source": "folder", "licence": "", "source_sha256": "0" * 64, "notes": "", "variant": variant}
            meta |= {"crop": pair.crop, "valid": pair.valid, "seed": words, **pair.parameters}
            known = {name: part for name, part in pair.parts().items() if name not in ("objects", "path", "poses")}
            single = {"path": pair.path.astype(np.float32), "poses": pair.poses.astype(np.float32)}
            samples.append(Sample(pair.sharp, pair.blurred, id="one", meta=meta, **known, **single))
        attributes = {"format": "blurkit-shard", "version": 1, "recipe": recipe.portable_toml()}
        write_shard(tmp_path / f"{kind}.h5", samples, attributes=attributes)
        return open_dataset(tmp_path / f"{kind}.h5")

    return store


@pytest.mark.parametrize("name", ["clean", "handheld", "rotation", "boracchi-foi"])
def test_the_stored_seed_draws_the_pair_that_would_be_stored(stored, name):
    pairs, redrawn = stored("pairs", name), Redrawn(stored("sharp", name))
    assert len(redrawn) == len(pairs) == 2
    for one, other in zip(redrawn, pairs, strict=True):
        assert np.array_equal(one.blurred, other.blurred)
        assert np.array_equal(one.sharp, other.sharp)
        assert np.array_equal(one.kernel, other.kernel)
        assert np.array_equal(one.path, other.path)
        assert np.array_equal(one.poses, other.poses)
        assert np.array_equal(one.kernel_at(20, 30), other.kernel_at(20, 30))
        assert one.meta == other.meta


def test_each_key_draws_another_pair_and_always_the_same(stored):
    redrawn = Redrawn(stored("sharp", "handheld"))
    epochs = [[redrawn.pair(0, key=(7, epoch, position)) for position in range(4)] for epoch in range(2)]
    kernels = {sample.kernel.tobytes() for samples in epochs for sample in samples}
    assert len(kernels) == 8
    again = redrawn.pair(0, key=(7, 1, 2))
    assert np.array_equal(again.blurred, epochs[1][2].blurred)
    assert np.array_equal(redrawn.images(0, key=(7, 1, 2))[1], again.blurred)
    assert np.array_equal(redrawn.kernel(1), redrawn[1].kernel)


@pytest.mark.parametrize("name", ["clean", "rotation"])
def test_a_crop_is_the_crop_of_the_pair(stored, name):
    recipe = dataclasses.replace(load_recipe(name), noise=None, jpeg=None, saturation=None, sensor=None)
    redrawn = Redrawn(stored("sharp", recipe))
    sharp, blurred = redrawn.images(0, key=5)
    for y, x, size in ((0, 0, 40), (31, 50, (64, 90)), (80, 120, 40)):
        height, width = size if isinstance(size, tuple) else (size, size)
        crops = redrawn.crop(0, y, x, size, key=5)
        assert np.array_equal(crops[0], sharp[y : y + height, x : x + width])
        assert np.array_equal(crops[1], blurred[y : y + height, x : x + width])


def test_stored_light_is_the_kernel_times_the_light_of_the_photograph(stored, photograph):
    sample = stored("light", "clean")[0]
    light = decode(photograph)
    expected = np.stack([ndimage.convolve(light[..., c], sample.kernel.astype(float), mode="mirror") for c in range(3)], axis=-1)
    assert sample.blurred.dtype == np.float16
    np.testing.assert_allclose(sample.blurred, expected, rtol=2**-11 + 1e-5, atol=1e-6)
    assert np.abs(Redrawn(stored("light", "clean"))[0].blurred - 255 * encode(expected)).max() < 0.6  # half floats add .1 code


def test_only_the_sensor_of_stored_light_is_drawn(stored):
    """The mean of many exposures is the exposure without noise, and their spread is that of the drawn noise."""
    recipe = load_recipe("handheld", ["noise.shot=[0.001,0.001]", "noise.read=[0.01,0.01]", "jpeg=none"])
    dataset = stored("light", recipe)
    assert not {"shot", "read", "jpeg_quality"} & dataset[0].meta.keys()
    redrawn = Redrawn(dataset)
    exposures = [redrawn.pair(0, key=(1, number)) for number in range(40)]
    assert len({sample.blurred.tobytes() for sample in exposures}) == 40
    assert all(np.array_equal(sample.kernel, dataset[0].kernel) for sample in exposures)
    light = dataset[0].blurred.astype(float)
    middle = (light > 0.2) & (light < 0.5)  # far from both ends of the codes
    taken = decode(np.stack([sample.blurred[middle] for sample in exposures]))
    shot, read = exposures[0].meta["shot"], exposures[0].meta["read"]
    deviations = (taken - light[middle]) / np.sqrt(shot * light[middle] + read**2)
    assert abs(deviations.mean()) < 0.02
    assert deviations.std() == pytest.approx(1, abs=0.02)
    assert stats.kurtosis(deviations, axis=None) == pytest.approx(0, abs=0.1)


def test_the_mosaic_of_a_crop_reads_the_light_around_it(stored):
    recipe = load_recipe("handheld", ["noise=none", "jpeg=none", "bayer.pattern=['RGGB']"])
    redrawn = Redrawn(stored("light", recipe))
    whole, crop = redrawn.images(0, key=4)[1], redrawn.crop(0, 21, 34, 50, key=4)[1]
    assert np.array_equal(crop, whole[21:71, 34:84])


def test_light_that_is_no_number_is_dark(stored, photograph):
    sample = stored("light", "clean")[0]
    light = sample.blurred.copy()
    light[0, 0], light[0, 1], light[0, 2] = np.nan, -1, np.inf
    dataset = stored("light", "clean")
    write_shard(dataset.folder / "bad.h5", [dataclasses.replace(sample, blurred=light)], attributes=dataset.shard(0).attributes)
    blurred = Redrawn(open_dataset(dataset.folder / "bad.h5"))[0].blurred
    assert blurred[0, :3].tolist() == [[0] * 3, [0] * 3, [255] * 3]


@pytest.mark.parametrize("kind", ["light", "sharp"])
def test_a_changed_byte_is_named(stored, kind):
    dataset = stored(kind, "clean")
    path, place = dataset.folder / f"{kind}.h5", dataset.shard(0).columns.places
    offset = place["blurred" if kind == "light" else "sharp"][2]
    flip(path, offset + 70 * 160 * 3 * (2 if kind == "light" else 1))  # in row 70, which is in the second band
    with pytest.raises(CorruptShardError, match=r"sample 0 .*rows 64 to 119 of (blurred|sharp)"):
        Shard(path)[0]
    assert Shard(path).crop(0, 0, 0, 60)[0].shape == (60, 60, 3)
    assert Shard(path)[1].store == kind


def test_a_shard_stores_one_kind(stored, tmp_path):
    samples = [stored("light", "clean")[0], stored("sharp", "clean")[1]]
    with pytest.raises(UsageError, match="light or sharp, not both"):
        write_shard(tmp_path / "mixed.h5", samples, attributes={})


def test_stored_pairs_are_not_drawn(stored):
    with pytest.raises(UsageError, match="stores pairs, so nothing is drawn anew"):
        Redrawn(stored("pairs", "clean"))


@pytest.mark.parametrize("kind", ["sharp", "light"])
def test_the_commands_know_each_kind(tmp_path, kind):
    options = ("--limit", 3, "--size", 96, "--set", "shard_bytes=50000", "--store", kind)
    made = result("generate", *options, "--out", "shards", "-q", cwd=tmp_path)
    assert (made["made"], made["shards"] > 1) == (3, True)
    checked = result("verify", "shards", "--recompute", "100%", cwd=tmp_path)
    assert (checked["recomputed"], checked["problems"]) == (3, [])
    assert result("info", "shards", cwd=tmp_path)["stored"] == kind
    card = (tmp_path / "shards/README.md").read_text()
    assert f"--store {kind}" in card
    assert "pairs = Redrawn(open_dataset" in card
    run("preview", "shards", "-n", 2, "-o", "sheet.png", cwd=tmp_path)
    refused = run("generate", *options[:-1], "pairs", "--out", "shards", "-q", cwd=tmp_path, code=2)
    assert f"store: {kind} there, absent now" in refused.stderr


def test_the_plan_knows_the_size(tmp_path):
    planned, made = {}, {}
    for kind in ("pairs", "light", "sharp"):
        options = ("--limit", 6, "--size", 320, "--per-image", 4, "--recipe", "clean", "--store", kind)
        planned[kind] = result("generate", *options, "--dry-run", cwd=tmp_path)["bytes"]
        made[kind] = result("generate", *options, "--out", kind, "-q", cwd=tmp_path)["bytes"]
    assert planned["sharp"] == pytest.approx(made["sharp"], rel=0.1)
    assert planned["light"] - planned["pairs"] == 24 * 3 * 320 * 320
    assert made["light"] - made["pairs"] == pytest.approx(24 * 3 * 320 * 320, rel=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--store", "sharp", "--recipe", "objects"), "'objects' needs outlined objects"),
        (("--store", "sharp", "--recipe", "defocus"), "'defocus' needs depth"),
        (("--store", "light", "--set", "response.encode=curve.txt"), "reads files (response.encode)"),
        (("--store", "sharpp"), "--store is one of pairs, light, sharp, got 'sharpp'"),
    ],
)
def test_what_cannot_be_drawn_again_is_refused(tmp_path, options, message):
    np.savetxt(tmp_path / "curve.txt", np.linspace(0, 1, 256))
    assert message in run("generate", *options, cwd=tmp_path, code=2).stderr
