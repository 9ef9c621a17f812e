"""Tests downloads from a server that cuts and stalls connections: the right file arrives, or an error says why it does not."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from downloads import CONTENT, OTHER, SIZE, ranges
from file_server import answer, cut, redirect, reset, stall, status
from waiting import wait_until

from blurkit.sources.archive.download import LOCK, DownloadError, RetryPolicy, delete_version_note, is_downloaded, part_path


def test_a_file_arrives_whole(server, get):
    get()
    assert get.reported[0] == 0
    assert get.reported[-1] == SIZE
    assert get.reported == sorted(get.reported)
    assert get.said == []
    assert is_downloaded(get.target)
    delete_version_note(get.target)
    assert not is_downloaded(get.target)
    assert sorted(os.listdir(get.target.parent)) == [LOCK, "a.zip"]


def test_a_file_that_is_there_is_not_asked_for(server, get):
    get.target.write_bytes(CONTENT)
    part_path(get.target).write_bytes(b"of an earlier run")
    get()
    assert server.requests == []
    assert not is_downloaded(get.target)


def test_a_cut_connection_is_resumed_where_it_was_cut(server, get):
    server.faults = [cut(100_000), cut(50_000)]
    get()
    assert ranges(server) == [None, "bytes=100000-", "bytes=150000-"]
    etag = server.requests[1][1]["If-Range"]
    assert etag == f'"{hash(CONTENT):x}"'
    assert server.sent == SIZE
    assert get.said == [
        "a.zip: the connection was cut after 100.0 kB; attempt 2 of 4 in 0 s",
        "a.zip: the connection was cut after 150.0 kB; attempt 3 of 4 in 0 s",
    ]


def test_a_part_of_an_earlier_run_is_resumed_with_or_without_a_validator(server, get):
    part_path(get.target).write_bytes(CONTENT[:200_000])
    get()
    assert ranges(server) == ["bytes=200000-"]
    assert "If-Range" not in server.requests[0][1]
    assert server.sent == 100_000
    assert get.reported[0] == 200_000


def test_a_part_is_resumed_from_another_mirror(server, get):
    server.faults = [cut(100_000)]
    with pytest.raises(DownloadError):
        get(retry_policy=RetryPolicy(pauses=()))
    server.files["/mirror/a.zip"], server.etags = CONTENT, '"of the mirror"'
    get(f"{server.base}/mirror/a.zip")
    assert server.sent == SIZE


def test_a_server_without_ranges_sends_it_all_again(server, get):
    server.ranges = False
    server.faults = [cut(100_000)]
    get()
    assert server.sent == 100_000 + SIZE
    assert "sends the file from its beginning; 100.0 kB are dropped" in get.said[1]
    assert 0 in get.reported[2:]


@pytest.mark.parametrize("etag", [None, 'W/"weak"', 'bad\x01"', "no quotes"])
def test_what_is_no_validator_is_not_sent_as_one(server, get, etag):
    server.faults = [cut(100_000)]
    server.etags = etag
    get()
    assert "If-Range" not in server.requests[1][1]
    assert server.sent == SIZE


def test_a_file_that_changes_between_attempts_is_taken_anew(server, get):
    server.files["/a.zip"] = OTHER
    server.faults = [cut(100_000)]
    with pytest.raises(DownloadError):
        get(retry_policy=RetryPolicy(pauses=()))
    server.files["/a.zip"] = CONTENT
    get()
    assert server.sent == 100_000 + SIZE


def test_a_change_that_the_server_hides_from_if_range_is_seen(server, get):
    rest = {"Content-Range": f"bytes 100000-{SIZE - 1}/{SIZE}", "ETag": '"new"', "Content-Length": "200000"}
    server.faults = [cut(100_000), answer(206, rest, OTHER[100_000:])]
    get()
    assert "the file on the server has changed" in get.said[1]


def test_a_rest_that_starts_elsewhere_is_not_appended(server, get):
    wrong = {"Content-Range": f"bytes 7-{SIZE - 1}/{SIZE}", "Content-Length": str(SIZE - 7)}
    server.faults = [cut(100_000), answer(206, wrong, CONTENT[7:])]
    get()
    assert ranges(server) == [None, "bytes=100000-", None]  # the last request asks for the whole file


def test_a_broken_note_of_the_origin_is_no_harm(server, get):
    for note in ("", "[]", '{"url": 1}', json.dumps({"url": f"{server.base}/a.zip", "etag": 'x"\r\nEvil: 1'})):
        part_path(get.target).write_bytes(CONTENT[:5])
        (get.target.parent / ".a.zip.origin").write_text(note)
        get()
        assert {"If-Range", "Evil"} & set(server.requests[-1][1]) == set()
        get.target.unlink()
    assert ranges(server) == ["bytes=5-"] * 4


def test_a_complete_part_needs_no_request(server, get):
    part_path(get.target).write_bytes(CONTENT)
    get()
    assert server.requests == []


@pytest.mark.parametrize("size", [None, SIZE])
def test_a_part_that_is_too_long_starts_anew(server, get, size):
    part_path(get.target).write_bytes(CONTENT + b"more")
    get(size=size)
    assert ranges(server) == ([None] if size else [f"bytes={SIZE + 4}-", None])
    assert server.sent == SIZE


def test_without_a_known_size_the_server_says_when_all_is_there(server, get):
    part_path(get.target).write_bytes(CONTENT)
    get(size=None)  # answered with 416
    assert ranges(server) == [f"bytes={SIZE}-"]
    assert server.sent == 0
    get.target.unlink()
    server.faults = [cut(1000)]
    get(size=None)
    assert server.sent == SIZE


def test_errors_of_the_moment_are_tried_again_and_others_are_not(server, get):
    server.faults = [status(500), status(503), status(429)]
    get()
    assert [sentence.split(";")[0] for sentence in get.said] == [
        "a.zip: the server answered 500 Internal Server Error",
        "a.zip: the server answered 503 Service Unavailable",
        "a.zip: the server answered 429 Too Many Requests",
    ]
    get.target.unlink()
    server.requests.clear()
    with pytest.raises(DownloadError, match=r"nothing\.zip: the server answered 404"):
        get(f"{server.base}/nothing.zip")
    assert len(server.requests) == 1


def test_a_reset_connection_is_tried_again(server, get):
    server.faults = [reset]
    get()
    assert len(get.said) == 1


def test_attempts_are_bounded_and_what_has_arrived_is_kept(server, get):
    server.faults = [cut(100_000), *[status(500)] * 10]
    with pytest.raises(DownloadError, match=r"given up after 4 attempts.* run the same command again to resume"):
        get()
    assert len(server.requests) == 4
    assert part_path(get.target).read_bytes() == CONTENT[:100_000]


def test_attempts_count_anew_while_the_file_grows(server, get):
    server.faults = [cut(30_000)] * 9
    get(retry_policy=RetryPolicy(pauses=(0, 0), advance=20_000))
    assert len(server.requests) == 10
    get.target.unlink()
    server.requests.clear()
    server.faults, server.ranges = [cut(30_000)] * 9, False  # always the same bytes, so the file does not grow
    with pytest.raises(DownloadError, match="given up after 3 attempts"):
        get(retry_policy=RetryPolicy(pauses=(0, 0), advance=20_000))


def test_nobody_listens(get):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r"refused.* given up after 4 attempts"):
        get(f"http://127.0.0.1:{port}/a.zip")


@pytest.mark.parametrize("after", [None, 1000])
def test_a_silent_server_is_given_up(server, get, after):
    server.faults = [stall(after)]
    get()
    assert server.silent == 1  # the server still holds the first connection open
    assert "silent for too long" in get.said[0]


def test_a_redirection_is_resumed_too(server, get):
    server.files["/elsewhere.zip"] = CONTENT
    server.faults = [redirect("/elsewhere.zip"), cut(100_000), redirect("/elsewhere.zip")]
    get()
    assert server.sent == SIZE
    assert server.requests[-1][1]["Range"] == "bytes=100000-"


def test_a_server_that_keeps_the_connection_open_is_not_waited_for(server, get):
    def linger(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(SIZE))
        handler.end_headers()
        handler.wfile.write(CONTENT)
        server.keep_silent()
        return True

    server.faults = [linger]
    get(retry_policy=RetryPolicy(timeout=20))
    assert server.silent == 1


def test_a_killed_download_goes_on(server, get, tmp_path):
    program = f"""
from pathlib import Path
from blurkit.sources.archive.download import download
download({server.base + "/a.zip"!r}, Path({str(get.target)!r}), size={SIZE}, sha256="", report=lambda count: None)
"""
    server.slowness = 0.05
    process = subprocess.Popen([sys.executable, "-c", program])
    part = part_path(get.target)
    wait_until(lambda: part.exists() and part.stat().st_size > 50_000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    here = part.stat().st_size
    assert here < SIZE
    server.slowness = 0
    get()
    assert server.bodies[1:] == [SIZE - here]
