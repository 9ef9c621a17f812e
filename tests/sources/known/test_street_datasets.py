"""Tests tiny roots of Cityscapes and BDD100K: photographs, splits, disparity maps, licences, and what is passed over."""

import cv2
import numpy as np
import pytest
from command_line import result, run
from dataset_roots import HEIGHT, WIDTH, save_photograph
from listed import ids, reasons

from blurkit.errors import UsageError
from blurkit.pipeline.produce import load_photograph
from blurkit.pipeline.settings import Settings
from blurkit.recipes.load import load_recipe
from blurkit.sources import open_source
from blurkit.sources.licence import hub_name, licence_address, licence_conditions, licence_words, may_be_shown

CITIES = {
    "train": ["aachen/aachen_000000_000019", "aachen/aachen_000001_000019", "zurich/zurich_000000_000019"],
    "val": ["lindau/lindau_000000_000019"],
    "test": ["bonn/bonn_000000_000019"],
}
NAMES = {"train": ["0000f77c-6257be58", "0000f77c-62c2a288"], "val": ["b1c66a42-6f7d68ca"], "test": ["cabc30fc-e7726578"]}
KEYS = [f"{split}/{key}" for split, keys in CITIES.items() for key in keys]


def codes():
    return np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH)


@pytest.fixture
def cityscapes(tmp_path):
    root = tmp_path / "cityscapes"
    for seed, key in enumerate(KEYS):
        photograph, disparity = root / "leftImg8bit" / f"{key}_leftImg8bit.png", root / "disparity" / f"{key}_disparity.png"
        for path in (photograph, disparity):
            path.parent.mkdir(parents=True, exist_ok=True)
        save_photograph(photograph, seed)
        cv2.imwrite(str(disparity), codes())
    return root


@pytest.fixture
def bdd100k(tmp_path):
    root = tmp_path / "bdd100k"
    for split, names in NAMES.items():
        (root / "images" / "100k" / split).mkdir(parents=True)
        for seed, name in enumerate(names):
            save_photograph(root / "images" / "100k" / split / f"{name}.jpg", seed)
    return root


def test_photographs_and_maps_of_cityscapes(cityscapes):
    source = open_source("cityscapes", root=cityscapes)
    assert ids(source) == KEYS
    assert [record.split for record in source.records] == [key.split("/")[0] for key in KEYS]
    assert {(record.licence, record.source) for record in source.records} == {("Cityscapes", "cityscapes")}
    assert source.passed_over == []
    for record in source.records:
        assert record.path == str(cityscapes / "leftImg8bit" / f"{record.id}_leftImg8bit.png")
        assert record.disparity == str(cityscapes / "disparity" / f"{record.id}_disparity.png")
    scene = load_photograph(source.records[0], Settings(load_recipe("defocus"))).scene
    known = codes() > 0
    np.testing.assert_array_equal(np.isfinite(scene.disparity), known)
    np.testing.assert_array_equal(scene.disparity[known], ((codes().astype(float) - 1) / 256)[known].astype(np.float32))


def test_photographs_of_bdd100k(bdd100k):
    source = open_source("bdd100k", root=bdd100k)
    assert ids(source) == [f"{split}/{name}" for split, names in NAMES.items() for name in names]
    assert [record.path for record in source.records] == [
        str(bdd100k / "images" / "100k" / split / f"{name}.jpg") for split, names in NAMES.items() for name in names
    ]
    assert {(record.licence, record.source, record.disparity) for record in source.records} == {("BDD100K", "bdd100k", "")}


@pytest.mark.parametrize("name", ["cityscapes", "bdd100k"])
def test_splits(request, name):
    root, every = request.getfixturevalue(name), {"cityscapes": CITIES, "bdd100k": NAMES}[name]
    for split, keys in every.items():
        source = open_source(name, root=root, split=split)
        assert ids(source) == [f"{split}/{key}" for key in keys]
        assert {record.split for record in source.records} == {split}
    with pytest.raises(UsageError, match=rf"{name} has no split 'vall'; .*did you mean 'val'"):
        open_source(name, root=root, split="vall")


def test_without_maps_nothing_is_said_and_a_missing_map_is_named(cityscapes):
    (cityscapes / "disparity" / f"{KEYS[1]}_disparity.png").unlink()
    (cityscapes / "disparity" / "val" / "lindau").rename(cityscapes / "disparity" / "val" / "other")
    source = open_source("cityscapes", root=cityscapes)
    assert [bool(record.disparity) for record in source.records] == [True, False, True, False, True]
    assert reasons(source) == {KEYS[1]: "no_disparity", KEYS[3]: "no_disparity"}
    (cityscapes / "disparity").rename(cityscapes / "elsewhere")
    source = open_source("cityscapes", root=cityscapes)
    assert not any(record.disparity for record in source.records)
    assert source.passed_over == []


def test_what_is_no_photograph_of_them_is_passed_over(cityscapes, bdd100k):
    left, images = cityscapes / "leftImg8bit", bdd100k / "images" / "100k" / "train"
    (left / "train_extra" / "bayreuth").mkdir(parents=True)
    save_photograph(left / "train" / "aachen" / "aachen_000000_000019_rightImg8bit.png", 1)
    for path in (left / "train" / "aachen" / "notes.txt", left / "train" / "list.txt", images / "list.txt"):
        path.write_text("x")
    (left / "train" / "linked").symlink_to("aachen")
    (images / "link.jpg").symlink_to("0000f77c-6257be58.jpg")
    (images / "trainA").mkdir()
    (cityscapes / "disparity" / f"{KEYS[0]}_disparity.png").unlink()
    (cityscapes / "disparity" / f"{KEYS[0]}_disparity.png").symlink_to(f"{KEYS[1].rpartition('/')[2]}_disparity.png")
    source = open_source("cityscapes", root=cityscapes)
    assert ids(source) == KEYS
    assert reasons(source) == {
        "leftImg8bit/train_extra": "no_split",
        "leftImg8bit/train/linked": "link",
        "leftImg8bit/train/list.txt": "no_city",
        "leftImg8bit/train/aachen/notes.txt": "no_image_name",
        "train/aachen/aachen_000000_000019_rightImg8bit.png": "no_image_name",
        KEYS[0]: "no_disparity",
    }
    source = open_source("bdd100k", root=bdd100k)
    assert len(source.records) == 4
    assert {name.rpartition("/")[2]: reason for name, reason in reasons(source).items()} == {
        "link.jpg": "link",
        "list.txt": "no_image_name",
        "trainA": "no_image_name",
    }


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        *(("cityscapes", folder) for folder in ("leftImg8bit", "leftImg8bit/train", "disparity", "disparity/train/aachen")),
        *(("bdd100k", folder) for folder in ("images", "images/100k", "images/100k/train")),
    ],
)
def test_a_folder_that_is_a_link_is_refused(request, tmp_path, name, folder):
    place = request.getfixturevalue(name) / folder
    place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "moved")
    with pytest.raises(UsageError, match="is a symbolic link"):
        open_source(name, root=request.getfixturevalue(name))


@pytest.mark.parametrize(
    ("name", "said"),
    [("cityscapes", r"(?s)no Cityscapes in .*leftImg8bit_trainvaltest\.zip"), ("bdd100k", r"(?s)no BDD100K.*100K Images")],
)
def test_a_missing_root_says_how_to_get_it(request, tmp_path, name, said):
    root = request.getfixturevalue(name)
    with pytest.raises(UsageError, match=said):
        open_source(name, root=tmp_path / "nowhere")
    with pytest.raises(UsageError, match=rf"did you mean {root}"):
        open_source(name, root=tmp_path)


def test_their_licences():
    """Cityscapes: neither commercial use nor modified versions. BDD100K: not for profit, and changes may be shared."""
    assert licence_conditions("Cityscapes") == ("NC", "ND")
    assert licence_conditions("BDD100K") == ("NC",)
    assert (may_be_shown("Cityscapes"), may_be_shown("BDD100K")) == (False, True)
    assert licence_words("Cityscapes") == "no commercial use; share no photographs and no pairs"
    assert "copyright notice" in licence_words("BDD100K")
    for name in ("Cityscapes", "BDD100K"):
        assert licence_address(name).startswith("https://")
        assert hub_name(name) == "other"


def test_commands(cityscapes, bdd100k):
    folder = cityscapes.parent
    both = ("--src", "cityscapes", "--src", "bdd100k", "--root", "cityscapes=cityscapes", "--root", "bdd100k=bdd100k")
    made = result("generate", *both, "--size", 48, "--recipe", "clean", cwd=folder)
    assert made["made"] == 9
    card = (folder / "shards" / "README.md").read_text()
    assert "[Cityscapes](https://www.cityscapes-dataset.com/license/)" in card
    assert "**No derivatives: 5 pairs.**" in card
    assert "**Non-commercial: 9 pairs.**" in card
    assert "cordts2016cityscapes" in card
    assert "yu2020bdd100k" in card
    assert result("generate", *both, "--license", "bdd100k,Cityscapes", "--dry-run", "--size", 48, cwd=folder)["images"] == 9
    shown = run("info", "--src", "cityscapes", "--root", "cityscapes", cwd=folder).stdout
    assert "3 of the 2,975 images" in shown
