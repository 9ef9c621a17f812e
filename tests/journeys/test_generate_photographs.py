"""Tests ``blurkit generate`` with photographs of the user: damaged, moved or changed files, and folders with odd names."""

import os
import zlib

import cv2
import numpy as np
import pytest
from command_line import SMALL, result, run
from json_lines import read_lines
from photographs import random_squares

from blurkit.shard import open_dataset


def test_a_folder_whose_name_is_no_text_serves_as_a_source(photographs, tmp_path):
    strange = os.fsdecode(b"caf\xe9")
    photographs.rename(tmp_path / strange)
    assert result("generate", "--src", strange, *SMALL, "--out", strange + "-shards", cwd=tmp_path)["made"] == 6
    checked = result("verify", strange + "-shards", "--recompute", "100%", "--root", strange, cwd=tmp_path)
    assert (checked["recomputed"], checked["problems"]) == (6, [])


def test_a_photograph_that_claims_too_much_does_not_stop_the_others(photographs, tmp_path):
    header = b"IHDR" + (900_000).to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    (photographs / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    cv2.imwrite(str(photographs / "tall.png"), np.zeros((70_000, 8, 3), np.uint8))
    printed = result("generate", "--src", photographs, "--size", "full", cwd=tmp_path, code=1)
    assert (printed["made"], printed["failed"]) == (6, 2)
    lines = read_lines(tmp_path / "shards" / "ledger.jsonl")
    assert {line["id"]: line["reason"] for line in lines} == {"bomb.png": "too_large", "tall.png": "too_large"}


@pytest.fixture
def photographs(tmp_path, rng):
    """A folder with six photographs of 80 x 100 pixels in the folder inner."""
    folder = tmp_path / "photographs"
    (folder / "inner").mkdir(parents=True)
    for i in range(6):
        cv2.imwrite(str(folder / "inner" / f"{i}.png"), random_squares(rng, (8, 10), 10))
    return folder


def test_bad_photographs_are_named_counted_and_skipped(photographs, tmp_path):
    (photographs / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (photographs / "page.png").write_bytes(b"<html>not found</html>")
    cv2.imwrite(str(photographs / "small.png"), np.zeros((20, 300, 3), np.uint8))
    printed = result("generate", "--src", photographs, *SMALL, "--per-image", 2, cwd=tmp_path, code=1)
    assert (printed["pairs"], printed["made"], printed["failed"], printed["skipped"]) == (18, 12, 4, 2)
    lines = read_lines(tmp_path / "shards" / "ledger.jsonl")
    assert {line["id"]: (line["stage"], line["reason"], line["items"]) for line in lines} == {
        "cut.jpg": ("decode", "truncated", 2),
        "page.png": ("decode", "not_an_image", 2),
        "small.png": ("crop", "too_small", 2),
    }
    assert printed["made"] + sum(line["items"] for line in lines) == printed["pairs"]
    run("generate", "--src", photographs, *SMALL, "--per-image", 2, "--max-bad", "25%", cwd=tmp_path)
    run("generate", "--src", photographs, *SMALL, "--per-image", 2, "--max-bad", "3", cwd=tmp_path, code=1)


def test_failed_photographs_are_tried_again_when_asked(photographs, tmp_path):
    good = (photographs / "inner" / "3.png").read_bytes()
    (photographs / "inner" / "3.png").write_bytes(good[:50])
    assert result("generate", "--src", photographs, *SMALL, cwd=tmp_path, code=1)["made"] == 5
    (photographs / "inner" / "3.png").write_bytes(good)
    assert result("generate", "--src", photographs, *SMALL, cwd=tmp_path, code=1)["made"] == 5
    mended = result("generate", "--src", photographs, *SMALL, "--retry-failed", cwd=tmp_path)
    assert mended["made"] == 6
    assert mended["digest"] == result("generate", "--src", photographs, *SMALL, "--out", "fresh", cwd=tmp_path)["digest"]
    assert (tmp_path / "shards" / "ledger.jsonl").read_text() == ""


def test_a_folder_of_nothing_usable_ends_without_a_crash(tmp_path):
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "a.jpg").write_bytes(b"")
    printed = result("generate", "--src", "photographs", cwd=tmp_path, code=1)
    assert (printed["made"], printed["failed"], printed["complete"]) == (0, 1, True)
    assert len(open_dataset(tmp_path / "shards")) == 0
    assert "empty" in (tmp_path / "shards" / "ledger.jsonl").read_text()


def test_moved_photographs_make_the_same_dataset(photographs, tmp_path):
    first = result("generate", "--src", photographs, *SMALL, cwd=tmp_path)
    photographs.rename(tmp_path / "moved")
    assert result("generate", "--src", "moved", *SMALL, "--out", "again", cwd=tmp_path)["digest"] == first["digest"]
    done = run("verify", "shards", "--recompute", "100%", cwd=tmp_path, code=2)
    assert f"add --root {photographs}" in done.stderr
    run("verify", "shards", "--recompute", "100%", "--root", "moved", cwd=tmp_path)


def test_a_bank_of_kernels_serves_as_a_recipe(photographs, tmp_path):
    run("kernels", "-n", 5, "--recipe", "deblurgan", "-o", "mine.mat", cwd=tmp_path)
    printed = result(
        "generate", "--src", photographs, "--recipe", "bank", "--set", "kernels=mine.mat", "--size", "48", cwd=tmp_path
    )
    assert printed["made"] == 6
    done = run("verify", "shards", "--recompute", "100%", "--root", photographs, cwd=tmp_path, code=2)
    assert "name your copy of it with --file kernels=PATH" in done.stderr
    named = ("--root", photographs, "--file", "kernels=mine.mat")
    assert "6 made again" in run("verify", "shards", "--recompute", "100%", *named, cwd=tmp_path).stdout
    assert all(0 <= sample.meta["bank_index"] < 5 for sample in open_dataset(tmp_path / "shards"))


def test_verify_finds_photographs_that_have_changed(photographs, tmp_path):
    run("generate", "--src", photographs, *SMALL, cwd=tmp_path)
    cv2.imwrite(str(photographs / "inner" / "2.png"), np.full((80, 100, 3), 7, np.uint8))
    done = run("verify", "shards", "--recompute", "100%", "--root", photographs, cwd=tmp_path, code=1)
    assert "inner/2.png#0: its photograph has changed since (sha256)" in done.stdout
    (photographs / "inner" / "2.png").unlink()
    done = run("verify", "shards", "--recompute", "100%", "--root", photographs, cwd=tmp_path, code=1)
    assert "is not in" in done.stdout
