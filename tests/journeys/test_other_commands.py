"""Tests the commands beside ``generate``: ``verify``, ``preview``, ``info``, ``recipes`` and ``kernels``."""

import json
import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from command_line import SMALL, result, run
from damage import flip
from packaged import COUNT

from blurkit.shard import open_dataset


def test_what_is_no_dataset_is_refused_by_name(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.h5").write_text("hello")
    for command in ("verify", "info", "preview"):
        assert "holds no dataset.json" in run(command, "empty", cwd=tmp_path, code=2).stderr
        assert "no such folder of shards" in run(command, "nowhere", cwd=tmp_path, code=2).stderr
        assert "text.h5 is not a shard: not an HDF5 file" in run(command, "text.h5", cwd=tmp_path, code=1).stderr


def test_a_dataset_under_way_can_be_looked_at_and_is_not_sound_yet(tmp_path):
    run("generate", *SMALL, "--slice", "0/2", cwd=tmp_path)
    assert not result("info", "shards", cwd=tmp_path)["complete"]
    run("preview", "shards", "-n", "1", cwd=tmp_path)
    assert "not complete" in run("verify", "shards", cwd=tmp_path, code=1).stdout


def test_verify_names_the_shard_and_the_sample_of_one_flipped_bit(reference, tmp_path):
    folder, _ = reference
    shutil.copytree(folder / "shards", tmp_path / "shards")
    run("verify", "shards", "--recompute", "30%", cwd=tmp_path)
    shard = open_dataset(tmp_path / "shards").shard(1)
    name = shard.name(2)
    with h5py.File(shard.path) as file:
        place = file["sharp"].id.get_offset() + 2 * 48 * 48 * 3 + 1000
    path = Path(shard.path)
    flip(path, place)
    done = run("verify", "shards", cwd=tmp_path, code=1)
    assert f"{path.name} {name}" in done.stdout
    problems = json.loads(run("verify", "shards", "--json", cwd=tmp_path, code=1).stdout)["problems"]
    assert [(problem["shard"], problem["sample"]) for problem in problems] == [(path.name, name)]


def test_verify_names_what_is_missing_and_what_does_not_belong(reference, tmp_path):
    folder, _ = reference
    shutil.copytree(folder / "shards", tmp_path / "shards")
    (tmp_path / "shards" / "00000.h5").rename(tmp_path / "shards" / "00077.h5")
    done = run("verify", "shards", cwd=tmp_path, code=1)
    assert "00000.h5: missing" in done.stdout
    assert "00077.h5: not part of the dataset" in done.stdout
    shutil.copy(tmp_path / "shards" / "00001.h5", tmp_path / "shards" / "00000.h5")
    done = run("verify", "shards", cwd=tmp_path, code=1)
    assert "00000.h5" in done.stdout


def test_preview_shows_the_same_pixels_as_generate_stores(reference, tmp_path, monkeypatch):
    from blurkit.commands import preview
    from blurkit.pipeline.choices import Choices

    drawn = []
    monkeypatch.setattr(preview, "draw_sheet", lambda samples, *_, **__: drawn.append(samples))
    choices = Choices(limit=("9",), size="48", recipe="clean", per_image=3)
    assert preview.preview(None, choices, count=27, out=tmp_path / "a.png", as_json=True) == 0
    assert preview.preview(str(reference[0] / "shards"), choices, count=27, out=tmp_path / "b.png", as_json=True) == 0
    assert len(drawn[0]) == len(drawn[1]) == 27
    for made, stored in zip(*drawn, strict=True):
        assert made.name == stored.name
        assert np.array_equal(made.blurred, stored.blurred)
        assert np.array_equal(made.sharp, stored.sharp)
        assert made.meta == stored.meta


def test_preview_draws_a_picture(reference, tmp_path):
    assert result("preview", reference[0] / "shards", "-n", 3, cwd=tmp_path)["picture"] == "preview.png"
    assert min(cv2.imread(str(tmp_path / "preview.png")).shape[:2]) > 200
    assert len(result("preview", "--size", "64", "-n", 2, "-o", "two.png", cwd=tmp_path)["samples"]) == 2


def test_info_counts_what_is_there(reference, tmp_path):
    numbers = result("info", reference[0] / "shards", "-o", tmp_path / "plot.png", cwd=tmp_path)
    assert (numbers["pairs"], numbers["images"], numbers["sizes"]) == (27, 9, {"48x48": 27})
    assert numbers["licences"] == {"CC0-1.0": 24, "public domain": 3}
    assert numbers["quantiles"]["path length [px]"]["p100"] <= 60
    assert (tmp_path / "plot.png").stat().st_size > 1000
    text = run("info", reference[0] / "shards", cwd=tmp_path).stdout
    assert "blur extent [px]" in text
    assert "effective length [px]" in text
    assert result("info", "--src", "sample", cwd=tmp_path)["images"] == COUNT


def test_recipes_are_listed_and_printed(tmp_path):
    assert {"clean", "handheld", "deblurgan", "bank"} <= {recipe["name"] for recipe in result("recipes", cwd=tmp_path)}
    text = run("recipes", "handheld", "--set", "jpeg.share=1", cwd=tmp_path).stdout
    (tmp_path / "mine.toml").write_text(text)
    assert 'name = "bank"' in run("recipes", "bank", cwd=tmp_path).stdout
    assert result("recipes", "mine.toml", cwd=tmp_path)["jpeg"]["share"] == 1.0


@pytest.mark.parametrize("out", ["bank.npz", "bank.h5", "bank.mat", "folder"])
def test_kernels_are_drawn_and_saved(tmp_path, out):
    from blurkit.kernels.bank import KernelBank

    assert result("kernels", "-n", 8, "--seed", 2, "-o", out, cwd=tmp_path)["kernels"] == 8
    bank = KernelBank.load(tmp_path / out)
    assert len(bank) == 8
    again = result("kernels", "-n", 4, "--seed", 2, "-o", "again.npz", cwd=tmp_path)
    first = KernelBank.load(tmp_path / again["out"])[3]
    np.testing.assert_allclose(bank[3][bank[3].shape[0] // 2], first[first.shape[0] // 2], atol=2e-5)
    run("kernels", "-n", 1, "-o", out, cwd=tmp_path, code=2)
