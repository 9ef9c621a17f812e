"""Tests what annotation tools other than COCO's write: frames of turned photographs, stray points, and ids of other types."""

import json
import pickle

import numpy as np
import pytest
from dataset_roots import CATEGORIES, rectangle
from PIL import Image

from blurkit.decode.header import Header
from blurkit.decode.image import image_header, read_image
from blurkit.decode.objects.coco import CocoAnnotation, as_id, decide_frame, index_annotations

HEADER = Header("JPEG", 30, 40)


@pytest.mark.parametrize("stray", [[[10, 10, 10, 15]], [[]], [[3, 4]], [[1, 2, 3, 4, 5]], [[], [9, 9, 8, 8], [1]]])
def test_a_piece_that_encloses_nothing_costs_no_object(tmp_path, stray):
    good, path = rectangle(3, 4, 5, 5), tmp_path / "instances.json"
    for outline, count in ((stray + good, 1), (good + stray, 1), (stray, 0)):
        entry = {"id": 100, "image_id": 7, "category_id": 1, "segmentation": outline}
        path.write_text(json.dumps({"annotations": [entry], "categories": CATEGORIES}))
        found = CocoAnnotation(index_annotations(str(path)), (30, 40), 7).masks(HEADER, None)
        assert found.masks.sum() == 25 * count
        (problem,) = found.problems
        assert problem.endswith("left out.")
        if count:
            assert problem == f"The annotation 100 has {len(stray)} polygons of fewer than three points: they are left out."


@pytest.mark.parametrize(
    "kind", [str, float, lambda number: f"{number}.0", lambda number: f" {number}", lambda number: f"a-{number}"]
)
def test_ids_of_other_types(tmp_path, kind):
    path = tmp_path / "ids.json"
    category = float(44) if kind(7).__class__ is float else "44"
    entries = [{"id": number, "image_id": kind(number), "category_id": category, "segmentation": rectangle(number, 4, 5, 5)}
               for number in (7, 8, 7, 9)]  # fmt: skip
    path.write_text(json.dumps({"annotations": entries, "categories": [{"id": category, "name": "bottle"}]}))
    index = index_annotations(str(path))
    assert (index.problems, index.categories) == ((), {44: "bottle"})
    number = as_id(kind(7))
    assert number is not None
    found = CocoAnnotation(index, (30, 40), number).masks(HEADER, None)
    assert (found.names, found.ids, found.problems) == (("bottle", "bottle"), (44, 44), ())
    assert len({as_id(kind(number)) for number in range(100)}) == 100


@pytest.mark.parametrize("value", [None, True, 7.5, float("nan"), float("inf"), 2**63, 1e300, [7], {}, "", "  "])
def test_values_that_are_no_id(value):
    assert as_id(value) is None


def turned(folder, name, orientation, *, upright, side=(40, 64)):
    """Write a photograph, and return its annotation of a bright rectangle: its size in the file, and the outline."""
    stored = np.zeros((*side, 3), np.uint8)
    stored[6:14, 25:38] = 255
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(stored).save(folder / name, quality=100, subsampling=0, exif=exif)
    frame = read_image(folder / name).pixels[..., 1] > 128 if upright else stored[..., 1] > 128
    y, x = np.argwhere(frame).min(0).tolist()
    below, right = (np.argwhere(frame).max(0) + 1).tolist()
    return frame.shape, [[x, y, right, y, right, below, x, below]]


def indexed(folder, photographs):
    """The index of {name: (size, outline)}, what is said about it, and the masks and the photograph of each name."""
    numbered = list(enumerate(photographs.items(), 1))
    entries = [{"id": n, "image_id": n, "category_id": 1, "segmentation": outline} for n, (_, (_, outline)) in numbered]
    path = folder / "instances.json"
    path.write_text(json.dumps({"annotations": entries, "categories": CATEGORIES}))
    images = [(str(folder / name), number, size) for number, (name, (size, _)) in numbered]
    index, message = decide_frame(index_annotations(str(path)), images)
    annotations = {name: pickle.loads(pickle.dumps(CocoAnnotation(index, size, n))) for n, (name, (size, _)) in numbered}
    return message, {name: annotation.masks(image_header(folder / name), None) for name, annotation in annotations.items()}


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("decider", [5, 6, 7, 8])
def test_photographs_turned_by_90_degrees_decide_for_the_others(tmp_path, upright, decider):
    names = {
        f"{orientation}.jpg": turned(tmp_path, f"{orientation}.jpg", orientation, upright=upright) for orientation in (1, 2, 3, 4)
    }
    names["square.jpg"] = turned(tmp_path, "square.jpg", 6, upright=upright, side=(64, 64))
    names["decider.jpg"] = turned(tmp_path, "decider.jpg", decider, upright=upright)
    message, found = indexed(tmp_path, names)
    assert message.startswith(f"outlines are drawn on the {'upright' if upright else 'stored'} pixels, as decider.jpg shows")
    for name, masks in found.items():
        np.testing.assert_array_equal(masks.masks, read_image(tmp_path / name).pixels[None, ..., 1] > 128)
        assert masks.problems == ()


def test_if_nothing_decides_or_the_deciders_disagree_it_is_said(tmp_path):
    three = turned(tmp_path, "3.jpg", 3, upright=False)
    message, found = indexed(tmp_path, {"3.jpg": three, "1.jpg": turned(tmp_path, "1.jpg", 1, upright=True)})
    assert message == ""
    assert "nothing tells whether its outlines are drawn on the stored or" in found["3.jpg"].problems[0]
    assert found["1.jpg"].problems == ()
    both = {f"{upright}.jpg": turned(tmp_path, f"{upright}.jpg", 6, upright=upright) for upright in (True, False)}
    message, found = indexed(tmp_path, {"3.jpg": three, **both})
    assert message.startswith("outlines are drawn on the stored pixels of False.jpg and on the upright pixels of True.jpg: ")
    assert len(found["3.jpg"].problems) == 1
    for name in both:
        np.testing.assert_array_equal(found[name].masks, read_image(tmp_path / name).pixels[None, ..., 1] > 128)
        assert found[name].problems == ()
