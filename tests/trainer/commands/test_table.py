"""Tests ``trainer table``: a small table end to end, stopped and continued, and the figures of the published tables."""

import csv
import json
import shutil

import pytest
from click.testing import CliRunner
from tiny_runs import write_pairs

from blurkit.errors import StoppedError, UsageError
from blurkit.program.origin import made_here
from blurkit.program.toml import packaged_names
from trainer.cli import cli
from trainer.commands import table as command
from trainer.commands.table import at_budget
from trainer.config import load_recipe, parse_recipe
from trainer.data.pairs import open_pairs
from trainer.evaluation import metrics as known_metrics
from trainer.evaluation.metrics import load_metrics
from trainer.evaluation.table import load_table, to_csv, to_grid
from trainer.training import loop
from trainer.training.outputs import CURVES, SHEET

RECIPE = """
name = "{name}"
steps = 100
batch = 2
crop = 16
validate_pairs = 1
generator = {{name = "unet", width = {width}}}
content = {{perceptual = 0.0, l1 = 1.0}}
schedule = {{kind = "linear", hold = 50}}
"""

TABLE = """
name = "widths"
title = "Two widths"
source = "Nobody, on no photographs."
comparable = "they exist"
metrics = ["psnr", "fourier_error"]
blurred = "20.5 -"
[rows]
"narrow" = { members = ["narrow"], published = "21 0.5" }
"wide" = { members = ["wide"], published = "22.25 0.75" }
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    for name, seed in (("train", 0), ("test", 1)):
        (folder / name).mkdir()
        write_pairs(folder / name, photographs=4, variants=1 + seed)
    for name, width in (("narrow", 1), ("wide", 2)):
        (folder / f"{name}.toml").write_text(RECIPE.format(name=name, width=width))
    (folder / "widths.toml").write_text(TABLE)
    return folder


def run(place, out, *options, name=None):
    given = ["--data", place / "train/00000.h5", "--test", place / "test/00000.h5", "--device", "cpu", "-q", "-o", out]
    arguments = ["table", name or place / "widths.toml", *given, *options]
    done = CliRunner().invoke(cli, list(map(str, arguments)), standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    assert done.return_value == 0
    return done.stdout


@pytest.fixture(scope="module")
def whole(place):
    """The folder of a finished table, and what its command printed."""
    return place / "whole", run(place, place / "whole", "--steps", 2)


def test_the_table_shows_both_figures(whole):
    out, printed = whole
    assert printed == (out / "table.txt").read_text()
    assert made_here(out / "table.png")
    means = {member: json.loads((out / member / "scores.json").read_text()) for member in ("narrow", "wide")}
    rows = {row["row"] + " " + row["metric"]: row for row in csv.DictReader((out / "table.csv").read_text().splitlines())}
    assert len(rows) == 6
    for member, found in means.items():
        assert found["step"] == 2
        assert found["n"] == 8
        for metric, value in found["restored"].items():
            row = rows[f"{member} {metric}"]
            assert (row["member"], row["step"]) == (member, "2")
            assert float(row["value"]) == pytest.approx(value, abs=1e-6)
    assert rows["blurred psnr"]["published"] == "20.5"
    assert rows["blurred fourier_error"]["published"] == ""
    assert float(rows["blurred psnr"]["value"]) == pytest.approx(means["wide"]["blurred"]["psnr"], abs=1e-6)


def test_the_exact_text(place, tmp_path):
    table, metrics = load_table(str(place / "widths.toml"))[0], load_metrics("psnr,fourier_error")
    numbers = {"n": 8, "sizes": {"24x24": 8}, "frame": "full frame", "blurred": {"psnr": 20.0, "fourier_error": 0.01}}
    narrow = {**numbers, "step": 2000, "restored": {"psnr": 23.456, "fourier_error": 0.02}}
    text = command._write(tmp_path, table, {"narrow": narrow}, metrics)
    assert text == (tmp_path / "table.txt").read_text()
    assert text.splitlines()[:11] == [
        "trainer table widths: Two widths",
        "",
        "          psnr dB   published   fourier_error   published   steps",
        "blurred     20.00        20.5         0.01000*          -",
        "narrow      23.46*         21         0.02000         0.5*  2,000",
        "wide            -       22.25*              -        0.75",
        "",
        "* the best of its column",
        "ours: means over 8 pairs, 24x24; full frame",
        "published: Nobody, on no photographs.",
        "The published figures are not comparable with ours unless they exist.",
    ]
    assert text.splitlines()[11].startswith("psnr: RGB codes rounded to 8 bits")
    assert to_csv(table, {"narrow": narrow}, metrics).splitlines()[3] == "widths,narrow,narrow,2000,psnr,23.456000,21"


def test_a_stopped_table_is_continued_member_by_member(place, whole, tmp_path, monkeypatch):
    trained, measured = [], []

    def train(options, recipe, out, real=command.train):
        trained.append(out.name)
        if len(trained) == 2:
            raise StoppedError("stopped", 75)
        return real(options, recipe, out)

    def measure(*arguments, real=command.measure, **options):
        measured.append(1)
        return real(*arguments, **options)

    monkeypatch.setattr(command, "train", train)
    monkeypatch.setattr(command, "measure", measure)
    with pytest.raises(StoppedError):
        run(place, tmp_path, "--steps", 2)
    assert "wide            -" in (tmp_path / "table.txt").read_text()
    assert run(place, tmp_path, "--steps", 2) == whole[1]
    assert (trained, len(measured)) == (["narrow", "wide", "wide"], 2)
    for name in ("table.csv", "narrow/generator.safetensors", "wide/generator.safetensors"):
        assert (tmp_path / name).read_bytes() == (whole[0] / name).read_bytes()
    run(place, tmp_path, "--steps", 2, "--metrics", "ssim")  # other metrics are measured, and nothing is trained
    assert (len(trained), len(measured)) == (3, 4)
    assert "ssim" in (tmp_path / "table.txt").read_text()


def test_finished_runs_are_taken_and_unfinished_ones_refused(place, whole, tmp_path):
    out = tmp_path / "runs"
    for member in ("narrow", "wide"):
        shutil.copytree(whole[0] / member, out / member)
    (out / "wide" / "scores.json").unlink()
    printed = json.loads(run(place, tmp_path / "out", "--runs", out, "--json", "--data", tmp_path / "nothing"))
    assert printed["members"]["wide"] == {**printed["members"]["wide"], "step": 2, "n": 8}
    about = out / "wide" / "generator.json"
    for change, problem in (({"step": 1}, "is at step 1 of 2; continue it"), ({"recipe": "other"}, "recipe 'other', not 'wide'")):
        text = json.loads(about.read_text())
        about.write_text(json.dumps(text | change))
        with pytest.raises(UsageError, match=problem):
            run(place, tmp_path / "out", "--runs", out)
        about.write_text(json.dumps(text))


def test_settings_of_all_and_of_one_member(place, tmp_path):
    settings = ("--set", "batch=1", "--set", "wide:optimizer.rate=1e-3")
    run(place, tmp_path, "--steps", 1, "--only", "wide", *settings)
    assert not (tmp_path / "narrow").exists()
    recipe = load_recipe(str(tmp_path / "wide" / "recipe.toml"))
    assert (recipe.batch, recipe.optimizer.rate, recipe.steps) == (1, 1e-3, 1)
    with pytest.raises(UsageError, match="did you mean 'wide'"):
        run(place, tmp_path, "--set", "wid:batch=1")
    with pytest.raises(UsageError, match="--only is one of narrow, wide"):
        run(place, tmp_path, "--only", "all")
    with pytest.raises(UsageError, match="started with another recipe: batch 1 there, 2 here"):
        run(place, tmp_path, "--steps", 1, "--only", "wide", "--set", "optimizer.rate=1e-3")


def test_what_cannot_be_measured_is_refused_before_training(place, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "train", lambda *_: pytest.fail("it was trained"))
    with pytest.raises(UsageError, match=r"--metrics lpips_alex=PATH"):
        run(place, tmp_path, "--metrics", f"lpips_alex={tmp_path}/missing.pth")
    with pytest.raises(UsageError, match="at least 161 pixels, got 24x24"):
        run(place, tmp_path, "--metrics", "ms_ssim")
    with pytest.raises(UsageError, match=r"unknown table 'vega'.*did you mean 'vegan'"):
        load_table("vega")
    (tmp_path / "table.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"table\.csv was not written by blurkit"):
        run(place, tmp_path)


def test_a_budget_keeps_the_shares_of_a_training():
    text = "steps = 1000\n[adversarial]\nstart = 100\n[schedule]\nwarmup = 10\nhold = 500\nevery = 20\n"
    recipe = parse_recipe(text, where="test")
    expected = ["steps=50", "schedule.warmup=1", "schedule.hold=25", "schedule.every=1", "adversarial.start=5"]
    assert sorted(at_budget(recipe, 50)) == sorted(expected)


@pytest.mark.parametrize(
    ("name", "row", "figures"),
    [
        ("vegan", "blurred", ["0.5140", "0.2831", "0.0804"]),
        ("vegan", "random scale crop", ["0.3206", "0.4049", "0.0594"]),
        ("vegan", "all", ["0.5276", "0.2332", "0.0584"]),
        ("nogan", "WGAN-GP", ["27.6", "28.84", "28.11"]),
        ("nogan", "RaGAN", ["28.67", "28.58", "28.91"]),
        ("nogan-pretrained", "SE-ResNeXt50", ["28.8", ""]),
        ("ird", "DeblurGAN", ["27.17", "0.8338"]),
        ("iitgn", "blurred", ["21.01", "0.789", "0.904", "0.891", "0.412"]),
        ("iitgn", "DiffAugment", ["23.51", "0.840", "0.947", "0.900", "0.503"]),
        ("nnfl", "GAN", ["25.4", "0.8208"]),
        ("nnfl", "U-Net", ["", ""]),
    ],
)
def test_published_figures(name, row, figures):
    table, _ = load_table(name)
    assert [cell.published for cell in table.lines(table.metrics)[row]] == figures


@pytest.mark.parametrize("name", packaged_names("trainer", "table"))
def test_packaged_tables_are_complete(name):
    table, _ = load_table(name)
    assert table.name == name
    assert set(table.metrics) <= set(known_metrics.METRICS)
    metrics = dict.fromkeys(table.metrics, known_metrics.QUICK["psnr"])
    grid = to_grid(table, {}, metrics)
    assert len({len(row) for row in grid}) == 1
    assert len(grid) == len(table.rows) + 2
    for member in table.members:
        recipe = load_recipe(member)
        assert load_recipe(member, at_budget(recipe, 20)).steps == 20
        assert load_recipe(member, at_budget(recipe, recipe.steps)) == recipe


def test_critics_are_trained_first_and_shared(place, tmp_path, monkeypatch):
    """Three members of the packaged table at a tiny size, two of which have one critic."""
    members = [f"nogan-pretrained-{name}" for name in ("patch", "patch-frozen", "mobilenetv3")]
    small = ['generator={name="unet", width=1}', "content.perceptual=0", "crop=16", "batch=2", "validate_pairs=1"]
    small += [f"{member}:critic.width=2" for member in members[:2]]
    small += [f"{members[2]}:critic.{setting}" for setting in ("backbone=resnet10t", "pretrained=false")]
    options = ["--steps", 20, *(word for setting in small for word in ("--set", setting))]
    options += [word for member in members for word in ("--only", member)]
    trained, fitted = [], []

    def train_critic(given, recipe, real=command.train_critic):
        trained.append((given.out.name.rpartition("-")[0], recipe.pretrain))
        return real(given, recipe)

    def train(given, recipe, out, real=command.train):
        if len(fitted) == 1 and not stopped:
            stopped.append(out)
            raise StoppedError("stopped", 75)
        fitted.append(out.name)
        return real(given, recipe, out)

    stopped = []
    monkeypatch.setattr(loop, "draw", lambda out, *_, **__: [(out / name).touch() for name in (SHEET, CURVES)])
    monkeypatch.setattr(command, "draw_table", lambda *_, **__: None)  # pictures take most of the time
    monkeypatch.setattr(command, "train_critic", train_critic)
    monkeypatch.setattr(command, "train", train)
    with pytest.raises(StoppedError):
        run(place, tmp_path, *options, name="nogan-pretrained")
    printed = run(place, tmp_path, *options, name="nogan-pretrained")
    found = json.loads(run(place, tmp_path, *options, "--json", name="nogan-pretrained"))["members"]
    assert trained == [("patch", 1), ("resnet10t", 1)]  # 20 of 200,000 steps, and 1 of 10,000
    assert fitted == members
    row = next(line.split() for line in printed.splitlines() if line.startswith("PatchGAN"))
    assert "28.33" in " ".join(row)
    assert "told blurred from sharp in: nogan-pretrained-patch " in printed
    weights = [load_recipe(str(tmp_path / member / "recipe.toml")).critic["weights"] for member in members]
    assert weights[0] == weights[1] != weights[2]
    assert all(0 <= result["critic_accuracy"] <= 1 for result in found.values())


def test_what_decides_a_critic_decides_its_folder(place, tmp_path):
    pairs = open_pairs([place / "train/00000.h5"])
    base = load_recipe("nogan-pretrained-patch")
    folders = [command._critic_folder(tmp_path, base, pairs), command._critic_folder(tmp_path, base, pairs.spread(2))]
    settings = ("batch=2", "crop=128", "seed=1", "optimizer.rate=1e-3", "pretrain=5", "augment.warps=[]", "critic.width=8")
    folders += [command._critic_folder(tmp_path, load_recipe(base.name, [setting]), pairs) for setting in settings]
    assert len(set(folders)) == len(folders) == 9
    same = [load_recipe(f"{base.name}-frozen"), load_recipe(base.name, ["steps=9", "content.l1=2"])]
    assert {command._critic_folder(tmp_path, recipe, pairs) for recipe in same} == {folders[0]}


def test_a_wrong_row_is_refused(place, tmp_path):
    for wrong, problem in ((' "21 0.5"', "a row has the keys"), (' "21"', "1 figures, not 1 x 2")):
        text = TABLE.replace(', published = "21 0.5"', "") if "keys" in problem else TABLE.replace(' "21 0.5"', wrong)
        (tmp_path / "wrong.toml").write_text(text)
        with pytest.raises(UsageError, match=problem):
            load_table(str(tmp_path / "wrong.toml"))
