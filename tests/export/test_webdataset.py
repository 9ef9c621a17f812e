"""Tests exports of tar files, as the package ``webdataset`` and the program ``tar`` read them."""

import subprocess

import numpy as np
import pytest
from exports import export, one_sized, unknown, write_samples
from json_lines import read_lines

from blurkit.export.webdataset import WebdatasetExporter


# The package leaves the files that it reads open until they are collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_pairs_and_their_rows_come_back_exactly(tmp_path, make_sample):
    webdataset = pytest.importorskip("webdataset")
    shards = one_sized(make_sample, 3), [make_sample(7, 64, 90), unknown(make_sample(8, 33, 21))]
    dataset = write_samples(tmp_path / "shards", *shards)
    export(tmp_path, "--to", "webdataset", "-o", "out", "--truth")
    urls = f"{tmp_path}/out/train-{{00000..00001}}.tar"
    pieces = ("blurred.png", "sharp.png", "kernel.npy", "json")
    read = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8").to_tuple(*pieces))
    for (blurred, sharp, kernel, row), sample in zip(read, dataset, strict=True):
        assert np.array_equal(blurred, sample.blurred)
        assert np.array_equal(sharp, sample.sharp)
        assert np.array_equal(kernel, sample.kernel)
        assert row["id"] == sample.id
    assert [row for *_, row in read] == read_lines(tmp_path / "out/train.jsonl")
    namespace = {}
    exec(WebdatasetExporter.reading.format(out=tmp_path / "out", split="train"), namespace)
    assert np.array_equal(next(iter(namespace["pairs"]))[1], dataset[0].sharp)


def test_members_have_no_time_and_no_owner(tmp_path, make_sample):
    write_samples(tmp_path / "shards", one_sized(make_sample, 1))
    export(tmp_path, "--to", "webdataset", "-o", "out")
    command = ["tar", "--numeric-owner", "--utc", "-tvf", str(tmp_path / "out/train-00000.tar")]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert [line.split()[-1] for line in lines] == ["000000.blurred.png", "000000.sharp.png", "000000.json"]
    assert all(line.startswith("-rw-r--r-- 0/0") and " 1970-01-01 00:00 " in line for line in lines)
