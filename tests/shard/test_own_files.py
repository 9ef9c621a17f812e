"""Tests that the files of a real dataset are known by their content, also when damaged, and that no file of others is."""

import json

import h5py
import numpy as np
import pytest

from blurkit.shard.layout import build_layout
from blurkit.shard.ledger import Failure
from blurkit.shard.own_files import how_known

LINE = Failure('a "b"\\c/ü.jpg', "a/b.jpg", "decode", "truncated", "The file ends too early.", 1).line().encode() + b"\n"


def is_own(name, content):
    return how_known(name)(content[: 1 << 16])


def test_files_of_a_dataset_are_known_by_their_openings(small_dataset):
    folder = small_dataset.folder / "shards"
    paths = [path for path in folder.iterdir() if how_known(path.name)]
    assert {path.suffix for path in paths} == {".h5", ".json", ".jsonl"}
    for path in paths:
        content = path.read_bytes()
        if content:
            assert is_own(path.name, content), path
    for path in (path for path in paths if path.suffix == ".h5"):
        assert is_own(path.name, path.read_bytes()[:9000])
    record = (folder / "00000.json").read_bytes()
    assert is_own("00000.json", record[:60])
    assert is_own("00000.json", json.dumps(json.loads(record)).encode())
    plan = (folder / "plan.json").read_bytes()
    assert is_own("plan.json", plan[: len(plan) // 2])
    assert how_known("notes.txt") is None


def test_shards_of_any_shape_are_known():
    for shape in ((1, 8, 8, 3), (500, 480, 640, 3), (10**7,)):
        layout = build_layout(shape, {"id": np.zeros(3, "S7")}, {"format": "blurkit-shard"})
        assert is_own("00000.h5", layout.extents[0][1])


@pytest.mark.parametrize("libver", ["earliest", ("v110", "v110"), "latest"])
def test_hdf5_files_of_others_are_not_ours(tmp_path, libver):
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        for name in ("sharp", "blurred"):
            file[name] = np.zeros((3, 64, 64, 3), np.uint8)
        file.attrs["format"] = "mine"
    assert not is_own("00000.h5", (tmp_path / "a.h5").read_bytes())


def test_lines_of_the_ledger_are_known_also_where_the_disk_was_full():
    assert is_own("ledger.jsonl", LINE * 3)
    assert is_own("ledger.jsonl", LINE + LINE[:20])
    assert is_own("ledger.jsonl", LINE[:30] + LINE)
    for length in range(9, len(LINE)):
        assert is_own("ledger.jsonl", LINE[:length]), LINE[:length]


OTHERS = {
    "plan.json": ['{"configuration": {}, "roots": {}, "files": {}}', "{}", "[1]", '{"plan": "of my house"}'],
    "dataset.json": ["{}", '{"format": "mine", "shards": []}', "precious"],
    "000001.json": ["{}", '{"file": "photo.jpg", "samples": 3}', '{"samples": 3, "file": "00001.h5"}'],
    "ledger.jsonl": ['{"id": "1", "text": "mine"}\n', '{"id": 1}', "half of a li", '{"id": "1"}', '{"name": "a"}'],
    "00000.h5": ["precious", "\x89HDF\r\n\x1a\n", ""],
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_others_with_our_names_are_not_ours(name):
    assert [content for content in OTHERS[name] if is_own(name, content.encode("latin-1"))] == []
