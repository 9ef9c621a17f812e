"""Tests which files of a folder are pairs. Nothing is opened for this, so the files are empty."""

import os
import re

import pytest
from pair_layouts import LAYOUTS

from blurkit.errors import UsageError
from blurkit.sources.pairs.layout import find_pairs, list_files
from blurkit.sources.pairs.names import FilePair


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def refusal(root):
    with pytest.raises(UsageError) as caught:
        find_pairs(root)
    return str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    blurred, sharp = LAYOUTS[layout]
    names = [(blurred.replace("1", "2"), sharp.replace("1", "2")), (blurred, sharp)]
    for pair in names:
        touch(tmp_path, *pair)
    hidden = (".ipynb_checkpoints/1-checkpoint.png", "@eaDir/1.png", "__MACOSX/blur/1.png", ".Trash/sharp/9.png")
    touch(tmp_path, *hidden, *(os.path.join(os.path.dirname(blurred), name) for name in hidden))
    found = find_pairs(tmp_path)
    assert found.pairs == [FilePair(*pair) for pair in sorted(names, key=lambda pair: os.fsencode(pair[0]))]
    assert {entry.reason for entry in found.passed_over} == {"hidden"}


def test_scenes_may_have_the_names_of_sides(tmp_path):
    names = [f"{side}/{scene}/1.png" for scene in ("a", "b", "low", "high", "test", "source") for side in ("blur", "sharp")]
    touch(tmp_path, *names)
    assert [pair.blurred for pair in find_pairs(tmp_path).pairs] == sorted(names[::2])


def test_blur_is_preferred_to_its_other_versions_and_these_are_named(tmp_path):
    touch(tmp_path, *(f"x/{kind}/{number}.png" for kind in ("blur", "blur_gamma", "sharp") for number in (1, 2)))
    found = find_pairs(tmp_path)
    assert found.pairs == [FilePair(f"x/blur/{number}.png", f"x/sharp/{number}.png") for number in (1, 2)]
    assert [(entry.id, entry.reason) for entry in found.passed_over] == [(f"x/blur_gamma/{n}.png", "unpaired") for n in (1, 2)]


def test_images_without_a_side_are_named(tmp_path):
    touch(tmp_path, "blur/1.png", "sharp/1.png", "kernel/1.png", "notes.txt")
    found = find_pairs(tmp_path)
    assert {entry.id: entry.reason for entry in found.passed_over} == {"kernel/1.png": "unpaired", "notes.txt": "no_image_name"}


@pytest.mark.parametrize("lone", ["blur/2.png", "sharp/2.png", "GT/2.png", "x_blur_gamma.png", "lq.jpg"])
def test_an_image_of_a_side_without_a_partner_is_refused_by_name(tmp_path, lone):
    touch(tmp_path, "blur/1.png", "sharp/1.png", lone)
    assert f"{tmp_path / lone} has no partner" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("blur/1.png", "sharp/1.png", "gt/1.png"), ("blur/1.png", "sharp/1.png", "gt/1.png")),
        (("blur/1.png", "input/1.png", "sharp/1.png"), ("sharp/1.png", "blur/1.png", "input/1.png")),
        (("blur/1.png", "sharp/1.png", "sharp/1.jpg"), ("blur/1.png", "sharp/1.png", "sharp/1.jpg")),
        (("blur/1.png", "Blur/1.png", "sharp/1.png"), ("sharp/1.png", "Blur/1.png", "blur/1.png")),
        (("1_A.png", "1_B.png", "1_S.png"), ("1_A.png", "1_B.png", "1_S.png")),
        (("test/a/1.png", "test/b/1.png", "GT/1.png"), ("GT/1.png", "test/a/1.png", "test/b/1.png")),
        (("blur_gamma/1.png", "blur_comp/1.png", "sharp/1.png"), ("sharp/1.png", "blur_gamma/1.png", "blur_comp/1.png")),
    ],
)
def test_two_possible_partners_are_refused_by_name(tmp_path, names, named):
    touch(tmp_path, *names)
    message = refusal(tmp_path)
    assert "could be a pair with" in message
    assert [name for name in named if str(tmp_path / name) not in message] == []


@pytest.mark.parametrize(
    "names",
    [
        ("1.png", "2.png"),
        ("photographs/1.png", "restored/1.png"),
        ("blurring/1.png", "sharpening/1.png"),
        ("realblur/1.png", "unsharp/1.png"),
        ("train/1.png", "test/1.png"),
        ("b1.png", "s1.png"),
    ],
)
def test_nothing_is_guessed_and_what_is_known_is_listed(tmp_path, names):
    touch(tmp_path, *names)
    message = refusal(tmp_path)
    assert re.search(r"holds 2 images, and no names that make pairs\. .*LQ.*sharp.*GT.*low.*high.*HIDE", message)


def test_links_are_not_followed_and_are_counted(tmp_path):
    touch(tmp_path, "elsewhere/1.png")
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / "1_blur.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    with pytest.raises(UsageError, match="1 symbolic link"):
        find_pairs(tmp_path / "pairs")
    with pytest.raises(UsageError, match="no such folder"):
        find_pairs(tmp_path / "nothing")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_closed_folder_is_an_error(tmp_path):
    touch(tmp_path, "blur/1.png", "sharp/1.png")
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(UsageError, match="closed: permission"):
        list_files(tmp_path)
