"""Tests a dataset of COCO and Mapillary Vistas: all ways to make it give the same bytes, and other choices are refused."""

import os
import subprocess
import sys

import pytest
from command_line import dataset_files, run
from dataset_roots import HEIGHT, KEYS, WIDTH, coco_document, rectangle, write_coco, write_vistas
from json_lines import read_lines
from waiting import wait_until

from blurkit.shard import open_dataset

ASKED = (
    *("--src", "coco", "--src", "mapillary", "--annotations", "v1.2", "--license", "by,by-nc-sa", "--recipe", "clean"),
    *("--size", "20", "--downscale", "2", "--min-sharpness", "1", "--masks", "--per-image", "2", "--set", "shard_bytes=12000"),
    *("--max-bad", "10", "-q"),
)
HERE = ("--root", "coco=coco", "--root", "mapillary=vistas")
THERE = ("--root", "coco=elsewhere/c", "--root", "mapillary=elsewhere/m")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two roots, each with something wrong, and the dataset of both under shards/."""
    folder = tmp_path_factory.mktemp("run")
    document = coco_document(9)
    whole = {"category_id": 1, "segmentation": rectangle(0, 0, WIDTH, HEIGHT)}
    document["annotations"] += [{"id": i, "image_id": image["id"], **whole} for i, image in enumerate(document["images"])]
    document["images"][7]["width"] += 1
    write_coco(folder / "coco", document)
    (folder / "coco" / "val2017" / f"{104:012d}.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (folder / "coco" / "val2017" / f"{100:012d}.jpg").unlink()
    write_vistas(folder / "vistas", "training", KEYS, ("v1.2", "v2.0"))
    (folder / "vistas" / "training" / "v1.2" / "labels" / f"{KEYS[1]}.png").write_bytes(b"")
    run("generate", *ASKED, *HERE, "--workers", "1", cwd=folder)
    return folder


def test_the_ledger_and_the_samples_add_up(folder):
    dataset = open_dataset(folder / "shards")
    lines = read_lines(folder / "shards" / "ledger.jsonl")
    assert {line["id"]: (line["stage"], line["reason"], line["items"]) for line in lines} == {
        f"val2017/{100:012d}.jpg": ("source", "missing", 0),
        f"val2017/{104:012d}": ("decode", "truncated", 2),
        f"val2017/{107:012d}": ("masks", "bad_annotation", 0),
        f"training/{KEYS[1]}": ("masks", "bad_annotation", 2),
    }
    made = {sample.name for sample in dataset}
    names = [f"val2017/{100 + i:012d}" for i in (1, 3, 6, 7)] + [f"training/{key}" for key in (KEYS[0], KEYS[2])]
    assert made == {f"{name}#{variant}" for name in names for variant in (0, 1)}
    assert {sample.meta["licence"] for sample in dataset} == {"CC-BY-NC-SA-2.0", "CC-BY-2.0", "CC-BY-NC-SA-4.0"}
    assert sum(len(sample.objects) for sample in dataset) > 0
    assert len(dataset.files) > 2


@pytest.mark.slow
def test_workers_and_slices_make_the_same_bytes(folder):
    run("generate", *ASKED, *HERE, "--workers", "2", "--out", "two", cwd=folder)
    for part in ("1/2", "0/2"):
        run("generate", *ASKED, *HERE, "--slice", part, "--out", "sliced", cwd=folder)
    expected = dataset_files(folder / "shards")
    assert dataset_files(folder / "two") == dataset_files(folder / "sliced") == expected


def test_a_killed_run_is_finished_by_the_next(folder):
    command = [sys.executable, "-m", "blurkit", "generate", *ASKED, *HERE, "--workers", "1", "--out", "killed"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: list((folder / "killed").glob("*.h5")) or process.poll() is not None)
    process.kill()
    process.wait()
    assert (folder / "killed" / "00000.h5").exists()
    run("generate", *ASKED, *HERE, "--out", "killed", cwd=folder)
    assert dataset_files(folder / "killed") == dataset_files(folder / "shards")


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        (("--license", "by,by-nc-sa,usgovernmentwork"), "license: by,by-nc-sa there, by,by-nc-sa,usgovernmentwork now"),
        (("--downscale", "1"), "downscale: 2 there, 1 now"),
        (("--min-sharpness", "2"), "min_sharpness: 1.0 there, 2.0 now"),
        (("--annotations", "v2.0"), "annotations: v1.2 there, v2.0 now"),
        (("--weight", "coco=0.5"), "images: "),
        (("--limit", "mapillary=1"), "images_of.mapillary: 3 there, 1 now"),
    ],
)
def test_other_choices_are_refused_by_name(folder, changed, key):
    before = dataset_files(folder / "shards")
    done = run("generate", *ASKED, *HERE, *changed, cwd=folder, code=2)
    assert key in done.stderr
    assert dataset_files(folder / "shards") == before


def test_a_dataset_with_masks_is_not_continued_without(folder):
    asked = [word for word in ASKED if word != "--masks"]
    assert "masks: True there, False now" in run("generate", *asked, *HERE, cwd=folder, code=2).stderr


def test_roots_that_have_moved_are_named_and_make_the_same(folder):
    (folder / "elsewhere").mkdir()
    os.rename(folder / "coco", folder / "elsewhere" / "c")
    os.rename(folder / "vistas", folder / "elsewhere" / "m")
    try:
        assert "add --root coco=DIR" in run("verify", "--recompute", "100%", cwd=folder, code=2).stderr
        assert (
            "has none of" in run("verify", "--recompute", "1%", "--root", "coco=elsewhere", *THERE[2:], cwd=folder, code=2).stderr
        )
        assert "12 made again and equal" in run("verify", "--recompute", "100%", *THERE, cwd=folder).stdout
        before = dataset_files(folder / "shards")
        run("generate", *ASKED, *THERE, cwd=folder)
        assert {name: data for name, data in dataset_files(folder / "shards").items() if name.endswith(".h5")} == {
            name: data for name, data in before.items() if name.endswith(".h5")
        }
        path = folder / "elsewhere" / "c" / "annotations" / "instances_val2017.json"
        path.write_text(path.read_text().replace('"person"', '"human"').replace('"bottle"', '"flask"'))
        assert "objects.names differs" in run("verify", "--recompute", "100%", *THERE, cwd=folder, code=1).stdout
    finally:
        os.rename(folder / "elsewhere" / "c", folder / "coco")
        os.rename(folder / "elsewhere" / "m", folder / "vistas")
