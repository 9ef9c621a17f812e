"""``blurkit fetch`` end to end, against a small COCO on a server of this machine."""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pickle
import pty
import random
import re
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from command_line import run
from file_server import FileServer, cut, redirect, stall, status

from blurkit.commands import fetch as module
from blurkit.program import progress
from blurkit.program.files import locked
from blurkit.sources.archive.download import LOCK, RetryPolicy
from blurkit.sources.archive.unpack import TEMPORARY
from blurkit.sources.known.manifest import Archive, Split, load_manifest

PHOTOGRAPHS = {
    split: {f"{split}2017/{number:012}.jpg": random.Random(f"{split}{number}").randbytes(20_000) for number in range(count)}
    for split, count in (("train", 30), ("val", 12))
}
ANNOTATIONS = {
    f"annotations/{kind}_{split}2017.json": b'{"images": []}' * 20
    for kind in ("captions", "instances", "person_keypoints")
    for split in ("train", "val")
}
VAL = {**PHOTOGRAPHS["val"], **ANNOTATIONS}

#: Runs blurkit with another manifest in a process of its own, with a pause in the middle of each file that is unpacked.
PROGRAM = """
import pickle, sys, time
from blurkit.sources.archive import unpack
from blurkit.cli import main
from blurkit.commands import fetch
with open(sys.argv.pop(1), "rb") as file:
    manifest = pickle.load(file)
pause = float(sys.argv.pop(1))
def write_slowly(descriptor, data, write=unpack.write_all):
    write(descriptor, data[:100])
    time.sleep(pause)
    write(descriptor, data[100:])
unpack.write_all = write_slowly
fetch.load_manifest = lambda name: manifest
sys.exit(main())
"""


def packed(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("BLURKIT_DATA", raising=False)
    monkeypatch.setattr(module, "RETRY_POLICY", RetryPolicy(timeout=5, pauses=(0.01, 0.01)))


@pytest.fixture
def server():
    server = FileServer()
    for split in ("train", "val"):
        server.files[f"/zips/{split}2017.zip"] = packed(PHOTOGRAPHS[split])
    server.files["/annotations/annotations_trainval2017.zip"] = packed(ANNOTATIONS)
    yield server
    server.close()


@pytest.fixture
def manifest(server, monkeypatch):
    """The manifest of COCO, but for this server; those of the others."""
    archives = []
    for path, content in server.files.items():
        name, sha256 = path.rpartition("/")[2], hashlib.sha256(content).hexdigest()
        split = name.removesuffix("2017.zip") if path.startswith("/zips") else ""
        archives.append(Archive(name, server.base + path, len(content), sha256, "", split))
    splits = tuple(Split(split, f"{split}2017", len(PHOTOGRAPHS[split])) for split in ("train", "val"))
    manifest = dataclasses.replace(load_manifest("coco_2017"), archives=tuple(archives), splits=splits)
    monkeypatch.setattr(module, "load_manifest", lambda name: manifest if name == "coco_2017" else load_manifest(name))
    return manifest


@pytest.fixture
def fetch(manifest, tmp_path):
    """A function that runs ``blurkit fetch`` in an empty folder, expects an exit code, and returns what it printed."""

    def fetch(*arguments, **how):
        return run("fetch", *arguments, cwd=tmp_path, **how)

    fetch.root = tmp_path / "data/coco"
    return fetch


@pytest.fixture
def start(manifest, tmp_path):
    """A function that starts the same in a process of its own."""
    (tmp_path / "manifest").write_bytes(pickle.dumps(manifest))
    started = []

    def start(*, stderr=subprocess.PIPE, pause=0.0):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "manifest"), str(pause), "fetch", "coco"]
        started.append(subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=stderr, text=stderr is not None))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def contents(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != LOCK}


def asked(server):
    return [path.rpartition("/")[2] for path, _ in server.requests]


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_val_is_fetched_into_place(server, fetch):
    done = fetch("coco")
    assert contents(fetch.root) == VAL
    assert asked(server) == ["val2017.zip", "annotations_trainval2017.zip"]
    assert "data/coco/val2017: 12 photographs" in done.stdout
    assert "use it: blurkit generate --src coco --root data/coco" in done.stdout
    assert f"val2017.zip (241.5 kB) from {server.base}/zips/val2017.zip, into data/coco" in done.stderr


def test_the_result_as_json(server, fetch, tmp_path):
    result = json.loads(fetch("coco", "--split", "all", "--root", "a b", "--json", "-q").stdout)
    assert result.pop("seconds") >= 0
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
    assert "nothing was to download" in fetch("coco").stdout
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


def test_a_file_of_somebody_is_not_replaced(fetch):
    name = sorted(PHOTOGRAPHS["val"])[3]
    (fetch.root / "val2017").mkdir(parents=True)
    (fetch.root / name).write_bytes(b"mine")
    assert "differs from the archive's" in fetch("coco", code=2).stderr
    assert (fetch.root / name).read_bytes() == b"mine"


def test_archives_are_kept_on_request_and_are_then_the_users(server, fetch):
    done = fetch("coco", "--keep")
    assert "data/coco/val2017.zip: kept" in done.stdout
    server.requests.clear()
    fetch("coco")
    assert asked(server) == []
    archives = {path.rpartition("/")[2]: content for path, content in server.files.items() if "train2017" not in path}
    assert contents(fetch.root) == {**VAL, **archives}


def test_with_its_archive_there_every_file_is_compared(fetch):
    fetch("coco", "--keep")
    (fetch.root / f"val2017/{7:012}.jpg").write_bytes(bytes(20_000))
    assert "000000000007.jpg is there and differs" in fetch("coco", code=2).stderr


def test_archives_that_the_user_put_there_are_used_and_stay(server, fetch):
    fetch.root.mkdir(parents=True)
    (fetch.root / "val2017.zip").write_bytes(server.files["/zips/val2017.zip"])
    done = fetch("coco")
    assert asked(server) == ["annotations_trainval2017.zip"]
    assert "val2017.zip is there already" in done.stderr
    assert contents(fetch.root) == {**VAL, "val2017.zip": server.files["/zips/val2017.zip"]}


def test_another_file_under_the_name_of_an_archive_is_not_touched(fetch):
    fetch.root.mkdir(parents=True)
    (fetch.root / "val2017.zip").write_bytes(b"mine")
    assert "val2017.zip is another file" in fetch("coco", code=2).stderr
    assert (fetch.root / "val2017.zip").read_bytes() == b"mine"


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


def test_trouble_is_said_and_survived(server, fetch):
    server.faults = [status(500), cut(100_000)]
    done = fetch("coco", "-q")
    assert done.stderr.splitlines() == [
        "val2017.zip: the server answered 500 Internal Server Error; attempt 2 of 3 in 0 s",
        "val2017.zip: the connection was cut after 100.0 kB; attempt 3 of 3 in 0 s",
    ]
    assert contents(fetch.root) == VAL


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
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage)
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


def test_progress_in_lines(server, fetch, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    (fetch.root / "val2017").mkdir(parents=True)
    (fetch.root / "val2017.zip.part").write_bytes(server.files["/zips/val2017.zip"][:200_000])
    lines = fetch("coco").stderr.splitlines()
    assert any(line.startswith("val2017.zip: 200.0 kB of 241.5 kB (83%), 0 B/s, unknown left") for line in lines)
    assert any(line.startswith("val2017.zip: 241.5 kB of 241.5 kB (100%), ") and line.endswith("/s, 0 s left") for line in lines)
    assert any(line.startswith("unpacking val2017.zip: 240.0 kB of 240.0 kB (100%), ") for line in lines)


def shown_on_a_terminal(start):
    ours, theirs = pty.openpty()
    process = start(stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while data := os.read(ours, 4096):
            shown += data
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()


def test_a_terminal_shows_a_bar_of_bytes(start):
    text = shown_on_a_terminal(start)
    assert "val2017.zip: 100%" in text
    assert "242k/242k" in text
    assert "B/s" in text
    assert "pairs" not in text


@pytest.mark.slow
def test_the_bar_goes_back_where_a_file_starts_anew(server, start):
    server.ranges, server.faults, server.slowness = False, [cut(200_000)], 0.04
    text = shown_on_a_terminal(start)
    assert "sends the file from its beginning; 200.0 kB are dropped" in text
    counts = re.findall(r"([\d.]+)k/242k", text.partition("dropped")[2])
    assert 0 < min(map(float, counts)) < 150
    assert counts[-1] == "242"


def test_a_killed_fetch_goes_on_where_it_was(server, start, fetch):
    server.slowness = 0.05
    process = start()
    part = fetch.root / "val2017.zip.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 60_000)
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
    wait_for(lambda: part.exists() and part.stat().st_size == 50_000)
    begin = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert time.monotonic() - begin < 3
    assert process.returncode == code, said
    assert f"stopped by {number.name}; what has arrived is kept; run the same command again to resume" in said
    assert part.stat().st_size == 50_000
    fetch("coco")
    assert contents(fetch.root) == VAL


@pytest.mark.parametrize(("number", "code"), [pytest.param(signal.SIGTERM, 75, marks=pytest.mark.slow), (signal.SIGKILL, -9)])
def test_unpacking_that_is_ended_goes_on(server, start, fetch, number, code):
    process = start(pause=0.5)
    name = f"val2017/{3:012}.jpg"
    wait_for((fetch.root / name).exists)
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
