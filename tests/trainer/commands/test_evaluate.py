"""Tests ``trainer eval``: how it finds pairs, its scores against scikit-image, and the files that it writes."""

import csv
import json
import math

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pair_layouts import LAYOUTS, numbered
from scikit_scores import scikit_psnr, scikit_ssim
from torch import nn

from blurkit.errors import BadImageError, UsageError
from blurkit.sources.pairs import PairLayout
from trainer.cli import cli
from trainer.commands import evaluate
from trainer.evaluation.metrics import load_metrics
from trainer.evaluation.pairsets import open_pairset
from trainer.evaluation.restore import Restorer
from trainer.evaluation.scores import Score, make_row, means, representative_pairs, score_pairs, to_csv, to_table
from trainer.networks.generators import build_generator
from trainer.networks.weights import save_generator


class Darker(nn.Module):
    """Subtracts 20.4 codes from each pixel."""

    multiple, least = 4, 8

    def forward(self, x):
        return x - 0.16


DARKER = Restorer(Darker(), torch.device("cpu"))
BOTH = load_metrics("psnr,ssim")
SSIM = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 255, "channel_axis": 2}  # for scikit-image


def image(number, height=24, width=30):
    """A smooth image that differs for each number."""
    coarse = np.random.default_rng(number).integers(40, 216, (4, 5, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def blurred(pixels):
    return cv2.blur(pixels, (3, 3))


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_folders(tmp_path, layout):
    files = {}
    for number in range(2):
        names = [(tmp_path / name).with_suffix(".png") for name in numbered(layout, number)]
        for path, pixels in zip(names, (blurred(image(number)), image(number)), strict=True):
            write(path, pixels)
        files[names[0]] = names[1]
    pairs = open_pairset(tmp_path)
    assert len(pairs) == 2
    for number, score in enumerate(score_pairs(DARKER, pairs, BOTH)):
        soft = tmp_path / pairs.name(number)
        known = [cv2.imread(str(path)) for path in (files[soft], soft)]
        assert score.blurred["psnr"] == pytest.approx(scikit_psnr(*known), abs=1e-9)
        sharp, loaded = pairs.images(number)
        np.testing.assert_array_equal(sharp, known[0][..., ::-1])
        np.testing.assert_array_equal(loaded, known[1][..., ::-1])


def test_blur_is_preferred_to_blur_gamma(tmp_path):
    for kind, pixels in (("blur_gamma", image(1)), ("blur", image(2)), ("sharp", image(3))):
        write(tmp_path / "GOPR" / kind / "1.png", pixels)
    pairs = open_pairset(tmp_path)
    assert (len(pairs), pairs.name(0)) == (1, "GOPR/blur/1.png")


def test_halves_and_arrays(tmp_path):
    for number in range(2):
        halves = np.concatenate((blurred(image(number)), image(number)), axis=1)
        write(tmp_path / "halves" / f"{number}.png", halves)
        (tmp_path / "arrays").mkdir(exist_ok=True)
        np.save(tmp_path / "arrays" / f"{number}.npy", halves)
    (tmp_path / "stacks").mkdir()
    np.save(tmp_path / "stacks" / "sharp.npy", np.stack([image(0), image(1)]))
    np.save(tmp_path / "stacks" / "blurred.npy", np.stack([blurred(image(0)), blurred(image(1))]))
    for folder in ("halves", "arrays"):
        with pytest.raises(UsageError, match=r"no names that make pairs.*--side-by-side"):
            open_pairset(tmp_path / folder)
    for folder in ("halves", "arrays", "stacks"):
        pairs = open_pairset(tmp_path / folder, PairLayout(side_by_side=folder != "stacks"))
        assert len(pairs) == 2
        for number in range(2):
            sharp, soft = pairs.images(number)
            np.testing.assert_array_equal(sharp, image(number))
            np.testing.assert_array_equal(soft, blurred(image(number)))
    assert open_pairset(tmp_path / "stacks").name(1) == "blurred.npy[1]"


def test_shards_are_pairs(write):
    path, samples, _ = write([(70, 50), (30, 40)])
    pairs = open_pairset(path)
    assert len(pairs) == 2
    np.testing.assert_array_equal(pairs.images(1)[0], samples[1].sharp)
    np.testing.assert_array_equal(pairs.images(1)[1], samples[1].blurred)
    assert pairs.name(0).startswith(samples[0].id)


def test_mismatches_name_the_file(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        open_pairset(tmp_path / "nothing")
    with pytest.raises(UsageError, match="no images in"):
        open_pairset(tmp_path)
    a = tmp_path / "a"
    write(a / "blur/1.png", image(1))
    write(a / "sharp/1.png", image(1))
    write(a / "blur/2.png", image(2))
    with pytest.raises(UsageError, match=r"a/blur/2\.png has no partner"):
        open_pairset(a)
    write(a / "sharp/2.png", image(2, 20))
    with pytest.raises(UsageError, match=r"blur/2\.png is 30x24 pixels and .*sharp/2\.png is 30x20"):
        open_pairset(a)
    write(a / "sharp/2.png", image(2))
    write(a / "sharp/3.png", image(2))
    with pytest.raises(UsageError, match=r"a/sharp/3\.png has no partner"):
        open_pairset(a)
    (a / "sharp/3.png").unlink()
    (a / "blur/2.png").write_bytes(b"<html>")
    with pytest.raises(BadImageError, match=r"blur/2\.png: "):
        open_pairset(a)


def test_photographs_without_two_halves_are_refused(tmp_path):
    write(tmp_path / "1.png", np.concatenate((image(1), image(2)), axis=1))
    with pytest.raises(BadImageError, match=r"1\.png: its halves show different things"):
        open_pairset(tmp_path, PairLayout(side_by_side=True)).images(0)
    write(tmp_path / "2.png", image(1, width=31))
    with pytest.raises(BadImageError, match=r"2\.png is 31x24 pixels, and an odd width has no two halves"):
        open_pairset(tmp_path, PairLayout(side_by_side=True))
    for array in (np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8), np.array([{}])):
        folder = tmp_path / "arrays"
        folder.mkdir(exist_ok=True)
        np.save(folder / "x.npy", array, allow_pickle=True)
        with pytest.raises(BadImageError, match=r"x\.npy: "):
            open_pairset(folder, PairLayout(side_by_side=True))


@pytest.fixture
def folder(tmp_path):
    """Five pairs with increasing blur."""
    for number in range(5):
        soft = image(number)
        for _ in range(number + 1):
            soft = blurred(soft)
        write(tmp_path / "data" / "blur" / f"{number}.png", soft)
        write(tmp_path / "data" / "sharp" / f"{number}.png", image(number))
    return tmp_path / "data"


def test_scores_equal_scikit_image(folder):
    pairs = open_pairset(folder)
    scores = list(score_pairs(DARKER, pairs, BOTH))
    for number, score in enumerate(scores):
        sharp, soft = pairs.images(number)
        dark = np.rint(np.clip(soft - 20.4, 0, 255)).astype(np.uint8)
        assert (score.name, score.height, score.width) == (f"blur/{number}.png", 24, 30)
        for values, pixels in ((score.blurred, soft), (score.restored, dark)):
            assert values["psnr"] == pytest.approx(scikit_psnr(sharp, pixels), abs=1e-9)
            assert values["ssim"] == pytest.approx(scikit_ssim(sharp, pixels), abs=1e-9)
    total = means(scores)
    assert total["n"] == 5
    assert total["restored"]["psnr"] == pytest.approx(sum(score.restored["psnr"] for score in scores) / 5)


def test_representative_pairs_are_ordered_by_gain(folder):
    scores = list(score_pairs(DARKER, open_pairset(folder), BOTH))
    chosen = representative_pairs(scores, "psnr")
    order = sorted(range(5), key=lambda number: -scores[number].gain("psnr"))
    assert list(chosen.items()) == [(order[0], "greatest gain"), (order[2], "median gain"), (order[4], "least gain")]
    assert list(representative_pairs(scores[:1], "psnr").values()) == ["greatest gain"]
    assert list(representative_pairs(scores[:2], "psnr").values()) == ["greatest gain", "least gain"]
    row = make_row(DARKER, open_pairset(folder), 1, scores[1], BOTH)
    assert f"{scores[1].blurred['psnr']:.2f} dB → {scores[1].restored['psnr']:.2f} dB" in row.captions


def test_tables_have_every_pair_and_the_means(folder):
    scores = list(score_pairs(DARKER, open_pairset(folder), BOTH))
    lines = list(csv.DictReader(to_csv(scores).splitlines()))
    assert [line["name"] for line in lines] == [f"blur/{number}.png" for number in range(5)]
    assert float(lines[3]["ssim_restored"]) == pytest.approx(scores[3].restored["ssim"], abs=1e-6)
    table = to_table(scores, BOTH).splitlines()
    assert len(table) == 7
    assert table[-1].split()[:3] == ["mean", "of", "5"]
    assert f"{means(scores)['blurred']['psnr']:.2f}" in table[-1]
    assert len({len(line) for line in table}) == 1


@pytest.fixture
def run(monkeypatch, capsys):
    """The command with a generator of known answer; returns its output, with the names of the weights in its place."""
    monkeypatch.setattr(evaluate, "load_generator", lambda path: (Darker(), {"step": 7}))

    def call(data, *, out=None, as_json=False, metrics="psnr,ssim", tile=0, **options):
        given = {"metrics": metrics, "tile": tile, "device": "cpu", "out": out, "as_json": as_json, "quiet": as_json, **options}
        code = evaluate.evaluate("runs/x", data, evaluate.EvaluateOptions(**given))
        assert code == 0
        return capsys.readouterr()

    return call


def test_the_command_prints_and_writes(folder, run, tmp_path):
    output = run(folder, out=tmp_path / "out")
    assert "mean of 5" in output.out
    assert "30x24; full frame" in output.out
    assert "population covariance" in output.out
    assert "5 pairs" in output.err
    result = json.loads((tmp_path / "out/results.json").read_text())
    assert result["sizes"] == {"30x24": 5}
    assert result["step"] == 7
    assert len((tmp_path / "out/images.csv").read_text().splitlines()) == 6
    sheet = cv2.imread(str(tmp_path / "out/sheet.png"))
    assert sheet.shape[1] > 1000


@pytest.mark.parametrize("name", ["images.csv", "results.json", "sheet.png"])
def test_files_of_somebody_else_are_kept_and_own_ones_replaced(folder, run, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text('{"n": 5, "name": "mine"}')
    with pytest.raises(UsageError, match=rf"out/{name} was not written by blurkit.*--overwrite"):
        run(folder, out=tmp_path / "out")
    assert (tmp_path / "out" / name).read_text() == '{"n": 5, "name": "mine"}'
    run(folder, out=tmp_path / "out", overwrite=True)
    run(folder, out=tmp_path / "out")


def test_json_is_one_strict_object(folder, run, tmp_path):
    output = run(folder, as_json=True, metrics="psnr")
    result = json.loads(output.out)
    assert output.err == ""
    assert result["n"] == 5
    assert set(result["blurred"]) == {"psnr"}
    scores = list(score_pairs(DARKER, open_pairset(folder), BOTH))
    assert result["restored"]["psnr"] == pytest.approx(np.mean([score.restored["psnr"] for score in scores]))
    write(folder / "blur/0.png", image(0))  # the PSNR is infinite, which JSON cannot express
    assert json.loads(run(folder, as_json=True).out, parse_constant=pytest.fail)["blurred"]["psnr"] is None


def test_a_pair_without_blur_gains_nothing():
    same = Score("a", 24, 30, {"psnr": math.inf}, {"psnr": math.inf})
    worse = Score("b", 24, 30, {"psnr": math.inf}, {"psnr": 30.0})
    better = Score("c", 24, 30, {"psnr": 30.0}, {"psnr": 31.0})
    assert same.gain("psnr") == 0
    assert list(representative_pairs([worse, same, better], "psnr")) == [2, 1, 0]


def test_scores_of_reds_equal_scikit_image(test_data, run):
    """Mean PSNR and SSIM of the blurred frames of 30 real pairs."""
    root = test_data / "blurred_pairs/reds_320x180"
    result = json.loads(run(root, as_json=True).out)
    values = []
    for path in sorted(root.glob("*/blur/*.png")):
        soft, sharp = (cv2.imread(str(file)) for file in (path, path.parent.parent / "sharp" / path.name))
        values.append((scikit_psnr(sharp, soft), scikit_ssim(sharp, soft)))
    assert result["n"] == len(values) == 30
    assert result["blurred"]["psnr"] == pytest.approx(np.mean([psnr for psnr, _ in values]), abs=1e-9)
    assert result["blurred"]["ssim"] == pytest.approx(np.mean([ssim for _, ssim in values]), abs=1e-9)


def test_the_command_line_with_real_weights(folder, tmp_path):
    spec = {"name": "resnet", "blocks": 1, "width": 4}
    torch.manual_seed(1)
    generator = build_generator(spec)
    save_generator(tmp_path, generator, {"generator": spec, "step": 3})
    options = ["--data", str(folder), "--metrics", "psnr", "--device", "cpu", "--json", "-q", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, ["eval", str(tmp_path), *options], standalone_mode=False)
    assert done.return_value == 0
    expected = means(list(score_pairs(Restorer(generator, torch.device("cpu")), open_pairset(folder), load_metrics("psnr"))))
    assert {key: json.loads(done.stdout)[key] for key in expected} == expected
    done = CliRunner().invoke(cli, ["deblur", str(tmp_path), str(folder), "-o", str(tmp_path / "restored"), "--device", "cpu"])
    assert "10 photographs restored" in done.stdout
    restored = cv2.imread(str(tmp_path / "restored/blur/3.png"), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(restored, Restorer(generator, torch.device("cpu"))(open_pairset(folder).images(3)[1]))
