"""Tests the way from a record to samples: downscaling, sharp crops, and masks in the pixels of the crop."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from dataset_roots import coco_document, write_coco, write_vistas
from PIL import Image
from srgb import decode, encode

from blurkit.decode import read_image
from blurkit.errors import BadImageError
from blurkit.pair.crop import laplacian_variance
from blurkit.pair.pair import make_pair
from blurkit.pipeline.produce import load_photograph, make_samples
from blurkit.pipeline.settings import Settings
from blurkit.recipes.load import load_recipe
from blurkit.sources import open_source

CLEAN = load_recipe("clean")
KEY = "bbbbbbbbbbbbbbbbbbbbbb"


@pytest.fixture
def half_empty():
    """Grey on the left, noise on the right: (240, 480)."""
    image = np.full((240, 480, 3), 120, np.uint8)
    image[:, 240:] = np.random.default_rng(0).integers(0, 256, (240, 240, 3))
    return image


def test_crops_below_the_least_sharpness_are_drawn_anew(half_empty):
    at_all, wanted = [], []
    for seed in range(30):
        free = make_pair(half_empty, CLEAN, rng=np.random.default_rng(seed), size=(64, 64))
        at_all.append(laplacian_variance(free.sharp))
        try:
            pair = make_pair(half_empty, CLEAN, rng=np.random.default_rng(seed), size=(64, 64), min_sharpness=5000)
        except BadImageError:
            continue
        wanted.append(laplacian_variance(pair.sharp))
        if at_all[-1] >= 5000:  # the first drawn place is sharp enough, so the pair is the same
            assert np.array_equal(pair.blurred, free.blurred)
    assert min(at_all) == 0
    assert len(wanted) > 20
    assert min(wanted) >= 5000


def test_an_empty_photograph_is_skipped_in_words():
    image = np.full((100, 100, 3), 50, np.uint8)
    with pytest.raises(BadImageError, match=r"sharpest of 10 places .* Laplacian of 0\.0, below 1") as caught:
        make_pair(image, CLEAN, rng=np.random.default_rng(0), size=(64, 64), min_sharpness=1)
    assert caught.value.reason == "not_sharp"
    with pytest.raises(BadImageError, match="the photograph has a variance"):
        make_pair(image, CLEAN, rng=np.random.default_rng(0), min_sharpness=1)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_sharp_is_a_crop_of_the_photograph_made_smaller_in_linear_light(factor):
    record = open_source("sample").records[3]
    settings = Settings(CLEAN, size=(64, 80), downscale=factor)
    (sample,) = make_samples(record, settings)
    y, x, height, width = sample.meta["crop"]
    inner = decode(read_image(record.path).pixels)[y * factor : (y + height) * factor, x * factor : (x + width) * factor]
    mean = inner.reshape(height, factor, width, factor, 3).mean(axis=(1, 3))
    assert np.abs(sample.sharp - 255 * encode(mean)).max() < 0.51
    assert (f"downscaled by {factor}" in sample.meta["notes"]) == (factor > 1)


def test_a_photograph_too_small_to_be_downscaled_is_skipped(tmp_path):
    cv2.imwrite(str(tmp_path / "line.png"), np.zeros((3, 50, 3), np.uint8))
    (record,) = open_source(str(tmp_path)).records
    with pytest.raises(BadImageError, match="cannot be downscaled by 4") as caught:
        load_photograph(record, Settings(CLEAN, size=None, downscale=4))
    assert caught.value.reason == "too_small"


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("source", ["coco", "mapillary"])
def test_masks_are_those_of_the_crop(tmp_path, source, factor):
    if source == "coco":
        write_coco(tmp_path, coco_document(8))
    else:
        write_vistas(tmp_path, "training", [KEY])
    record = list(open_source(source, root=tmp_path).records)[-1]
    whole = record.masks()
    assert len(whole) >= 3
    settings = Settings(CLEAN, size=(60 // factor, 80 // factor), downscale=factor, masks=True, per_image=6)
    shown = 0
    for sample in make_samples(record, settings):
        y, x, height, width = (factor * side for side in sample.meta["crop"])
        planes = whole.masks[:, y : y + height, x : x + width]
        shares = planes.reshape(-1, height // factor, factor, width // factor, factor).mean(axis=(2, 4))
        expected = [(plane, name) for plane, name in zip(shares >= 0.5, whole.names, strict=True) if plane.any()]
        assert sample.objects.names == tuple(name for _, name in expected)
        assert np.array_equal(sample.masks, np.array([plane for plane, _ in expected]).reshape(sample.masks.shape))
        shown += len(expected)
    assert shown


def test_without_masks_nobody_opens_an_annotation(tmp_path):
    write_vistas(tmp_path, "training", [KEY])
    (tmp_path / "training/v1.2/instances" / f"{KEY}.png").write_bytes(b"no image")
    (record,) = open_source("mapillary", root=tmp_path).records
    settings = Settings(CLEAN, size=(20, 24))
    assert len(next(make_samples(record, settings)).objects) == 0
    with pytest.raises(BadImageError) as caught:
        next(make_samples(record, replace(settings, masks=True)))
    assert caught.value.reason == "bad_annotation"


@pytest.mark.parametrize(("orientation", "factor"), [(1, 1), (6, 1), (1, 3)])
def test_the_focal_length_of_exif_becomes_pixels_by_the_diagonal(tmp_path, orientation, factor):
    """The photograph has 300 x 450 pixels, in the proportions of film: 36 mm are 450 pixels."""
    exif = Image.Exif()
    exif[274] = orientation
    exif.get_ifd(34665)[41989] = 72
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 450, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    (record,) = open_source(str(tmp_path)).records
    settings = Settings(load_recipe("rotation"), size=(64, 64), downscale=factor)
    assert load_photograph(record, settings).scene.focal == pytest.approx(900 / factor, rel=1e-9)
    (sample,) = make_samples(record, settings)
    assert sample.meta["focal"] == pytest.approx(900 / factor, rel=1e-9)


def test_what_nobody_knows_of_a_photograph_is_not_in_its_scene():
    scene = load_photograph(open_source("sample", masks=False).records[0], Settings(load_recipe("rotation"))).scene
    assert (scene.focal, scene.masks, scene.disparity, scene.frames) == (None, None, None, None)


def test_a_photograph_without_outlines_says_so_where_objects_were_to_move():
    record = open_source("sample", masks=False).records[0]
    (sample,) = make_samples(record, Settings(load_recipe("objects"), size=(64, 64)))
    assert "no object is outlined, the camera alone moves" in sample.meta["notes"]
    assert len(sample.objects) == len(sample.moves) == 0


def test_the_annotation_of_another_photograph_leaves_the_camera_alone(tmp_path):
    document = coco_document(3)
    for image in document["images"]:
        image["height"] += 1
    record = list(open_source("coco", root=write_coco(tmp_path, document)).records)[-1]
    (sample,) = make_samples(record, Settings(load_recipe("objects", ["objects.least=1"]), size=(40, 40)))
    assert len(sample.moves) == 0
    assert len(sample.objects.problems) == 1
