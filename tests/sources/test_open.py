"""Tests folders and the packaged photographs as sources: order, ids, links and splits."""

import hashlib
import itertools
import os
from pathlib import Path

import pytest
from listed import ids, reasons
from packaged import COUNT

from blurkit.decode import read_image
from blurkit.errors import UsageError
from blurkit.sources import open_source
from blurkit.sources.known.manifest import load_manifest
from blurkit.sources.record import path_id
from blurkit.sources.splits import parse_shares, split_of, splits_of


@pytest.fixture
def tree(tmp_path):
    for name in ("b.jpg", "a/2.PNG", "a/10.jpeg", "a.png", "notes.txt", ".hidden.jpg", ".git/x.jpg", "Z.webp", "x.jpg.tmp"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def test_the_sample_photographs_are_as_their_manifest_says():
    source = open_source("sample")
    records = list(source.records)
    photographs = load_manifest("sample").photographs
    assert len(records) == COUNT
    assert len({record.id for record in records}) == len(records)
    assert sum(Path(record.path).stat().st_size for record in records) <= 2_500_000
    for record, photograph in zip(records, photographs, strict=True):
        assert record.path == str(source.root / photograph["file"])
        assert record.licence == photograph["licence"]
        assert photograph["licence"] in ("CC0-1.0", "public domain")
        assert min(read_image(record.path).pixels.shape[:2]) >= 320


def test_sample_splits_part_the_photographs():
    parts = [ids(open_source("sample", split=split)) for split in ("train", "val", "test")]
    assert all(parts)
    assert sorted(itertools.chain(*parts)) == sorted(ids(open_source("sample")))


def test_a_folder_is_walked_in_byte_order(tree):
    assert ids(open_source(str(tree))) == ["Z.webp", "a/10.jpeg", "a/2.PNG", "a.png", "b.jpg"]
    assert ids(open_source("folder", root=tree)) == ids(open_source(str(tree)))


def test_the_ids_do_not_depend_on_where_the_folder_lies(tree, tmp_path_factory):
    moved = tmp_path_factory.mktemp("elsewhere") / "photos"
    tree.rename(moved)
    assert ids(open_source(str(moved))) == ["Z.webp", "a/10.jpeg", "a/2.PNG", "a.png", "b.jpg"]


def test_links_and_special_files_are_passed_over_with_a_reason(tree):
    os.symlink("b.jpg", tree / "link.jpg")
    os.symlink("nowhere", tree / "broken.jpg")
    os.symlink(".", tree / "loop")
    os.symlink("/etc", tree / "outside.jpg")
    os.mkfifo(tree / "fifo.jpg")
    source = open_source(str(tree))
    assert ids(source) == ["Z.webp", "a/10.jpeg", "a/2.PNG", "a.png", "b.jpg"]
    links = dict.fromkeys(("link.jpg", "broken.jpg", "outside.jpg", "loop"), "link")
    others = {".hidden.jpg": "hidden", ".git": "hidden", "notes.txt": "no_image_name", "x.jpg.tmp": "no_image_name"}
    assert reasons(source) == {**links, **others, "fifo.jpg": "not_a_file"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a b.jpg", "a b.jpg"),
        ("画像.jpg", "画像.jpg"),
        ("new\nline.jpg", "new%0Aline.jpg"),
        (os.fsdecode(b"latin1_\xe9.jpg"), "latin1_%E9.jpg"),
        ("latin1_%E9.jpg", "latin1_%25E9.jpg"),
        ("100%.jpg", "100%.jpg"),
    ],
)
def test_ids_are_readable_printable_and_never_ambiguous(name, expected):
    assert path_id(name) == expected
    assert path_id(name).encode().decode() == expected


def test_splits_by_content_keep_copies_together_and_follow_the_shares(tmp_path):
    shares = parse_shares("80,10,10")
    counts = dict.fromkeys(("train", "val", "test"), 0)
    for i in range(400):
        first, second = tmp_path / f"{i}.jpg", tmp_path / f"copy{i}.png"
        first.write_bytes(str(i).encode())
        second.write_bytes(str(i).encode())
        split = split_of(str(first), shares)
        assert split == split_of(str(second), shares)
        counts[split] += 1
    assert counts["train"] == pytest.approx(320, abs=30)
    assert counts["val"] == pytest.approx(40, abs=20)
    parts = [ids(open_source(str(tmp_path), split=split)) for split in counts]
    assert sorted(itertools.chain(*parts)) == ids(open_source(str(tmp_path)))


def test_splits_of_many_files_are_those_of_the_first_bytes_of_their_sha256(tmp_path):
    """More files than are read at once, some of them missing, and some larger than one read."""
    names = [f"{number:04d}.jpg" for number in range(5000)]
    for number, name in enumerate(names):
        if number % 7:
            (tmp_path / name).write_bytes(b"%d" % number * (200_000 if number % 1000 == 1 else 1))
    digests = [hashlib.sha256((tmp_path / name).read_bytes() if number % 7 else b"") for number, name in enumerate(names)]
    places = [int(digest.hexdigest()[:16], 16) / 2**64 for digest in digests]
    expected = ["train" if place < 0.25 else "val" if place < 0.75 else "test" for place in places]
    paths = [str(tmp_path / name) for name in names]
    assert list(splits_of(iter(paths), parse_shares("1,2,1"))) == expected
    twice = [path for path in paths[:300] for _ in range(3)]
    assert list(splits_of(twice, parse_shares("1,2,1"))) == [split for split in expected[:300] for _ in range(3)]
    assert list(splits_of([], parse_shares("1,2,1"))) == []


def test_a_single_image_is_a_source_of_one_photograph(tmp_path):
    for name in ("one.jpg", "one.disparity.npy", "other.jpg"):
        (tmp_path / name).touch()
    source = open_source(str(tmp_path / "one.jpg"))
    (record,) = source.records
    assert (record.id, record.path, record.source) == ("one.jpg", str(tmp_path / "one.jpg"), "folder")
    assert record.disparity == str(tmp_path / "one.disparity.npy")
    assert record == next(one for one in open_source(str(tmp_path)).records if one.id == "one.jpg")
    assert open_source("folder", root=tmp_path / "one.jpg").records[0] == record
    for name, said in (("a.mp4", "--src video --root"), ("a.txt", "does not have a name like that of an image")):
        (tmp_path / name).touch()
        with pytest.raises(UsageError, match=said):
            open_source(str(tmp_path / name))
    with pytest.raises(UsageError, match="no such file"):
        open_source(str(tmp_path / "missing.png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "sampel"}, "did you mean 'sample'"),
        ({"name": "./nowhere"}, "no such folder"),
        ({"name": "folder"}, "needs --root"),
        ({"name": "sample", "split": "tain"}, "did you mean 'train'"),
    ],
)
def test_what_is_not_there_says_so(arguments, message):
    with pytest.raises(UsageError, match=message):
        open_source(**arguments)


def test_an_empty_folder_says_where_it_looked_and_what_it_expects(tmp_path):
    (tmp_path / "readme.txt").write_text("")
    with pytest.raises(UsageError, match=rf"no images in {tmp_path} \(found: 1 no_image_name\).*\.jpg"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("shares", ["80,10", "a,b,c", "-1,1,1", "0,0,0"])
def test_bad_shares_are_refused(shares):
    with pytest.raises(UsageError, match="three numbers"):
        parse_shares(shares)
