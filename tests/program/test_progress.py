"""Progress is a bar on a terminal, and lines elsewhere."""

import os
import pty
import subprocess
import sys

import pytest

from blurkit.program import progress
from blurkit.program.progress import Progress, data_size, duration

PROGRAM = "import time; from blurkit.program.progress import Progress; p = Progress(40)\n" + 4 * (
    "time.sleep(0.15); p.done += 10; p.show(under_way=0)\n"
)


def test_a_terminal_shows_a_bar_with_rate_and_time_left():
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM + "p.close()"], stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    assert process.wait() == 0
    os.close(ours)
    text = shown.decode()
    assert "100%" in text
    assert "40/40" in text
    assert "pairs/s" in text
    assert "<" in text  # elapsed<left


def test_elsewhere_a_line_now_and_then(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    shown = Progress(1000)
    for _ in range(10):
        clock[0] += 10
        shown.done += 50
        shown.show(under_way=10)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == "160 of 1,000 pairs (16%), 5.3 pairs/s, 3 min left"


def test_quiet_shows_nothing(capsys):
    shown = Progress(10, quiet=True)
    shown.done = 10
    shown.show()
    shown.close()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (45.4, "45 s"), (89, "89 s"), (720, "12 min"), (12000, "3 h 20 min"), (3600 * 30, "30 h 00 min")],
)
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (12_345_678, "12.3 MB"), (4.2e12, "4.2 TB")])
def test_sizes_read_as_people_say_them(count, text):
    assert data_size(count) == text
