"""Tests the manifests of known datasets against known facts, the packaged photographs and real folders."""

import hashlib
import json
import re
from dataclasses import FrozenInstanceError

import pytest
from fresh_interpreter import loaded_after
from packaged import MANIFESTS, PHOTOGRAPHS
from PIL import Image

from blurkit.errors import UsageError
from blurkit.sources import open_source
from blurkit.sources.known.manifest import load_manifest, manifest_names


def splits(name):
    return {split.name: (split.folder, split.images) for split in load_manifest(name).splits}


def file_sets(name):
    """The globs of each kind of file, relative to the unpacked dataset."""
    document = json.loads((MANIFESTS / f"{name}.json").read_text(encoding="utf-8"))
    sets = [entry for entry in document["distribution"] if entry["@type"] == "cr:FileSet"]
    return {entry["@id"]: [entry["includes"]] if isinstance(entry["includes"], str) else entry["includes"] for entry in sets}


def matches(root, patterns):
    return {path for pattern in patterns for path in root.glob(pattern)}


def test_the_names_are_those_of_the_files():
    assert manifest_names() == [
        *("bdd100k", "cityscapes", "coco_2017", "gopro_large", "mapillary_vistas_1.2", "mapillary_vistas_2.0", "sample"),
    ]


@pytest.mark.parametrize("name", manifest_names())
def test_a_manifest_says_what_a_person_needs(name):
    manifest = load_manifest(name)
    assert manifest.name == name
    assert all((manifest.title, manifest.description, manifest.licence, manifest.folder, manifest.obtain, manifest.splits))
    assert manifest.url.startswith("https://")
    assert re.fullmatch(r"@\w+\{\w+, .*\}", manifest.citation)
    assert manifest.citation.count("{") == manifest.citation.count("}")
    assert {split.name for split in manifest.splits} <= {"train", "val", "test"}
    assert all(split.images > 0 for split in manifest.splits)
    assert all("https://" in licence for licence in manifest.licence)
    with pytest.raises(FrozenInstanceError):
        manifest.title = ""


@pytest.mark.parametrize("name", manifest_names())
def test_a_layout_is_a_tree_to_print_and_names_the_folders_of_the_splits(name):
    manifest = load_manifest(name)
    root, *rest = manifest.layout.split("\n")
    assert root == ("sample/" if name == "sample" else "DIR/")
    assert all(re.match(r"( {2})+[\w.]", line) and len(line) <= 80 for line in rest)
    assert all(f"{split.folder}/" in manifest.layout for split in manifest.splits)


def test_the_splits_are_those_of_the_publishers():
    assert splits("coco_2017") == {"train": ("train2017", 118_287), "val": ("val2017", 5_000)}
    for name in ("mapillary_vistas_1.2", "mapillary_vistas_2.0"):
        assert splits(name) == {"train": ("training", 18_000), "val": ("validation", 2_000), "test": ("testing", 5_000)}
    own = {"train": ("train", 2_975), "val": ("val", 500), "test": ("test", 1_525)}
    assert splits("cityscapes") == own
    assert splits("bdd100k") == {"train": ("train", 70_000), "val": ("val", 10_000), "test": ("test", 20_000)}
    assert splits("gopro_large") == {"train": ("train", 2_103), "test": ("test", 1_111)}


def test_the_archives_of_coco():
    archives = {archive.name: archive for archive in load_manifest("coco_2017").archives}
    assert {name: (archive.bytes, archive.split) for name, archive in archives.items()} == {
        "train2017.zip": (19_336_861_798, "train"),
        "val2017.zip": (815_585_330, "val"),
        "annotations_trainval2017.zip": (252_907_541, ""),
    }
    assert archives["val2017.zip"].url == "http://images.cocodataset.org/zips/val2017.zip"
    assert archives["val2017.zip"].md5 == "442b8da7639aecaf257c1dceb8ba8c80"
    assert archives["val2017.zip"].sha256 == "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05"
    assert all(archive.url in load_manifest("coco_2017").obtain for archive in archives.values())


@pytest.mark.parametrize("name", ["coco_2017", "gopro_large"])
def test_hashes_have_their_lengths_and_addresses_end_in_the_name(name):
    archives = load_manifest(name).archives
    assert archives
    for archive in archives:
        assert re.fullmatch("[0-9a-f]{64}", archive.sha256)
        assert re.fullmatch("([0-9a-f]{32})?", archive.md5)
        assert archive.url.endswith(f"/{archive.name}")


def test_what_nobody_publishes_is_left_out():
    assert load_manifest("mapillary_vistas_2.0").archives == ()
    assert [(archive.bytes, archive.md5) for archive in load_manifest("gopro_large").archives] == [(None, "")]


def test_the_licences():
    assert load_manifest("mapillary_vistas_2.0").licence == ("https://creativecommons.org/licenses/by-nc-sa/4.0/",)
    assert load_manifest("gopro_large").licence == ("https://creativecommons.org/licenses/by/4.0/",)
    annotations, photographs = load_manifest("coco_2017").licence
    assert annotations == "annotations: CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)"
    assert photographs.startswith("photographs: one licence each")


def test_the_packaged_photographs_are_as_their_manifest_says():
    manifest = load_manifest("sample")
    files = {path.name for path in PHOTOGRAPHS.iterdir()}
    assert {photograph["file"] for photograph in manifest.photographs} == files - {"objects.json"}
    for photograph in manifest.photographs:
        content = (PHOTOGRAPHS / photograph["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == photograph["sha256"]
        assert len(content) == photograph["bytes"]
        with Image.open(PHOTOGRAPHS / photograph["file"]) as image:
            assert image.size == (photograph["width"], photograph["height"])
        assert all(photograph[key] for key in ("title", "author", "origin", "taken_from", "changes"))
    for split in manifest.splits:
        assert split.images == sum(photograph["split"] == split.name for photograph in manifest.photographs)
    assert sum(split.images for split in manifest.splits) == len(manifest.photographs)


def test_the_globs_find_the_files_of_real_coco(test_data):
    root, sets = test_data / "coco", file_sets("coco_2017")
    assert matches(root, sets["train-photographs"] + sets["val-photographs"]) == set(root.rglob("*.jpg"))
    assert matches(root, sets["instances"]) == set(root.rglob("*.json"))


@pytest.mark.parametrize(("name", "release"), [("1.2", "v1.1"), ("1.2", "v2.0"), ("2.0", "v2.0")])
def test_the_globs_find_the_files_of_real_mapillary_vistas(test_data, name, release):
    root = test_data / "mapillary" / f"mapillary-vistas-dataset_public_{release}"
    sets = file_sets(f"mapillary_vistas_{name}")
    assert matches(root, sets.pop("photographs")) == set(root.rglob("*.jpg"))
    (configuration,) = matches(root, sets.pop("configuration"))
    labelled = {path.stem for folder in ("training", "validation") for path in (root / folder / "images").iterdir()}
    assert all({path.stem for path in matches(root, patterns)} == labelled for patterns in sets.values())
    classes = len(json.loads(configuration.read_text(encoding="utf-8"))["labels"])
    assert f" {classes} classes" in load_manifest(f"mapillary_vistas_{name}").description


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("coco", "did you mean 'coco_2017'"),
        ("../pyproject", "no dataset '../pyproject' is known; there are bdd100k, cityscapes, coco_2017, "),
    ],
)
def test_an_unknown_dataset_names_the_nearest(name, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        load_manifest(name)


def test_a_split_by_name():
    manifest = load_manifest("mapillary_vistas_2.0")
    assert manifest.split("val").folder == "validation"
    with pytest.raises(UsageError, match="has no split 'vall'; it has train, val, test; did you mean 'val'"):
        manifest.split("vall")


def test_the_reader_needs_no_library_for_croissant():
    loaded = loaded_after("from blurkit.sources.known.manifest import load_manifest; load_manifest('sample')")
    assert not loaded & {"mlcroissant", "rdflib", "numba"}


def test_the_packaged_outlines_are_as_their_manifest_says():
    document = json.loads((MANIFESTS / "sample.json").read_text())
    (entry,) = [entry for entry in document["distribution"] if entry["name"] == "objects.json"]
    content = (PHOTOGRAPHS / "objects.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert entry["contentSize"] == f"{len(content)} B"
    outlined = {record.id: record.masks() for record in open_source("sample").records if record.annotation}
    assert {name: objects.names for name, objects in outlined.items()} == {
        "astronaut": ("person",), "camera": ("person",), "coffee": ("cup",), "rocket": ("rocket",),
        "biplane": ("airplane",), "jockey": ("horse",), "surfer": ("person",), "taxis": ("car", "car", "car"),
    }  # fmt: skip
    assert not any(objects.problems for objects in outlined.values())
    for image in json.loads(content)["images"]:
        objects = outlined[image["file_name"].removesuffix(".jpg")]
        area = sum(entry["area"] for entry in json.loads(content)["annotations"] if entry["image_id"] == image["id"])
        assert objects.masks.sum() == pytest.approx(area, rel=0.01)  # area: of the polygons


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("jockey", [(256, 12), (410, 300), (360, 327), (448, 225)], [(395, 270), (350, 305), (260, 98), (325, 336)]),
        ("surfer", [(235, 320), (266, 315), (250, 356), (217, 344)], [(258, 316), (240, 345), (225, 330)]),
        ("biplane", [(516, 195), (572, 316), (125, 230), (490, 350)], [(503, 205), (473, 330), (450, 340)]),
        ("taxis", [(325, 408), (470, 440), (470, 305), (45, 367), (220, 378)], [(500, 425), (118, 365), (90, 285), (545, 330)]),
    ],
)
def test_packaged_outlines_hold_the_object_and_not_what_is_seen_through_it(name, inside, outside):
    (record,) = [record for record in open_source("sample").records if record.id == name]
    masks = record.masks().masks  # the points x, y were read from the enlarged photographs
    assert [bool(masks[:, y, x].any()) for x, y in inside] == [True] * len(inside)
    assert [bool(masks[:, y, x].any()) for x, y in outside] == [False] * len(outside)
