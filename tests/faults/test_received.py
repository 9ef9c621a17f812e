"""Tests datasets from strangers: nothing that they name is opened, and odd documents, pipes and links end with a clear error."""

import hashlib
import json
import os
import random
import shutil
import sys

import numpy as np
import pytest
from command_line import SMALL, run
from damage import flip, put, tamper

from blurkit.errors import CorruptShardError
from blurkit.shard import Shard

SECRET = "root:x:0:0:no number"


@pytest.fixture
def received(small_dataset, tmp_path):
    """A copy of a dataset of the packaged photographs."""
    shutil.copytree(small_dataset.folder / "shards", tmp_path / "shards")
    return tmp_path / "shards"


@pytest.fixture
def opened():
    """The paths that this process opens."""
    paths, active = [], [True]

    def note(event, arguments):
        if active[0] and event == "open":
            paths.append(str(arguments[0]))

    sys.addaudithook(note)  # cannot be removed, so it is switched off
    yield paths
    active[0] = False


def change(path, *keys, value):
    document = json.loads(path.read_text())
    inner = document
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(document))


def with_recipe(folder, text):
    """Replace the recipe in every shard, and make the index agree, as a stranger would."""
    index = json.loads((folder / "dataset.json").read_text())
    for record in index["shards"]:
        path = folder / record["file"]
        tamper(path, lambda file: file.attrs.__setitem__("recipe", np.bytes_(text.encode())))
        record |= {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (folder / "dataset.json").write_text(json.dumps({key: index[key] for key in index if key != "check"}))


RECIPES = {
    "a response in the plan": ("", {"response.decode": "secret"}),
    "a bank in the plan": ("", {"kernels": "secret"}),
    "a response in the recipe": ('[response]\ndecode = "secret"\n', {}),
    "a bank in the recipe": ('kernels = "secret"\n', {}),
    "with a digest": ('[response]\ndecode = "secret"\n[files]\n"response.decode" = "0"\n', {}),
    "a mixture of files": ('[mixture]\n"secret.toml" = 1.0\n', {}),
    "in a part": ('[mixture]\na = 1.0\n[recipes.a]\nkernels = "secret"\n', {}),
}


def slow_but(quick, cases):
    """The cases, of which only the quick ones are not slow."""
    return [case if case in quick else pytest.param(case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.parametrize("kind", slow_but(["a response in the recipe"], RECIPES))
def test_no_file_that_a_dataset_names_is_opened(received, tmp_path, opened, kind):
    text, files = RECIPES[kind]
    for name in ("secret", "secret.toml"):
        (tmp_path / name).write_text(SECRET)
    change(received / "plan.json", "files", value={key: str(tmp_path / name) for key, name in files.items()})
    if text:
        with_recipe(received, text.replace('"secret', f'"{tmp_path}/secret'))
    opened.clear()
    done = run("verify", received, "--recompute", "100%", cwd=tmp_path, code=2 if text else 1)
    assert SECRET[:6] not in done.stdout + done.stderr
    assert [path for path in opened if "secret" in path] == []
    run("info", received, cwd=tmp_path)
    run("preview", received, "-n", 1, cwd=tmp_path)
    if not text:
        run("generate", *SMALL, "--per-image", 3, "--out", received, cwd=tmp_path)
    assert [path for path in opened if "secret" in path] == []


def test_a_file_that_the_user_names_is_compared_before_it_is_read(received, tmp_path):
    (tmp_path / "mine.txt").write_text(SECRET)
    with_recipe(received, f'[response]\ndecode = "curve.txt"\n[files]\n"response.decode" = "{"0" * 64}"\n')
    done = run("verify", received, "--recompute", "100%", cwd=tmp_path, code=2)
    assert "with --file response.decode=PATH" in done.stderr
    done = run("verify", received, "--recompute", "100%", "--file", "response.decode=mine.txt", cwd=tmp_path, code=2)
    assert "mine.txt is not the original: its sha256 differs" in done.stderr
    assert SECRET[:6] not in done.stderr
    done = run("verify", received, "--recompute", "100%", "--file", "kernels=mine.txt", cwd=tmp_path, code=2)
    assert "--file kernels: the recipe names no such file; it names response.decode" in done.stderr


@pytest.mark.parametrize("source", slow_but(["folder"], ["folder", "coco", "gopro", "video"]))
def test_no_folder_that_a_plan_names_is_listed(received, tmp_path, opened, source):
    (tmp_path / "private").mkdir()
    change(received / "plan.json", "roots", value={source: str(tmp_path / "private")})
    opened.clear()
    done = run("verify", received, "--recompute", "100%", cwd=tmp_path, code=2)
    assert f"add --root {tmp_path / 'private'}" in done.stderr
    assert [path for path in opened if "private" in path] == []


NAMES = ("dataset.json", "plan.json", "00001.json", "00001.h5", "ledger.jsonl")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", slow_but(["pipe"], ["pipe", "zero", "link", "folder"]))
def test_a_pipe_a_device_and_a_link_are_refused_at_once(received, tmp_path, name, kind):
    path = received / name
    shutil.move(path, tmp_path / name)
    make = {"pipe": os.mkfifo, "zero": lambda path: path.symlink_to("/dev/zero"), "folder": os.mkdir}
    make.get(kind, lambda path: path.symlink_to(tmp_path / name))(path)
    for command in (("verify", received), ("verify", received, "--recompute", "1%")):
        done = run(*command, cwd=tmp_path, code=2 if name == "plan.json" and "--recompute" in command else 1)
        assert name in done.stdout + done.stderr
    with pytest.raises(CorruptShardError, match=r"not a file|folder"):
        Shard(_pipe(tmp_path))


def _pipe(folder):
    if not (folder / "pipe.h5").exists():
        os.mkfifo(folder / "pipe.h5")
    return folder / "pipe.h5"


ODD = (None, True, -1, 10**30, 1.5, float("nan"), float("inf"), "", "x" * 300, [], {}, [[]], {"a": 1}, "../../etc/passwd")


def places(document, path=()):
    """Every key of nested dictionaries and lists."""
    entries = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from places(value, (*path, key))


def without(document, path):
    document = json.loads(json.dumps(document))
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return document


def odd_documents(whole, count, rng):
    """Texts of changed documents: odd values, missing keys, deep nesting, and other texts."""
    yield from (b"", b"{}", b"[]", b"null", b"1" * 10_000, b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b'{"shards": [')
    keys = list(places(whole))
    for _ in range(count):
        path, document = rng.choice(keys), json.loads(json.dumps(whole))
        inner = document
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = rng.choice(ODD)
        yield json.dumps(document).encode()
        yield json.dumps(without(whole, rng.choice(keys))).encode()


def check_odd(received, tmp_path, name, count):
    path, rng = received / name, random.Random(name)
    whole = json.loads(path.read_text())
    for text in odd_documents(whole, count, rng):
        path.write_bytes(text)
        for command in (("verify", received), ("info", received), ("verify", received, "--recompute", "1%")):
            done = run(*command, cwd=tmp_path, code=None)
            assert "This is a bug" not in done.stderr, (text[:3000], done.stderr)
            if command == ("verify", received) and json_or_none(text) != whole:
                assert done.returncode, text[:3000]


def json_or_none(text):
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dataset.json", "plan.json", "00001.json"])
def test_odd_documents_end_with_a_clear_error(received, tmp_path, name):
    check_odd(received, tmp_path, name, 40)


def test_a_few_odd_documents_end_with_a_clear_error(received, tmp_path):
    check_odd(received, tmp_path, "dataset.json", 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dataset.json", "plan.json", "00001.json"])
def test_no_flipped_bit_in_a_document_is_called_sound(received, tmp_path, name):
    path, rng = received / name, random.Random(4)
    good = path.read_bytes()
    for _ in range(120):
        path.write_bytes(good)
        flip(path, rng.randrange(len(good)), rng.randrange(8))
        done = run("verify", received, cwd=tmp_path, code=None)
        assert done.returncode in (1, 2), done.stdout
        assert name in done.stdout + done.stderr


def test_a_scalar_id_is_no_shard(received):
    tamper(received / "00000.h5", put("id", np.bytes_(b"a")))
    with pytest.raises(CorruptShardError, match=r"id, .* should have one row per sample"):
        Shard(received / "00000.h5")
