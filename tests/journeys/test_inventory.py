"""Tests ``blurkit info --src``: the files of a dataset that are there, and the files that are missing."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import run
from dataset_roots import coco_document, write_coco, write_vistas

from blurkit.commands import inventory
from blurkit.sources.known.manifest import load_manifest

KEYS = ["-aaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbb"]


def info(*arguments, code=0):
    return run("info", *arguments, cwd=Path(), code=code)


def result(*arguments, **options):
    return json.loads(info(*arguments, "--json", **options).stdout)


def test_coco_is_counted_and_held_against_its_manifest(tmp_path):
    document = coco_document(5)
    write_coco(tmp_path, document, [*(image["file_name"] for image in document["images"][:3]), "extra.jpg"])
    found = result("--src", "coco", "--root", tmp_path)
    assert found["images"] == 3
    assert found["annotated"] == 2  # the first image has no objects
    assert found["passed_over"] == {"missing": 2, "not_listed": 1}
    assert found["licences"] == {"CC-BY-NC-SA-2.0": 1, "CC-BY-2.0": 1, "US-government-work": 1}
    assert found["smallest"] == found["largest"] == "72x96"
    assert found["bytes"] == sum(entry.stat().st_size for entry in os.scandir(tmp_path / "val2017") if entry.name != "extra.jpg")
    assert found["splits"] == {"train": {"images": 0, "of": 118287}, "val": {"images": 3, "of": 5000}}
    assert set(found["archives"].values()) == {"absent"}
    text = info("--src", "coco", "--root", tmp_path).stdout
    assert "3 of the 5,000 images" in text
    assert "000000000103.jpg: the JSON file lists it, and it is not on the disk" in text
    assert "val2017.zip: not here" in text


def test_mapillary_says_which_photographs_have_annotations(tmp_path):
    write_vistas(tmp_path, "training", KEYS)
    os.remove(tmp_path / "training/v1.2/labels" / f"{KEYS[1]}.png")
    found = result("--src", "mapillary", "--root", tmp_path)
    assert (found["images"], found["annotated"], found["passed_over"]) == (2, 1, {"no_annotation": 1})
    assert found["splits"]["train"] == {"images": 2, "of": 18000}


def test_a_folder_has_no_manifest_and_unreadable_files_are_counted(tmp_path):
    write_coco(tmp_path, coco_document(2))
    (tmp_path / "val2017/page.jpg").write_text("<html>")
    (tmp_path / "val2017/notes.txt").write_text("")
    found = result("--src", tmp_path / "val2017")
    assert (found["images"], found["unreadable"], found["passed_over"]) == (3, 1, {"no_image_name": 1})
    assert "splits" not in found
    assert found["archives"] == {}


@pytest.mark.parametrize("place", [".", ".."])
def test_archives_are_held_against_their_hashes(tmp_path, monkeypatch, place):
    root = tmp_path / "coco"
    write_coco(root, coco_document(2))
    manifest = load_manifest("coco_2017")
    data = b"an archive"
    sound = replace(manifest.archives[0], bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    damaged = replace(manifest.archives[1], bytes=len(data), sha256=hashlib.sha256(b"another").hexdigest())
    short = replace(manifest.archives[2], bytes=len(data) + 1)
    monkeypatch.setattr(inventory, "load_manifest", lambda name: replace(manifest, archives=(sound, damaged, short)))
    for archive in (sound, damaged, short):
        (root / place / archive.name).write_bytes(data)
    states = {sound.name: "here", damaged.name: "here", short.name: "incomplete"}
    assert result("--src", "coco", "--root", root)["archives"] == states
    states |= {sound.name: "sound", damaged.name: "damaged"}
    assert result("--src", "coco", "--root", root, "--hash", code=1)["archives"] == states
    assert f"{damaged.name}: here, but its sha256 is wrong" in info("--src", "coco", "--root", root, "--hash", code=1).stdout


def test_what_is_not_there_says_how_to_get_it(tmp_path):
    said = info("--src", "coco", "--root", tmp_path, code=2).stderr
    assert str(tmp_path) in said
    assert "blurkit fetch coco" in said
    assert "instances_val2017.json" in said
