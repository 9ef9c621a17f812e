"""Fixtures for the tests of the commands: a small dataset, and a small COCO on a local server for ``blurkit fetch``."""

import dataclasses
import hashlib
import json
import pickle
import subprocess
import sys

import pytest
from archives import packed
from command_line import run
from file_server import FileServer
from small_coco import ANNOTATIONS, PHOTOGRAPHS

from blurkit.sources.archive.download import RetryPolicy
from blurkit.sources.known.manifest import Archive, Split, load_manifest

#: Runs blurkit with another manifest in a new process, with a pause in the middle of each file that is unpacked.
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


@pytest.fixture(scope="session")
def reference(small_dataset):
    """A folder with a small dataset of several shards in shards/, and the parsed output of its run."""
    return small_dataset.folder, json.loads(small_dataset.run.stdout)


@pytest.fixture
def surroundings(monkeypatch):
    """No proxy, no folder for datasets, and short waiting times."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("BLURKIT_DATA", raising=False)
    monkeypatch.setattr("blurkit.commands.fetch.RETRY_POLICY", RetryPolicy(timeout=5, pauses=(0.01, 0.01)))


@pytest.fixture
def server():
    """A server that has the archives of COCO."""
    server = FileServer()
    for split in ("train", "val"):
        server.files[f"/zips/{split}2017.zip"] = packed(PHOTOGRAPHS[split])
    server.files["/annotations/annotations_trainval2017.zip"] = packed(ANNOTATIONS)
    yield server
    server.close()


@pytest.fixture
def manifest(surroundings, server, monkeypatch):
    """The manifest of COCO with the addresses of the local server. Other manifests stay."""
    archives = []
    for path, content in server.files.items():
        name, sha256 = path.rpartition("/")[2], hashlib.sha256(content).hexdigest()
        split = name.removesuffix("2017.zip") if path.startswith("/zips") else ""
        archives.append(Archive(name, server.base + path, len(content), sha256, "", split))
    splits = tuple(Split(split, f"{split}2017", len(PHOTOGRAPHS[split])) for split in ("train", "val"))
    manifest = dataclasses.replace(load_manifest("coco_2017"), archives=tuple(archives), splits=splits)
    choose = lambda name: manifest if name == "coco_2017" else load_manifest(name)  # noqa: E731
    monkeypatch.setattr("blurkit.commands.fetch.load_manifest", choose)
    return manifest


@pytest.fixture
def fetch(manifest, tmp_path):
    """A function that runs ``blurkit fetch`` in an empty folder, checks the exit code, and returns the output."""

    def fetch(*arguments, **how):
        return run("fetch", *arguments, cwd=tmp_path, **how)

    fetch.root = tmp_path / "data/coco"
    return fetch


@pytest.fixture
def start(manifest, tmp_path):
    """A function that starts ``blurkit fetch coco`` as a new process."""
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
