"""Tests roots of COCO with a bad JSON file or bad images: the samples that are made, and the lines of the ledger.

No run crashes or hangs, no file outside of the root is opened, and every planned sample is made or has a line in the ledger.
"""

import json
import os
import shutil

import pytest
from bad_roots import FOREIGN, coco_ids, outcome, put_instead, refusal
from dataset_roots import coco_document, rectangle, write_coco

from blurkit.errors import UsageError
from blurkit.sources import open_source

pytestmark = pytest.mark.usefixtures("nothing_outside_is_opened")


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path, rng):
    data = json.dumps(coco_document(5), indent=1).encode()
    root = write_coco(tmp_path / "coco", data, files=[f"{100 + i:012d}.jpg" for i in range(5)])
    path = root / "annotations" / "instances_val2017.json"
    for length in rng.choice(len(data) - 2, 200, replace=False):
        path.write_bytes(data[:length])
        for masks in (True, False):
            with pytest.raises(UsageError, match=r"instances_val2017\.json"):
                open_source("coco", root=root, masks=masks)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\0" * 5000, "zeros"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"<html>not found</html>", "no JSON object"),
        (b"{}", "nothing to do"),
        (b'{"images": []}', "nothing to do"),
        (b'{"images": {}}', "nothing to do"),
        (b'{"images": 7, "annotations": "x", "licenses": null, "categories": 1}', "nothing to do"),
        (b'{"images": [[], null, 3, "x", [[]], {}]}', "nothing to do"),
        (b'{"images": ' + b"[" * 100_000, "nested too deep|cut short"),
        (b'{"images": [{"id": ' + b"9" * 10_000 + b"}]}", "number"),
        (b'{"images": [], "images": []}', "twice"),
        (b'{"images": []} {}', "goes on"),
        ('{"images": [{"file_name": "é.jpg"}]}'.encode("latin-1"), "UTF-8"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, data, message):
    root = write_coco(tmp_path / "coco", data, files=["000000000100.jpg"])
    for masks in (True, False):
        with pytest.raises(UsageError, match=message):
            open_source("coco", root=root, masks=masks)


@pytest.mark.parametrize("kind", ["fifo", "folder", "link", "loop"])
@pytest.mark.parametrize("masks", [True, False])
def test_what_is_in_the_file_s_place_is_named(tmp_path, kind, masks):
    root = write_coco(tmp_path / "coco", coco_document(3))
    path = root / "annotations" / "instances_val2017.json"
    put_instead(path, kind, tmp_path / FOREIGN / path.name)
    assert "instances_val2017.json" in refusal("coco", root, masks=masks, split="val")
    assert "annotations" in refusal("coco", root, masks=masks)


@pytest.mark.parametrize("folder", ["annotations", "val2017"])
@pytest.mark.parametrize("kind", ["fifo", "file", "link", "loop"])
def test_what_is_in_a_folder_s_place_is_named(tmp_path, folder, kind):
    root = write_coco(tmp_path / "coco", coco_document(3))
    put_instead(root / folder, kind, tmp_path / FOREIGN)
    assert folder in refusal("coco", root)


# COCO: the images

BAD_NAMES = {
    "/etc/passwd": "outside",
    "//etc/passwd": "outside",
    "../../secret/photograph.jpg": "outside",
    "../val2017/000000000100.jpg": "outside",
    "deep/../../x.jpg": "outside",
    "..": "outside",
    ".": "outside",
    "./000000000100.jpg": "outside",
    "deep//000000000100.jpg": "outside",
    "deep/": "outside",
    "": "bad_entry",
    "nul\0.jpg": "bad_entry",
    "half\ud800.jpg": "bad_entry",
    None: "bad_entry",
    7: "bad_entry",
    True: "bad_entry",
    "x" * 300 + ".jpg": "missing",
    "y/" * 150 + ".jpg": "missing",
    "byte\udce9.jpg": "missing",
    "new\nline.jpg": "missing",
    "000000000100.jpg/x.jpg": "missing",
    "~/x.jpg": "missing",
    "$HOME.jpg": "missing",
    "link.jpg": "link",
    "loop.jpg": "link",
    "broken.jpg": "link",
    "linked/photograph.jpg": "link",
    "fifo.jpg": "not_a_file",
    "folder.jpg": "not_a_file",
}


@pytest.mark.parametrize("masks", [True, False])
def test_names_that_lead_nowhere_or_elsewhere(tmp_path, masks):
    document = coco_document(3)
    document["images"] += [{"id": 500 + i, "file_name": name, "height": 1, "width": 1} for i, name in enumerate(BAD_NAMES)]
    document["images"] += [{"id": 900}, {"id": 901, "file_name": ["a.jpg"]}, {"id": 902, "file_name": {"x": 1}}]
    root = write_coco(tmp_path / "coco", document, files=[f"{100 + i:012d}.jpg" for i in range(3)])
    images = root / "val2017"
    for name, target in (("link", "photograph.jpg"), ("linked", "")):
        os.symlink(tmp_path / FOREIGN / target, images / (name + ".jpg" if target else name))
    os.symlink("loop.jpg", images / "loop.jpg")
    os.symlink("nowhere", images / "broken.jpg")
    os.mkfifo(images / "fifo.jpg")
    (images / "folder.jpg").mkdir()
    found = outcome("coco", root, masks=masks)
    assert found.made == coco_ids(0, 1, 2)
    assert sorted(reason for reason, _ in found.ledger.values()) == sorted([*BAD_NAMES.values(), *["bad_entry"] * 3])
    assert {items for _, items in found.ledger.values()} == {0}


@pytest.mark.parametrize("number", [" ", 1.5, True, None, [1], {}, 2**63, -(2**63), 10**30, float("nan"), float("inf")])
@pytest.mark.parametrize("masks", [True, False])
def test_ids_that_are_none(tmp_path, number, masks):
    document = coco_document(4)
    document["images"][1]["id"] = number
    document["annotations"].append({"id": 1, "image_id": number, "category_id": 1, "segmentation": rectangle(1, 1, 3, 3)})
    found = outcome("coco", write_coco(tmp_path / "coco", document), masks=masks)
    assert found.made == coco_ids(0, 2, 3)
    assert found.ledger[coco_ids(1)[0] + ".jpg"] == ("bad_entry", 0)


@pytest.mark.parametrize("number", [0, -5, 2**62])
def test_ids_that_are_unusual(tmp_path, number):
    document = coco_document(3)
    document["images"][2]["id"] = number
    for entry in document["annotations"]:
        entry["image_id"] = number if entry["image_id"] == 102 else entry["image_id"]
    root = write_coco(tmp_path / "coco", document)
    assert outcome("coco", root).made == coco_ids(0, 1, 2)
    assert [len(record.masks()) for record in open_source("coco", root=root).records] == [0, 1, 2]


@pytest.mark.parametrize("licence", [True, None, [4], {"id": 4}, 10**30, -1, 99])
def test_licences_of_odd_types_are_unknown(tmp_path, licence):
    document = coco_document(2)
    document["images"][0]["license"] = licence
    document["licenses"] += [
        {"id": licence, "url": 7, "name": ["x"]},
        3,
        None,
        [],
        {"url": "http://creativecommons.org/licenses/by/2.0/"},
    ]
    source = open_source("coco", root=write_coco(tmp_path / "coco", document), masks=False)
    assert [record.licence for record in source.records] == ["", "CC-BY-2.0"]


@pytest.mark.parametrize("licence", ["4", 4.0, " 4 "])
def test_ids_as_texts_and_floats_are_read(tmp_path, licence):
    document = coco_document(2)
    document["images"][0] |= {"license": licence, "id": "100"}
    document["licenses"] += [{"id": licence, "url": 7}]  # the first licence of an id counts
    source = open_source("coco", root=write_coco(tmp_path / "coco", document), masks=False)
    assert [record.licence for record in source.records] == ["CC-BY-2.0", "CC-BY-2.0"]


@pytest.mark.parametrize("number", ["100", 100.0])
def test_ids_that_are_equal_as_numbers_are_repeated(tmp_path, number):
    document = coco_document(4)
    document["images"][1]["id"] = number
    found = outcome("coco", write_coco(tmp_path / "coco", document))
    assert found.made == coco_ids(2, 3)
    assert [found.ledger[image + ".jpg"] for image in coco_ids(0, 1)] == [("duplicate_id", 0)] * 2


def test_licences_without_a_list(tmp_path):
    document = coco_document(2)
    for licences in (None, {}, "by", 3, []):
        shutil.rmtree(tmp_path / "coco", ignore_errors=True)
        root = write_coco(tmp_path / "coco", {**document, "licenses": licences})
        assert [record.licence for record in open_source("coco", root=root).records] == ["", ""]


def test_images_that_are_listed_twice(tmp_path):
    document = coco_document(5)
    document["images"].append({**document["images"][1], "id": 555})
    document["images"].append(dict(document["images"][2]))
    root = write_coco(tmp_path / "coco", document)
    source = open_source("coco", root=root)
    assert [record.id for record in source.records] == coco_ids(0, 1, 3, 4)
    reasons = [(entry.id, entry.reason) for entry in source.passed_over]
    twice = coco_ids(2)[0] + ".jpg"
    assert reasons == [(twice, "duplicate_id"), (coco_ids(1)[0] + ".jpg", "duplicate_name"), (twice, "duplicate_id")]
    assert len(source.records[1].masks()) == 1
