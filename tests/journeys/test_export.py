"""Tests ``blurkit export`` as a command: what it prints, the files beside the pairs, its errors, and runs that are killed."""

import json
import random
import shutil
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from command_line import SMALL, result, run
from damage import flip
from exports import FORMATS, contents
from json_lines import read_lines
from messages import check_said

from blurkit import Redrawn
from blurkit.shard import Shard, open_dataset

ROW = ["name", "blurred", "sharp", "kernel", "source", "id", "variant", "licence", "licence_url", "credit", "source_sha256"]
ROW += ["crop", "valid", "notes", "uniform", "parameters"]

#: Runs blurkit with a pause before each pair of an export.
SLOWLY = """
import sys, time
from blurkit.cli import main
from blurkit.export import run
def slowly(*arguments, real=run.row_of):
    time.sleep(0.01)
    return real(*arguments)
run.row_of = slowly
sys.exit(main())
"""


@pytest.fixture
def shards(reference):
    return reference[0] / "shards"


def test_it_prints_what_it_wrote(tmp_path, shards):
    dataset = open_dataset(shards)
    printed = result("export", shards, "--truth", "-q", cwd=tmp_path)
    seconds = printed.pop("seconds")
    assert 0 < seconds < 60
    count = len(dataset)
    numbers = {"pairs": count, "written": count, "parts": len(dataset.files)}
    assert {key: printed[key] for key in numbers} == numbers
    assert (printed["out"], printed["to"], printed["split"]) == ("exported", "folder", "train")
    assert sum(printed["licences"].values()) == count
    assert result("export", shards, "--truth", "-q", cwd=tmp_path)["written"] == 0


def test_each_pair_has_its_origin_its_licence_and_what_was_drawn(tmp_path, shards):
    run("export", shards, "--truth", "-q", cwd=tmp_path)
    dataset, rows = open_dataset(shards), read_lines(tmp_path / "exported/train.jsonl")
    for row, sample in zip(rows, dataset, strict=True):
        assert list(row) == ROW
        assert {key: row[key] for key in ("source", "licence", "variant", "source_sha256")}.items() <= sample.meta.items()
        assert row["id"] == sample.id
        assert row["parameters"]["length"] == sample.meta["length"]
        assert row["uniform"] is True
        assert row["licence_url"].startswith("https://creativecommons.org/publicdomain/")
    astronaut = next(row for row in rows if row["id"] == "astronaut")
    assert astronaut["credit"].startswith("The astronaut Eileen Collins, NASA, ")
    facts = json.loads((tmp_path / "exported/train.json").read_text())
    assert facts["dataset"] == dataset.digest
    assert facts["recipe"]["name"] == "clean"
    assert "true convolution" in facts["conventions"]["convolution"]
    page = (tmp_path / "exported/train.md").read_text()
    assert 'glob.glob("./train/*/blur/*.png")' in page
    assert "CC0-1.0" in page


def test_a_single_shard_and_the_split_of_a_dataset(tmp_path):
    run("generate", *SMALL, "--split", "val", cwd=tmp_path)
    run("export", "--to", "webdataset", "-q", cwd=tmp_path)
    assert (tmp_path / "exported/val-00000.tar").is_file()
    assert result("export", "shards/00000.h5", "-o", "one", "-q", cwd=tmp_path)["split"] == "train"
    count = len(Shard(tmp_path / "shards/00000.h5"))
    assert len(list((tmp_path / "one").glob("train/00000/sharp/*.png"))) == count


@pytest.mark.parametrize("store", ["sharp", "light"])
def test_pairs_without_end_are_those_that_the_stored_seeds_draw(tmp_path, store):
    run("generate", *SMALL, "--recipe", "handheld", "--store", store, cwd=tmp_path)
    run("export", "--to", "deepinv", "--truth", "-q", cwd=tmp_path)
    pairs = Redrawn(open_dataset(tmp_path / "shards"))
    with h5py.File(tmp_path / "exported/train.h5") as file:
        side = file["filter_train"].shape[-1]
        for number, (pair, row) in enumerate(zip(pairs, read_lines(tmp_path / "exported/train.jsonl"), strict=True)):
            for key, image in (("x_train", pair.sharp), ("y_train", pair.blurred)):
                assert np.array_equal(np.rint(file[key][number].transpose(1, 2, 0) * 255), image)
            assert np.array_equal(file["filter_train"][number, 0], np.pad(pair.kernel, (side - len(pair.kernel)) // 2))
            assert row["parameters"]["length"] == pair.meta["length"]


def test_wrong_options_are_refused_with_advice(tmp_path, shards):
    check_said(run("export", shards, "--to", "lmbd", cwd=tmp_path, code=2), "--to is one of folder, lmdb", "did you mean 'lmdb'?")
    check_said(run("export", shards, "--split", "my_train", cwd=tmp_path, code=2), "--split is a word", "'my_train'")
    check_said(run("export", shards, "--split", "", cwd=tmp_path, code=2), "--split is a word", "''")
    check_said(run("export", "nowhere", cwd=tmp_path, code=2), "no such folder of shards")
    (tmp_path / "file").touch()
    check_said(run("export", shards, "-o", "file", cwd=tmp_path, code=1), "cannot make the folder file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_an_unfinished_dataset_is_refused(tmp_path):
    run("generate", *SMALL, "--slice", "0/2", cwd=tmp_path)
    check_said(run("export", cwd=tmp_path, code=2), "is not complete", "it resumes")


@pytest.mark.parametrize("to", FORMATS)
def test_a_damaged_sample_is_named_and_nothing_looks_whole(tmp_path, shards, to):
    shutil.copytree(shards, tmp_path / "shards")
    shard = open_dataset(tmp_path / "shards").shard(1)
    name, image = shard.name(1), np.ascontiguousarray(shard.images(1)[1])
    flip(shard.path, shard.path.read_bytes().index(image.tobytes()) + 5)
    check_said(run("export", "--to", to, "-q", cwd=tmp_path, code=1), "00001.h5", name, "checksum")
    assert not (tmp_path / "exported/train.jsonl").exists()


def test_two_exports_never_write_the_same(tmp_path, shards):
    from blurkit.program.locks import locked

    (tmp_path / "exported/.export-train").mkdir(parents=True)
    with locked(tmp_path / "exported/.export-train/.lock"):
        done = run("export", shards, cwd=tmp_path, code=2)
    check_said(done, "another export is writing", "choose another -o or --split")


@pytest.mark.slow
@pytest.mark.parametrize("to", FORMATS)
def test_an_export_that_is_killed_again_and_again_ends_like_an_undisturbed_one(tmp_path, to):
    run("generate", *SMALL, "--per-image", 12, "--set", "shard_bytes=60000", cwd=tmp_path)
    options = ("--to", to, "--truth", "-q", "--workers", "2")
    run("export", *options, "-o", "whole", cwd=tmp_path)
    rng, killed, state = random.Random(to), 0, tmp_path / "out/.export-train"
    for _ in range(100):
        before = set(state.glob("*.json"))
        command = [sys.executable, "-c", SLOWLY, "export", *options, "-o", "out"]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None and set(state.glob("*.json")) == before:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.1)
        process.kill()
        _, said = process.communicate()
        assert process.returncode in (0, -9), said.decode()
        killed += process.returncode == -9
        if process.returncode == 0:
            break
    assert killed > 5
    run("export", *options, "-o", "out", cwd=tmp_path)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
