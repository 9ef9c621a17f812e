"""Tests exports of LMDB by BasicSR where it is installed, and by a reader that is written after its documentation.

BasicSR 1.4.2 does not import beside the present torchvision. Its documentation says: two folders whose names end in ``.lmdb``; in
each, ``meta_info.txt`` with lines such as ``baboon.png (120,125,3) 1``; the key of an image is its name up to the first dot; both
folders have the same keys; a value is a file that ``cv2.imdecode`` reads.
"""

import re

import cv2
import numpy as np
import pytest
from exports import export, one_sized, unknown, write_samples

from blurkit.export.lmdb import LmdbExporter

lmdb = pytest.importorskip("lmdb")


def read_basicsr(folder):
    """{key: (image RGB, shape)} of a folder."""
    assert folder.name.endswith(".lmdb")
    lines = (folder / "meta_info.txt").read_text().splitlines()
    shapes = {line.split(".")[0]: tuple(map(int, re.search(r"\((\d+),(\d+),(\d+)\) \d$", line).groups())) for line in lines}
    with lmdb.open(str(folder), readonly=True, lock=False, readahead=False) as database, database.begin(write=False) as reading:
        assert database.stat()["entries"] == len(lines) == len(shapes)
        values = {key: np.frombuffer(reading.get(key.encode("ascii")), np.uint8) for key in shapes}
    return {key: (cv2.imdecode(value, cv2.IMREAD_COLOR)[..., ::-1], shapes[key]) for key, value in values.items()}


def test_pairs_come_back_exactly(tmp_path, make_sample):
    shards = one_sized(make_sample, 3), [make_sample(7, 64, 90), unknown(make_sample(8, 33, 21))]
    dataset = write_samples(tmp_path / "shards", *shards)
    export(tmp_path, "--to", "lmdb", "-o", "out", "--truth")
    blurred, sharp = (read_basicsr(tmp_path / "out" / f"train_{side}.lmdb") for side in ("blur", "sharp"))
    assert list(blurred) == list(sharp) == [f"00000{number}" for number in range(5)]
    for key, sample in zip(sharp, dataset, strict=True):
        assert np.array_equal(blurred[key][0], sample.blurred)
        assert np.array_equal(sharp[key][0], sample.sharp)
        assert blurred[key][1] == sharp[key][1] == sample.sharp.shape
    assert sorted(path.name for path in (tmp_path / "out/train_blur.lmdb").iterdir()) == ["data.mdb", "meta_info.txt"]


def test_the_printed_lines_read_it(tmp_path, make_sample):
    pytest.importorskip("basicsr", exc_type=ImportError)
    dataset = write_samples(tmp_path / "shards", one_sized(make_sample, 3), [make_sample(7, 64, 90)])
    export(tmp_path, "--to", "lmdb", "-o", "out")
    namespace = {}
    exec(LmdbExporter.reading.format(out=tmp_path / "out", split="train"), namespace)
    assert len(namespace["pairs"]) == len(dataset)
    for number, sample in enumerate(dataset):
        pair = namespace["pairs"][number]
        for image, expected in ((pair["lq"], sample.blurred), (pair["gt"], sample.sharp)):
            assert np.array_equal(np.rint(image.numpy().transpose(1, 2, 0) * 255), expected)


def test_kernels_are_one_array_beside_the_databases(tmp_path, make_sample):
    dataset = write_samples(tmp_path / "shards", one_sized(make_sample, 3), [unknown(make_sample(8, 33, 21))])
    export(tmp_path, "--to", "lmdb", "-o", "out", "--truth")
    kernels = np.load(tmp_path / "out/train_kernel.npy", mmap_mode="r")
    assert kernels.shape == (4, 5, 5)
    for kernel, sample in zip(kernels[:3], dataset, strict=False):
        margin = (5 - len(sample.kernel)) // 2
        assert np.array_equal(kernel, np.pad(sample.kernel, margin))
    assert not kernels[3].any()


def test_without_the_package_it_says_what_to_install(tmp_path, make_sample, monkeypatch):
    write_samples(tmp_path / "shards", one_sized(make_sample, 1))
    monkeypatch.setitem(__import__("sys").modules, "lmdb", None)
    done = export(tmp_path, "--to", "lmdb", "-o", "out", code=2)
    assert "pip install lmdb" in done.stderr
    assert not (tmp_path / "out").exists()


def test_noise_that_cannot_be_compressed_fits(tmp_path, make_sample):
    """PNG files of noise are larger than their pixels, and the size of a database is fixed when it is made."""
    write_samples(tmp_path / "shards", [make_sample(number, 1, 1) for number in range(400)], [make_sample(1, 500, 700)])
    export(tmp_path, "--to", "lmdb", "-o", "out")
    assert len(read_basicsr(tmp_path / "out/train_sharp.lmdb")) == 401
