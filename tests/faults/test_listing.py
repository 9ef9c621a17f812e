"""Tests that a disk that fails while a source is listed ends the command, and that only a refusal of permission does not.

A preloaded library makes the failures, in ``readdir`` itself.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
from dataset_roots import KEYS, coco_document, save_photograph, write_coco, write_vistas

pytestmark = pytest.mark.skipif(shutil.which("cc") is None or sys.platform != "linux", reason="a library is compiled")

#: ``readdir`` of the folder $SHIM_DIR gives $SHIM_COUNT entries and then the error $SHIM_ERRNO.
_SHIM = """
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static DIR *sick;
static int given;

static int fails(DIR *folder) {
    char link[64], path[PATH_MAX];
    const char *wanted = getenv("SHIM_DIR");
    if (!wanted) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd(folder));
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (strcmp(path, wanted)) return 0;
    if (folder != sick) { sick = folder; given = 0; }
    if (given++ < atoi(getenv("SHIM_COUNT"))) return 0;
    sick = NULL;
    errno = atoi(getenv("SHIM_ERRNO"));
    return 1;
}

struct dirent *readdir(DIR *folder) {
    return fails(folder) ? NULL : ((struct dirent *(*)(DIR *))dlsym(RTLD_NEXT, "readdir"))(folder);
}

struct dirent64 *readdir64(DIR *folder) {
    return fails(folder) ? NULL : ((struct dirent64 *(*)(DIR *))dlsym(RTLD_NEXT, "readdir64"))(folder);
}
"""

#: Opens (name, root, folder that fails), and prints what is raised, or what is found, as one JSON list.
_PROGRAM = """
import json, os, sys
from pathlib import Path
from blurkit.sources import open_source

results = []
for name, root, folder in json.loads(sys.argv[1]):
    os.environ["SHIM_DIR"] = folder
    try:
        source = open_source(name, root=Path(root) if root else None)
        results.append([len(source.records), [(entry.id, entry.reason) for entry in source.passed_over]])
    except OSError as error:
        results.append([error.errno, error.filename])
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """The path of the compiled library."""
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(_SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "shim.so", folder / "shim.c", "-ldl"], check=True)
    return folder / "shim.so"


def roots(folder):
    """(name, root, folder inside it) of sources of each kind, by the folder that fails."""
    for number in range(4):
        (folder / "photographs" / "b").mkdir(parents=True, exist_ok=True)
        save_photograph(folder / "photographs" / f"{number}.jpg", number)
        save_photograph(folder / "photographs" / "b" / f"{number}.jpg", 4 + number)
    for clip in ("one", "two"):
        (folder / "clips" / clip).mkdir(parents=True)
        save_photograph(folder / "clips" / clip / "1.png", 1)
    write_coco(folder / "coco", coco_document(3))
    write_vistas(folder / "vistas", "training", KEYS)
    for kind in ("sharp", "blur"):
        (folder / "gopro" / "train" / "GOPR0001" / kind).mkdir(parents=True)
        save_photograph(folder / "gopro" / "train" / "GOPR0001" / kind / "000001.png", 1)
    yield str(folder / "photographs"), None, "b"
    yield str(folder / "photographs"), None, ""
    yield "video", str(folder / "clips"), "two"
    yield "coco", str(folder / "coco"), "val2017"
    for inside in ("training/images", "training/v1.2/instances", "training/v1.2/labels"):
        yield "mapillary", str(folder / "vistas"), inside
    for inside in ("train", "train/GOPR0001", "train/GOPR0001/sharp", "train/GOPR0001/blur"):
        yield "gopro", str(folder / "gopro"), inside


def test_each_source_raises_what_a_failing_disk_says_and_names_the_folder(shim, tmp_path):
    cases = [(name, root, os.path.join(root or name, inside).rstrip("/")) for name, root, inside in roots(tmp_path)]
    for number, count in ((5, 1), (116, 0), (12, 0)):  # EIO in the middle, ESTALE, ENOMEM
        environment = {**os.environ, "LD_PRELOAD": str(shim), "SHIM_COUNT": str(count), "SHIM_ERRNO": str(number)}
        command = [sys.executable, "-c", _PROGRAM, json.dumps(cases)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == [[number, folder] for _, _, folder in cases]


def test_a_command_ends_with_the_name_of_the_folder_and_writes_nothing(blurkit, shim, photographs, tmp_path):
    environment = {"LD_PRELOAD": str(shim), "SHIM_COUNT": "4", "SHIM_ERRNO": "5", "SHIM_DIR": str(photographs / "second")}
    done = blurkit.generate(tmp_path / "shards", env=environment)
    assert done.returncode == 1
    assert f"{photographs / 'second'}: Input/output error" in done.stderr
    assert not (tmp_path / "shards").exists()


@pytest.mark.slow
def test_a_folder_without_permission_is_passed_over_and_counts(blurkit, shim, photographs, tmp_path):
    environment = {"LD_PRELOAD": str(shim), "SHIM_COUNT": "0", "SHIM_ERRNO": "13", "SHIM_DIR": str(photographs / "second")}
    out = tmp_path / "shards"
    done = blurkit.generate(out, "--max-bad", "3", env=environment)
    assert done.returncode == 1, done.stderr  # 3 pairs of cut.jpg, and the folder
    assert "second" in done.stdout + done.stderr
    assert "--max-bad" in done.stdout + done.stderr
    lines = map(json.loads, (out / "ledger.jsonl").read_text().splitlines())
    assert ("second", "source", "unreadable") in [(line["id"], line["stage"], line["reason"]) for line in lines]
    assert blurkit.generate(out, "--max-bad", "4", env=environment).returncode == 0
