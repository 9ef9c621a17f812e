"""Tests Mapillary Vistas in all layouts: photographs, splits, ids and annotations."""

import collections
import json
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
import pytest
from dataset_roots import CLASSES, scene, write_vistas
from PIL import Image

from blurkit.errors import UsageError
from blurkit.sources import open_source
from blurkit.sources.known.mapillary import open_mapillary

KEYS = ["-q5kvAT1Ptaty4NoODIMhA", "a0TJFhNKAixyz8gAm9fONQ", "__CRyFzoDOXn6unQ6a3DnQ"]
IN_ORDER = sorted(KEYS)


@pytest.fixture
def root(tmp_path):
    """The layout of version 2.0: three photographs of training, two of validation, one of testing."""
    root = tmp_path / "vistas"
    write_vistas(root, "training", KEYS, ("v1.2", "v2.0"))
    write_vistas(root, "validation", ["v" + KEYS[0], "v" + KEYS[1]], ("v1.2", "v2.0"))
    return write_vistas(root, "testing", ["t" + KEYS[2]], ())


def reasons(source):
    return {entry.id: entry.reason for entry in source.passed_over}


def describe_masks(record):
    found = record.masks()
    return os.getpid(), found.names, found.ids, found.masks.sum((1, 2)).tolist()


def test_photographs_of_all_splits(root):
    source = open_source("mapillary", root=root)
    validation = [f"validation/v{key}" for key in KEYS[:2]]
    assert [record.id for record in source.records] == [f"training/{key}" for key in IN_ORDER] + validation + [
        f"testing/t{KEYS[2]}"
    ]
    assert [record.split for record in source.records] == ["train"] * 3 + ["val"] * 2 + ["test"]
    assert {record.licence for record in source.records} == {"CC-BY-NC-SA-4.0"}
    assert [record.annotation is None for record in source.records] == [False] * 5 + [True]
    assert source.passed_over == []


@pytest.mark.parametrize(
    ("split", "count"), [("train", 3), ("training", 3), ("val", 2), ("validation", 2), ("test", 1), ("testing", 1), ("all", 6)]
)
def test_splits_by_either_name(root, split, count):
    assert len(open_mapillary(root, split).records) == count


def test_the_newest_annotations_unless_others_are_asked_for(root):
    def version(**options):
        return open_mapillary(root, "train", **options).records[0].annotation.labels.split("/")[-3]

    assert version() == version(version="v2.0") == "v2.0"
    assert version(version="v1.2") == "v1.2"
    with pytest.raises(UsageError, match=r"v1\.2.*not 'v1\.3'; did you mean"):
        version(version="v1.3")
    for split in ("training", "validation"):
        (root / split / "v2.0").rename(root / split / "old")
    assert version() == "v1.2"
    with pytest.raises(UsageError, match=r"has no annotations v2\.0; it has v1\.2"):
        version(version="v2.0")


def test_the_flat_layout(tmp_path):
    root = write_vistas(tmp_path / "old", "training", KEYS, ("",))
    source = open_mapillary(root, "all")
    assert [len(record.masks()) for record in source.records] == [3, 3, 3]
    assert open_mapillary(root, "all", "v1.2").records[0].annotation == source.records[0].annotation
    with pytest.raises(UsageError, match="flat layout"):
        open_mapillary(root, "all", "v2.0")


def test_masks_are_those_of_the_files(root):
    for record in open_mapillary(root, "train").records:
        values = scene(record.id.split("/")[1])
        found = record.masks()
        assert found.ids == (2, 2, 2)
        assert set(found.names) == {CLASSES[2]["name"]}
        for mask, value in zip(found.masks, np.unique(values[values >= 512]), strict=True):
            np.testing.assert_array_equal(mask, values == value)
    assert all(record.annotation is None for record in open_mapillary(root, "train", masks=False).records)


def test_masks_are_found_in_another_process(root):
    records = open_mapillary(root, "all").records
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        seen = list(pool.map(describe_masks, records))
    assert os.getpid() not in {row[0] for row in seen}
    assert [row[1:] for row in seen] == [describe_masks(record)[1:] for record in records]
    assert [len(row[1]) for row in seen] == [3, 3, 3, 3, 3, 0]


def test_what_is_missing_is_said_once(root):
    (root / "training" / "v2.0" / "labels" / f"{KEYS[0]}.png").unlink()
    (root / "training" / "v2.0" / "labels" / f"{KEYS[1]}.png").unlink()
    (root / "training" / "v2.0" / "instances" / f"{KEYS[1]}.png").unlink()
    source = open_mapillary(root, "train")
    assert [(record.id, record.annotation is None) for record in source.records] == [
        (f"training/{key}", key != KEYS[2]) for key in IN_ORDER
    ]
    assert reasons(source) == dict.fromkeys((f"training/{KEYS[0]}", f"training/{KEYS[1]}"), "no_annotation")
    assert {entry.message.split(" (")[0] for entry in source.passed_over} == {
        "no file of its labels",
        "no file of its instances and labels",
    }
    assert open_mapillary(root, "train", masks=False).passed_over == []


def test_without_classes_photographs_have_no_objects(root):
    (root / "config_v2.0.json").unlink()
    source = open_mapillary(root, "all")
    assert all(record.annotation is None for record in source.records)
    assert reasons(source) == {"config_v2.0.json": "no_classes"}
    assert open_mapillary(root, "train", "v1.2").records[0].annotation is not None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"labels": []}', b'{"labels": [{"name": 3}]}', b'{"labels": [7]}']
)
def test_damaged_classes_stop_those_alone_who_want_masks(root, content):
    (root / "config_v2.0.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"config_v2\.0\.json"):
        open_mapillary(root, "train")
    assert len(open_mapillary(root, "train", masks=False).records) == 3


def test_photographs_alone_are_enough(tmp_path):
    root = write_vistas(tmp_path / "vistas", "training", KEYS, ())
    source = open_mapillary(root, "all")
    assert len(source.records) == 3
    assert source.passed_over == []


def test_no_photographs_at_all(tmp_path):
    root = write_vistas(tmp_path / "vistas", "training", [], ())
    with pytest.raises(UsageError, match=r"no photographs in .*training/images"):
        open_mapillary(root, "train")


@pytest.mark.parametrize("layout", ["mapillary-vistas-dataset_public_v2.0", "mapillary-vistas-dataset_public_v1.1"])
def test_real_files(test_data, layout):
    root = test_data / "mapillary" / layout
    source = open_mapillary(root, "all")
    folders = {"train": "training", "val": "validation", "test": "testing"}
    counts = {ours: len(list((root / theirs / "images").glob("*.jpg"))) for ours, theirs in folders.items()}
    assert collections.Counter(record.split for record in source.records) == {name: n for name, n in counts.items() if n}
    assert source.passed_over == []
    for record in source.records:
        folder, key = record.id.split("/")
        assert record.path == str(root / folder / "images" / f"{key}.jpg")
        with Image.open(record.path) as image:
            assert record.size() == image.size[::-1]
        assert (record.annotation is None) == (folder == "testing")


def test_real_masks(test_data):
    root = test_data / "mapillary" / "mapillary-vistas-dataset_public_v2.0"
    config = json.loads((root / "config_v1.2.json").read_bytes())["labels"]
    record = min((r for r in open_mapillary(root, "all", "v1.2").records if r.annotation), key=lambda r: os.path.getsize(r.path))
    folder, key = record.id.split("/")
    values = cv2.imread(str(root / folder / "v1.2" / "instances" / f"{key}.png"), cv2.IMREAD_UNCHANGED)
    expected = [int(value) for value in np.unique(values) if config[value >> 8]["instances"]]
    found = pickle.loads(pickle.dumps(record)).masks()
    assert found.names == tuple(config[value >> 8]["name"] for value in expected)
    assert found.masks.sum((1, 2)).tolist() == [int((values == value).sum()) for value in expected]
