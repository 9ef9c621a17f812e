"""Tests the images that another program restored: how they are matched with pairs, and their scores."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from scikit_scores import scikit_psnr, scikit_ssim

from blurkit.errors import BadImageError, UsageError
from blurkit.sources.pairs import PairLayout
from trainer.cli import cli
from trainer.evaluation.pairsets import open_pairset
from trainer.evaluation.restored import open_restored

SCENES = ("test/GOPR1", "test/GOPR2")


def image(number, height=24, width=30):
    coarse = np.random.default_rng(number).integers(40, 216, (4, 5, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1])


def restored(number):
    return np.clip(image(number).astype(int) + 3 * number + 1, 0, 255).astype(np.uint8)


@pytest.fixture
def data(tmp_path):
    """Three pairs 0, 1, 2 of two sequences, in the layout of GoPro."""
    for number in range(3):
        for kind, pixels in (("blur", cv2.blur(image(number), (3, 3))), ("sharp", image(number))):
            save(tmp_path / "data" / SCENES[number // 2] / kind / f"{number:06}.png", pixels)
    return tmp_path / "data"


WAYS = {
    "tree": "{scene}/blur/{number:06}.png",
    "sharp tree": "{scene}/sharp/{number:06}.PNG",
    "without the side": "{scene}/{number:06}.png",
    "flat": "{number:06}.png",
}


@pytest.mark.parametrize("way", WAYS)
def test_files_are_matched_by_the_names_of_the_pairs(data, tmp_path, way):
    for number in range(3):
        save(tmp_path / "out" / WAYS[way].format(scene=SCENES[number // 2], number=number), restored(number))
    files = open_restored(tmp_path / "out", open_pairset(data))
    for number in range(3):
        np.testing.assert_array_equal(files.image(number, (24, 30, 3)), restored(number))


def test_names_of_the_sharp_images(tmp_path):
    """As RealBlur names them: blur_1.png and gt_1.png."""
    for number in range(2):
        save(tmp_path / f"data/blur/blur_{number}.png", image(number))
        save(tmp_path / f"data/gt/gt_{number}.png", image(number))
        save(tmp_path / f"out/gt_{number}.png", restored(number))
    files = open_restored(tmp_path / "out", open_pairset(tmp_path / "data"))
    assert [path.name for path in files.files] == ["gt_0.png", "gt_1.png"]


def test_arrays_and_halves(tmp_path):
    for number in range(2):
        save(tmp_path / f"data/{number}.png", np.concatenate((image(number), image(number)), axis=1))
        (tmp_path / "out").mkdir(exist_ok=True)
        np.save(tmp_path / f"out/{number}.npy", restored(number))
    files = open_restored(tmp_path / "out", open_pairset(tmp_path / "data", PairLayout(side_by_side=True)))
    np.testing.assert_array_equal(files.image(1, (24, 30, 3)), restored(1))


@pytest.mark.parametrize("variants", [True, False])
def test_shards_have_names_too(write, tmp_path, variants):
    path, samples, _ = write([(70, 50), (30, 40)])
    for sample in samples:
        save(tmp_path / "out" / f"{sample.name if variants else sample.id.removesuffix('.jpg')}.png", sample.blurred)
    pairs = open_pairset(path)
    files = open_restored(tmp_path / "out", pairs)
    for index in range(len(pairs)):
        np.testing.assert_array_equal(files.image(index, pairs.images(index)[1].shape), pairs.images(index)[1])


def test_missing_and_extra_files_are_named(data, tmp_path):
    for name in ("000000.png", "000002.png", "notes.png"):
        save(tmp_path / "out" / name, image(0))
    with pytest.raises(UsageError) as caught:
        open_restored(tmp_path / "out", open_pairset(data))
    text = str(caught.value)
    assert "no file for 1 pair (test/GOPR1/blur/000001.png)" in text
    assert "1 file for no pair (notes.png)" in text
    (tmp_path / "out/notes.png").unlink()
    save(tmp_path / "out/000001.png", image(1))
    save(tmp_path / "out/000001.jpg", image(1))
    with pytest.raises(UsageError, match=r"000001\.jpg and 000001\.png: keep one"):
        open_restored(tmp_path / "out", open_pairset(data))
    with pytest.raises(UsageError, match="no such folder"):
        open_restored(tmp_path / "nothing", open_pairset(data))


def test_the_name_alone_must_be_clear(tmp_path):
    for scene in ("a", "b"):
        for kind in ("blur", "sharp"):
            save(tmp_path / "data" / scene / kind / "1.png", image(1))
    save(tmp_path / "out/1.png", image(1))
    with pytest.raises(UsageError, match=r"no file for 2 pairs \(a/blur/1\.png, b/blur/1\.png\), and 1 file for no pair"):
        open_restored(tmp_path / "out", open_pairset(tmp_path / "data"))


def test_another_size_or_a_damaged_file_is_named(data, tmp_path):
    for number in range(3):
        save(tmp_path / f"out/{number:06}.png", image(number, 20, 30))
    files = open_restored(tmp_path / "out", open_pairset(data))
    with pytest.raises(BadImageError, match=r"000000\.png is 30x20 pixels, and the images of its pair are 30x24"):
        files.image(0, (24, 30, 3))
    (tmp_path / "out/000000.png").write_bytes(b"no image")
    with pytest.raises(BadImageError, match=r"000000\.png: "):
        files.image(0, (24, 30, 3))


def run(*arguments):
    return CliRunner().invoke(cli, ["eval", *map(str, arguments)], standalone_mode=False)


def test_the_command_scores_files_and_the_luma(data, tmp_path):
    for number in range(3):
        save(tmp_path / f"out/{number:06}.png", restored(number))
    options = ("--restored", tmp_path / "out", "--data", data, "--device", "cpu")
    done = run(*options, "--y", "--json", "-o", tmp_path / "scores")
    result = json.loads(done.stdout)
    assert list(result["restored"]) == ["psnr", "ssim", "psnr_y", "ssim_y"]
    for name, measure in (("psnr", scikit_psnr), ("ssim", scikit_ssim)):
        expected = np.mean([measure(image(number), restored(number)) for number in range(3)])
        assert result["restored"][name] == pytest.approx(expected, abs=1e-9)
    luma = np.array([65.481, 128.553, 24.966]) / 255
    errors = [np.mean(((image(number) - restored(number).astype(float)) @ luma) ** 2) for number in range(3)]
    assert result["restored"]["psnr_y"] == pytest.approx(np.mean(10 * np.log10(255**2 / np.array(errors))), abs=1e-6)
    assert result["frame"] == "restored images as they are"
    assert result["weights"] is None
    assert (tmp_path / "scores/sheet.png").exists()
    for wrong in (("--data", data), ("runs/x", *options)):
        failed = run(*wrong)
        assert isinstance(failed.exception, UsageError)
        assert "either WEIGHTS" in str(failed.exception)
