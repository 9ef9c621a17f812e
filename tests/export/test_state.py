"""Tests what an export refuses: files of somebody else, another export in the same place, parts that were changed since."""

import json
import shutil

import pytest
from exports import FORMATS, contents, export, one_sized, write_samples

#: A final name of each format.
OUTPUTS = {"folder": "train", "lmdb": "train_sharp.lmdb", "webdataset": "train-00001.tar", "deepinv": "train.h5"}


@pytest.fixture(autouse=True)
def dataset(tmp_path, make_sample):
    """Two shards of three samples."""
    return write_samples(tmp_path / "shards", one_sized(make_sample, 3), one_sized(make_sample, 3, 3))


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("kind", ["file", "empty", "folder", "link"])
def test_files_of_somebody_else_stay(tmp_path, to, kind):
    theirs = tmp_path / "out" / OUTPUTS[to]
    theirs.parent.mkdir()
    if kind in ("file", "empty"):
        theirs.write_text("mine" if kind == "file" else "")
    elif kind == "folder":
        theirs.mkdir()
    else:
        theirs.symlink_to("nowhere")
    done = export(tmp_path, "--to", to, "-o", "out", code=2)
    assert f"{theirs.relative_to(tmp_path)} is there already, and no record says" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir() if path != theirs] == [".export-train"]


@pytest.mark.parametrize("name", ["train.jsonl", "train.json", "train.md"])
def test_the_files_beside_it_replace_no_file_of_somebody_else(tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    assert name in export(tmp_path, "-o", "out", code=2).stderr
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_a_part_of_somebody_else_that_comes_later_stays(tmp_path):
    export(tmp_path, "--to", "webdataset", "-o", "out")
    part = tmp_path / "out/train-00001.tar"
    (tmp_path / "out/.export-train/00001.json").unlink()
    part.write_text("mine")
    assert "no record says that this export wrote it" in export(tmp_path, "--to", "webdataset", "-o", "out", code=2).stderr
    assert part.read_text() == "mine"


@pytest.mark.parametrize("to", FORMATS)
def test_what_was_deleted_is_made_again(tmp_path, to):
    export(tmp_path, "--to", to, "-o", "out")
    before = contents(tmp_path / "out")
    gone = tmp_path / "out" / OUTPUTS[to] / ("00001" if to == "folder" else "")
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    export(tmp_path, "--to", to, "-o", "out")
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize(("to", "file"), [("folder", "train/00000/blur/000001.png"), ("webdataset", "train-00000.tar")])
def test_a_part_that_was_changed_is_named_and_stays(tmp_path, to, file):
    export(tmp_path, "--to", to, "-o", "out")
    (tmp_path / "out" / file).write_text("changed")
    said = export(tmp_path, "--to", to, "-o", "out", code=2).stderr
    assert "it was changed since; delete it" in said
    assert (tmp_path / "out" / file).read_text() == "changed"


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (("--to", "webdataset"), "to: folder there, webdataset now"),
        (("--truth",), "truth: False there, True now"),
        ((), "pairs: 6 there, 4 now"),
    ],
)
def test_another_export_in_the_same_place_is_refused(tmp_path, make_sample, options, difference):
    export(tmp_path, "-o", "out")
    before = contents(tmp_path / "out")
    if not options:
        shutil.rmtree(tmp_path / "shards")
        write_samples(tmp_path / "shards", one_sized(make_sample, 4))
    assert difference in export(tmp_path, "-o", "out", *options, code=2).stderr
    assert contents(tmp_path / "out") == before


def test_splits_share_a_folder(tmp_path):
    for split in ("train", "val"):
        export(tmp_path, "--to", "deepinv", "-o", "out", "--split", split)
    assert {path.name for path in (tmp_path / "out").glob("*.h5")} == {"train.h5", "val.h5"}
    facts = json.loads((tmp_path / "out/val.json").read_text())
    assert (facts["split"], facts["pairs"], facts["licences"]) == ("val", 6, {"": 3, "CC0-1.0": 3})


def test_a_plan_that_is_none_is_refused(tmp_path):
    (tmp_path / "out/.export-train").mkdir(parents=True)
    (tmp_path / "out/.export-train/plan.json").write_text("[]")
    assert "damaged or no plan" in export(tmp_path, "-o", "out", code=2).stderr
