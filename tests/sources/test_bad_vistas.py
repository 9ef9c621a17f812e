"""Tests invalid roots of Mapillary Vistas: which samples are made, and the lines of the ledger."""

import os
import shutil

import cv2
import numpy as np
import pytest
from bad_roots import FOREIGN, nothing_outside, outcome, put_instead, refusal
from dataset_roots import HEIGHT, WIDTH, save_labels, save_photograph, scene, write_vistas


@pytest.fixture(autouse=True)
def watched(tmp_path):
    with nothing_outside(tmp_path):
        yield


KEY = "__CRyFzoDOXn6unQ6a3DnQ"
GOOD = "a0TJFhNKAixyz8gAm9fONQ"


@pytest.fixture
def vistas(tmp_path):
    return write_vistas(tmp_path / "vistas", "training", [KEY, GOOD])


def png(root, kind):
    return root / "training" / "v1.2" / kind / f"{KEY}.png"


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


VALUES = scene(KEY)
DAMAGES = {
    "instances of 8 bits": lambda root: cv2.imwrite(str(png(root, "instances")), (VALUES >> 8).astype(np.uint8)),
    "instances of another size": lambda root: cv2.imwrite(str(png(root, "instances")), VALUES[:-1]),
    "instances of a tiny size": lambda root: cv2.imwrite(str(png(root, "instances")), VALUES[:1, :1]),
    "instances in RGB": lambda root: cv2.imwrite(str(png(root, "instances")), np.dstack([VALUES] * 3)),
    "instances with classes out of range": lambda root: cv2.imwrite(str(png(root, "instances")), VALUES + 40 * 256),
    "instances that are cut": lambda root: cut(png(root, "instances")),
    "instances that are a JPEG": lambda root: shutil.copy(root / "training" / "images" / f"{KEY}.jpg", png(root, "instances")),
    "empty instances": lambda root: png(root, "instances").write_bytes(b""),
    "labels of another size": lambda root: save_labels(png(root, "labels"), (VALUES >> 8)[:50, :50]),
    "turned labels": lambda root: save_labels(png(root, "labels"), (VALUES >> 8).T),
    "labels in RGB": lambda root: cv2.imwrite(str(png(root, "labels")), np.dstack([VALUES >> 8] * 3).astype(np.uint8)),
    "labels of 16 bits": lambda root: cv2.imwrite(str(png(root, "labels")), VALUES >> 8),
    "labels out of range": lambda root: save_labels(png(root, "labels"), np.full((HEIGHT, WIDTH), 200)),
    "labels of another scene": lambda root: save_labels(png(root, "labels"), np.ones((HEIGHT, WIDTH))),
    "labels that are cut": lambda root: cut(png(root, "labels")),
    "labels that are text": lambda root: png(root, "labels").write_text("no"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_annotation_rejects_its_sample(vistas, damage):
    DAMAGES[damage](vistas)
    found = outcome("mapillary", vistas)
    assert (found.made, found.ledger) == ([f"training/{GOOD}"], {f"training/{KEY}": ("bad_annotation", 1)})
    found = outcome("mapillary", vistas, masks=False)
    assert (found.made, found.ledger) == ([f"training/{KEY}", f"training/{GOOD}"], {})


@pytest.mark.parametrize("which", ["instances", "labels"])
@pytest.mark.parametrize("kind", ["fifo", "folder", "link", "loop", "broken"])
def test_what_is_in_an_annotation_s_place_rejects_its_sample(vistas, tmp_path, which, kind):
    path = png(vistas, which)
    put_instead(path, kind, tmp_path / FOREIGN / f"{which}.png")
    found = outcome("mapillary", vistas)
    assert (found.made, found.ledger) == ([f"training/{GOOD}"], {f"training/{KEY}": ("bad_annotation", 1)})
    assert len(outcome("mapillary", vistas, masks=False).made) == 2


@pytest.mark.parametrize("absent", [("labels",), ("instances",), ("instances", "labels")])
def test_without_an_annotation_the_photograph_is_kept(vistas, absent):
    for kind in absent:
        png(vistas, kind).unlink()
    found = outcome("mapillary", vistas)
    assert len(found.made) == 2
    assert found.ledger == {f"training/{KEY}": ("no_annotation", 0)}
    assert all(kind in found.messages for kind in absent)


@pytest.mark.parametrize(
    "folder", ["training", "training/images", "training/v1.2", "training/v1.2/labels", "training/v1.2/instances"]
)
@pytest.mark.parametrize("kind", ["fifo", "file", "link", "loop"])
def test_what_is_in_a_folder_s_place_of_vistas_is_named(vistas, tmp_path, folder, kind):
    write_vistas(vistas, "validation", [GOOD])
    put_instead(vistas / folder, kind, tmp_path / FOREIGN)
    assert str(vistas / folder) in refusal("mapillary", vistas)
    if "v1.2" in folder:
        assert len(outcome("mapillary", vistas, masks=False).made) == 3


@pytest.mark.parametrize("kind", ["fifo", "folder", "link", "loop", "broken"])
def test_what_is_in_the_classes_place_is_named(vistas, tmp_path, kind):
    path = vistas / "config_v1.2.json"
    put_instead(path, kind, tmp_path / FOREIGN / "config.json")
    assert "config_v1.2.json" in refusal("mapillary", vistas)
    assert len(outcome("mapillary", vistas, masks=False).made) == 2


def test_strange_entries_among_the_photographs_of_vistas(vistas, tmp_path):
    images = vistas / "training" / "images"
    os.symlink(tmp_path / FOREIGN / "photograph.jpg", images / "link.jpg")
    os.symlink("loop.jpg", images / "loop.jpg")
    os.mkfifo(images / "fifo.jpg")
    (images / "folder.jpg").mkdir()
    (images / "notes.txt").write_text("")
    latin = os.fsdecode(b"\xe9\n.jpg")
    save_photograph(images / "plain.jpg", 1)
    (images / "plain.jpg").rename(images / latin)
    (images / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    found = outcome("mapillary", vistas, masks=False)
    assert sorted(found.made) == sorted([f"training/{KEY}", f"training/{GOOD}", "training/%E9%0A"])
    assert found.ledger == {
        "training/images/link.jpg": ("link", 0),
        "training/images/loop.jpg": ("link", 0),
        "training/images/fifo.jpg": ("not_a_file", 0),
        "training/images/folder.jpg": ("not_a_file", 0),
        "training/images/notes.txt": ("no_image_name", 0),
        "training/broken": ("truncated", 1),
    }
