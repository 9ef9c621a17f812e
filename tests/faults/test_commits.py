"""Tests a commit that is cut off at each of its system calls: a final name always stands for a complete file."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the names of open files in /proc")


@pytest.fixture(scope="module")
def cut_off(fill_mixed, tmp_path_factory):
    """A folder with photographs, the ``calm`` dataset of them, a ``cut`` one whose commits were killed, and a commit's calls."""
    place = tmp_path_factory.mktemp("cut_off")
    source, calm, cut = (place / name for name in ("photographs", "calm", "cut"))
    command = [sys.executable, Path(__file__).with_name("cut_off.py"), fill_mixed(source, 70), calm, cut]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return place, json.loads(done.stdout)


def test_killed_at_any_call_of_a_commit_it_ends_with_the_same_bytes(cut_off, blurkit, snapshot):
    place, calls = cut_off
    calm, cut = snapshot(place / "calm"), place / "cut"
    assert len(list(cut.glob("*.tmp"))) > len(calls)
    assert 1 < len(list(cut.glob("*.json"))) < len(list(cut.glob("*.h5"))) <= len(calls) + 1  # some were killed early, some late
    calm.check_whole(cut)

    options = ("--per-image", "1", "--set", "shard_bytes=100000")
    done = blurkit.generate(cut, *options, source=place / "photographs")
    assert done.returncode == 0, done.stderr
    calm.check_same(cut)


def test_what_a_name_stands_for_is_on_the_disk_before_the_name_is(cut_off):
    """So a power cut leaves no empty file under a final name, and no record of a shard or of a ledger's line that is lost."""
    calls = [(name, re.sub(r"\.\w+\.tmp$", " (new)", file)) for name, file in cut_off[1]]
    assert [call for call in calls if call[0] in ("fsync", "rename") or call == ("write", "ledger.jsonl")] == [
        ("fsync", "00000.h5 (new)"),
        ("rename", "00000.h5"),
        ("fsync", "cut"),
        ("write", "ledger.jsonl"),
        ("fsync", "00000.json (new)"),
        ("rename", "00000.json"),
        ("fsync", "cut"),
    ]
    for file in ("00000.h5 (new)", "00000.json (new)"):
        names = [name for name, place in calls if place == file]
        assert {"write", "pwrite", "ftruncate"} & set(names)
        assert {"write", "pwrite", "ftruncate"} & set(names[names.index("fsync") :]) == set()
