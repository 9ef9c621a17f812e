"""The command line end to end: what is made, resumed, sliced, refused and reported."""

import json
import os
import shutil
import zlib
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import cv2
import numpy as np
import pytest
from command_line import SMALL, run
from damage import flip

from blurkit.program.files import locked
from blurkit.shard import open_dataset


def result(*arguments, **options):
    return json.loads(run(*arguments, "--json", **options).stdout)


@pytest.fixture(scope="module")
def reference(small_dataset):
    """A folder in which a small dataset of several shards lies under shards/, and what its run printed."""
    return small_dataset.folder, json.loads(small_dataset.run.stdout)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".h5", ".json", ".jsonl")}


def test_the_numbers_add_up(reference):
    folder, printed = reference
    dataset = open_dataset(folder / "shards")
    assert printed["pairs"] == printed["made"] == len(dataset) == 27
    assert printed["shards"] == len(dataset.files) > 2
    assert printed["complete"]
    assert printed["digest"] == dataset.digest
    assert printed["bytes"] == sum(path.stat().st_size for path in (folder / "shards").glob("*.h5"))
    assert [sample.name for sample in dataset][:4] == ["astronaut#0", "astronaut#1", "astronaut#2", "brick#0"]


def test_what_is_made_is_what_its_recipe_says(reference):
    """From the stored arrays alone: sharp convolved with the kernel in linear light is blurred."""
    from scipy.ndimage import convolve

    for pair in open_dataset(reference[0] / "shards"):
        encoded = pair.sharp / 255
        light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
        blurred = np.stack([convolve(light[..., c], pair.kernel.astype(float), mode="mirror") for c in range(3)], axis=-1)
        made = 255 * np.where(blurred <= 0.0031308, 12.92 * blurred, 1.055 * np.maximum(blurred, 1e-9) ** (1 / 2.4) - 0.055)
        half = len(pair.kernel) // 2
        inner = (slice(half, 48 - half), slice(half, 48 - half))
        if made[inner].size:
            error = np.mean((made - pair.blurred)[inner] ** 2)
            assert 10 * np.log10(255**2 / error) > 55
        offsets = np.arange(len(pair.kernel)) - half
        assert abs(pair.kernel.sum(axis=0) @ offsets) < 0.02
        assert abs(pair.kernel.sum(axis=1) @ offsets) < 0.02


def test_worker_counts_and_slices_make_the_same_bytes(reference, tmp_path):
    expected = files(reference[0] / "shards")
    run("generate", *SMALL, "--per-image", 3, "--workers", 1, "--out", "one", cwd=tmp_path)
    run("generate", *SMALL, "--per-image", 3, "--out", "none", cwd=tmp_path)
    for part in ("1/2", "0/2"):
        run("generate", *SMALL, "--per-image", 3, "--slice", part, "--out", "sliced", cwd=tmp_path)
    for name in ("one", "none", "sliced"):
        made = files(tmp_path / name)
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


def test_a_second_run_makes_nothing_and_says_the_same(reference):
    folder, printed = reference
    before = {path: path.stat().st_mtime_ns for path in (folder / "shards").glob("*.h5")}
    again = result("generate", *SMALL, "--per-image", 3, cwd=folder)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {**again, "seconds": 0} == {**printed, "seconds": 0}


def test_missing_shards_are_made_again(reference, tmp_path):
    folder, printed = reference
    shutil.copytree(folder / "shards", tmp_path / "shards")
    (tmp_path / "shards" / "00001.h5").unlink()
    (tmp_path / "shards" / "00002.json").unlink()
    (tmp_path / "shards" / "dataset.json").unlink()
    (tmp_path / "shards" / "00003.h5.abc.tmp").write_bytes(b"left behind")
    assert result("generate", *SMALL, "--per-image", 3, cwd=tmp_path)["digest"] == printed["digest"]
    assert files(tmp_path / "shards") == files(folder / "shards")
    assert not list((tmp_path / "shards").glob("*.tmp"))


@pytest.mark.parametrize(
    ("changed", "key", "values"),
    [
        (("--seed", "4"), "seed", ("0 there", "4 now")),
        (("--size", "50"), "size", ("48x48 there", "50x50 now")),
        (("--set", "trajectory.length=[5, 40]"), "recipe.trajectory.length", ("[5.0, 60.0] there", "[5.0, 40.0] now")),
        (("--set", "jpeg.share=1"), "recipe.jpeg.share", ("absent there", "1.0 now")),
        (("--limit", "3"), "images", ("9 there", "3 now")),
        (("--set", "shard_bytes=200000"), "shard_bytes", ("100000 there", "200000 now")),
    ],
)
def test_another_configuration_is_refused_with_both_values(reference, changed, key, values):
    folder, _ = reference
    before = files(folder / "shards")
    done = run("generate", *SMALL, "--per-image", "3", *changed, cwd=folder, code=2)
    line = next(line for line in done.stderr.splitlines() if line.strip().startswith(f"{key}:"))
    assert all(value in line for value in values)
    assert files(folder / "shards") == before


def test_overwrite_starts_afresh_and_leaves_other_files(reference, tmp_path):
    folder, printed = reference
    shutil.copytree(folder / "shards", tmp_path / "shards")
    (tmp_path / "shards" / "notes.txt").write_text("mine")
    again = result("generate", *SMALL, "--per-image", 1, "--overwrite", cwd=tmp_path)
    assert again["made"] == 9
    assert again["digest"] != printed["digest"]
    assert len(list((tmp_path / "shards").glob("*.h5"))) == again["shards"]
    assert (tmp_path / "shards" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
@pytest.mark.parametrize("name", ["00000.h5", "dataset.json", "ledger.jsonl"])
def test_other_peoples_files_are_never_replaced(tmp_path, name, options):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / name).write_text("precious")
    (tmp_path / "shards" / "thesis.tmp").write_text("precious")
    assert f"holds {name} but no plan.json" in run("generate", *SMALL, *options, cwd=tmp_path, code=2).stderr
    assert {path.read_text() for path in (tmp_path / "shards").iterdir() if path.suffix} == {"precious"}


def test_temporary_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "shards" / "folder.tmp").mkdir(parents=True)
    (tmp_path / "shards" / "thesis.tmp").write_text("precious")
    run("generate", *SMALL, "--limit", "1", cwd=tmp_path)
    assert (tmp_path / "shards" / "thesis.tmp").read_text() == "precious"


def test_a_bad_recipe_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "empty.npz").write_bytes(b"")
    for setting in ("response.encode=nosuch", "kernels=nosuch.npz", "kernels=empty.npz"):
        run("generate", *SMALL, "--set", setting, cwd=tmp_path, code=2)
    assert not (tmp_path / "shards").exists()


def test_what_a_recipe_says_of_itself_may_change(reference, tmp_path):
    shutil.copytree(reference[0] / "shards", tmp_path / "shards")
    again = result("generate", *SMALL, "--per-image", 3, "--set", 'summary="other words"', cwd=tmp_path)
    assert again["digest"] == reference[1]["digest"]


def test_damaged_records_are_made_again_and_a_damaged_index_is_named(reference, tmp_path):
    shutil.copytree(reference[0] / "shards", tmp_path / "shards")
    record = tmp_path / "shards" / "00000.json"
    record.write_text(record.read_text().replace('"failures"', '"failurez"'))
    assert result("generate", *SMALL, "--per-image", 3, cwd=tmp_path)["digest"] == reference[1]["digest"]
    index = tmp_path / "shards" / "dataset.json"
    index.write_text(index.read_text().replace('"sha256"', '"sha257"'))
    assert "dataset.json is damaged" in run("verify", cwd=tmp_path, code=1).stderr


def test_slices_of_two_counts_do_not_run_together(tmp_path):
    (tmp_path / "shards").mkdir()
    with locked(tmp_path / "shards" / ".lock", shared=True), locked(tmp_path / "shards" / ".lock-of-3", shared=True):
        assert "another run is writing" in run("generate", *SMALL, "--slice", "0/2", cwd=tmp_path, code=2).stderr
        run("generate", *SMALL, "--slice", "0/3", cwd=tmp_path)


def test_a_folder_whose_name_is_no_text_serves_as_a_source(photographs, tmp_path):
    strange = os.fsdecode(b"caf\xe9")
    photographs.rename(tmp_path / strange)
    run("generate", "--src", strange, *SMALL, "--out", strange + "-shards", cwd=tmp_path)
    run("verify", strange + "-shards", "--recompute", "100%", cwd=tmp_path)


def test_a_photograph_that_claims_too_much_does_not_stop_the_others(photographs, tmp_path):
    header = b"IHDR" + (900_000).to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    (photographs / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    cv2.imwrite(str(photographs / "tall.png"), np.zeros((70_000, 8, 3), np.uint8))
    printed = result("generate", "--src", photographs, "--size", "full", cwd=tmp_path, code=1)
    assert (printed["made"], printed["failed"]) == (6, 2)
    lines = [json.loads(line) for line in (tmp_path / "shards" / "ledger.jsonl").read_text().splitlines()]
    assert {line["id"]: line["reason"] for line in lines} == {"bomb.png": "too_large", "tall.png": "too_large"}


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
    assert numbers["minutes"] >= 0
    assert list(tmp_path.iterdir()) == []


def test_whole_photographs_of_many_sizes(tmp_path):
    printed = result("generate", "--size", "full", "--recipe", "clean", "--set", "shard_bytes=2000000", cwd=tmp_path)
    dataset = open_dataset(tmp_path / "shards")
    assert printed["shards"] > 2
    assert {sample.sharp.shape[:2] for sample in dataset} >= {(512, 512), (427, 640), (558, 640)}
    assert dataset[0].meta["crop"] == (0, 0, 512, 512)
    run("verify", "shards", "--recompute", "100%", cwd=tmp_path)


@pytest.fixture
def photographs(tmp_path, rng):
    folder = tmp_path / "photographs"
    (folder / "inner").mkdir(parents=True)
    for i in range(6):
        image = np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)
        cv2.imwrite(str(folder / "inner" / f"{i}.png"), image)
    return folder


def test_bad_photographs_are_named_counted_and_skipped(photographs, tmp_path):
    (photographs / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (photographs / "page.png").write_bytes(b"<html>not found</html>")
    cv2.imwrite(str(photographs / "small.png"), np.zeros((20, 300, 3), np.uint8))
    printed = result("generate", "--src", photographs, *SMALL, "--per-image", 2, cwd=tmp_path, code=1)
    assert (printed["pairs"], printed["made"], printed["failed"], printed["skipped"]) == (18, 12, 4, 2)
    lines = [json.loads(line) for line in (tmp_path / "shards" / "ledger.jsonl").read_text().splitlines()]
    assert {line["id"]: (line["stage"], line["reason"], line["items"]) for line in lines} == {
        "cut.jpg": ("decode", "truncated", 2),
        "page.png": ("decode", "not_an_image", 2),
        "small.png": ("crop", "too_small", 2),
    }
    assert printed["made"] + sum(line["items"] for line in lines) == printed["pairs"]
    run("generate", "--src", photographs, *SMALL, "--per-image", 2, "--max-bad", "25%", cwd=tmp_path)
    run("generate", "--src", photographs, *SMALL, "--per-image", 2, "--max-bad", "3", cwd=tmp_path, code=1)


def test_failed_photographs_are_tried_again_when_asked(photographs, tmp_path):
    good = (photographs / "inner" / "3.png").read_bytes()
    (photographs / "inner" / "3.png").write_bytes(good[:50])
    assert result("generate", "--src", photographs, *SMALL, cwd=tmp_path, code=1)["made"] == 5
    (photographs / "inner" / "3.png").write_bytes(good)
    assert result("generate", "--src", photographs, *SMALL, cwd=tmp_path, code=1)["made"] == 5
    mended = result("generate", "--src", photographs, *SMALL, "--retry-failed", cwd=tmp_path)
    assert mended["made"] == 6
    assert mended["digest"] == result("generate", "--src", photographs, *SMALL, "--out", "fresh", cwd=tmp_path)["digest"]
    assert (tmp_path / "shards" / "ledger.jsonl").read_text() == ""


def test_a_folder_of_nothing_usable_ends_without_a_crash(tmp_path):
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "a.jpg").write_bytes(b"")
    printed = result("generate", "--src", "photographs", cwd=tmp_path, code=1)
    assert (printed["made"], printed["failed"], printed["complete"]) == (0, 1, True)
    assert len(open_dataset(tmp_path / "shards")) == 0
    assert "empty" in (tmp_path / "shards" / "ledger.jsonl").read_text()


def test_moved_photographs_make_the_same_dataset(photographs, tmp_path):
    first = result("generate", "--src", photographs, *SMALL, cwd=tmp_path)
    photographs.rename(tmp_path / "moved")
    assert result("generate", "--src", "moved", *SMALL, "--out", "again", cwd=tmp_path)["digest"] == first["digest"]
    done = run("verify", "shards", "--recompute", "100%", cwd=tmp_path, code=2)
    assert "no such folder" in done.stderr
    run("verify", "shards", "--recompute", "100%", "--root", "moved", cwd=tmp_path)


def test_a_bank_of_kernels_serves_as_a_recipe(photographs, tmp_path):
    run("kernels", "-n", 5, "--recipe", "deblurgan", "-o", "mine.mat", cwd=tmp_path)
    printed = result(
        "generate", "--src", photographs, "--recipe", "bank", "--set", "kernels=mine.mat", "--size", "48", cwd=tmp_path
    )
    assert printed["made"] == 6
    run("verify", "shards", "--recompute", "100%", cwd=tmp_path)
    assert all(0 <= sample.meta["bank_index"] < 5 for sample in open_dataset(tmp_path / "shards"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--src", "nowhere"), "unknown source 'nowhere'"),
        (("--src", "./nowhere"), "no such folder"),
        (("--recipe", "handhold"), "did you mean 'handheld'"),
        (("--set", "trajectory.lenght=3"), "did you mean 'trajectory.length'"),
        (("--set", "shard_bytes=many"), "whole number"),
        (("--size", "0"), "--size is a side"),
        (("--slice", "2/2"), "--slice is I/N"),
        (("--slice", "0/2", "--overwrite"), "do not go together"),
        (("--max-bad", "few"), "--max-bad is a share"),
        (("--limit", "0"), "--limit is at least 1"),
        (("--per-image", "0"), "--per-image is at least 1"),
        (("--seed", "-1"), "--seed lies between"),
        (("--wrokers", "2"), "--workers"),
        (("--split", "tain"), "did you mean 'train'"),
        (("--root", "photographs"), "--root goes with"),
    ],
)
def test_wrong_usage_says_what_to_do_and_exits_with_2(tmp_path, arguments, message):
    assert message in run("generate", *arguments, cwd=tmp_path, code=2).stderr


def test_an_output_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot make the folder" in run("generate", "--out", "file/shards", cwd=tmp_path, code=1).stderr


def test_a_disk_that_is_too_small_ends_the_run_before_any_work(tmp_path):
    with mock.patch("blurkit.program.files.shutil.disk_usage", return_value=SimpleNamespace(free=10_000)):
        done = run("generate", *SMALL, cwd=tmp_path, code=1)
    assert "this needs about" in done.stderr
    assert not list((tmp_path / "shards").glob("*.h5"))


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
    place = (
        shard.columns["sharp"].__array_interface__["data"][0] - np.frombuffer(shard._map, np.uint8).__array_interface__["data"][0]
    )
    name = shard.name(2)
    place += 2 * 48 * 48 * 3 + 1000
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


def test_verify_finds_photographs_that_have_changed(photographs, tmp_path):
    run("generate", "--src", photographs, *SMALL, cwd=tmp_path)
    cv2.imwrite(str(photographs / "inner" / "2.png"), np.full((80, 100, 3), 7, np.uint8))
    done = run("verify", "shards", "--recompute", "100%", cwd=tmp_path, code=1)
    assert "inner/2.png#0: its photograph has changed since (sha256)" in done.stdout
    (photographs / "inner" / "2.png").unlink()
    done = run("verify", "shards", "--recompute", "100%", cwd=tmp_path, code=1)
    assert "is not in" in done.stdout


def test_preview_shows_the_same_pixels_as_generate_stores(reference, tmp_path, monkeypatch):
    from blurkit.commands import preview
    from blurkit.pipeline.choices import Choices

    drawn = []
    monkeypatch.setattr(preview, "draw_sheet", lambda samples, *_, **__: drawn.append(samples))
    choices = Choices(size="48", recipe="clean", per_image=3)
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
    assert numbers["licences"] == {"CC0-1.0": 18, "public domain": 9}
    assert numbers["quantiles"]["path length [px]"]["p100"] <= 60
    assert (tmp_path / "plot.png").stat().st_size > 1000
    text = run("info", reference[0] / "shards", cwd=tmp_path).stdout
    assert "blur extent [px]" in text
    assert "effective length [px]" in text
    assert result("info", "--src", "sample", cwd=tmp_path)["images"] == 9


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


def test_help_and_version(tmp_path):
    text = run("--help", cwd=tmp_path).stdout
    assert all(command in text for command in ("generate", "preview", "verify", "info", "recipes", "kernels"))
    assert "blurkit" in run("--version", cwd=tmp_path).stdout
    assert "No such command" in run("genrate", cwd=tmp_path, code=2).stderr


def test_every_option_has_a_variable_of_its_own_name(tmp_path):
    variables = {"BLURKIT_GENERATE_SLICE": "1/2", "BLURKIT_GENERATE_SET": "jpeg=none shard_bytes=100000"}
    printed = result("generate", "--size", "48", cwd=tmp_path, **variables, BLURKIT_GENERATE_PER_IMAGE="2")
    assert not printed["complete"]
    assert 0 < printed["made"] < 18


def test_values_come_from_the_environment_and_verbose_says_so(tmp_path):
    done = run("generate", "--dry-run", "-v", cwd=tmp_path, BLURKIT_GENERATE_SEED="5")
    assert "seed = 5 (environment)" in done.stderr
    assert "out = " in done.stderr
