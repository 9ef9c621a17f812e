"""Tests ``blurkit generate`` from end to end: the pairs follow the recipe, and all ways to make a dataset give the same bytes."""

import numpy as np
from command_line import SMALL, dataset_files, result, run
from kernels import centroid
from psnr import psnr
from scipy.ndimage import convolve
from srgb import decode, encode

from blurkit.shard import open_dataset


def test_the_numbers_add_up(reference):
    folder, printed = reference
    dataset = open_dataset(folder / "shards")
    assert printed["pairs"] == printed["made"] == len(dataset) == 27
    assert printed["shards"] == len(dataset.files) > 2
    assert printed["complete"]
    assert printed["digest"] == dataset.digest
    assert printed["bytes"] == sum(path.stat().st_size for path in (folder / "shards").glob("*.h5"))
    assert [sample.name for sample in dataset][:4] == ["astronaut#0", "astronaut#1", "astronaut#2", "bakery#0"]


def test_what_is_made_is_what_its_recipe_says(reference):
    """From the stored arrays alone: sharp convolved with the kernel in linear light is blurred."""
    compared = 0
    for pair in open_dataset(reference[0] / "shards"):
        light = decode(pair.sharp)
        blurred = np.stack([convolve(light[..., c], pair.kernel.astype(float), mode="mirror") for c in range(3)], axis=-1)
        half = len(pair.kernel) // 2
        if half < 24:  # some pixels do not depend on the border
            assert psnr(255 * encode(blurred), pair.blurred, peak=255, margin=half) > 55
            compared += 1
        assert np.abs(centroid(pair.kernel)).max() < 0.02
    assert compared > 20


def test_worker_counts_and_slices_make_the_same_bytes(reference, tmp_path):
    expected = dataset_files(reference[0] / "shards")
    run("generate", *SMALL, "--per-image", 3, "--workers", 1, "--out", "one", cwd=tmp_path)
    run("generate", *SMALL, "--per-image", 3, "--out", "none", cwd=tmp_path)
    for part in ("1/2", "0/2"):
        run("generate", *SMALL, "--per-image", 3, "--slice", part, "--out", "sliced", cwd=tmp_path)
    for name in ("one", "none", "sliced"):
        made = dataset_files(tmp_path / name)
        assert made.pop("plan.json") == expected["plan.json"]
        assert made == {key: value for key, value in expected.items() if key != "plan.json"}


def test_a_slurm_array_task_makes_its_share(tmp_path):
    for task in ("5", "6"):
        variables = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "2"}
        printed = result("generate", *SMALL, "--slice", "slurm", cwd=tmp_path, **variables)
        assert printed["complete"] == (task == "6")
    assert printed["pairs"] < 9
    done = run("generate", *SMALL, "--slice", "slurm", cwd=tmp_path, code=2, SLURM_ARRAY_TASK_ID="")
    assert "SLURM_ARRAY_TASK_ID" in done.stderr


def test_the_digest_depends_on_the_samples_and_not_on_their_grouping(reference, tmp_path):
    printed = result("generate", *SMALL, "--per-image", 3, "--set", "shard_bytes=10000000", cwd=tmp_path)
    assert printed["shards"] == 1
    assert printed["digest"] == reference[1]["digest"]
    assert (
        result("generate", *SMALL, "--per-image", 3, "--seed", 1, "--out", "other", cwd=tmp_path)["digest"] != printed["digest"]
    )


def test_a_dry_run_counts_and_writes_nothing(reference, tmp_path):
    numbers = result("generate", *SMALL, "--per-image", 3, "--dry-run", cwd=tmp_path)
    assert set(numbers) == {"images", "pairs", "shards", "bytes", "minutes"}
    assert (numbers["images"], numbers["pairs"], numbers["shards"]) == (9, 27, reference[1]["shards"])
    assert list(tmp_path.iterdir()) == []


def test_whole_photographs_of_many_sizes(tmp_path):
    printed = result("generate", "--size", "full", "--recipe", "clean", "--set", "shard_bytes=2000000", cwd=tmp_path)
    dataset = open_dataset(tmp_path / "shards")
    assert printed["shards"] > 2
    assert {sample.sharp.shape[:2] for sample in dataset} >= {(512, 512), (427, 640), (558, 640)}
    assert dataset[0].meta["crop"] == (0, 0, 512, 512)
    run("verify", "shards", "--recompute", "100%", cwd=tmp_path)
