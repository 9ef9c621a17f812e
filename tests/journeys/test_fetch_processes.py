"""Tests ``blurkit fetch`` in its own process: its display on a terminal, and how it continues after signals and kills."""

import re
import signal

import pytest
from archives import contents
from file_server import asked, cut, stall
from small_coco import VAL
from terminal import shown_on_a_terminal
from waiting import wait_until

from blurkit.sources.archive.unpack import TEMPORARY


def test_a_terminal_shows_a_bar_of_bytes(start):
    text = shown_on_a_terminal(lambda theirs: start(stderr=theirs))
    assert "val2017.zip: 100%" in text
    assert "242k/242k" in text
    assert "B/s" in text
    assert "pairs" not in text


@pytest.mark.slow
def test_the_bar_goes_back_where_a_file_starts_anew(server, start):
    server.ranges, server.faults, server.slowness = False, [cut(200_000)], 0.04
    text = shown_on_a_terminal(lambda theirs: start(stderr=theirs))
    assert "sends the file from its beginning; 200.0 kB are dropped" in text
    counts = re.findall(r"([\d.]+)k/242k", text.partition("dropped")[2])
    assert 0 < min(map(float, counts)) < 150
    assert counts[-1] == "242"


def test_a_killed_fetch_goes_on_where_it_was(server, start, fetch):
    server.slowness = 0.05
    process = start()
    part = fetch.root / "val2017.zip.part"
    wait_until(lambda: part.exists() and part.stat().st_size > 60_000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    here = part.stat().st_size
    assert set(contents(fetch.root)) == {"val2017.zip.part", ".val2017.zip.origin"}
    server.slowness = 0
    fetch("coco")
    assert contents(fetch.root) == VAL
    needed = len(server.files["/zips/val2017.zip"]) + len(server.files["/annotations/annotations_trainval2017.zip"])
    assert sum(server.bodies[1:]) == needed - here


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGUSR1, 75)])
def test_a_signal_ends_it_at_once_and_keeps_what_has_arrived(server, start, fetch, number, code):
    server.faults = [stall(50_000)]
    process = start()
    part = fetch.root / "val2017.zip.part"
    wait_until(lambda: part.exists() and part.stat().st_size == 50_000)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert server.silent == 1, "it waited for what the server would send"
    assert process.returncode == code, said
    assert f"stopped by {number.name}; the downloaded data is kept; run the same command again to resume" in said
    assert part.stat().st_size == 50_000
    fetch("coco")
    assert contents(fetch.root) == VAL


@pytest.mark.parametrize(("number", "code"), [pytest.param(signal.SIGTERM, 75, marks=pytest.mark.slow), (signal.SIGKILL, -9)])
def test_unpacking_that_is_ended_goes_on(server, start, fetch, number, code):
    process = start(pause=0.5)
    name = f"val2017/{3:012}.jpg"
    wait_until((fetch.root / name).exists)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == code, said
    made = contents(fetch.root)
    assert made.pop("val2017.zip") == server.files["/zips/val2017.zip"]
    assert made.pop(".val2017.zip.origin")
    assert made.pop(f"val2017/{TEMPORARY}", b"")[100:] == b""
    assert 4 <= len(made) < 12
    assert made.items() <= VAL.items()
    kept = (fetch.root / name).stat().st_ino
    fetch("coco")
    assert contents(fetch.root) == VAL
    assert (fetch.root / name).stat().st_ino == kept
    assert asked(server) == ["val2017.zip", "annotations_trainval2017.zip"]
