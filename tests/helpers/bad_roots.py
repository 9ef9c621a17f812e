"""What blurkit makes of a damaged root, and a check that it opens no file outside of the root."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import cv2
import pytest
from dataset_roots import coco_document, save_labels, save_photograph, scene
from first_shard import make_first_shard

from blurkit.errors import UsageError
from blurkit.pipeline.plan import make_plan
from blurkit.pipeline.settings import Settings
from blurkit.recipes.load import load_recipe
from blurkit.shard import open_dataset
from blurkit.sources import open_source

RECIPE = load_recipe("clean")
FOREIGN = "secret"

_listening: list[list[str]] = []


def _hear(event, arguments):
    if event not in ("open", "os.listdir", "os.scandir") or not _listening or isinstance(arguments[0], int | None):
        return
    folder, name = os.path.split(os.fsdecode(arguments[0]))
    follows = event != "open" or not arguments[2] & os.O_NOFOLLOW
    _listening[-1].append(
        os.path.realpath(os.path.join(folder, name)) if follows else os.path.join(os.path.realpath(folder), name)
    )


sys.addaudithook(_hear)


@contextmanager
def nothing_outside(tmp_path) -> Iterator[None]:
    """Put files beside the root, and check at the end of the block that none of them was opened."""
    (tmp_path / FOREIGN).mkdir()
    save_photograph(tmp_path / FOREIGN / "photograph.jpg", 99)
    cv2.imwrite(str(tmp_path / FOREIGN / "instances.png"), scene("a"))
    save_labels(tmp_path / FOREIGN / "labels.png", scene("a") >> 8)
    (tmp_path / FOREIGN / "instances_val2017.json").write_text(json.dumps(coco_document(3)))
    (tmp_path / FOREIGN / "config.json").write_text('{"labels": []}')
    opened = []
    _listening.append(opened)
    yield
    _listening.remove(opened)
    assert [path for path in opened if path.startswith(str(tmp_path / FOREIGN)) or path == "/etc/passwd"] == []


def outcome(name, root, *, masks=True, split="all"):
    """Make the samples of a root: their names, the ledger as {id: (reason, samples not made)}, and its messages."""
    source = open_source(name, root=root, split=split, masks=masks)
    plan = make_plan(source, Settings(RECIPE, size=(32, 32), masks=masks))
    out = root.parent / f"shards-{masks}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    record = make_first_shard(plan, out)
    lines = [vars(failure) for failure in plan.passed_over()] + record["failures"]
    made = [sample.name.split("#")[0] for sample in open_dataset(out / "00000.h5")] if record["samples"] else []
    assert len(made) + sum(line["items"] for line in lines) == plan.pairs
    assert len({line["id"] for line in lines}) == len(lines)
    for line in lines:
        json.dumps(line, ensure_ascii=False).encode()
    ledger = {line["id"]: (line["reason"], line["items"]) for line in lines}
    return SimpleNamespace(made=made, ledger=ledger, messages=" ".join(line["message"] for line in lines))


def refusal(name, root, **options):
    with pytest.raises(UsageError) as caught:
        outcome(name, root, **options)
    return str(caught.value)


def put_instead(path, kind, foreign=""):
    """Replace a file or folder by a fifo, an empty file or folder, or a link: to ``foreign``, to itself or to a missing file."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "file":
            path.touch()
        case _:
            os.symlink({"link": foreign, "loop": path.name, "broken": "nowhere"}[kind], path)


def coco_ids(*numbers):
    return [f"val2017/{100 + number:012d}" for number in numbers]
