"""Tests that ``generate`` changes no file of anybody else in the folder of a dataset, and names each."""

import os
import shutil

import pytest
from command_line import SMALL, run

from blurkit.shard import open_dataset


@pytest.fixture
def begun(small_dataset, tmp_path):
    """A copy of a finished dataset."""
    return shutil.copytree(small_dataset.folder / "shards", tmp_path / "shards")


def refused(tmp_path, *options):
    """Run ``generate`` in a folder with others' files: it is refused, and nothing is changed. Returns what it said."""
    before = state(tmp_path)
    said = run("generate", *SMALL, "--per-image", 3, *options, cwd=tmp_path, code=2).stderr
    assert state(tmp_path) == before
    return said


def state(folder):
    """Every file below a folder, but the locks."""
    paths = [path for path in folder.rglob("*") if not path.name.startswith(".lock")]
    return {path: path.read_bytes() if path.is_file() else os.path.islink(path) for path in paths}


def test_a_folder_with_a_plan_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "plan.json").write_text('{"configuration": {}, "roots": {}, "files": {}}')
    (tmp_path / "shards" / "000001.json").write_text('{"my": "measurement"}')
    for options in ((), ("--overwrite",)):
        said = refused(tmp_path, *options)
        assert "shards/plan.json" in said
        assert "not written by blurkit" in said
        assert "--out" in said
    assert "000001.json" in said


@pytest.mark.parametrize("name", ["000001.json", "00001.json", "00077.h5", "ledger.jsonl", "dataset.json", "plan.json"])
def test_overwrite_deletes_nothing_if_one_file_is_of_somebody_else(begun, tmp_path, name):
    (begun / name).write_text("precious")
    assert f"shards/{name} was not written by blurkit" in refused(tmp_path, "--overwrite")


@pytest.mark.parametrize("name", ["00001.json", "00001.h5", "ledger.jsonl"])
def test_a_run_that_continues_replaces_no_file_of_somebody_else(begun, tmp_path, name):
    (begun / "00001.json").unlink()
    (begun / name).write_text("precious")
    assert f"shards/{name} was not written by blurkit" in refused(tmp_path)


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
@pytest.mark.parametrize("name", ["ledger.jsonl", "00001.h5", "00001.json", "dataset.json"])
def test_links_out_of_the_folder_are_named_and_not_followed(begun, tmp_path, name, options):
    (begun / "00001.json").unlink()
    (tmp_path / "outside").write_bytes((begun / name).read_bytes() if (begun / name).exists() else b"")
    (begun / name).unlink(missing_ok=True)
    (begun / name).symlink_to("../outside")
    said = refused(tmp_path, *options)
    assert f"shards/{name}" in said
    assert "symbolic link" in said


def test_a_dataset_without_its_plan_can_be_overwritten_but_not_continued(begun, small_dataset, tmp_path):
    (begun / "plan.json").unlink()
    assert "but no plan.json" in refused(tmp_path)
    run("generate", *SMALL, "--per-image", 3, "--overwrite", cwd=tmp_path)
    assert open_dataset(begun).digest == open_dataset(small_dataset.folder / "shards").digest


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: bytes(len(data)), lambda data: data[:-5]])
def test_a_plan_that_a_power_cut_damaged_can_be_overwritten(begun, tmp_path, damage):
    (begun / "plan.json").write_bytes(damage((begun / "plan.json").read_bytes()))
    assert "Start again with --overwrite" in refused(tmp_path)
    run("generate", *SMALL, "--per-image", 3, "--overwrite", cwd=tmp_path)
