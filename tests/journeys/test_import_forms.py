"""Tests ``blurkit import`` of pairs that names alone do not decide: lists, two folders, halves of images, arrays."""

import cv2
import numpy as np
import pytest
from command_line import result, run

from blurkit.commands.bench_import import import_figures
from blurkit.shard import open_dataset


def sharp(number):
    coarse = np.random.default_rng(number).integers(40, 216, (4, 5, 3), np.uint8)
    return cv2.resize(coarse, (56, 40), interpolation=cv2.INTER_CUBIC)


def blurred(number):
    return cv2.blur(sharp(number), (3, 3))


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels[..., ::-1])


def lists(root):
    for number in range(3):
        write(root / f"{number}/x.png", blurred(number))
        write(root / f"{number}/y.png", sharp(number))
    (root / "my_train.txt").write_text("".join(f"pairs/{number}/y.png pairs/{number}/x.png 0.5\n" for number in range(3)))
    return ("pairs",)


def two_folders(root):
    for number in range(3):
        write(root / f"shaky/{number}.png", blurred(number))
        write(root / f"tripod/{number}.png", sharp(number))
    return ("--blurred", "pairs/shaky", "--sharp", "pairs/tripod")


def halves(root):
    for number in range(3):
        write(root / f"{number}.png", np.concatenate((blurred(number), sharp(number)), axis=1))
    return ("pairs", "--side-by-side")


def arrays(root):
    root.mkdir()
    for name, make in (("blur", blurred), ("sharp", sharp)):
        np.save(root / f"{name}.npy", np.stack([make(number) for number in range(3)]))
    return ("pairs",)


def packed(root):
    root.mkdir()
    sides = {name: np.stack([make(number) for number in range(3)]) for name, make in (("lq", blurred), ("gt", sharp))}
    np.savez_compressed(root / "all.npz", **sides)
    return ("pairs",)


@pytest.mark.parametrize("form", [lists, two_folders, halves, arrays, packed])
def test_what_is_stored_is_what_the_files_hold_and_can_be_made_again(tmp_path, form):
    arguments = form(tmp_path / "pairs")
    result("import", *arguments, cwd=tmp_path)
    dataset = open_dataset(tmp_path / "shards")
    assert len(dataset) == 3
    for number, sample in enumerate(dataset):
        assert np.array_equal(sample.sharp, sharp(number))
        assert np.array_equal(sample.blurred, blurred(number))
    checked = result("verify", "shards", "--recompute", "100%", "--root", "pairs", cwd=tmp_path)
    assert (checked["recomputed"], checked["problems"]) == (3, [])
    text = (tmp_path / "shards/README.md").read_text()
    assert "blurkit import DIR" in text
    if form is two_folders:
        assert "--blurred shaky" in text
    if form is halves:
        assert "--side-by-side" in text


def test_its_speed_is_measured_against_bare_steps(tmp_path):
    figures = list(import_figures(tmp_path, [sharp(0), sharp(1)]))
    assert [figure.unit for figure in figures] == ["x", "x"]
    assert all(0 < figure.value < 3 for figure in figures)
    assert (tmp_path / "floor").stat().st_size == 4 * sharp(0).nbytes


def test_lists_divide_into_splits(tmp_path):
    lists(tmp_path / "pairs")
    (tmp_path / "pairs/my_train.txt").write_text("0/y.png 0/x.png\n1/y.png 1/x.png\n")
    (tmp_path / "pairs/my_test.txt").write_text("2/y.png 2/x.png\n")
    assert result("import", "pairs", "--split", "test", "--dry-run", cwd=tmp_path)["images"] == 1
    assert result("import", "pairs/my_train.txt", "--dry-run", cwd=tmp_path)["images"] == 2
    assert "no photograph of the split" in run("import", "pairs", "--split", "val", cwd=tmp_path, code=2).stderr


def test_refusals_say_what_is_known(tmp_path):
    two_folders(tmp_path / "pairs")
    refused = run("import", "pairs", cwd=tmp_path, code=2).stderr
    for known in ("blur", "LQ", "HIDE", ".npz", "SHARP BLURRED", "--blurred DIR", "--side-by-side"):
        assert known in refused
    assert "name the FOLDER" in run("import", cwd=tmp_path, code=2).stderr
    assert "name both sides" in run("import", "pairs", "--blurred", "shaky", cwd=tmp_path, code=2).stderr
    assert "no folder steady" in run("import", "pairs", "--blurred", "shaky", "--sharp", "steady", cwd=tmp_path, code=2).stderr
    halves(tmp_path / "halves")
    write(tmp_path / "halves/2.png", np.concatenate((sharp(1), sharp(2)), axis=1))
    run("import", "halves", "--side-by-side", "--max-bad", "1", cwd=tmp_path)
    assert "halves_differ" in (tmp_path / "shards/ledger.jsonl").read_text()
