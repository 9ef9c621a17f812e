"""Tests that a download refuses wrong files and wrong addresses, and keeps the files of the user."""

import hashlib
import os

import pytest
from downloads import CONTENT, OTHER
from file_server import answer, redirect

from blurkit.errors import DiskFullError, LockedError, UsageError
from blurkit.program.locks import locked
from blurkit.sources.archive.download import LOCK, DownloadError, part_path


def test_a_file_of_somebody_in_its_place_stays(server, get):
    for content in (b"mine", OTHER):
        get.target.write_bytes(content)
        with pytest.raises(UsageError, match=r"another file .* move it away"):
            get()
        assert get.target.read_bytes() == content
    get.target.unlink()
    get.target.mkdir()
    with pytest.raises(UsageError, match="is no file"):
        get()


def test_a_wrong_file_is_refused_with_both_hashes_and_dropped(server, get):
    server.files["/a.zip"] = OTHER
    with pytest.raises(DownloadError) as caught:
        get()
    assert hashlib.sha256(CONTENT).hexdigest() in str(caught.value)
    assert hashlib.sha256(OTHER).hexdigest() in str(caught.value)
    assert "start anew" in str(caught.value)
    assert os.listdir(get.target.parent) == [LOCK]


def test_the_hash_covers_the_part_of_an_earlier_run(server, get):
    part_path(get.target).write_bytes(b"x" + CONTENT[1:200_000])
    with pytest.raises(DownloadError, match="sha256"):
        get()
    assert not get.target.exists()
    get()


def test_a_file_of_another_size_is_refused_and_nothing_dropped(server, get):
    part_path(get.target).write_bytes(CONTENT[:200_000])
    for content in (CONTENT + b"more", CONTENT[:250_000]):
        server.files["/a.zip"] = content
        for server.ranges in (True, False):
            with pytest.raises(DownloadError, match="bytes, expected 300,000"):
                get()
    server.faults = [answer(200, {"Content-Type": "text/html; charset=utf-8"}, b"<h1>Log in</h1>")]
    with pytest.raises(DownloadError, match="a web page came"):
        get()
    assert part_path(get.target).read_bytes() == CONTENT[:200_000]


def test_a_body_without_a_length_that_goes_on_is_refused(server, get):
    server.faults = [answer(200, {}, CONTENT + b"more")]
    with pytest.raises(DownloadError, match="goes on after the expected"):
        get()
    server.faults = [answer(200, {}, CONTENT)]
    get()


def test_redirections_are_followed_to_web_servers_alone(server, get, tmp_path):
    server.faults = [redirect("/elsewhere.zip"), None]
    server.files["/elsewhere.zip"] = CONTENT
    get()
    get.target.unlink()
    (tmp_path / "secret").write_bytes(CONTENT)
    for address in (f"file://{tmp_path}/secret", "ftp://127.0.0.1/a.zip", "data:,x", "FILE:///etc/hostname"):
        server.faults = [redirect(address)]
        with pytest.raises(UsageError, match="only http and https"):
            get()
    server.faults = [redirect("/a.zip")] * 30
    with pytest.raises(DownloadError, match="infinite loop"):
        get()


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "a.zip", "http://", "http://h:port/", "data:,x"])
def test_other_addresses_are_refused(get, url):
    with pytest.raises(UsageError, match="no http or https address"):
        get(url)


def test_two_downloads_of_one_file_exclude_each_other(server, get, tmp_path):
    with locked(tmp_path / LOCK), pytest.raises(LockedError):
        get()


def test_a_link_in_the_place_of_the_part_is_not_written_through(server, get, tmp_path):
    (tmp_path / "precious").write_text("mine")
    part_path(get.target).symlink_to("precious")
    with pytest.raises(OSError, match="symbolic links"):
        get()
    assert (tmp_path / "precious").read_text() == "mine"


def test_room_is_needed_beforehand(server, get):
    with pytest.raises(DiskFullError, match="make room"):
        get(size=1 << 60)
    assert server.requests == []


def test_a_disk_that_fills_up_is_no_reason_to_try_again(server, get, monkeypatch):
    def fail(descriptor, data, offset):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("blurkit.sources.archive.download.write_all", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        get()
    assert caught.value.filename == str(part_path(get.target))
    assert len(server.requests) == 1
