"""Tests ``blurkit import``: folders of real pairs become shards that are read, checked and made again like all others."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import dataset_files, result, run
from pair_layouts import numbered
from psnr import psnr

from blurkit.shard import open_dataset
from trainer.data.pairs import hold_out, open_pairs

#: One layout of each kind of names: datasets, folders, files, and what people of other programs use.
FOUND = ("gopro", "reds", "realblur", "bsd", "hide", "lq gt", "low high", "input groundtruth", "letters", "words of both")


def image(seed, height=40, width=56):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write(root, name, pixels):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels[..., ::-1])


def write_pairs(root, layout="gopro", count=3):
    """Pairs 1, 2, ... whose sharp image has the seed n and whose blurred image has the seed 100 + n."""
    for number in range(1, count + 1):
        for name, seed in zip(numbered(layout, number), (100 + number, number), strict=True):
            write(root, Path(name).with_suffix(".png"), image(seed))
    return root


@pytest.mark.parametrize("layout", FOUND)
def test_each_layout_is_found_and_stored_as_it_is(tmp_path, layout):
    write_pairs(tmp_path / "pairs", layout)
    printed = result("import", "pairs", "--licence", "CC-BY-4.0", cwd=tmp_path)
    dataset = open_dataset(tmp_path / "shards")
    assert printed["made"] == len(dataset) == 3
    for number, sample in enumerate(dataset, 1):
        assert np.array_equal(sample.sharp, image(number))
        assert np.array_equal(sample.blurred, image(100 + number))
        assert sample.kernel.shape == (0, 0)
        assert len(sample.path) == 0
        assert sample.meta["licence"] == "CC-BY-4.0"
        assert sample.meta["source"] == "pairs"
        assert len(sample.meta["source_sha256"]) == 64
        assert "sha256 of the real blurred photograph: " in sample.meta["notes"]
    command = "blurkit import DIR \\\n    --licence CC-BY-4.0 \\\n    --seed 0\n"
    assert command in (tmp_path / "shards/README.md").read_text()
    checked = result("verify", "shards", "--recompute", "100%", "--root", "pairs", cwd=tmp_path)
    assert (checked["recomputed"], checked["problems"]) == (3, [])


def test_a_dry_run_shows_the_pairs_and_writes_nothing(tmp_path):
    write_pairs(tmp_path / "pairs")
    write(tmp_path / "pairs", "poster.png", image(0))
    done = run("import", "pairs", "--dry-run", cwd=tmp_path)
    assert "3 images, 3 pairs in 1 shard" in done.stdout
    assert "blurred train/GOPR0384_11_00/blur/000001.png, sharp train/GOPR0384_11_00/sharp/000001.png" in done.stderr
    assert "pairs: pairs by names, blur beside sharp" in done.stderr
    assert "1 file in no pair, for example poster.png" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pairs"]


def test_a_dry_run_draws_two_pairs(tmp_path):
    write_pairs(tmp_path / "pairs")
    printed = result("import", "pairs", "--dry-run", "-o", "look.png", cwd=tmp_path)
    assert printed["pairs"] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["look.png", "pairs"]
    assert "nothing else was written" in run("import", "pairs", "--dry-run", "-o", "look.png", cwd=tmp_path).stdout
    planned = ("--src", "pairs", "--root", "pairs", "--recipe", "real", "--size", "full")
    run("preview", *planned, "-n", 2, "-o", "same.png", cwd=tmp_path)
    assert np.array_equal(*(cv2.imread(str(tmp_path / name)) for name in ("look.png", "same.png")))
    assert "-o goes with --dry-run" in run("import", "pairs", "-o", "other.png", cwd=tmp_path, code=2).stderr
    write(tmp_path, "mine.png", image(1))
    assert "mine.png" in run("import", "pairs", "--dry-run", "-o", "mine.png", cwd=tmp_path, code=2).stderr


def test_crops_are_at_one_place_of_both_images(tmp_path):
    write_pairs(tmp_path / "pairs")
    result("import", "pairs", "--size", "16x24", "--per-image", 2, "--seed", 3, cwd=tmp_path)
    dataset = open_dataset(tmp_path / "shards")
    assert len(dataset) == 6
    places = set()
    for sample in dataset:
        y, x, height, width = sample.meta["crop"]
        number = int(sample.id[-1])
        assert (height, width) == (16, 24)
        assert np.array_equal(sample.sharp, image(number)[y : y + 16, x : x + 24])
        assert np.array_equal(sample.blurred, image(100 + number)[y : y + 16, x : x + 24])
        places.add((y, x))
    assert len(places) > 3


def test_what_cannot_be_used_is_in_the_ledger(tmp_path):
    write_pairs(tmp_path / "pairs", count=5)
    write(tmp_path / "pairs", "train/GOPR0384_11_00/blur/000002.png", image(7, 40, 55))
    (tmp_path / "pairs/train/GOPR0384_11_00/blur/000004.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = run("import", "pairs", cwd=tmp_path, code=1)
    assert "--max-bad" in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "shards/ledger.jsonl").read_text().splitlines()]
    assert {line["id"]: line["reason"] for line in lines} == {
        "train/GOPR0384_11_00/blur/000002": "size_mismatch",
        "train/GOPR0384_11_00/blur/000004": "truncated",
    }
    assert "55x40 pixels, and the sharp image is 56x40" in lines[0]["message"]
    assert len(open_dataset(tmp_path / "shards")) == 3


def test_the_same_command_again_changes_nothing(tmp_path):
    write_pairs(tmp_path / "pairs")
    first = result("import", "pairs", "--licence", "CC0-1.0", cwd=tmp_path)
    before = dataset_files(tmp_path / "shards")
    assert result("import", "pairs", "--licence", "CC0-1.0", cwd=tmp_path)["digest"] == first["digest"]
    assert dataset_files(tmp_path / "shards") == before
    assert "licence: CC0-1.0 there, absent now" in run("import", "pairs", cwd=tmp_path, code=2).stderr


def test_refusals_say_what_to_do(tmp_path):
    write(tmp_path / "photos", "a.png", image(1))
    assert "no names that make pairs" in run("import", "photos", cwd=tmp_path, code=2).stderr
    assert "no such folder" in run("import", "nothing", cwd=tmp_path, code=2).stderr
    refused = run("generate", "--src", "photos", "--recipe", "real", cwd=tmp_path, code=2).stderr
    assert "take --src pairs" in refused
    assert "--root, the path of the pairs" in run("generate", "--src", "pairs", "--recipe", "real", cwd=tmp_path, code=2).stderr
    mixed = run("generate", "--recipe", "real", "--set", "jpeg.share=1", cwd=tmp_path, code=2).stderr
    assert "remove [jpeg]" in mixed


def test_gopro_gives_the_kind_that_is_asked_for(tmp_path):
    for kind, seed in (("blur", 5), ("blur_gamma", 6), ("sharp", 7)):
        write(tmp_path, f"gopro/train/GOPR0_1/{kind}/000001.png", image(seed))
    options = ("--src", "gopro", "--root", "gopro", "--recipe", "real", "--size", "full")
    for kind, seed in (("", 5), ("blur", 5), ("blur_gamma", 6)):
        out = tmp_path / f"out-{kind}"
        result("generate", *options, "--set", f"real.kind={kind!r}", "--out", out, cwd=tmp_path)
        (sample,) = open_dataset(out)
        assert np.array_equal(sample.blurred, image(seed))
        assert np.array_equal(sample.sharp, image(7))
    assert "it has blur, blur_gamma" in run("generate", *options, "--set", "real.kind='x'", cwd=tmp_path, code=2).stderr


def test_sequences_are_held_out_as_a_whole(tmp_path):
    for sequence in range(4):
        for frame in range(3):
            for kind, seed in (("blur", 100), ("sharp", 0)):
                write(tmp_path, f"pairs/{sequence:03}/{kind}/{frame}.png", image(seed + 10 * sequence + frame))
    result("import", "pairs", cwd=tmp_path)
    train, held = hold_out(open_pairs([tmp_path / "shards"]), 0.25, seed=1)
    names = [{part.name(index).split("/")[0] for index in range(len(part))} for part in (train, held)]
    assert (len(train), len(held)) == (9, 3)
    assert not names[0] & names[1]


def test_pairs_that_are_shifted_come_back(tmp_path):
    """The sharp photographs of a dataset, shifted by the Fourier transform of their codes, are moved back."""
    recipe = ("--recipe", "clean", "--set", "trajectory.length=[4,10]", "--size", "256", "--limit", "3", "--seed", "5")
    result("generate", *recipe, "--out", "made", cwd=tmp_path)
    made = list(open_dataset(tmp_path / "made"))
    for number, (sample, shift) in enumerate(zip(made, ((3.3, 0.0), (-3.3, 3.3), (0.0, 9.0)), strict=True)):
        y, x = np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None]
        spectrum = np.fft.fft2(sample.sharp, axes=(0, 1)) * np.exp(-2j * np.pi * (y * shift[0] + x * shift[1]))[..., None]
        moved = np.rint(np.fft.ifft2(spectrum, axes=(0, 1)).real.clip(0, 255)).astype(np.uint8)
        write(tmp_path, f"pairs/sharp/{number}.png", moved)
        write(tmp_path, f"pairs/blur/{number}.png", sample.blurred)
    printed = result("import", "pairs", "--register", "--register-limit", "5", cwd=tmp_path)
    assert (printed["made"], printed["skipped"], printed["moved"]) == (2, 1, 2)
    assert printed["shift [px]"]["p0"] == pytest.approx(3.3, abs=0.02)
    assert printed["shift [px]"]["p100"] == pytest.approx(3.3 * 2**0.5, abs=0.02)
    (line,) = (tmp_path / "shards/ledger.jsonl").read_text().splitlines()
    assert (json.loads(line)["id"], json.loads(line)["reason"]) == ("blur/2", "misregistered")
    for sample, original in zip(open_dataset(tmp_path / "shards"), made, strict=False):
        y, x, height, width = sample.meta["crop"]
        true = original.sharp[y : y + height, x : x + width]
        assert np.array_equal(sample.blurred, original.blurred[y : y + height, x : x + width])
        assert psnr(sample.sharp, true, peak=255, margin=16) > 40
        assert sample.meta["shift_error"] < 0.02
    checked = result("verify", "shards", "--recompute", "100%", "--root", "pairs", cwd=tmp_path)
    assert (checked["recomputed"], checked["problems"]) == (2, [])
    text = (tmp_path / "shards/README.md").read_text()
    assert "blurkit import DIR" in text
    assert "--set real.register=true" in text
    assert result("info", "shards", cwd=tmp_path)["quantiles"]["shift [px]"]["p0"] == pytest.approx(3.3, abs=0.02)
    assert "--register" in run("import", "pairs", "--gain", cwd=tmp_path, code=2).stderr
    assert "--register" in run("import", "pairs", "--register-limit", 5, cwd=tmp_path, code=2).stderr


def test_real_pairs_are_stored_as_they_are(test_data, tmp_path):
    root = test_data / "blurred_pairs" / "reds_320x180"
    result("import", root, cwd=tmp_path)
    dataset = open_dataset(tmp_path / "shards")
    assert len(dataset) == 30
    errors = []
    for sample in dataset:
        blurred = cv2.imread(str(root / f"{sample.id}.png"))[..., ::-1]
        assert np.array_equal(sample.blurred, blurred)
        errors.append(10 * np.log10(255**2 / np.mean((sample.sharp.astype(float) - blurred) ** 2)))
    assert np.mean(errors) == pytest.approx(26.2083, abs=1e-4)
