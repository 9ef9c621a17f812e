"""Tests folders of pairs that names alone do not decide: lists, two folders, halves, arrays, and folders beside the pairs."""

import cv2
import numpy as np
import pytest

from blurkit.errors import BadImageError, UsageError
from blurkit.sources.open import open_source
from blurkit.sources.pairs import PairLayout, find_pairs, stored_pairs
from blurkit.sources.pairs.names import FilePair


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def smooth(number, height=24, width=30):
    coarse = np.random.default_rng(number).integers(40, 216, (4, 5, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


RSBLUR = "0001/{0:06}/real_blur/real_blur.png", "0001/{0:06}/gt/gt_sharp.png"
OTHERS = "0001/{0:06}/avg65_img/avg_blur.png", "0001/{0:06}/avg65_mask_100/avg_blur.png"


@pytest.fixture
def rsblur(tmp_path):
    root = tmp_path / "RSBlur"
    touch(root, *(name.format(number) for number in range(3) for name in (*RSBLUR, *OTHERS)))
    return root


def test_rsblur_without_lists_gives_its_real_pairs(rsblur):
    found = find_pairs(rsblur)
    assert found.pairs == [FilePair(*(name.format(number) for name in RSBLUR)) for number in range(3)]
    assert {entry.reason for entry in found.passed_over} == {"unpaired"}
    assert len(found.passed_over) == 6


def test_lists_decide_the_pairs_and_the_splits(rsblur):
    """The sharp image is first, and paths begin with the name of the folder, as in the lists of RSBlur and RealBlur."""
    for split, numbers in (("train", (0, 1)), ("test", (2, 7))):
        lines = (f"RSBlur/{RSBLUR[1].format(number)} RSBlur/{OTHERS[0].format(number)} \n" for number in numbers)
        (rsblur / f"RSBlur_syn_{split}.txt").write_text("".join(lines))
    (rsblur / "notes.txt").write_text("made in 2022 by somebody\n")
    found = find_pairs(rsblur)
    expected = [(OTHERS[0].format(number), RSBLUR[1].format(number)) for number in range(3)]
    assert [(pair.blurred, pair.sharp) for pair in found.pairs] == expected
    assert [pair.split for pair in found.pairs] == ["train", "train", "test"]
    assert found.kind == "lists, RSBlur_syn_test.txt, RSBlur_syn_train.txt"
    assert sorted(entry.reason for entry in found.passed_over) == ["missing"] + 3 * ["no_image_name"] + 6 * ["unlisted"]
    assert len(find_pairs(rsblur / "RSBlur_syn_train.txt").pairs) == 2
    records = open_source("pairs", root=rsblur, split="test").records
    assert [record.id for record in records] == ["0001/000002/avg65_img/avg_blur"]
    with pytest.raises(UsageError, match="no photograph of the split 'val'"):
        open_source("pairs", root=rsblur, split="val")


def test_a_blurred_image_with_two_sharp_ones_is_refused(tmp_path):
    touch(tmp_path, "x/1.png", "x/2.png", "y/1.png", "y/1.jpg")
    (tmp_path / "list.txt").write_text("x/1.png y/1.png\nx/2.png y/1.png\n")
    with pytest.raises(UsageError, match=r"y/1\.png with x/1\.png and with x/2\.png"):
        find_pairs(tmp_path)
    (tmp_path / "list.txt").unlink()
    with pytest.raises(UsageError, match="two images of y have the same name"):
        find_pairs(tmp_path, PairLayout("x", "y"))
    with pytest.raises(UsageError, match="two images of y have the same name"):
        find_pairs(tmp_path, PairLayout("y", "x"))


def test_a_list_of_another_folder_is_no_reason_to_fail(rsblur):
    (rsblur / "list.txt").write_text("Other/9/gt.png Other/9/blur.png\n")
    assert find_pairs(rsblur).kind == "names, real_blur/real_blur beside gt/gt_sharp"
    with pytest.raises(UsageError, match="none of its images"):
        find_pairs(rsblur / "list.txt")


def test_a_list_has_the_sharp_image_first_unless_words_say_otherwise(tmp_path):
    touch(tmp_path, "x/blur/1.png", "x/sharp/1.png", "x/1.png", "x/2.png")
    (tmp_path / "list.txt").write_text("x/blur/1.png x/sharp/1.png\n")
    assert find_pairs(tmp_path).pairs == [FilePair("x/blur/1.png", "x/sharp/1.png")]
    (tmp_path / "list.txt").write_text("x/1.png x/2.png 0.25 more.png\n")
    assert find_pairs(tmp_path).pairs == [FilePair("x/2.png", "x/1.png")]
    touch(tmp_path, "x/a b.png")
    (tmp_path / "list.txt").write_text("x/a b.png\tx/2.png\n")
    assert find_pairs(tmp_path).pairs == [FilePair("x/2.png", "x/a b.png")]


def test_nothing_outside_of_the_folder_is_opened(tmp_path):
    touch(tmp_path, "secret/gt.png", "secret/blur.png", "pairs/gt/1.png", "pairs/blur/1.png")
    (tmp_path / "pairs/list.txt").write_text("../secret/gt.png ../secret/blur.png\n")
    assert find_pairs(tmp_path / "pairs").pairs == [FilePair("blur/1.png", "gt/1.png")]


def test_gopro_u(tmp_path):
    for number in range(2):
        names = "centroid_blurred_img/{0}_kernel_9_blurred.png", "centroid_blurred_mask_100/{0}_kernel_9_blurred.png"
        touch(tmp_path, *(name.format(number) for name in (*names, "target_img/{0}_kernel_9_gt.png")))
    found = find_pairs(tmp_path)
    assert found.pairs[0] == FilePair("centroid_blurred_img/0_kernel_9_blurred.png", "target_img/0_kernel_9_gt.png")
    assert len(found.pairs) == 2


def test_two_folders_with_names_that_say_nothing(tmp_path):
    touch(
        tmp_path, *(f"{side}/{scene}/{n}.png" for side in ("shaky", "still") for scene in "cd" for n in range(2)), "still/z.jpg"
    )
    with pytest.raises(UsageError, match="no names that make pairs"):
        find_pairs(tmp_path)
    found = find_pairs(tmp_path, PairLayout("shaky", "still/"))
    assert found.pairs[0] == FilePair("shaky/c/0.png", "still/c/0.png")
    assert len(found.pairs) == 4
    assert [entry.id for entry in found.passed_over] == ["still/z.jpg"]
    with pytest.raises(UsageError, match=r"no images in .*nothing"):
        find_pairs(tmp_path, PairLayout("shaky", "nothing"))
    with pytest.raises(UsageError, match="name both sides"):
        PairLayout("shaky")


def test_two_folders_whose_files_have_words(tmp_path):
    touch(tmp_path, "one/1_B.png", "two/1_S.png", "one/2_B.png", "two/2_S.png")
    pairs = find_pairs(tmp_path, PairLayout("one", "two")).pairs
    assert pairs == [FilePair(f"one/{number}_B.png", f"two/{number}_S.png") for number in (1, 2)]


def test_folders_of_two_names_at_any_depth_such_as_the_other_kind_of_gopro(tmp_path):
    scenes = ("test/GOPR2", "train/GOPR1")
    for scene in scenes:
        touch(tmp_path, *(f"{scene}/{kind}/{n}.png" for kind in ("blur", "blur_gamma", "sharp") for n in range(2)))
    found = find_pairs(tmp_path, PairLayout("blur_gamma", "sharp"))
    expected = [(f"{scene}/blur_gamma/{n}.png", f"{scene}/sharp/{n}.png") for scene in scenes for n in range(2)]
    assert [(pair.blurred, pair.sharp) for pair in found.pairs] == expected
    assert [entry.message for entry in found.passed_over] == 4 * ["it is in neither of the folders that were named"]
    assert find_pairs(tmp_path, PairLayout("train/GOPR1/blur_gamma", "train/GOPR1/sharp")).pairs == found.pairs[2:]


def test_two_folders_anywhere(tmp_path):
    touch(tmp_path, "far/one/x.png", "near/x.jpg")
    root, layout = PairLayout.of_two_folders(str(tmp_path / "far/one"), str(tmp_path / "near"))
    assert find_pairs(root, layout).pairs == [FilePair("far/one/x.png", "near/x.jpg")]
    for sides in (("far", ""), ("", "near"), ("../far", "near"), ("/far", "near"), ("x", "./x")):
        with pytest.raises(UsageError):
            PairLayout(*sides)


def test_what_was_found_is_said_in_the_words_that_differ(tmp_path):
    touch(tmp_path, *(f"{name}/{n}.png" for name in ("x/Blur", "x/Sharp", "y/inputs", "y/targets") for n in range(3)), "z_B.png")
    (tmp_path / "y/inputs/2.png").unlink()
    (tmp_path / "y/targets/2.png").unlink()
    assert find_pairs(tmp_path).kind == "names, Blur beside Sharp, inputs beside targets"


KEYS = [("blur", "sharp"), ("x", "y"), ("X_train", "Y_train"), ("lq", "gt"), ("input", "target"), ("low", "high")]


@pytest.mark.parametrize("keys", KEYS, ids="-".join)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_packed_arrays_are_paired_by_their_keys(tmp_path, keys, save):
    sharp, blurred = (np.stack([smooth(seed + number) for number in range(3)]) for seed in (0, 10))
    save(tmp_path / "pairs.npz", **dict(zip(keys, (blurred, sharp), strict=True)))
    _, pairs = stored_pairs(tmp_path)
    assert [pair.name for pair in pairs] == [f"pairs.npz/{keys[0]}[{number}]" for number in range(3)]
    for number, pair in enumerate(pairs):
        assert all(map(np.array_equal, pair.images(), (sharp[number], blurred[number])))
        assert pair.size() == (24, 30)


def test_one_packed_file_for_each_side(tmp_path):
    np.savez(tmp_path / "blur.npz", np.stack([smooth(1)]))
    np.savez(tmp_path / "sharp.npz", np.stack([smooth(2)]))
    _, pairs = stored_pairs(tmp_path)
    assert all(map(np.array_equal, pairs[0].images(), (smooth(2), smooth(1))))


def test_arrays_of_different_lengths_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", blur=np.stack([smooth(1), smooth(2)]), sharp=smooth(1))
    with pytest.raises(UsageError, match=r"a\.npz/blur holds an array of 2 images, and .*a\.npz/sharp holds one image"):
        stored_pairs(tmp_path)


def test_halves_are_taken_only_when_asked_for_and_must_look_alike(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.concatenate((cv2.blur(smooth(1), (3, 3)), smooth(1)), axis=1)[..., ::-1])
    with pytest.raises(UsageError, match="no names that make pairs"):
        stored_pairs(tmp_path)
    _, (pair,) = stored_pairs(tmp_path, PairLayout(side_by_side=True))
    assert all(map(np.array_equal, pair.images(), (smooth(1), cv2.blur(smooth(1), (3, 3)))))
    cv2.imwrite(str(tmp_path / "1.png"), np.concatenate((smooth(1), smooth(2)), axis=1))
    with pytest.raises(BadImageError, match="show different things"):
        pair.images()
