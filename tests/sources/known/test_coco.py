"""Tests roots of COCO against their JSON files read as a whole: photographs, licences and objects."""

import collections
import json
import multiprocessing
import os
import pickle
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from dataset_roots import HEIGHT, WIDTH, coco_document, write_coco
from listed import describe_masks, reasons

from blurkit.errors import UsageError
from blurkit.sources import open_source
from blurkit.sources.known.coco import open_coco

SHORT = {
    1: "CC-BY-NC-SA-2.0",
    2: "CC-BY-NC-2.0",
    3: "CC-BY-NC-ND-2.0",
    4: "CC-BY-2.0",
    5: "CC-BY-SA-2.0",
    6: "CC-BY-ND-2.0",
    7: "no-known-restrictions",
    8: "US-government-work",
}


@pytest.fixture
def root(tmp_path):
    """Five photographs of val, three of train."""
    write_coco(tmp_path / "coco", coco_document(5))
    document = coco_document(3)
    for image in document["images"]:
        image["file_name"] = image["file_name"].replace("0000001", "0000002")
    return write_coco(tmp_path / "coco", document, split="train2017")


def test_photographs_of_both_splits_in_the_order_of_the_files(root):
    source = open_source("coco", root=root)
    expected = [f"train2017/{200 + i:012d}" for i in range(3)] + [f"val2017/{100 + i:012d}" for i in range(5)]
    assert [record.id for record in source.records] == expected
    assert [record.split for record in source.records] == ["train"] * 3 + ["val"] * 5
    assert [record.licence for record in source.records][3:] == [SHORT[(1, 4, 8)[i % 3]] for i in range(5)]
    assert {record.source for record in source.records} == {"coco"}
    assert all(os.path.isfile(record.path) for record in source.records)
    assert source.passed_over == []


@pytest.mark.parametrize(("split", "count"), [("train", 3), ("val", 5), ("train2017", 3), ("val2017", 5), ("all", 8)])
def test_splits_by_either_name(root, split, count):
    assert len(open_coco(root, split).records) == count


def test_only_the_split_that_is_there(root):
    (root / "annotations" / "instances_train2017.json").unlink()
    assert len(open_coco(root, "all").records) == 5
    with pytest.raises(UsageError, match=r"instances_train2017\.json is missing.*blurkit fetch coco.*--src .*train2017"):
        open_coco(root, "train")
    (root / "annotations" / "instances_val2017.json").unlink()
    with pytest.raises(UsageError, match=r"has none of instances_train2017\.json, instances_val2017\.json"):
        open_coco(root, "all")


def test_a_split_without_its_photographs_says_so(root):
    (root / "val2017").rename(root / "val")
    with pytest.raises(UsageError, match=r"val2017 is missing: unpack val2017\.zip"):
        open_coco(root, "val")


def test_objects_are_found_through_the_record(root):
    for i, record in enumerate(open_coco(root, "val").records):
        assert (record.annotation is None) == (i == 0)
        found = record.masks()
        assert found.masks.shape == (i, HEIGHT, WIDTH)
        assert found.ids == tuple((1, 44)[j % 2] for j in range(i))
        for j, mask in enumerate(found.masks):
            expected = np.zeros((HEIGHT, WIDTH), bool)
            expected[5:8, 6 * j : 6 * j + 4] = True
            np.testing.assert_array_equal(mask, expected)
    assert [record.annotation for record in open_coco(root, "val", masks=False).records] == [None] * 5


def test_objects_are_found_in_another_process(root):
    records = open_coco(root, "val").records
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        seen = list(pool.map(describe_masks, records))
    assert os.getpid() not in {pid for pid, *_ in seen}
    assert [row[1:] for row in seen] == [describe_masks(record)[1:] for record in records]
    assert [len(names) for _, names, *_ in seen] == [0, 1, 2, 3, 4]


def test_a_record_that_is_sent_takes_its_own_annotations_along_alone(tmp_path):
    document = coco_document(3)
    document["annotations"] += [{"id": 10**6 + i, "image_id": 10**6 + i, "category_id": 1} for i in range(5000)]
    records = open_coco(write_coco(tmp_path / "coco", document), "val").records
    assert len(pickle.dumps(records[2])) < 1500


def test_odd_sizes_in_the_file_stay_with_their_photograph(tmp_path):
    document = coco_document(6)
    sizes = [None, (HEIGHT, WIDTH), ("72", "96"), ([72], {"a": 96}), (float(HEIGHT), WIDTH), (HEIGHT, WIDTH + 1)]
    for image, size in zip(document["images"], sizes, strict=True):
        image.pop("height"), image.pop("width")
        if size is not None:
            image["height"], image["width"] = size
    records = open_coco(write_coco(tmp_path / "coco", document), "val").records
    kinds = []
    for record in records:
        try:
            kinds.append(len(record.masks()))
        except Exception as error:
            kinds.append(getattr(error, "reason", type(error).__name__))
    assert kinds == [0, 1, "size_mismatch", "size_mismatch", 4, "size_mismatch"]


def test_names_that_are_not_coco_s_keep_their_suffix(tmp_path):
    document = coco_document(5)
    names = ["1.jpg", "000000000001.JPG", "000000000001.png", "deep/000000000001.jpg", "000000000001.jpg"]
    for image, name in zip(document["images"], names, strict=True):
        image["file_name"] = name
    source = open_coco(write_coco(tmp_path / "coco", document), "val")
    assert [record.id for record in source.records] == [f"val2017/{name}" for name in names[:4]] + ["val2017/000000000001"]
    assert [record.path for record in source.records] == [str(tmp_path / "coco" / "val2017" / name) for name in names]
    assert source.passed_over == []


def test_each_entry_and_each_file_has_one_line(tmp_path):
    document = coco_document(8)
    images = document["images"]
    names = [image["file_name"] for image in images]
    images[1]["id"] = images[0]["id"]
    images[2]["id"] = 7.5
    images[4]["file_name"] = names[3]
    images.append({"id": 7000, "file_name": "absent.jpg"})
    source = open_coco(write_coco(tmp_path / "coco", document, files=[*names[:4], *names[5:], "extra.jpg"]), "val")
    assert [record.id for record in source.records] == [f"val2017/{name[:-4]}" for name in (names[3], *names[5:])]
    assert len(source.passed_over) == 6
    assert reasons(source) == {
        f"val2017/{names[0]}": "duplicate_id",
        f"val2017/{names[1]}": "duplicate_id",
        f"val2017/{names[2]}": "bad_entry",
        f"val2017/{names[3]}": "duplicate_name",
        "val2017/absent.jpg": "missing",
        "val2017/extra.jpg": "not_listed",
    }


def test_real_files(test_data):
    root = test_data / "coco"
    source = open_coco(root, "all")
    documents = {
        split: json.loads((root / "annotations" / f"instances_{split}2017.json").read_bytes()) for split in ("train", "val")
    }
    counts = {split: len(os.listdir(root / f"{split}2017")) for split in documents}
    assert collections.Counter(record.split for record in source.records) == counts
    assert source.passed_over == []
    records = {record.id: record for record in source.records}
    assert len(records) == sum(counts.values())
    for split, document in documents.items():
        classes = {category["id"]: category["name"] for category in document["categories"]}
        for image in document["images"]:
            record = records.pop(f"{split}2017/{image['file_name'][:-4]}")
            assert record.licence == SHORT[image["license"]]
            assert record.path == str(root / f"{split}2017" / image["file_name"])
            assert record.size() == (image["height"], image["width"])
            objects = [entry for entry in document["annotations"] if entry["image_id"] == image["id"]]
            sent = pickle.loads(pickle.dumps(record))
            found = sent.masks()
            assert list(found.names) == [classes[entry["category_id"]] for entry in objects]
            assert found.crowd == tuple(bool(entry["iscrowd"]) for entry in objects)
            assert found.problems == ()
            assert (record.annotation is None) == (not objects)
            for mask, entry in zip(found.masks, objects, strict=True):
                if not entry["iscrowd"]:
                    assert mask.sum() == pytest.approx(entry["area"], rel=0.2, abs=25)
    assert not records


def test_an_annotated_photograph_takes_little_room(tmp_path):
    count = 2_000
    document = coco_document(1)
    document["images"] = [{"id": i, "file_name": f"{i:012d}.jpg", "height": 4, "width": 5, "license": 4} for i in range(count)]
    document["annotations"] = [{"id": i, "image_id": i, "category_id": 1} for i in range(count)]
    write_coco(tmp_path / "coco", document, files=[])
    for i in range(count):
        os.close(os.open(tmp_path / "coco" / "val2017" / f"{i:012d}.jpg", os.O_CREAT))
    del document
    open_coco(tmp_path / "coco", "val")  # makes the objects that are made only once
    tracemalloc.start()
    source = open_coco(tmp_path / "coco", "val")
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(source.records) == count
    assert taken / count < 140


@pytest.mark.parametrize("name", ["exif_mixed", "stray4", "string_ids"])
def test_files_of_other_annotation_tools(test_data, name):
    source = open_coco(test_data / "reports" / "coco" / name, "val")
    outlined = [record for record in source.records if record.annotation is not None]
    assert outlined
    for record in outlined:
        found = record.masks()
        assert len(found) == 1
        if name == "exif_mixed":  # the object is white
            assert record.read().pixels[found.masks[0]].mean() > 250
        else:
            assert found.masks.sum() == 80 * 80
    if name == "exif_mixed":
        assert [entry.message for entry in source.passed_over if entry.reason == "frame"] == [
            "outlines are drawn on the upright pixels, as p6.jpg shows; so those of p3.jpg and the like are too"
        ]
