"""Tests objects of COCO against pycocotools' own reader, on turned photographs, and in damaged files."""

import contextlib
import io
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from dataset_roots import CATEGORIES, rectangle
from PIL import Image

from blurkit.decode.header import Header
from blurkit.decode.image import image_header, read_image
from blurkit.decode.objects.coco import CocoAnnotation, index_annotations
from blurkit.errors import BadImageError, UsageError

HEADER = Header("JPEG", 30, 40)


def square(x, y, side):
    return rectangle(x, y, side, side)


@pytest.fixture
def annotation(tmp_path):
    """A function that writes annotations and returns the annotation of image 7."""

    def write(*entries, size=(30, 40), categories=CATEGORIES):
        entries = [
            {"id": 100 + index, "image_id": 7, "category_id": 1, "iscrowd": 0, **entry} for index, entry in enumerate(entries)
        ]
        path = tmp_path / "instances.json"
        path.write_text(json.dumps({"images": [], "annotations": entries, "categories": categories}))
        index = index_annotations(str(path))
        return CocoAnnotation(index, size, 7)

    return write


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # within pycocotools
@pytest.mark.parametrize("split", ["train", "val"])
def test_real_masks_equal_those_of_pycocotools(test_data, split):
    coco_module = pytest.importorskip("pycocotools.coco")
    path = str(test_data / "coco" / "annotations" / f"instances_{split}2017.json")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = coco_module.COCO(path)
    index = index_annotations(path)
    assert len(index.images) == len(coco.anns)
    assert index.problems == ()
    assert index.categories == {number: entry["name"] for number, entry in coco.cats.items()}
    assert len(index.images) > 0
    for image in coco.dataset["images"]:
        header = image_header(test_data / "coco" / f"{split}2017" / image["file_name"])
        annotation = CocoAnnotation(index, (image["height"], image["width"]), image["id"])
        found = annotation.masks(header, None)
        wanted = [entry for entry in coco.dataset["annotations"] if entry["image_id"] == image["id"]]
        assert found.problems == ()
        assert found.ids == tuple(entry["category_id"] for entry in wanted)
        assert found.names == tuple(coco.cats[entry["category_id"]]["name"] for entry in wanted)
        assert found.crowd == tuple(entry["iscrowd"] == 1 for entry in wanted)
        assert found.masks.shape == (len(wanted), *header.size)
        for mask, entry in zip(found.masks, wanted, strict=True):
            np.testing.assert_array_equal(mask, coco.annToMask(entry) == 1)
        box = (header.height // 3, header.width // 4, 90, 120)
        cut = found.masks[:, box[0] : box[0] + 90, box[1] : box[1] + 120]
        inside = annotation.masks(header, box)
        np.testing.assert_array_equal(inside.masks, cut[cut.any((1, 2))])
        assert inside.ids == tuple(number for number, mask in zip(found.ids, cut, strict=True) if mask.any())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("runs", [False, True])
def test_masks_lie_on_the_upright_pixels(annotation, tmp_path, orientation, runs):
    stored = np.zeros((40, 64, 3), np.uint8)
    stored[6:14, 35:60] = 255  # off the centre, so that every turn moves it
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(stored).save(tmp_path / "turned.jpg", quality=100, subsampling=0, exif=exif)
    photograph = read_image(tmp_path / "turned.jpg").pixels[..., 1] > 128
    header = image_header(tmp_path / "turned.jpg")

    def outline(bright):
        if not runs:
            y, x = np.argwhere(bright).min(0).tolist()
            below, right = (np.argwhere(bright).max(0) + 1).tolist()
            return [[x, y, right, y, right, below, x, below]]
        flat = np.concatenate([[0], bright.T.ravel(), [0]])
        edges = np.flatnonzero(np.diff(flat))
        return {"size": list(bright.shape), "counts": np.diff([0, *edges, bright.size]).tolist()}

    as_stored = annotation({"segmentation": outline(stored[..., 1] > 128)}, size=(40, 64)).masks(header, None)
    np.testing.assert_array_equal(as_stored.masks, photograph[None])
    if orientation >= 5:
        as_seen = annotation({"segmentation": outline(photograph)}, size=(64, 40)).masks(header, (3, 4, 60, 31))
        np.testing.assert_array_equal(as_seen.masks, photograph[None, 3:63, 4:35])


def test_objects_keep_their_order_and_images_their_objects(tmp_path):
    entries = [{"id": number, "image_id": (number * 7) % 5 - 2, "text": "é" * (number % 4)} for number in range(60)]
    path = tmp_path / "many.json"
    path.write_text(json.dumps({"annotations": entries}, ensure_ascii=False))
    index, data = index_annotations(str(path)), path.read_bytes()
    for image in range(-3, 4):
        found = [json.loads(data[start:end]) for start, end in index.of(image).spans]
        assert found == [entry for entry in entries if entry["image_id"] == image]


def test_without_annotations_there_are_no_objects(tmp_path):
    path = tmp_path / "test-dev.json"
    path.write_text('{"images": [{"id": 7}], "categories": [{"id": 1, "name": "person"}]}')
    index = index_annotations(str(path))
    assert (len(index.images), index.problems, index.categories) == (0, (), {1: "person"})
    none = CocoAnnotation(index, (None, None), 7).masks(HEADER, (2, 3, 10, 12))
    assert none.masks.shape == (0, 10, 12)
    assert none.masks.dtype == bool


def test_entries_that_are_none_are_counted(tmp_path):
    path = tmp_path / "odd.json"
    odd = [None, 3, [], {}, *({"image_id": value} for value in ("", 7.5, True, None, [7], 2**63))]
    categories = [*CATEGORIES, {"id": "x", "name": "y"}, {"id": 5}, 8, {"id": 1, "name": "cat"}]
    path.write_text(json.dumps({"annotations": [*odd * 5, {"image_id": 7}], "categories": categories}))
    index = index_annotations(str(path))
    assert len(index.of(7).spans) == len(index.images) == 1
    assert index.categories == {1: "person", 44: "bottle"}
    assert len(index.problems) == 21
    assert index.problems[0].startswith("an annotation has the image_id None, which is no id (byte ")
    assert [problem for problem in index.problems if "the image_id 7.5, which" in problem]
    assert index.problems[-1] == "and 34 more like these"
    path.write_text(json.dumps({"annotations": {"image_id": ["all"]}, "categories": None}))
    assert len(index_annotations(str(path)).problems) == 2


def test_a_bad_object_is_left_out_and_the_others_are_kept(annotation):
    bad = [[], [[1, 2]], [[1, 2, 3, 4, 5]], {"size": [1, 1], "counts": [1]}, {"size": [30, 40], "counts": "PPYo0"}, None]
    bad += [[["a", "b", "c", "d", "e", "f"]], [[1e9, -1e9, 0, 0, 5, 5]], {"size": [30, 40], "counts": [2000]}]
    bad += [[[5, 5, 5.1, 5, 5, 5.1]], square(41, 2, 5)]
    entries = [{"segmentation": outline} for outline in bad]
    entries += [{"segmentation": square(1, 1, 5), "category_id": number} for number in (9999, None, "x", [1], True, 1.5)]
    entries += [{"segmentation": square(3, 4, 5), "category_id": 44, "iscrowd": 1}, {"segmentation": square(20, 9, 6)}]
    found = annotation(*entries).masks(HEADER, None)
    assert (found.names, found.ids, found.crowd) == (("bottle", "person"), (44, 1), (True, False))
    assert found.masks.sum((1, 2)).tolist() == [25, 36]
    assert len(found.problems) == len(bad) + 6
    for index, problem in enumerate(found.problems):
        assert problem.startswith(f"The annotation {100 + index} has ")
    assert "unknown category 9999" in found.problems[len(bad)]


def test_what_lies_outside_of_the_box_is_no_object_and_no_problem(annotation):
    both = annotation({"segmentation": square(1, 1, 5)}, {"segmentation": square(20, 9, 6)})
    found = both.masks(HEADER, (8, 18, 10, 10))
    assert found.masks.shape == (1, 10, 10)
    assert np.argwhere(found.masks[0]).min(0).tolist() == [1, 2]
    assert found.problems == ()
    assert annotation({"segmentation": square(1, 1, 5)}).masks(HEADER, (10, 10, 9, 8)).masks.shape == (0, 9, 8)


@pytest.mark.parametrize("size", [(30, 47), (40, 30), (None, None), ("30", "40")])
def test_masks_are_never_scaled(annotation, size):
    with pytest.raises(BadImageError, match="40 x 30") as caught:
        annotation({"segmentation": square(1, 1, 5)}, size=size).masks(HEADER, None)
    assert caught.value.reason == "size_mismatch"


def test_a_changed_file_is_noticed(annotation, tmp_path):
    entry = annotation({"segmentation": square(1, 1, 5)})
    (tmp_path / "instances.json").write_text("[17]" * 500)
    with pytest.raises(UsageError, match="changed during the run"):
        entry.masks(HEADER, None)
    (tmp_path / "instances.json").write_text(" " * 200 + "3" + " " * 500)
    with pytest.raises(UsageError, match="changed during the run"):
        replace(entry, index=replace(entry.index, spans=np.array([[150, 250]]))).masks(HEADER, None)


def test_an_annotation_travels_to_other_processes_without_its_neighbours(annotation):
    many = annotation(*({"segmentation": square(1, 1, 5), "image_id": index % 500} for index in range(20_000)))
    data = pickle.dumps(many)
    assert len(data) < 2000
    assert len(pickle.loads(data).masks(HEADER, None)) == 40
