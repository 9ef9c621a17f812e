"""Tests ``blurkit fetch`` from end to end: it fetches and unpacks missing files, and keeps the files that are there."""

import json
import os

import pytest
from archives import contents
from file_server import asked, cut, status
from small_coco import PHOTOGRAPHS, VAL

from blurkit.program import progress


def test_val_is_fetched_into_place(server, fetch):
    done = fetch("coco")
    assert contents(fetch.root) == VAL
    assert asked(server) == ["val2017.zip", "annotations_trainval2017.zip"]
    assert "data/coco/val2017: 12 photographs" in done.stdout
    assert "use it: blurkit generate --src coco --root data/coco" in done.stdout
    assert f"val2017.zip (241.5 kB) from {server.base}/zips/val2017.zip, into data/coco" in done.stderr


def test_the_result_as_json(server, fetch, tmp_path):
    result = json.loads(fetch("coco", "--split", "all", "--root", "a b", "--json", "-q").stdout)
    assert isinstance(result.pop("seconds"), float)
    assert result == {
        "source": "coco",
        "root": "a b",
        "splits": {"train": {"folder": "train2017", "images": 30}, "val": {"folder": "val2017", "images": 12}},
        "archives": [],
        "downloaded": sum(map(len, server.files.values())),
        "next": "blurkit generate --src coco --root 'a b'",
    }
    assert contents(tmp_path / "a b") == {**PHOTOGRAPHS["train"], **VAL}


def test_quiet_says_nothing_but_the_result(fetch):
    assert fetch("coco", "-q").stderr == ""


def test_what_is_there_is_not_fetched_again(server, fetch):
    fetch("coco")
    server.requests.clear()
    assert "nothing to download" in fetch("coco").stdout
    assert asked(server) == []
    fetch("coco", "--split", "train")
    assert asked(server) == ["train2017.zip"]
    assert contents(fetch.root) == {**PHOTOGRAPHS["train"], **VAL}


def test_what_is_missing_is_made_up_and_the_rest_kept(server, fetch):
    fetch("coco")
    names = sorted(PHOTOGRAPHS["val"])
    kept = (fetch.root / names[5]).stat().st_ino
    (fetch.root / "val2017" / "mine.jpg").write_bytes(b"mine")
    for harm in (os.unlink, lambda path: path.write_bytes(b"")):  # a killed run, a power cut
        harm(fetch.root / names[0])
        server.requests.clear()
        fetch("coco")
        assert asked(server) == ["val2017.zip"]
        assert contents(fetch.root) == {**VAL, "val2017/mine.jpg": b"mine"}
    (fetch.root / "annotations/instances_val2017.json").unlink()
    server.requests.clear()
    fetch("coco")
    assert asked(server) == ["annotations_trainval2017.zip"]
    assert (fetch.root / names[5]).stat().st_ino == kept


def test_archives_are_kept_on_request_and_are_then_the_users(server, fetch):
    done = fetch("coco", "--keep")
    assert "data/coco/val2017.zip: kept" in done.stdout
    server.requests.clear()
    fetch("coco")
    assert asked(server) == []
    archives = {path.rpartition("/")[2]: content for path, content in server.files.items() if "train2017" not in path}
    assert contents(fetch.root) == {**VAL, **archives}


def test_archives_that_the_user_put_there_are_used_and_stay(server, fetch):
    fetch.root.mkdir(parents=True)
    (fetch.root / "val2017.zip").write_bytes(server.files["/zips/val2017.zip"])
    done = fetch("coco")
    assert asked(server) == ["annotations_trainval2017.zip"]
    assert "val2017.zip is already there" in done.stderr
    assert contents(fetch.root) == {**VAL, "val2017.zip": server.files["/zips/val2017.zip"]}


def test_the_place_follows_the_environment(fetch, tmp_path):
    fetch("coco", BLURKIT_DATA=str(tmp_path / "elsewhere"))
    assert contents(tmp_path / "elsewhere/coco") == VAL
    fetch("coco", BLURKIT_FETCH_ROOT="third", BLURKIT_DATA=str(tmp_path / "fourth"))
    assert contents(tmp_path / "third") == VAL


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirror_has_the_same_paths_below_another_base(server, fetch, slash):
    server.files = {f"/copy/of/coco{path}": content for path, content in server.files.items()}
    fetch("coco", "--mirror", f"{server.base}/copy/of/coco{slash}")
    assert contents(fetch.root) == VAL


def test_trouble_is_said_and_survived(server, fetch):
    server.faults = [status(500), cut(100_000)]
    done = fetch("coco", "-q")
    assert done.stderr.splitlines() == [
        "val2017.zip: the server answered 500 Internal Server Error; attempt 2 of 3 in 0 s",
        "val2017.zip: the connection was cut after 100.0 kB; attempt 3 of 3 in 0 s",
    ]
    assert contents(fetch.root) == VAL


def test_progress_in_lines(server, fetch, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    (fetch.root / "val2017").mkdir(parents=True)
    (fetch.root / "val2017.zip.part").write_bytes(server.files["/zips/val2017.zip"][:200_000])
    lines = fetch("coco").stderr.splitlines()
    assert any(line.startswith("val2017.zip: 200.0 kB of 241.5 kB (83%), 0 B/s, unknown left") for line in lines)
    assert any(line.startswith("val2017.zip: 241.5 kB of 241.5 kB (100%), ") and line.endswith("/s, 0 s left") for line in lines)
    assert any(line.startswith("unpacking val2017.zip: 240.0 kB of 240.0 kB (100%), ") for line in lines)
