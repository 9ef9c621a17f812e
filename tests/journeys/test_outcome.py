"""Tests what a run says at its end: what was left out and why, which options help, and that nothing made is no success."""

import json
import re

import numpy as np
import pytest
from clips import numbered
from command_line import result, run
from cv2 import imwrite

from blurkit.shard.ledger import Failure, read_ledger


@pytest.fixture
def photographs(tmp_path, rng):
    """A folder with 20 photographs of 60 x 80 pixels."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(20):
        imwrite(str(folder / f"{number:02d}.png"), rng.integers(0, 256, (60, 80, 3), np.uint8))
    return folder


GENERATE = ("generate", "--recipe", "clean", "--size")


def test_photographs_smaller_than_the_crops_are_an_error_that_names_the_largest_size(photographs, tmp_path):
    for arguments in (("generate", "--dry-run", "--size"), ("preview", "--size")):
        done = run(*arguments, 320, "--src", photographs, cwd=tmp_path, code=1)
        assert "--size 320" in done.stderr
        assert "--size 60" in done.stderr
    done = run(*GENERATE, 320, "--src", photographs, cwd=tmp_path, code=1)
    assert "20 too_small" in done.stderr
    assert "--overwrite" in done.stderr
    assert result(*GENERATE, 60, "--src", photographs, "--overwrite", cwd=tmp_path)["made"] == 20


def test_downscaled_photographs_are_too_small_as_well(photographs, tmp_path):
    done = run(*GENERATE, 48, "--downscale", 2, "--src", photographs, cwd=tmp_path, code=1)
    assert "--size 30" in done.stderr
    assert "--downscale" in done.stderr


def test_the_estimate_counts_only_photographs_that_fit(photographs, tmp_path):
    for number in range(5):
        imwrite(str(photographs / f"small{number}.png"), np.zeros((40, 100, 3), np.uint8))
    (photographs / "page.png").write_text("<html>")
    found = result(*GENERATE, 48, "--dry-run", "--per-image", 3, "--src", photographs, cwd=tmp_path)
    assert (found["images"], found["pairs"]) == (26, 60)
    made = result(*GENERATE, 48, "--per-image", 3, "--src", photographs, "--max-bad", 3, cwd=tmp_path)
    assert made["made"] == found["pairs"]
    assert found["bytes"] == pytest.approx(made["bytes"], rel=0.2)


def test_nothing_made_is_a_failure_that_says_why_for_every_reason(photographs, tmp_path):
    done = run(*GENERATE, 48, "--min-sharpness", 1e9, "--src", photographs, cwd=tmp_path, code=1)
    assert "no pair was made: 20 not_sharp" in done.stderr
    for command in ("info", "preview"):
        done = run(command, "shards", cwd=tmp_path, code=2)
        assert "20 not_sharp, such as 00.png" in done.stderr
        assert "run `blurkit generate" not in done.stderr


def test_a_clip_that_is_too_short_advises_a_setting_that_helps(tmp_path):
    (tmp_path / "clip").mkdir()
    for number in range(5):
        imwrite(str(tmp_path / "clip" / f"{number}.png"), numbered(number))
    video = ("generate", "--src", "video", "--root", "clip", "--size", 48, "--recipe", "frames")
    done = run(*video, cwd=tmp_path, code=1)
    setting = re.search(r"--set (frames\.\S+?\])", done.stderr)[1]
    assert result(*video, "--set", setting, "--overwrite", cwd=tmp_path)["made"] == 3
    done = run("generate", "--src", "clip", "--recipe", "frames", cwd=tmp_path, code=2)
    assert "--src video --root" in done.stderr


def test_one_bad_file_among_many_is_named_with_the_option_that_accepts_it(photographs, tmp_path):
    (photographs / "05.png").write_bytes((photographs / "05.png").read_bytes()[:900])
    (photographs / "notes.txt").touch()
    done = run(*GENERATE, 48, "--src", photographs, cwd=tmp_path, code=1)
    assert "05.png (truncated)" in done.stderr
    option = re.search(r"--max-bad (\d+)\b(?!%)", done.stderr)[0]
    assert "1 truncated, such as 05.png" in done.stdout
    assert "1 no_image_name, such as notes.txt" in done.stdout
    assert str(tmp_path.joinpath("shards", "ledger.jsonl").relative_to(tmp_path)) in done.stdout
    assert run(*GENERATE, 48, "--src", photographs, *option.split(), cwd=tmp_path).stderr == ""
    assert "1 truncated, such as 05.png" in run("info", "shards", cwd=tmp_path).stdout


def test_many_failures_are_counted_and_the_first_named(photographs, tmp_path):
    for number in range(7):
        (photographs / f"{number:02d}.png").write_bytes(b"")
    done = run(*GENERATE, 48, "--src", photographs, "--json", cwd=tmp_path, code=1)
    assert "7 of 20 pairs failed" in done.stderr
    assert [name in done.stderr for name in ("00.png", "02.png", "03.png")] == [True, True, False]
    assert "and 4 more" in done.stderr
    assert json.loads(done.stdout)["left_out"] == [{"stage": "decode", "reason": "empty", "entries": 7, "pairs": 7}]


def test_the_card_counts_the_photographs_that_are_in_the_dataset(photographs, tmp_path):
    (photographs / "05.png").write_bytes(b"")
    run(*GENERATE, 48, "--per-image", 2, "--src", photographs, "--max-bad", 2, cwd=tmp_path)
    card = (tmp_path / "shards" / "README.md").read_text()
    assert re.search(r"\| photographs +\| 19 +\|", card)
    assert "38 pairs of 19 photographs" in card


def test_a_dataset_and_a_run_inside_the_folder_of_photographs_are_no_photographs(photographs, tmp_path):
    first = result(*GENERATE, 48, "--src", photographs, "--out", photographs / "one", cwd=tmp_path)
    ledger = (photographs / "one" / "ledger.jsonl").read_bytes()
    again = run(*GENERATE, 48, "--src", photographs, "--out", photographs / "one", cwd=tmp_path)
    assert f"{photographs / 'one'}: made by blurkit or trainer" in again.stderr
    assert (photographs / "one" / "ledger.jsonl").read_bytes() == ledger
    run_folder = photographs / "deep" / "run"
    run_folder.mkdir(parents=True)
    (run_folder / "recipe.toml").write_text('name = "x"\nsteps = 3\nbatch = 1\ncrop = 8\n\n[generator]\nname = "resnet"\n')
    imwrite(str(run_folder / "validation.png"), np.zeros((100, 100, 3), np.uint8))
    second = result(*GENERATE, 48, "--src", photographs, "--out", photographs / "two", cwd=tmp_path)
    assert second["digest"] == first["digest"]
    assert result("info", "--src", photographs, cwd=tmp_path)["images"] == 20


def test_pictures_that_were_drawn_of_photographs_are_no_photographs(photographs, tmp_path):
    first = result(*GENERATE, 48, "--src", photographs, cwd=tmp_path)
    for name in ("a.png", "b.jpg", "preview.png"):
        run("preview", "shards", "-o", photographs / name, cwd=tmp_path)
    (photographs / "examples.jpg").write_bytes((tmp_path / "shards" / "examples.jpg").read_bytes())
    (photographs / "sheet.jpg").write_bytes((tmp_path / "shards" / "examples.jpg").read_bytes())
    (photographs / "sheet.png").write_bytes((photographs / "00.png").read_bytes())
    second = result(*GENERATE, 48, "--src", photographs, "--out", "two", cwd=tmp_path)
    assert (second["images"], second["made"], second["skipped"], second["failed"]) == (first["images"] + 4, 21, 3, 0)
    assert second["left_out"] == [{"stage": "decode", "reason": "own_picture", "entries": 3, "pairs": 3}]


def test_the_usual_pictures_in_the_source_do_not_stop_a_run_from_being_continued(photographs, tmp_path):
    first = result(*GENERATE, 48, "--src", photographs, cwd=tmp_path)
    run("preview", tmp_path / "shards", cwd=photographs)
    assert (photographs / "preview.png").exists()
    again = result(*GENERATE, 48, "--src", photographs, cwd=tmp_path)
    assert (again["images"], again["digest"]) == (first["images"], first["digest"])


def test_files_of_other_programs_with_our_names_change_nothing(photographs, tmp_path):
    for name, text in (("plan.json", '{"plan": 1}'), ("recipe.toml", 'flour = "500 g"'), ("dataset.json", "[")):
        folder = photographs / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_text(text)
        imwrite(str(folder / "photograph.png"), np.zeros((60, 80, 3), np.uint8))
    assert result("info", "--src", photographs, cwd=tmp_path)["images"] == 23


def test_folders_of_the_system_are_no_part_of_a_source(photographs, tmp_path):
    for name in ("@eaDir", "__MACOSX", ".ipynb_checkpoints", "$RECYCLE.BIN", ".Trash", "lost+found"):
        (photographs / name).mkdir()
        imwrite(str(photographs / name / "photograph.png"), np.zeros((60, 80, 3), np.uint8))
    found = result("info", "--src", photographs, cwd=tmp_path)
    assert (found["images"], found["passed_over"]) == (20, {"hidden": 6})


def test_a_ledger_is_read_line_by_line(tmp_path):
    failure = Failure("a", "b/a", "decode", "empty", "x", 1)
    (tmp_path / "ledger.jsonl").write_text(f'{failure.line()}\n{{"id": 1}}\n[[[\n{failure.line()}\n')
    assert read_ledger(tmp_path / "ledger.jsonl") == [failure, failure]
    assert read_ledger(tmp_path / "nothing") == []
