"""Tests exports of PNG files: what OpenCV, ``blurkit import``, the trainer, and the reader of GOPRO_Large read."""

import cv2
import numpy as np
from command_line import run
from exports import export, one_sized, unknown, write_samples
from json_lines import read_lines

from blurkit.export.folder import FolderExporter
from blurkit.shard import open_dataset
from blurkit.sources.known.gopro import open_gopro
from trainer.data.pairs import open_pairs


def rgb(path):
    return cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]


def test_pairs_and_kernels_come_back_exactly(tmp_path, make_sample):
    shards = one_sized(make_sample, 3), [make_sample(7, 64, 90), unknown(make_sample(8, 33, 21))]
    dataset = write_samples(tmp_path / "shards", *shards)
    export(tmp_path, "--to", "folder", "-o", "out", "--truth")
    rows = read_lines(tmp_path / "out/train.jsonl")
    assert [row["blurred"] for row in rows] == [f"train/0000{i // 3}/blur/00000{i}.png" for i in range(5)]
    for row, sample in zip(rows, dataset, strict=True):
        assert np.array_equal(rgb(tmp_path / "out" / row["blurred"]), sample.blurred)
        assert np.array_equal(rgb(tmp_path / "out" / row["sharp"]), sample.sharp)
        assert np.array_equal(np.load(tmp_path / "out" / row["kernel"]), sample.kernel)


def test_import_and_the_trainer_read_the_same_pixels(tmp_path, make_sample):
    dataset = write_samples(tmp_path / "shards", one_sized(make_sample, 3), [make_sample(7, 64, 90), unknown(make_sample(8))])
    export(tmp_path, "--to", "folder", "-o", "out", "--truth")
    run("import", "out", "--out", "imported", "-q", cwd=tmp_path)
    imported, read = open_dataset(tmp_path / "imported"), open_pairs([tmp_path / "out"])
    assert len(imported) == len(read) == len(dataset)
    for number, sample in enumerate(dataset):
        name = f"train/0000{number // 3}/blur/00000{number}"
        assert (imported[number].id, read.name(number)) == (name, f"{name}.png")
        for sharp, blurred in ((imported[number].sharp, imported[number].blurred), read.images(number)):
            assert np.array_equal(sharp, sample.sharp)
            assert np.array_equal(blurred, sample.blurred)


def test_sequences_with_the_names_of_gopro_are_read_as_gopro(tmp_path, make_sample):
    dataset = write_samples(tmp_path / "shards", one_sized(make_sample, 3), one_sized(make_sample, 2, 3))
    export(tmp_path, "--to", "folder", "-o", "out", "--split", "test")
    for sequence in (tmp_path / "out/test").iterdir():
        sequence.rename(sequence.with_name(f"GOPR{sequence.name}"))
    records = open_gopro(tmp_path / "out", "test").records
    assert [record.id for record in records][-1] == "test/GOPR00001/000004"
    for record, sample in zip(records, dataset, strict=True):
        assert np.array_equal(rgb(record.path), sample.sharp)
        assert np.array_equal(rgb(record.blurred[0][1].path), sample.blurred)


def test_the_printed_lines_read_it(tmp_path, make_sample):
    dataset = write_samples(tmp_path / "shards", one_sized(make_sample, 2))
    export(tmp_path, "--to", "folder", "-o", "out")
    namespace = {}
    exec(FolderExporter.reading.format(out=tmp_path / "out", split="train"), namespace)
    for (blurred, sharp), sample in zip(namespace["pairs"], dataset, strict=True):
        assert np.array_equal(blurred[..., ::-1], sample.blurred)
        assert np.array_equal(sharp[..., ::-1], sample.sharp)
