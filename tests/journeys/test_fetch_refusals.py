"""Tests what ``blurkit fetch`` refuses: wrong archives, files of other people, wrong addresses, a disk without space."""

import hashlib
import shutil

import pytest
from archives import contents
from file_server import redirect
from small_coco import PHOTOGRAPHS

from blurkit.program.locks import locked
from blurkit.sources.archive.download import LOCK


def test_a_file_of_somebody_is_not_replaced(fetch):
    name = sorted(PHOTOGRAPHS["val"])[3]
    (fetch.root / "val2017").mkdir(parents=True)
    (fetch.root / name).write_bytes(b"mine")
    assert "differs from the archive's" in fetch("coco", code=2).stderr
    assert (fetch.root / name).read_bytes() == b"mine"


def test_with_its_archive_there_every_file_is_compared(fetch):
    fetch("coco", "--keep")
    (fetch.root / f"val2017/{7:012}.jpg").write_bytes(bytes(20_000))
    assert "000000000007.jpg is there and differs" in fetch("coco", code=2).stderr


def test_another_file_under_the_name_of_an_archive_is_not_touched(fetch):
    fetch.root.mkdir(parents=True)
    (fetch.root / "val2017.zip").write_bytes(b"mine")
    assert "val2017.zip is another file" in fetch("coco", code=2).stderr
    assert (fetch.root / "val2017.zip").read_bytes() == b"mine"


def test_a_mirror_that_is_no_web_server_is_refused(fetch, tmp_path):
    assert "no http or https address" in fetch("coco", "--mirror", "file:///tmp", code=2).stderr


def test_a_wrong_archive_is_refused(server, fetch):
    right = server.files["/zips/val2017.zip"]
    server.files["/zips/val2017.zip"] = right[:-1] + b"?"
    done = fetch("coco", code=1)
    assert f"sha256 {hashlib.sha256(right[:-1] + b'?').hexdigest()}, expected {hashlib.sha256(right).hexdigest()}" in done.stderr
    assert contents(fetch.root) == {}
    server.files["/zips/val2017.zip"] = right
    fetch("coco")


def test_a_redirection_to_a_file_is_refused(server, fetch):
    server.faults = [redirect("file:///etc/hostname")]
    assert "only http and https" in fetch("coco", code=2).stderr


@pytest.mark.parametrize(
    ("name", "advice"),
    [("mapillary", "Ask for the research edition"), ("gopro", "Download GOPRO_Large.zip"), ("sample", "Installed with blurkit")],
)
def test_what_cannot_be_fetched_says_how_to_get_it(server, fetch, name, advice):
    done = fetch(name, code=2)
    assert "is not fetched by blurkit" in done.stderr
    assert advice in done.stderr
    assert server.requests == []


def test_unknown_names_have_their_neighbours_named(fetch):
    assert "did you mean 'coco'?" in fetch("cocoa", code=2).stderr
    assert "did you mean 'train'?" in fetch("coco", "--split", "trian", code=2).stderr
    assert not fetch.root.exists()


def test_room_is_needed_beforehand(server, fetch, monkeypatch):
    usage = type("usage", (), {"free": 400_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    assert "400.0 kB free and this needs about 483.0 kB" in fetch("coco", code=1).stderr
    assert server.requests == []
    usage.free = 300_000
    fetch.root.mkdir(parents=True, exist_ok=True)
    (fetch.root / "val2017.zip.part").write_bytes(server.files["/zips/val2017.zip"][:200_000])
    fetch("coco")  # most of it is there


def test_two_fetches_exclude_each_other(fetch):
    fetch.root.mkdir(parents=True)
    with locked(fetch.root / LOCK):
        assert (
            "another fetch is writing data/coco: wait for it, stop it, or choose another --root" in fetch("coco", code=2).stderr
        )
