"""Tests masks of outlines against other decoders and rasterisers, and that impossible outlines are refused."""

import builtins
import json
import math
import random

import cv2
import numpy as np
import pytest

from blurkit.decode.objects.outline import MAX_OUTLINE, BadOutlineError, rasterise
from blurkit.errors import UsageError

mask_api = pytest.importorskip("pycocotools.mask")


def column_runs(mask):
    """Runs down the columns, counted one pixel at a time."""
    runs, value = [0], 0
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def test_runs_of_random_masks_as_list_and_as_text(rng):
    for density in (0, 0.01, 0.5, 0.99, 1):
        mask = (rng.random((37, 53)) < density).astype(np.uint8)
        text = mask_api.encode(np.asfortranarray(mask))["counts"].decode()
        for counts in (column_runs(mask), text):
            np.testing.assert_array_equal(rasterise({"size": [37, 53], "counts": counts}, 37, 53), mask)


def test_text_of_large_numbers(rng):
    mask = np.zeros((3000, 2000), np.uint8)
    for _ in range(40):
        y, x = rng.integers(0, 1900, 2)
        mask[y : y + rng.integers(1, 900), x : x + rng.integers(1, 90)] ^= 1
    encoded = mask_api.encode(np.asfortranarray(mask))["counts"].decode()
    np.testing.assert_array_equal(rasterise({"size": [3000, 2000], "counts": encoded}, 3000, 2000), mask)


def shoelace(polygon):
    x, y = np.array(polygon).reshape(-1, 2).T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def test_simple_polygons_have_their_area_and_place(rng):
    for _ in range(50):
        centre, radius, start = rng.uniform(30, 70, 2), rng.uniform(5, 25), rng.uniform(0, 2)
        angles = start + np.sort(rng.uniform(0, 2 * math.pi, 30))
        polygon = (centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)).ravel().tolist()
        mask = rasterise([polygon], 100, 120)
        assert mask.shape == (100, 120)
        assert mask.dtype == np.uint8
        assert abs(mask.sum() - shoelace(polygon)) < 2 * radius
    rectangle = np.zeros((9, 8))
    rectangle[1:3, 2:5] = 1
    np.testing.assert_array_equal(rasterise([[2, 1, 5, 1, 5, 3, 2, 3]], 9, 8), rectangle)


def test_several_polygons_are_united():
    parts = [[1, 1, 6, 1, 6, 6, 1, 6], [4, 4, 9, 4, 9, 9, 4, 9]]
    both = rasterise(parts, 12, 12)
    np.testing.assert_array_equal(both, rasterise(parts[:1], 12, 12) | rasterise(parts[1:], 12, 12))
    assert both.sum() == 25 + 25 - 4


def coco_entries(test_data):
    for name in ("train", "val"):
        whole = json.loads((test_data / "coco" / "annotations" / f"instances_{name}2017.json").read_text())
        sizes = {image["id"]: (image["height"], image["width"]) for image in whole["images"]}
        for entry in whole["annotations"]:
            yield entry["segmentation"], *sizes[entry["image_id"]]


def test_real_crowds_have_exactly_their_runs(test_data):
    crowds = [entry for entry in coco_entries(test_data) if isinstance(entry[0], dict)]
    assert len(crowds) == 9
    for outline, height, width in crowds:
        flat = np.zeros(height * width, np.uint8)
        position = 0
        for index, run in enumerate(outline["counts"]):
            flat[position : position + run] = index % 2
            position += run
        np.testing.assert_array_equal(rasterise(outline, height, width), flat.reshape(height, width, order="F"))


def test_real_polygons_are_filled_as_opencv_fills_them_but_for_the_edge(test_data):
    outlines = [entry for entry in coco_entries(test_data) if isinstance(entry[0], list)]
    assert len(outlines) == 291
    for polygons, height, width in outlines:
        mask = rasterise(polygons, height, width)
        filled, edge = np.zeros((2, height, width), np.uint8)
        for polygon in polygons:
            points = np.round((np.array(polygon).reshape(-1, 2) - 0.5) * 256).astype(np.int32)
            filled |= cv2.fillPoly(np.zeros_like(filled), [points], 1, shift=8)
            cv2.polylines(edge, [points], True, 1, shift=8)
        inside = cv2.dilate(edge, np.ones((3, 3), np.uint8)) == 0
        assert np.count_nonzero((mask != filled) & inside) <= max(6, 0.003 * mask.sum())  # an outline may cross itself
        x, y = np.concatenate([np.array(polygon).reshape(-1, 2) for polygon in polygons]).T
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        extent = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        np.testing.assert_allclose(
            extent, (x.min(), y.min(), x.max(), y.max()), atol=3
        )  # a tip thinner than a pixel covers no pixel


GOOD = [1.0, 1.0, 8.0, 1.0, 8.0, 8.0]
FAR = [0, 0, 5, 5, 1e9, -1e9]
SHORT = ([], [1, 2], [1, 2, 3, 4], [1, 2, 3, 4, 5], [*GOOD, 1], None, "abcdef", {}, 1.0)
BEYOND = (1e9, -1e9, 25, -13, math.nan, math.inf, -math.inf, 10**400, -(10**400))
NO_RUNS = (None, 120, [-1, 121], [60.0, 60.0], [True], ["1"], [10**30], {})
WRONG_SUM = ([], [119], [119, 2], [60] * 3, [0], "PPYo0", "0", "O" * 8, "ooooooO" * 40)


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        *((outline, "has no outline") for outline in ([], None, "", "abc", 3, True)),
        *(([polygon], "no list of three") for polygon in SHORT),
        *(([[*GOOD[:4], value, 3.0]], "other than numbers") for value in ("1", None, True, [1], {})),
        *(([[*GOOD[:4], value, 3.0]], "far outside") for value in BEYOND),
        *(([[*GOOD[:4], 3.0, value]], "far outside") for value in BEYOND),
        ([GOOD, FAR], "far outside"),
        ([GOOD, [1, 2]], "no list of three"),
        ([GOOD] * 10_001, "10001 polygons"),
        ([[0, 0, 20, 20] * 60_000], "outline of"),
        *(({"size": size, "counts": [120]}, "runs of size") for size in (None, [1, 1], [12, 10], [120], "10 12", {})),
        ({}, "runs of size None"),
        *(({"size": [10, 12], "counts": counts}, "no valid numbers of pixels") for counts in NO_RUNS),
        *(({"size": [10, 12], "counts": counts}, "do not add up") for counts in WRONG_SUM),
        *(({"size": [10, 12], "counts": text}, "damaged or cut short") for text in ("", "P", "0P", "é", "~~~", "\0", " ")),
        ({"size": [10, 12], "counts": "PPPPPPPPPPPP0"}, "more than 35 bits"),
    ],
)
def test_what_cannot_be_an_outline(outline, message):
    with pytest.raises(BadOutlineError, match=message) as caught:
        rasterise(outline, 10, 12)
    assert len(str(caught.value)) < 120


def test_an_outline_may_reach_a_little_beyond_the_frame():
    np.testing.assert_array_equal(rasterise([[-9, -9, 20, -9, 20, 20, -9, 20]], 10, 12), np.ones((10, 12)))


def test_a_polygon_in_a_gigantic_image_is_refused_before_anything_is_allocated():
    with pytest.raises(BadOutlineError, match="pixels"):
        rasterise([GOOD], 10_000, 10_000)


def test_random_outlines_raise_nothing_else(rng):
    choose = random.Random(2)
    scalars = [0, 1, 5, 11.5, 120, -1, 1e9, math.nan, None, "P", "PPYo0", True, [], {}, 2**64, -(2**63)]
    characters = "".join(map(chr, range(48, 112)))

    def anything(depth):
        kind = choose.randrange(8)
        if kind < 3 or depth > 3:
            return choose.choice(scalars)
        if kind < 5:
            return [anything(depth + 1) for _ in range(choose.randrange(9))]
        if kind < 6:
            return [[choose.choice((0, 3, 11.9, -9, 21.5, 22)) for _ in range(choose.choice((6, 8, 40)))]]
        text = "".join(choose.choices(characters, k=choose.randrange(12)))
        return {"size": [10, 12], "counts": choose.choice((text, anything(depth + 1), [choose.randrange(121), 60, 20]))}

    masks = 0
    for _ in range(5000):
        try:
            mask = rasterise(anything(0), 10, 12)
        except BadOutlineError:
            continue
        assert mask.shape == (10, 12)
        assert mask.max() <= 1
        masks += 1
    assert masks > 100


def test_without_pycocotools_the_command_that_installs_it_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("pycocotools"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r'pip install "blurkit\[coco\]"'):
        rasterise([GOOD], 10, 12)
    assert rasterise({"size": [10, 12], "counts": [0, 120]}, 10, 12).all()


def test_the_limits_are_those_that_pycocotools_needs():
    points = MAX_OUTLINE * 5
    assert points * 16 <= 200 << 20  # four integers for each point on the outline
