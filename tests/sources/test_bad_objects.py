"""Tests COCO files with invalid annotations: photographs are kept, and the ledger lists the objects left out."""

import json
from types import SimpleNamespace

import pytest
from bad_roots import coco_ids, nothing_outside, outcome
from dataset_roots import HEIGHT, WIDTH, coco_document, rectangle, write_coco

from blurkit.errors import UsageError
from blurkit.shard import open_dataset
from blurkit.sources import open_source


@pytest.fixture(autouse=True)
def watched(tmp_path):
    with nothing_outside(tmp_path):
        yield


NO_OUTLINES = [
    None,
    7,
    "x",
    [],
    {},
    [[]],
    [[1, 2]],
    [[1, 2, 3, 4, 5]],
    [["a", "b", "c", "d", "e", "f"]],
    [[1e9, -1e9, 0, 0, 5, 5]],
    [[float("nan")] * 6],
    [[float("inf"), 0, 0, 5, 5, 5]],
    [[10**400, 0, 0, 5, 5, 5]],
    [[True, False, 3, 3, 4, 9]],
    [[[1, 2], [3, 4], [5, 6]]],
    {"size": [HEIGHT, WIDTH]},
    {"counts": [HEIGHT * WIDTH]},
    {"size": [1, 1], "counts": [1]},
    {"size": [WIDTH, HEIGHT], "counts": [HEIGHT * WIDTH]},
    {"size": [HEIGHT, WIDTH], "counts": [5, 5]},
    {"size": [HEIGHT, WIDTH], "counts": [-5, HEIGHT * WIDTH + 5]},
    {"size": [HEIGHT, WIDTH], "counts": [2**62, 2**62, 2**62, 2**62]},
    {"size": [HEIGHT, WIDTH], "counts": [0.5]},
    {"size": [HEIGHT, WIDTH], "counts": "PPYo0"},
    {"size": [HEIGHT, WIDTH], "counts": "\x00\xff"},
    {"size": [HEIGHT, WIDTH], "counts": "ooooooooooooooo0"},
    {"size": [HEIGHT, WIDTH], "counts": ""},
    {"size": [HEIGHT, WIDTH], "counts": None},
    {"size": "x", "counts": {}},
    {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]},  # not one pixel
]


def test_outlines_that_are_none_are_left_out_and_the_photograph_is_kept(tmp_path):
    document = coco_document(3)
    document["images"] = document["images"][:1] * len(NO_OUTLINES)
    document["images"] = [{**image, "id": i, "file_name": f"{i:012d}.jpg"} for i, image in enumerate(document["images"])]
    good = {"category_id": 1, "segmentation": rectangle(0, 0, WIDTH, HEIGHT)}
    document["annotations"] = [
        entry
        for i, outline in enumerate(NO_OUTLINES)
        for entry in ({"id": i, "image_id": i, "category_id": 1, "segmentation": outline}, {"id": 500 + i, "image_id": i, **good})
    ]
    root = write_coco(tmp_path / "coco", document)
    found = outcome("coco", root)
    assert found.made == [f"val2017/{i:012d}" for i in range(len(NO_OUTLINES))]
    assert set(found.ledger.values()) == {("bad_annotation", 0)}
    assert len(found.ledger) == len(NO_OUTLINES)
    assert [len(sample.objects) for sample in open_dataset(tmp_path / "shards-True" / "00000.h5")] == [1] * len(NO_OUTLINES)
    assert outcome("coco", root, masks=False).ledger == {}


def test_categories_and_annotations_that_are_none(tmp_path):
    document = coco_document(3)
    document["annotations"][0]["category_id"] = 9999
    document["annotations"] += [None, 3, [], {}, {"image_id": "102"}, {"image_id": 102.0}]
    document["categories"] += [None, {"id": "1", "name": "x"}, {"id": 5}, {"id": 1, "name": "somebody else"}]
    source = open_source("coco", root=write_coco(tmp_path / "coco", document))
    assert [len(record.masks()) for record in source.records] == [0, 0, 2]
    assert "9999" in source.records[1].masks().problems[0]
    assert {entry.reason for entry in source.passed_over} == {"bad_annotation"}
    assert {entry.id for entry in source.passed_over} == {"val2017/instances_val2017.json"}


@pytest.mark.parametrize("missing", ["annotations", "categories", "licenses", "info"])
def test_a_part_of_the_file_that_is_not_there(tmp_path, missing):
    document = {key: value for key, value in coco_document(3).items() if key != missing}
    found = outcome("coco", write_coco(tmp_path / "coco", document))
    assert found.made == coco_ids(0, 1, 2)
    assert len(found.ledger) == (2 if missing == "categories" else 0)


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH + 7), (WIDTH, HEIGHT), (None, None), ("72", "96"), (-1, 0), (10**30, 1)])
def test_a_photograph_of_another_size_is_kept_without_its_objects(tmp_path, size):
    document = coco_document(3)
    document["images"][2]["height"], document["images"][2]["width"] = size
    root = write_coco(tmp_path / "coco", document)
    found = outcome("coco", root)
    assert found.made == coco_ids(0, 1, 2)
    assert found.ledger == {coco_ids(2)[0]: ("bad_annotation", 0)}
    assert "never scaled" in found.messages
    assert len(open_dataset(tmp_path / "shards-True" / "00000.h5")[2].objects) == 0
    assert outcome("coco", root, masks=False).ledger == {}


def test_a_byte_order_mark_and_not_a_number_are_accepted(tmp_path):
    document = coco_document(3)
    for entry in document["annotations"]:
        entry["bbox"] = [float("nan")] * 4
    root = write_coco(
        tmp_path / "coco", b"\xef\xbb\xbf" + json.dumps(document).encode(), files=[f"{100 + i:012d}.jpg" for i in range(3)]
    )
    assert outcome("coco", root) == SimpleNamespace(made=coco_ids(0, 1, 2), ledger={}, messages="")


def test_a_photograph_that_is_none_is_named(tmp_path):
    root = write_coco(tmp_path / "coco", coco_document(3))
    (root / "val2017" / f"{101:012d}.jpg").write_text("<html>")
    for masks in (True, False):
        found = outcome("coco", root, masks=masks)
        assert (found.made, found.ledger) == (coco_ids(0, 2), {coco_ids(1)[0]: ("not_an_image", 1)})


def test_a_file_that_changes_under_the_run_is_named(tmp_path):
    root = write_coco(tmp_path / "coco", coco_document(3))
    record = open_source("coco", root=root).records[2]
    (root / "annotations" / "instances_val2017.json").write_bytes(b" " * 10_000)
    with pytest.raises(UsageError, match="changed during the run"):
        record.masks()
