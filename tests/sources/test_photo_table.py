"""Tests the source ``table``: what its columns become, in each format, and how wrong rows and files are named."""

import csv
import json
import math
import os
import sys

import cv2
import numpy as np
import pytest
from command_line import result, run
from dataset_roots import HEIGHT, WIDTH, save_photograph
from listed import ids, reasons

from blurkit.errors import UsageError
from blurkit.pipeline.plan import make_plan
from blurkit.pipeline.produce import load_photograph
from blurkit.pipeline.remake import remake
from blurkit.pipeline.settings import Settings
from blurkit.recipes.load import load_recipe
from blurkit.shard import open_dataset
from blurkit.sources import open_source
from blurkit.sources.rows import read_rows

ROWS = [
    {"path": "b/2.png", "licence": "CC-BY-4.0", "split": "train", "focal_35mm": "28.5", "focal_pixels": "", "disparity": ""},
    {"path": "1.png", "licence": "", "split": "val", "focal_35mm": "", "focal_pixels": "120", "disparity": ""},
    {"path": "b/1.png", "licence": "Mine 1", "split": "train", "focal_35mm": "", "focal_pixels": "", "disparity": "maps/x.npy"},
]


@pytest.fixture
def photographs(tmp_path):
    for folder in ("b", "maps"):
        (tmp_path / folder).mkdir()
    for seed, row in enumerate(ROWS):
        save_photograph(tmp_path / row["path"], seed)
    np.save(tmp_path / "maps" / "x.npy", np.ones((HEIGHT, WIDTH), np.float32))
    return tmp_path


def write_csv(path, rows, delimiter=",", encoding="utf-8"):
    with open(path, "w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_json_lines(path, rows):
    """Values that are not given are null or absent."""
    lines = [{name: value or None for name, value in row.items() if value or name == "licence"} for row in rows]
    path.write_text("\n\n".join(map(json.dumps, lines)))
    return path


def write_parquet(path, rows):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    numbers = [
        {name: (float(value) if value else None) if "focal" in name else value for name, value in row.items()} for row in rows
    ]
    parquet.write_table(pyarrow.Table.from_pylist([{**row, "image": b"many bytes"} for row in numbers]), path)
    return path


WRITERS = {
    "csv": write_csv,
    "semicolons.csv": lambda path, rows: write_csv(path, rows, ";", "utf-8-sig"),
    "tsv": lambda path, rows: write_csv(path, rows, "\t"),
    "jsonl": write_json_lines,
    "parquet": write_parquet,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_the_columns_in_each_format(photographs, kind):
    table = WRITERS[kind](photographs / f"t.{kind}", ROWS)
    source = open_source("table", root=table)
    assert ids(source) == [row["path"] for row in ROWS]
    assert (source.name, source.root, source.passed_over) == ("table", table, [])
    for record, row in zip(source.records, ROWS, strict=True):
        assert record.path == str(photographs / row["path"])
        assert (record.licence, record.split, record.source) == (row["licence"], row["split"], "table")
        assert (record.focal_35mm, record.focal_pixels) == (float(row["focal_35mm"] or 0), float(row["focal_pixels"] or 0))
        assert record.disparity == (str(photographs / row["disparity"]) if row["disparity"] else "")
    assert source.notices == ([f"{table}: 1 unknown column not used: 'image'; known are {KNOWN}"] if kind == "parquet" else [])


KNOWN = "path, licence, license, split, focal_35mm, focal_pixels, disparity"


def test_a_focal_length_has_priority_over_exif_and_becomes_pixels(photographs):
    """36 x 24 mm of film have a diagonal of 43.27 mm, and the photographs have 96 x 72 pixels."""
    records = open_source("table", root=write_csv(photographs / "t.csv", ROWS)).records
    for factor in (1, 2):
        settings = Settings(load_recipe("rotation"), size=(20, 20), downscale=factor)
        focals = [load_photograph(record, settings).scene.focal for record in records]
        assert focals[0] == pytest.approx(28.5 * math.hypot(96, 72) / math.hypot(36, 24) / factor)
        assert focals[1:] == [120 / factor, None]


def test_a_disparity_map_of_the_table_is_read(photographs):
    codes = np.tile(np.linspace(0, 9, WIDTH) * 256, (HEIGHT, 1)).astype(np.uint16)
    cv2.imwrite(str(photographs / "maps/y.png"), codes)
    (record,) = open_source(
        "table", root=write_csv(photographs / "t.csv", [{"path": "1.png", "disparity": "maps/y.png"}])
    ).records
    disparity = load_photograph(record, Settings(load_recipe("defocus"))).scene.disparity
    np.testing.assert_array_equal(np.isfinite(disparity), codes > 0)
    np.testing.assert_array_equal(disparity[codes > 0], (codes[codes > 0] - 1.0) / 256)


def test_another_focal_length_is_another_dataset(photographs):
    def digest(rows):
        source = open_source("table", root=write_csv(photographs / "t.csv", rows))
        return make_plan(source, Settings(load_recipe("rotation"), size=(20, 20))).configuration["images_digest"]

    changed = [ROWS[0] | {"focal_35mm": "29"}, *ROWS[1:]]
    assert digest(ROWS) == digest(ROWS) != digest(changed)
    assert digest([row | {"licence": "other"} for row in ROWS]) == digest(ROWS)


def test_splits_of_the_table_or_of_the_content(photographs):
    table = write_csv(photographs / "t.csv", ROWS)
    assert ids(open_source("table", root=table, split="train")) == ["b/2.png", "b/1.png"]
    assert ids(open_source("table", root=table, split="val")) == ["1.png"]
    with pytest.raises(UsageError, match="no photograph of the split 'test'"):
        open_source("table", root=table, split="test")
    write_csv(table, [{"path": row["path"]} for row in ROWS])
    (photographs / "other").mkdir()
    for name in ("1.png", "2.png"):
        (photographs / "b" / name).rename(photographs / "other" / name)
    (photographs / "1.png").rename(photographs / "other" / "3.png")
    write_csv(table, [{"path": f"other/{number}.png"} for number in (1, 2, 3)])
    found = {split: sorted(ids(open_source("table", root=table, split=split, shares="1,1,0"))) for split in ("train", "val")}
    as_folder = {
        split: [f"other/{name}" for name in ids(open_source(str(photographs / "other"), split=split, shares="1,1,0"))]
        for split in ("train", "val")
    }
    assert found == as_folder


def test_the_folder_of_the_paths_is_another(photographs, tmp_path_factory):
    table = write_csv(tmp_path_factory.mktemp("lists") / "t.csv", ROWS)
    assert ids(open_source("table", root=photographs, annotations=str(table))) == [row["path"] for row in ROWS]
    with pytest.raises(UsageError, match=r"lists no photograph that is in .*3 missing"):
        open_source("table", root=table)
    for wrong, said in (
        ({"root": table, "annotations": str(table)}, "no such folder"),
        ({"root": photographs}, "no such file; --src table takes a table"),
        ({"root": photographs, "annotations": "nothing.csv"}, "no such file"),
        ({}, "--src table needs --root"),
    ):
        with pytest.raises(UsageError, match=said):
            open_source("table", **wrong)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": ""}, "path is empty"),
        ({"path": "../secret/photograph.jpg"}, "leads out of"),
        ({"path": "b/../../secret/photograph.jpg"}, "leads out of"),
        ({"path": "/etc/passwd"}, "leads out of"),
        ({"path": "."}, "leads out of"),
        ({"disparity": "../secret/map.npy"}, "leads out of"),
        ({"path": "https://example.org/a.jpg"}, "is an address"),
        ({"disparity": "maps/x.exr"}, r"'maps/x\.exr' is no file \.npy, \.pfm, \.png"),
        ({"split": "trian"}, "'trian' is none of train, val, test; did you mean 'train'"),
        ({"split": ""}, "it has no split, and row 3 has one"),
        ({"focal_35mm": "35mm"}, r"focal_35mm '35mm' is no number from 1 to 10000"),
        ({"focal_35mm": "nan"}, "is no number"),
        ({"focal_pixels": "-4"}, "focal_pixels '-4' is no number"),
        ({"focal_35mm": "0.035"}, "is no number"),
        ({"focal_pixels": "4000"}, "focal_35mm and focal_pixels are both given"),
    ],
)
def test_wrong_values_are_named_with_their_row(photographs, change, said, nothing_outside_is_opened):
    table = write_csv(photographs / "t.csv", [ROWS[1], ROWS[1] | {"path": "b/1.png"}, ROWS[0] | change])
    with pytest.raises(UsageError, match=rf"t\.csv: 1 wrong value:\n  row 4: .*{said}" if change != {"split": ""} else "row 4"):
        open_source("table", root=table)


def test_many_wrong_values_are_counted(photographs):
    table = write_csv(photographs / "t.csv", [{"path": "1.png", "split": str(number)} for number in range(30)])
    with pytest.raises(UsageError, match=r"(?s)30 wrong values:\n  row 2: split '0'.*row 9: split '7'.*and 22 more"):
        open_source("table", root=table)


def test_values_of_json_that_are_no_text(photographs):
    table = photographs / "t.jsonl"
    rows = [{"path": 3}, {"path": "1.png", "licence": ["x"]}, {"path": "a\0"}, {"path": "1.png", "focal_35mm": True}]
    rows += [{"path": "1.png", "licence": "a", "license": "b"}, {"path": "1.png", "focal_35mm": 10**400}, {"path": ["1.png"]}]
    table.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(UsageError, match="7 wrong values") as caught:
        open_source("table", root=table)
    for number in range(1, 8):
        assert f"\n  row {number}: " in str(caught.value)


def test_files_that_cannot_be_used_are_passed_over_by_name(photographs, nothing_outside_is_opened):
    (photographs / "link.png").symlink_to("1.png")
    (photographs / "linked").symlink_to("b")
    names = ("1.png", "1.png", "b/../1.png", "gone.png", "gone/1.png", "b", "link.png", "linked/1.png", "1.png/x.png", "x" * 300)
    rows = [{"path": name, "disparity": ""} for name in names]
    rows += [{"path": "b/1.png", "disparity": "gone.npy"}, {"path": str(photographs / "b/2.png"), "disparity": "linked/x.npy"}]
    source = open_source("table", root=write_csv(photographs / "t.csv", rows))
    assert ids(source) == ["1.png", "b/1.png", "b/2.png"]
    assert [record.disparity for record in source.records] == ["", "", ""]
    assert [entry.reason for entry in source.passed_over] == [
        *("duplicate_name", "duplicate_name", "missing", "missing", "not_a_file", "link", "link", "not_a_file", "missing"),
        *("no_disparity", "no_disparity"),
    ]
    assert "gone.npy is left out: the table lists it" in source.passed_over[-2].message
    assert reasons(source)["linked/1.png"] == "link"


def test_names_that_are_no_utf_8(photographs):
    name = os.fsdecode(b"\xe9.png")
    os.rename(photographs / "1.png", photographs / name)
    (photographs / "t.csv").write_bytes(b'path,licence\n\xe9.png,"a ""b"",\nc"\n')
    (record,) = open_source("table", root=photographs / "t.csv").records
    assert (record.id, record.path, record.licence) == ("%E9.png", str(photographs / name), 'a "b",\nc')
    assert record.read().pixels.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("t.csv", b"", "lists no photograph"),
        ("t.csv", b"file,split\n1.png,train\n", "row 2: there is no column called path; the columns are file, split"),
        ("t.csv", b"Path\n1.png\n", "the columns are Path"),
        ("t.csv", b"path,split\n1.png\n", "row 2: 1 value for 2 columns"),
        ("t.csv", b"path,path\n1.png,2.png\n", "two columns of the header have the same name"),
        ("t.csv", b'path\n"1.png\n', "this is no CSV"),
        ("t.csv", b"path\n" + b"a" * 200_000, "this is no CSV"),
        ("t.jsonl", b'{"path": "1.png"}\n{"path": \n', "row 2: this is no line of JSON"),
        ("t.jsonl", b"[" * 100_000, "row 1: this is no line of JSON"),
        ("t.jsonl", b'["1.png"]\n', "row 1: each line is an object"),
        ("t.jsonl", b'{"paths": 1}', "row 1: there is no column called path; the columns are paths"),
        ("t.xlsx", b"PK", r"a table is a file \.csv, \.jsonl"),
    ],
)
def test_files_that_are_no_tables(photographs, name, data, said):
    (photographs / name).write_bytes(data)
    with pytest.raises(UsageError, match=said):
        open_source("table", root=photographs / name)


def test_parquet_without_its_library_and_without_its_content(photographs, monkeypatch):
    (photographs / "t.parquet").write_bytes(b"no table")
    if "pyarrow" in sys.modules or __import__("importlib.util").util.find_spec("pyarrow"):
        with pytest.raises(UsageError, match="this is no Parquet file"):
            list(read_rows(photographs / "t.parquet", ["path"]))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r'needs pyarrow: pip install "blurkit\[parquet\]"'):
        list(read_rows(photographs / "t.parquet", ["path"]))


def test_a_pipe_is_not_waited_for(photographs):
    os.mkfifo(photographs / "t.csv")
    with pytest.raises(UsageError, match="no such file"):
        open_source("table", root=photographs / "t.csv")


def test_commands(photographs):
    """Licences of the table can be named, its notices are printed, and its pairs are made again."""
    table = write_csv(photographs / "t.csv", [row | {"photographer": "somebody"} for row in ROWS])
    options = ("--src", "table", "--root", "t.csv")
    made = run("generate", *options, "--size", 48, "--recipe", "clean", cwd=photographs)
    assert "1 unknown column not used: 'photographer'" in made.stderr
    assert list(remake(open_dataset(photographs / "shards"), range(3), [str(table)], [])) == []
    assert "--root TABLE" in (photographs / "shards" / "README.md").read_text()
    shown = run("info", *options, cwd=photographs)
    assert "Mine 1: 1" in shown.stdout
    assert "photographer" in shown.stderr
    assert result("generate", *options, "--license", "mine 1", "--dry-run", "--size", 48, cwd=photographs)["images"] == 1
    assert "unknown licence 'mane 2'" in run("generate", *options, "--license", "mane 2", cwd=photographs, code=2).stderr
    both = ("--src", "sample", "--src", "table", "--root", "table=.", "--annotations", table.name)
    assert result("generate", *both, "--dry-run", "--size", 48, cwd=photographs)["images"] == 24
