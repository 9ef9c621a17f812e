"""Tests where known datasets are searched, and the message if a dataset is not found."""

import contextlib
import errno
import os
import shutil

import pytest

from blurkit.errors import UsageError
from blurkit.sources import open_source
from blurkit.sources.known.manifest import load_manifest
from blurkit.sources.known.place import choose_splits, find_root, is_folder
from blurkit.sources.listing import Listing

COCO = load_manifest("coco_2017")
FOLDERS = ("training", "validation")


def message_of(name, root):
    with pytest.raises(UsageError) as caught:
        find_root(name, root, FOLDERS)
    return str(caught.value)


def test_the_root_that_is_given_counts_alone(tmp_path, monkeypatch):
    for place in ("given", "base/coco", "here/data/coco"):
        (tmp_path / place / "training").mkdir(parents=True)
    monkeypatch.setenv("BLURKIT_DATA", str(tmp_path / "base"))
    monkeypatch.chdir(tmp_path / "here")
    assert find_root("coco", tmp_path / "given", FOLDERS) == tmp_path / "given"
    assert find_root("coco", None, FOLDERS) == tmp_path / "base" / "coco"
    monkeypatch.delenv("BLURKIT_DATA")
    assert find_root("coco", None, FOLDERS).resolve() == tmp_path / "here" / "data" / "coco"
    shutil.rmtree(tmp_path / "given")
    assert str(tmp_path / "given") in message_of("coco", tmp_path / "given")


def test_one_of_the_folders_is_enough(tmp_path):
    (tmp_path / "validation").mkdir()
    assert find_root("coco", tmp_path, FOLDERS) == tmp_path


@pytest.mark.parametrize("variable", [None, "", "base"])
def test_the_message_says_where_what_and_how(tmp_path, monkeypatch, variable):
    monkeypatch.delenv("BLURKIT_DATA", raising=False)
    if variable is not None:
        monkeypatch.setenv("BLURKIT_DATA", variable and str(tmp_path / variable))
    with contextlib.chdir(tmp_path):
        message = message_of("coco", None)
    assert (str(tmp_path / "base" / "coco") if variable else "data/coco") in message
    assert ("$BLURKIT_DATA is not set" in message) == (not variable)
    assert "there is no such folder" in message
    assert COCO.layout.rstrip() in message
    assert COCO.obtain.strip() in message
    assert "blurkit generate --src coco --root DIR" in message


@pytest.mark.parametrize("name", ["coco", "mapillary", "gopro"])
def test_every_known_source_tells_its_layout_and_how_to_get_it(name, tmp_path):
    with pytest.raises(UsageError) as caught:
        open_source(name, root=tmp_path / "nowhere")
    message = str(caught.value)
    for words in (str(tmp_path / "nowhere"), "DIR/", "https://" if name != "coco" else "blurkit fetch coco", f"--src {name}"):
        assert words in message


def test_a_file_in_the_root_s_place_is_named(tmp_path):
    (tmp_path / "coco").write_text("")
    assert "that is no folder" in message_of("coco", tmp_path / "coco")


def test_a_root_one_level_too_high_is_hinted_at(tmp_path):
    (tmp_path / "mapillary-vistas-dataset_public_v2.0" / "training").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    message = message_of("mapillary", tmp_path)
    assert f"did you mean {tmp_path / 'mapillary-vistas-dataset_public_v2.0'}?" in message


def test_another_name_of_a_folder_is_shown(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "readme.txt").write_text("")
    assert "it has none of the folders training, validation (found: train)" in message_of("mapillary", tmp_path)
    (tmp_path / "train").rmdir()
    assert "(found: no folders)" in message_of("mapillary", tmp_path)
    for i in range(100):
        (tmp_path / f"{i:03d}").mkdir()
    manifest = load_manifest("mapillary_vistas_2.0")
    assert len(message_of("mapillary", tmp_path)) < 2000 + len(manifest.layout) + len(manifest.obtain)


def test_a_root_that_cannot_be_read_is_no_bug(tmp_path, monkeypatch):
    listdir = os.listdir

    def refuse(path):
        if path == tmp_path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)  # modes do not stop the superuser from reading
    assert "it cannot be read (Permission denied)" in message_of("coco", tmp_path)


def test_links_and_files_in_a_folder_s_place_are_refused(tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink("real", tmp_path / "link")
    os.symlink("nowhere", tmp_path / "broken")
    os.symlink("loop", tmp_path / "loop")
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    assert is_folder(tmp_path / "real")
    assert not is_folder(tmp_path / "absent")
    for name in ("link", "broken", "loop"):
        with pytest.raises(UsageError, match=rf"{name} is a symbolic link; nothing outside"):
            is_folder(tmp_path / name)
    for name in ("file", "fifo"):
        with pytest.raises(UsageError, match=f"{name} is no folder"):
            is_folder(tmp_path / name)


def test_images_of_a_flat_folder_in_byte_order_and_the_rest_with_a_reason(tmp_path):
    latin = os.fsdecode(b"\xe9.jpg")
    for name in ("b.jpg", "a.JPG", "Z.jpg", "-q.jpg", "é.jpg", "😀.jpg", latin, "notes.txt", ".hidden.jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "fifo.jpg")
    os.symlink("b.jpg", tmp_path / "link.jpg")
    os.symlink("link2.jpg", tmp_path / "link2.jpg")
    listing = Listing(tmp_path.parent)
    names = [entry.name for entry in listing.files(tmp_path.name, (".jpg",))]
    assert names == sorted(("b.jpg", "a.JPG", "Z.jpg", "-q.jpg", "é.jpg", "😀.jpg", latin), key=os.fsencode)
    rest = {entry.id.removeprefix(f"{tmp_path.name}/"): (entry.reason, entry.path) for entry in listing.passed_over}
    reasons = {
        ".hidden.jpg": "hidden",
        "notes.txt": "no_image_name",
        "folder.jpg": "not_a_file",
        "fifo.jpg": "not_a_file",
        "link.jpg": "link",
        "link2.jpg": "link",
    }
    assert rest == {name: (reason, str(tmp_path / name)) for name, reason in reasons.items()}


def test_splits_go_by_either_name():
    known = {"train": "training", "val": "validation", "test": "test"}
    assert choose_splits("all", known, "x") == ["train", "val", "test"]
    assert choose_splits("train", known, "x") == choose_splits("training", known, "x") == ["train"]
    with pytest.raises(
        UsageError, match=r"x has no split 'trian'; it has all, train \(training\), val .*, test; did you mean 'train"
    ):
        choose_splits("trian", known, "x")
