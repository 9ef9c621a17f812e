"""Tests objects of Mapillary Vistas against plain decoding of the two files, and that damaged files are refused."""

import json
import os
import struct

import cv2
import numpy as np
import pytest
from encoded_images import chunk, encode, png_of
from PIL import Image

from blurkit.decode.header import Header
from blurkit.decode.image import image_header
from blurkit.decode.objects.vistas import VistasAnnotation, VistasClass, read_classes
from blurkit.errors import BadImageError, UsageError

CLASSES = (
    VistasClass("animal--bird", "Bird", True),
    VistasClass("nature--sky", "Sky", False),
    VistasClass("object--vehicle--car", "Car", True),
    VistasClass("void--unlabeled", "Unlabeled", False),
)


def palette_png(labels, **options):
    image = Image.fromarray(labels)
    image.putpalette([(index * 37) % 256 for index in range(768)])
    return encode(image, "png", **options)


@pytest.fixture
def scene(rng):
    """uint16 values of blocks: several objects of two classes, and two classes without objects."""
    blocks = rng.choice([1, 3, 5, 2 * 256, 2 * 256 + 1, 2 * 256 + 255], (6, 9))
    classes = np.where(blocks < 4, blocks * 256, blocks)
    return np.kron(classes, np.ones((7, 6), int)).astype(np.uint16)


@pytest.fixture
def annotation(tmp_path):
    """A function that writes the two files, arrays or bytes, and returns the annotation."""

    def write(values, labels=None):
        labels = (values >> 8).astype(np.uint8) if labels is None else labels
        values = values if isinstance(values, bytes) else png_of(values[..., None])
        labels = labels if isinstance(labels, bytes) else palette_png(labels)
        (tmp_path / "instances.png").write_bytes(values)
        (tmp_path / "labels.png").write_bytes(labels)
        return VistasAnnotation(str(tmp_path / "instances.png"), str(tmp_path / "labels.png"), CLASSES)

    return write


def plain_masks(values, classes):
    """Yields (label index, mask) of each object, computed separately for each pair of label and number."""
    labels, numbers = values // 256, values % 256
    for label, number in sorted(set(zip(labels.ravel().tolist(), numbers.ravel().tolist(), strict=True))):
        if classes[label].instances:
            yield label, (labels == label) & (numbers == number)


def real_scenes(root):
    for release, versions in (
        ("mapillary-vistas-dataset_public_v2.0", ("v1.2", "v2.0")),
        ("mapillary-vistas-dataset_public_v1.1", ("",)),
    ):
        for version in versions:
            classes = read_classes(root / release / (f"config_{version}.json" if version else "config.json"))
            for split in ("training", "validation"):
                for photograph in sorted((root / release / split / "images").glob("*.jpg")):
                    folder = root / release / split / version
                    files = (str(folder / kind / f"{photograph.stem}.png") for kind in ("instances", "labels"))
                    yield photograph, VistasAnnotation(*files, classes)


def test_real_files_equal_plain_decoding(test_data):
    objects, photographs = 0, 0
    for photograph, annotation in real_scenes(test_data / "mapillary"):
        header = image_header(photograph)
        labels = np.asarray(Image.open(annotation.labels))
        values = np.asarray(Image.open(annotation.instances)).astype(np.uint16)
        np.testing.assert_array_equal(labels, values // 256)
        height, width = header.size
        box = y, x, tall, wide = (2 * height // 5, width // 4, height // 4, width // 2)
        found = annotation.masks(header, box)
        wanted = list(plain_masks(values[y : y + tall, x : x + wide], annotation.classes))
        assert found.ids == tuple(label for label, _ in wanted)
        assert found.names == tuple(annotation.classes[label].name for label, _ in wanted)
        for mask, (_, plain) in zip(found.masks, wanted, strict=True):
            np.testing.assert_array_equal(mask, plain)
        objects += len(found)
        photographs += 1
    assert (photographs, objects > 100) == (14, True)


def test_real_classes(test_data):
    root = test_data / "mapillary" / "mapillary-vistas-dataset_public_v2.0"
    for version, count in (("v1.2", 66), ("v2.0", 124)):
        classes = read_classes(root / f"config_{version}.json")
        entries = json.loads((root / f"config_{version}.json").read_text())["labels"]
        assert classes == tuple((entry["name"], entry["readable"], entry["instances"]) for entry in entries)
        assert len(classes) == count


def test_every_object_has_a_mask(scene, annotation):
    height, width = scene.shape
    found = annotation(scene).masks(Header("JPEG", height, width), None)
    wanted = list(plain_masks(scene, CLASSES))
    assert len(wanted) == 4
    assert found.names == ("animal--bird",) + ("object--vehicle--car",) * 3
    assert (found.ids, found.crowd, found.problems) == ((0, 2, 2, 2), (False,) * 4, ())
    assert found.masks.dtype == bool
    np.testing.assert_array_equal(found.masks, np.stack([mask for _, mask in wanted]))
    sky = np.full((8, 9), 256, np.uint16)
    assert annotation(sky).masks(Header("JPEG", 8, 9), (1, 2, 3, 4)).masks.shape == (0, 3, 4)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_files_in_the_stored_and_in_the_upright_frame(scene, annotation, orientation):
    turns = {3: 2, 6: -1, 8: 1}
    header = Header("JPEG", *scene.shape, orientation=orientation)
    upright = np.rot90(scene, turns[orientation])
    box = (4, 6, 30, 27)
    wanted = np.stack([mask for _, mask in plain_masks(upright[4:34, 6:33], CLASSES)])
    stored = annotation(scene)
    np.testing.assert_array_equal(stored.masks(header, box).masks, wanted)
    if orientation > 4:
        turned = annotation(np.ascontiguousarray(upright))
        np.testing.assert_array_equal(turned.masks(header, box).masks, wanted)
        with pytest.raises(BadImageError, match="is turned upright"):
            annotation(scene, (upright >> 8).astype(np.uint8)).masks(header, box)


def test_labels_are_indices_whatever_their_colours(scene, annotation):
    labels = (scene >> 8).astype(np.uint8)
    header = Header("JPEG", *labels.shape)
    files = [
        palette_png(labels),
        palette_png(labels, transparency=2),
        encode(Image.fromarray(labels), "png"),
        cv2.imencode(".png", labels)[1].tobytes(),
    ]
    for data in files:
        assert annotation(scene, data).masks(header, None).ids == (0, 2, 2, 2)


def broken(scene):
    """(instances, labels, reason, words of the message)"""
    labels = (scene >> 8).astype(np.uint8)
    palette, values = palette_png(labels), png_of(scene[..., None])
    grey = Image.fromarray(labels)
    wrong = labels.copy()
    wrong[:2, :5] = 3 - wrong[:2, :5]
    high = labels.copy()
    high[3, 4] = 200
    smaller = np.ascontiguousarray(scene[:-1])
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 65_000, 65_000, 16, 0, 0, 0, 0)) + chunk(b"IEND", b"")
    return [
        (png_of((scene >> 8).astype(np.uint8)[..., None]), labels, "bad_annotation", "grey with 8: it has no numbers of objects"),
        (png_of(np.dstack([scene] * 3)), labels, "bad_annotation", "RGB with 16"),
        (palette, labels, "bad_annotation", "palette with 8"),
        (smaller, labels, "bad_annotation", "instance file is for 54 x 41 pixels, the photograph has 54 x 42"),
        (bomb, labels, "bad_annotation", "65000 x 65000"),
        (scene, palette_png(labels[::2, ::2]), "bad_annotation", "label file is for 27 x 21 pixels"),
        (scene, encode(grey.convert("RGB"), "png"), "bad_annotation", "RGB with 8"),
        (scene, encode(grey.convert("LA"), "png"), "bad_annotation", "must hold class indices"),
        (scene, encode(grey.convert("1"), "png"), "bad_annotation", "grey with 1 bits"),
        (scene, values, "bad_annotation", "grey with 16 bits"),
        (scene, encode(grey, "jpeg"), "bad_annotation", "It is JPEG, not PNG"),
        (scene, high, "bad_annotation", "class index 200, but there are 4"),
        (scene, wrong, "bad_annotation", f"give 10 of {labels.size} pixels"),
        (values[: len(values) // 2], labels, "bad_annotation", "instance file cannot be used"),
        (scene, palette[: len(palette) // 2], "bad_annotation", "label file cannot be used"),
        (b"", labels, "bad_annotation", "empty"),
        (scene, b"<!DOCTYPE html>", "bad_annotation", "HTML"),
        (scene, b"\0" * 4096, "bad_annotation", "zero bytes"),
    ]  # fmt: skip


def test_files_that_cannot_be_trusted_are_refused(scene, annotation):
    header = Header("JPEG", *scene.shape)
    assert len(annotation(scene).masks(header, None)) == 4
    for values, labels, reason, message in broken(scene):
        with pytest.raises(BadImageError) as caught:
            annotation(values, labels).masks(header, (2, 2, 9, 9))
        assert (caught.value.reason, message in str(caught.value)) == (reason, True), str(caught.value)


@pytest.mark.parametrize("name", ["instances.png", "labels.png"])
def test_only_regular_files_are_read(scene, annotation, tmp_path, name):
    entry, header = annotation(scene), Header("JPEG", *scene.shape)
    path = tmp_path / name
    path.rename(tmp_path / "real.png")
    for make, message in (
        (lambda: None, "No such file"),
        (lambda: path.symlink_to("real.png"), "symbolic link"),
        (lambda: os.mkfifo(path), "a pipe"),
    ):
        path.unlink(missing_ok=True)
        make()
        with pytest.raises(BadImageError, match=message) as caught:
            entry.masks(header, None)
        assert caught.value.reason == "bad_annotation"


def test_every_flipped_bit_is_refused(scene, annotation, rng):
    header, good = Header("JPEG", *scene.shape), png_of(scene[..., None])
    labels = palette_png((scene >> 8).astype(np.uint8))
    assert len(annotation(good, labels).masks(header, None)) == 4
    for trial in range(150):
        files = [bytearray(good), bytearray(labels)]
        damaged = files[trial % 2]
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        with pytest.raises(BadImageError):
            annotation(*map(bytes, files)).masks(header, None)


def label(**changes):
    entry = {"name": "animal--bird", "readable": "Bird", "instances": True, "color": [1, 2, 3], **changes}
    return {key: value for key, value in entry.items() if value is not ...}


def test_classes_in_their_order(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps({"version": 1, "labels": [label(), label(name="x", readable=..., instances=False)], "mapping": {}})
    )
    assert read_classes(path) == (VistasClass("animal--bird", "Bird", True), VistasClass("x", "", False))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "lists 0 classes"),
        ({"labels": []}, "lists 0 classes"),
        ({"labels": [label()] * 257}, "lists 257 classes"),
        ({"labels": {"a": 1}}, "class 0"),
        ({"labels": None}, "class 0"),
        ({"labels": [label(), "car"]}, r"class 1 \(byte \d+\)"),
        ({"labels": [label(name=...)]}, "class 0"),
        ({"labels": [label(name=3)]}, "class 0"),
        ({"labels": [label(instances=...)]}, "class 0"),
        ({"labels": [label(instances="yes")]}, "class 0"),
        ({"labels": [label(readable=4)]}, "class 0"),
        ([], "no JSON object"),
    ],
)
def test_a_broken_list_of_classes_is_refused(tmp_path, content, message):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=message) as caught:
        read_classes(path)
    assert str(path) in str(caught.value)
