"""Tests the choice of sources, roots, limits, weights and licences, and the messages for wrong names."""

import contextlib
import json
from pathlib import Path

import pytest
from packaged import COUNT

from blurkit.errors import UsageError
from blurkit.sources.selection import Selection, per_source, select

LICENCES = [
    {"id": 1, "name": "", "url": "http://creativecommons.org/licenses/by-nc-sa/2.0/"},
    {"id": 2, "name": "", "url": "http://creativecommons.org/licenses/by/2.0/"},
    {"id": 3, "name": "", "url": "http://creativecommons.org/licenses/by-sa/2.0/"},
    {"id": 4, "name": "", "url": "http://flickr.com/commons/usage/"},
    {"id": 5, "name": "", "url": "http://www.usa.gov/copyright.shtml"},
]


@pytest.fixture
def coco(tmp_path):
    """A root of COCO with twelve photographs: two for each of five licences, and two without a licence."""
    root = tmp_path / "coco-root"
    (root / "annotations").mkdir(parents=True)
    (root / "val2017").mkdir()
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "license": i // 2 + 1, "height": 4, "width": 5} for i in range(12)]
    for image in images:
        (root / "val2017" / image["file_name"]).write_bytes(b"")
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps({"licenses": LICENCES, "images": images}))
    return root


@pytest.fixture
def folders(tmp_path):
    """Two folders of four and six images."""
    for name, count in (("one", 4), ("two", 6)):
        (tmp_path / name).mkdir()
        for i in range(count):
            (tmp_path / name / f"{i}.jpg").write_bytes(name.encode())
    return tmp_path / "one", tmp_path / "two"


def chosen(*src, **options):
    source = select(Selection(src=tuple(map(str, src)), **options), masks=False)
    return [(record.source, record.id) for record in source.records]


def numbers(rows):
    return [int(name[1].removeprefix("val2017/")) for name in rows]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), (None, {})),
        (("5",), (5, {})),
        (("a=5",), (None, {"a": 5})),
        (("a=5", "7", "b=6"), (7, {"a": 5, "b": 6})),
        (("a=5", "a=6"), (None, {"a": 6})),
        (("3", "4"), (4, {})),
    ],
)
def test_values_for_all_and_for_one_source(texts, expected):
    assert per_source(texts, ["a", "b"], "--limit", int) == expected


def test_a_folder_may_hold_an_equals_sign():
    assert per_source(["/data/a=b", "a=/x=y"], ["a"], "--root", Path) == (Path("/data/a=b"), {"a": Path("/x=y")})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": ("cocco=5",)}, "--limit cocco=5: 'cocco' is not among the sources coco, sample; did you mean 'coco'"),
        ({"weight": ("smaple=2",)}, "--weight smaple=2: .* did you mean 'sample'"),
        ({"limit": ("coco=0",)}, "--limit is .*at least 1"),
        ({"limit": ("coco=-3",)}, "--limit is .*at least 1"),
        ({"limit": ("coco=",)}, "got ''"),
        ({"limit": ("1.5",)}, "got '1.5'"),
        ({"limit": ("²",)}, "got '²'"),
        ({"limit": ("9" * 5000,)}, "--limit"),
        ({"weight": ("coco=nan",)}, "number W from 0, got 'nan'"),
        ({"weight": ("coco=inf",)}, "got 'inf'"),
        ({"weight": ("coco=-1",)}, "got '-1'"),
        ({"weight": ("coco=much",)}, "got 'much'"),
        ({"weight": ("3",)}, "--weight is NAME=W, such as --weight coco=3"),
        ({"weight": ("coco=0", "sample=0")}, "leaves none"),
        ({"root": ("/data",)}, "--root with several sources is NAME=DIR, such as --root coco=/data"),
        ({"annotations": "v2.0"}, "--annotations selects a set of annotations of mapillary"),
        ({"license": "by,bay"}, "--license: unknown licence 'bay'"),
        ({"license": "CC-BY-CN"}, "did you mean"),
        ({"license": "gpl"}, "known are CC0, public domain"),
        ({"split": "tarin"}, "did you mean 'train'"),
    ],
)
def test_what_is_wrong_is_named(coco, options, message):
    roots = () if "root" in options else (f"coco={coco}",)
    with pytest.raises(UsageError, match=message):
        chosen("coco", "sample", **{"root": roots, **options})


def test_one_source_has_no_weight(coco):
    with pytest.raises(UsageError, match="--src names only one"):
        chosen("coco", root=(str(coco),), weight=("coco=2",))


@pytest.mark.parametrize("form", ["plain", "named", "environment", "here"])
def test_a_root_is_given_in_any_way(coco, form, monkeypatch, tmp_path):
    roots = {"plain": (str(coco),), "named": (f"coco={coco}",)}.get(form, ())
    if form == "environment":
        coco.rename(tmp_path / "coco")
        monkeypatch.setenv("BLURKIT_DATA", str(tmp_path))
    elif form == "here":
        monkeypatch.delenv("BLURKIT_DATA", raising=False)
        (tmp_path / "data").mkdir()
        coco.rename(tmp_path / "data" / "coco")
        monkeypatch.chdir(tmp_path)
    assert len(chosen("coco", root=roots)) == 12


def test_a_root_goes_to_the_source_that_it_names(coco, folders):
    rows = chosen("coco", "folder", "sample", root=(f"folder={folders[0]}", f"coco={coco}"))
    assert {source for source, _ in rows} == {"coco", "folder", "sample"}
    assert len(rows) == 12 + 4 + COUNT
    with pytest.raises(UsageError, match="--root"):
        chosen("coco", "sample", root=(f"coco={coco}", f"sample={coco}"))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("by-nc-sa", [0, 1]),
        ("by", [2, 3]),
        ("CC BY", [2, 3]),
        ("cc-by-2.0", [2, 3]),
        ("CC-BY-SA-2.0,by", [2, 3, 4, 5]),
        ("no-known-restrictions", [6, 7]),
        ("US government work", [8, 9]),
        ("unknown", [10, 11]),
        ("by,unknown", [2, 3, 10, 11]),
    ],
)
def test_licences_are_chosen_by_short_names(coco, wanted, expected):
    assert sorted(numbers(chosen("coco", root=(str(coco),), license=wanted))) == expected


@pytest.mark.parametrize("wanted", ["by-4.0", "cc0", "by-nd", "public domain"])
def test_a_licence_that_no_photograph_has_names_those_there_are(coco, wanted):
    with pytest.raises(UsageError, match=r"no photograph of coco has the licence .*CC-BY-NC-SA-2\.0 \(2\).*unknown \(2\)"):
        chosen("coco", root=(str(coco),), license=wanted)


def test_a_licence_is_asked_of_every_source(coco):
    rows = chosen("coco", "sample", root=(f"coco={coco}",), license="by,cc0")
    assert numbers(row for row in rows if row[0] == "coco") == [2, 3]
    assert 0 < len([row for row in rows if row[0] == "sample"]) < COUNT


def test_limits_are_of_all_or_of_one(coco):
    root = (f"coco={coco}",)
    assert numbers(chosen("coco", root=root, limit=("3",))) == [0, 1, 2]
    assert numbers(chosen("coco", root=root, limit=("coco=4",))) == [0, 1, 2, 3]
    assert numbers(chosen("coco", root=root, limit=("coco=4", "2"))) == [0, 1]
    rows = chosen("coco", "sample", root=root, limit=("coco=2", "sample=5"))
    assert [sum(source == name for source, _ in rows) for name in ("coco", "sample")] == [2, 5]
    rows = chosen("coco", "sample", root=root, limit=("10",))
    assert len(rows) == 10
    assert [sum(source == name for source, _ in rows) for name in ("coco", "sample")] == [4, 6]


def test_limits_come_after_licences(coco):
    assert numbers(chosen("coco", root=(str(coco),), license="unknown", limit=("1",))) == [10]


def test_weights_hold_between_sources(coco):
    rows = chosen("coco", "sample", root=(f"coco={coco}",), weight=("coco=0.25",))
    assert [sum(source == name for source, _ in rows) for name in ("coco", "sample")] == [5, COUNT]


def test_several_folders_go_by_their_own_names(folders, tmp_path):
    source = select(Selection(src=tuple(map(str, folders))), masks=False)
    assert source.name == "one+two"
    assert source.places() == {"one": folders[0], "two": folders[1]}
    assert {record.source for record in source.records} == {"one", "two"}
    assert len(source.records) == 10
    with contextlib.chdir(tmp_path):  # different spellings of one folder
        rows = chosen("one", "./two/")
    assert rows == [(record.source, record.id) for record in source.records]
    assert len(chosen(*folders, limit=("two=1",))) == 5


def test_a_folder_and_a_known_source_are_mixed(folders, coco):
    source = select(Selection(src=(str(folders[0]), "coco"), root=(f"coco={coco}",), limit=("folder=2",)), masks=False)
    assert source.places() == {"folder": folders[0], "coco": coco}
    assert [record.source for record in source.records].count("folder") == 2


@pytest.mark.parametrize("deeper", [False, True])
def test_folders_of_one_name_are_refused(folders, tmp_path, deeper):
    other = tmp_path / "deeper" / "one"
    other.mkdir(parents=True)
    (other / "x.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match="names 'one' twice"):
        chosen(folders[0], other if deeper else folders[0])


@pytest.mark.parametrize("src", [("coco", "coco"), ("sample", "coco", "sample"), ("folder", "folder")])
def test_a_source_is_named_once(src):
    with pytest.raises(UsageError, match=f"names '{src[0]}' twice"):
        chosen(*src)


def test_folders_that_are_called_like_a_source_are_refused(folders, tmp_path):
    for name in ("coco", "folder"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").write_bytes(b"")
        with pytest.raises(UsageError, match=f"a folder is called '{name}' like a source"):
            chosen(folders[0], tmp_path / name)


def test_what_each_source_passed_over_is_kept(coco, folders):
    (folders[0] / "notes.txt").write_text("")
    (coco / "val2017" / "extra.jpg").write_bytes(b"")
    source = select(Selection(src=(str(folders[0]), "coco"), root=(f"coco={coco}",), limit=("3",)), masks=False)
    assert [(entry.id, entry.reason) for entry in source.passed_over] == [
        ("notes.txt", "no_image_name"),
        ("val2017/extra.jpg", "not_listed"),
    ]
