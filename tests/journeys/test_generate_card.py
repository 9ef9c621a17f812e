"""Tests the card of a finished dataset from end to end: all runs write the same card, and files of other people are kept."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from unittest import mock

import cv2
import numpy as np
import pytest
from command_line import SMALL, run

from blurkit.program.files import temporary_path
from blurkit.report.card.stamp import read_stamp
from blurkit.shard import open_dataset

NAMES = ("README.md", "croissant.json", "examples.jpg")


def generate(*arguments, cwd, code=0):
    """Make a dataset in ``shards`` and return what was said on standard error."""
    return run("generate", *arguments, cwd=cwd, code=code).stderr


def contents(folder):
    return {name: (folder / name).read_bytes() for name in NAMES}


@pytest.fixture(scope="module")
def reference(small_dataset):
    assert small_dataset.run.stderr == ""
    return small_dataset.folder / "shards"


@pytest.fixture
def begun(reference, tmp_path):
    return shutil.copytree(reference, tmp_path / "shards")


def again(cwd, *options):
    return generate(*SMALL, "--per-image", 3, *options, cwd=cwd)


def test_all_three_are_written_with_one_stamp(reference):
    stamps = [read_stamp(reference / name) for name in NAMES]
    assert all(stamp.whole for stamp in stamps)
    assert len({stamp.key for stamp in stamps}) == 1
    text = (reference / "README.md").read_text(encoding="utf-8")
    assert open_dataset(reference).digest in text
    assert "| [CC0-1.0](https://creativecommons.org/publicdomain/zero/1.0/) | 24 | none |" in text  # three are of NASA
    assert json.loads((reference / "croissant.json").read_bytes())["@type"] == "sc:Dataset"
    assert (reference / "examples.jpg").stat().st_size <= 150_000


@pytest.mark.slow
def test_they_are_the_same_whoever_writes_them(reference, tmp_path):
    again(tmp_path, "--workers", 1, "--out", "one")
    command = [sys.executable, "-m", "blurkit", "generate", *SMALL, "--per-image", "3", "--out", "two", "--slice"]
    halves = [subprocess.Popen([*command, part], cwd=tmp_path) for part in ("0/2", "1/2")]
    assert [half.wait() for half in halves] == [0, 0]
    for name in ("one", "two"):
        assert contents(tmp_path / name) == contents(reference)


def test_nothing_in_them_is_of_this_machine(reference):
    words = [str(reference.parent), rf"\b{re.escape(os.uname().nodename)}\b", time.strftime("%Y-%m-%d"), "workers"]
    for name in ("README.md", "croissant.json"):
        assert [word for word in words if re.search(word, (reference / name).read_text(encoding="utf-8"))] == []


def test_a_second_run_leaves_them_as_they_are_and_reads_no_shard(begun, tmp_path):
    before = {name: (begun / name).stat() for name in NAMES}
    with mock.patch("blurkit.shard.index.Shard", side_effect=AssertionError("a shard was opened")):
        assert again(tmp_path) == ""
    for name, status in before.items():
        assert ((begun / name).stat().st_ino, (begun / name).stat().st_mtime_ns) == (status.st_ino, status.st_mtime_ns)


def test_another_slice_may_write_them_at_any_moment(begun, reference, tmp_path):
    """Here between the moment at which a file is not there yet and whatever comes next."""
    for name in NAMES:
        (begun / name).unlink()

    def appear(path):
        stamp = read_stamp(path)
        shutil.copy(reference / path.name, path)
        return stamp

    with mock.patch("blurkit.report.card.describe.read_stamp", appear):
        assert again(tmp_path) == ""
    assert contents(begun) == contents(reference)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_is_written_again(begun, reference, tmp_path, name):
    (begun / name).unlink()
    temporary_path(begun / name).write_bytes(b"half")
    assert again(tmp_path) == ""
    assert contents(begun) == contents(reference)
    assert not list(begun.glob("*.tmp"))


def test_the_index_comes_last(begun, tmp_path):
    (begun / "README.md").unlink()
    (begun / "dataset.json").unlink()
    with mock.patch("blurkit.report.card.describe.card", side_effect=OSError("the disk")):
        generate(*SMALL, "--per-image", 3, cwd=tmp_path, code=1)
    assert not (begun / "dataset.json").exists()


@pytest.mark.parametrize(("name", "options"), [*((name, ()) for name in NAMES), ("README.md", ("--overwrite",))])
def test_files_of_somebody_s_own_are_kept_and_named_once(tmp_path, name, options):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / name).write_text("precious")
    said = generate(*SMALL, *options, cwd=tmp_path)
    assert said.count("\n") == 1
    assert f"shards/{name} was not written by blurkit and is kept" in said
    assert (tmp_path / "shards" / name).read_text() == "precious"
    others = [other for other in NAMES if other != name]
    assert all(read_stamp(tmp_path / "shards" / other).whole for other in others)
    if name == "examples.jpg":
        assert "](examples.jpg)" not in (tmp_path / "shards" / "README.md").read_text(encoding="utf-8")


def test_a_card_that_was_changed_by_hand_is_kept(begun, tmp_path):
    path = begun / "README.md"
    path.write_text(path.read_text(encoding="utf-8").replace("# Motion-blurred pairs", "# My pairs"), encoding="utf-8")
    assert again(tmp_path) == ""  # it is of this dataset
    said = generate(*SMALL, "--seed", 5, "--overwrite", cwd=tmp_path)
    assert "README.md was changed by hand and is kept, but the dataset has changed" in said
    assert "# My pairs" in path.read_text(encoding="utf-8")
    assert open_dataset(begun).digest in (begun / "croissant.json").read_text(encoding="utf-8")


def test_overwriting_replaces_them(begun, reference, tmp_path):
    assert generate(*SMALL, "--seed", 5, "--overwrite", cwd=tmp_path) == ""
    for name, data in contents(begun).items():
        assert data != contents(reference)[name]
        assert read_stamp(begun / name).whole


def test_a_folder_without_pairs_has_no_picture(tmp_path):
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "a.jpg").write_bytes(b"")
    generate("--src", "photographs", cwd=tmp_path, code=1)
    assert not (tmp_path / "shards" / "examples.jpg").exists()
    text = (tmp_path / "shards" / "README.md").read_text(encoding="utf-8")
    assert "| `empty` | decode | 1 | 1 |" in text
    assert "examples.jpg" not in text


@pytest.fixture
def coco(tmp_path, rng):
    """A folder like COCO's, with a photograph under each of three licences."""
    kinds = ("by-nc-nd/2.0/", "by/2.0/", "by-nc/2.0/")
    licences = [{"id": i, "name": "", "url": f"http://creativecommons.org/licenses/{kind}"} for i, kind in enumerate(kinds)]
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "license": i % 3, "height": 64, "width": 64} for i in range(7)]
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    (tmp_path / "coco" / "val2017").mkdir()
    document = {"licenses": licences, "images": images, "annotations": [], "categories": []}
    (tmp_path / "coco" / "annotations" / "instances_val2017.json").write_text(json.dumps(document))
    for image in images:
        cv2.imwrite(str(tmp_path / "coco" / "val2017" / image["file_name"]), rng.integers(0, 256, (64, 64, 3), np.uint8))
    return tmp_path / "coco"


def test_licences_of_coco_are_counted_and_no_derivatives_are_not_shown(coco, tmp_path):
    generate("--src", "coco", "--root", coco, "--per-image", 2, *SMALL, cwd=tmp_path)
    text = (tmp_path / "shards" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(CC-\S+)\]\(\S+\) \| (\d+) \|", text, re.MULTILINE)
    assert rows == [("CC-BY-NC-ND-2.0", "6"), ("CC-BY-2.0", "4"), ("CC-BY-NC-2.0", "4")]
    assert "**No derivatives: 6 pairs.**" in text
    shown = set(re.findall(r"`val2017/0{11}(\d)`", text))
    assert shown == {"1", "2", "4", "5"}
    for photograph in ("coco/", str(coco)):
        assert photograph not in text.replace("coco/2017", "")
