"""Tests ``blurkit generate`` in a folder that is not empty: it continues, repairs, refuses or replaces what it finds there."""

import shutil
from pathlib import Path

import pytest
from command_line import SMALL, dataset_files, result, run

from blurkit.program.files import temporary_path
from blurkit.program.locks import locked


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
    temporary_path(tmp_path / "shards" / "00003.h5").write_bytes(b"left behind")
    assert result("generate", *SMALL, "--per-image", 3, cwd=tmp_path)["digest"] == printed["digest"]
    assert dataset_files(tmp_path / "shards") == dataset_files(folder / "shards")
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
    before = dataset_files(folder / "shards")
    done = run("generate", *SMALL, "--per-image", "3", *changed, cwd=folder, code=2)
    line = next(line for line in done.stderr.splitlines() if line.strip().startswith(f"{key}:"))
    assert all(value in line for value in values)
    assert dataset_files(folder / "shards") == before


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
@pytest.mark.parametrize("name", ["00000.h5", "000001.json", "plan.json", "dataset.json", "ledger.jsonl"])
def test_other_peoples_files_are_never_replaced(tmp_path, name, options):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / name).write_text("precious")
    (tmp_path / "shards" / "thesis.tmp").write_text("precious")
    assert f"shards/{name} was not written by blurkit" in run("generate", *SMALL, *options, cwd=tmp_path, code=2).stderr
    assert {path.read_text() for path in (tmp_path / "shards").iterdir() if path.suffix} == {"precious"}


def test_temporary_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "shards" / "folder.tmp").mkdir(parents=True)
    others = ("thesis.tmp", "00000.h5.mine.tmp", f"00000.h5.{'0' * 24}.tmp", temporary_path(Path("thesis.h5")).name)
    for name in others:
        (tmp_path / "shards" / name).write_text("precious")
    run("generate", *SMALL, "--limit", "1", cwd=tmp_path)
    assert [(tmp_path / "shards" / name).read_text() for name in others] == ["precious"] * 4


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
