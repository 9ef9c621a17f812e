"""Tests every packaged recipe from end to end: any number of workers makes the same dataset, and it can be made again."""

import cv2
import numpy as np
import pytest
from command_line import result, run
from dataset_roots import CATEGORIES, LICENCES, coco_document, rectangle, write_coco, write_vistas
from photographs import random_photograph

from blurkit.recipes.load import recipe_names
from blurkit.shard import open_dataset

KEYS = ["a" * 22, "b" * 22, "c" * 22]

#: Where the photographs of a recipe come from, and what it is given beside its name.
SOURCES = {
    "bank": ("photographs", ("--set", "kernels=mine.npz")),
    "defocus": ("photographs", ()),
    "frames": ("clip", ()),
    "frames-encoded": ("clip", ()),
    "objects": ("coco", ("--set", "objects.least=60")),
    "real": ("pairs", ()),
    "street": ("mapillary", ("--set", "objects.least=60")),
}
#: What the card of a dataset says the blur is.
CARDS = {
    "real": "of a sharp and a real blurred photograph",
    "frames": "blurred by the mean of the frames around it",
    "objects": "simulated motion of the camera and of objects",
}
#: What the samples of a recipe have beside images and a kernel.
TRUTH = {"objects": {"moves"}, "street": {"moves", "nodes", "poses"}, "rotation": {"nodes", "poses"}, "defocus": {"radius"}}


def blocks(seed):
    return random_photograph(np.random.default_rng(seed), (11, 13), 8, 255, 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs, some with maps of disparity, a clip, a bank of kernels, COCO and Vistas."""
    root = tmp_path_factory.mktemp("sources")
    for name in ("photographs", "clip"):
        (root / name).mkdir()
    for seed in range(3):
        cv2.imwrite(str(root / "photographs" / f"{seed}.png"), blocks(seed))
    for seed in range(3):
        for kind in ("blur", "sharp"):
            (root / "pairs" / kind).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / "pairs" / kind / f"{seed}.png"), blocks(seed + 5 * (kind == "blur")))
    slope = np.linspace(1, 9, 104, dtype=np.float32) * np.ones((88, 1), np.float32)
    np.save(root / "photographs" / "1.disparity.npy", slope)
    (root / "photographs" / "2.disparity.pfm").write_bytes(b"Pf\n104 88\n-1\n" + slope.tobytes())
    for number in range(15):
        cv2.imwrite(str(root / "clip" / f"{number:03}.png"), np.roll(blocks(9), number, axis=1))
    document = coco_document(0)
    document |= {"licenses": LICENCES, "categories": CATEGORIES}
    for i in range(3):
        document["images"].append({"id": i, "file_name": f"{i:012d}.jpg", "height": 72, "width": 96, "license": 4})
        for j in range(2):
            outline = rectangle(12 + 40 * j, 20, 20, 30)
            document["annotations"].append({"id": 9 * i + j, "image_id": i, "category_id": 1, "segmentation": outline})
    write_coco(root / "coco", document)
    write_vistas(root / "mapillary", "training", KEYS)
    run("kernels", "-n", 4, "--set", "trajectory.length=9", "--recipe", "clean", "-o", "mine.npz", cwd=root)
    return root


def source_of(name):
    kind, settings = SOURCES.get(name, ("photographs", ()))
    if kind == "photographs":
        return ("--src", "photographs", *settings)
    return ("--src", "video" if kind == "clip" else kind, "--root", kind, *settings)


def generate(folder, out, name, workers):
    choice = ("--limit", 5) if name.startswith("frames") else ("--limit", 3, "--per-image", 2)
    options = ("--recipe", name, "--size", 64, "--set", "shard_bytes=40000", *choice, "--workers", workers, "--out", out)
    return result("generate", *source_of(name), *options, "-q", cwd=folder)


@pytest.mark.parametrize("name", recipe_names())
def test_workers_and_recomputation_make_the_same_samples(folder, tmp_path, name):
    made = generate(folder, tmp_path / "made", name, 2 if name in TRUTH else 1)
    dataset = open_dataset(tmp_path / "made")
    assert made["shards"] > 1
    assert made["made"] == len(dataset) >= 2
    named = ("--root", SOURCES.get(name, ("photographs",))[0], *(("--file", "kernels=mine.npz") if name == "bank" else ()))
    checked = result("verify", tmp_path / "made", "--recompute", "100%", *named, cwd=folder)
    assert (checked["recomputed"], checked["problems"]) == (len(dataset), [])
    if name == "street":  # which has all that a worker may do; the others have a longer test of their own
        assert generate(folder, tmp_path / "one", name, 1)["digest"] == made["digest"]

    samples = list(dataset)
    found = {"moves": any(len(sample.moves) for sample in samples), "poses": any(len(sample.poses) for sample in samples)}
    found |= {key: any(getattr(sample, key) is not None for sample in samples) for key in ("nodes", "radius")}
    assert {key for key, there in found.items() if there} == TRUTH.get(name, set())
    assert all((sample.kernel.size == 0) == name.startswith(("frames", "real")) for sample in samples)
    assert any((sample.blurred != sample.sharp).any() for sample in samples)
    if name in CARDS:
        assert CARDS[name] in (tmp_path / "made/README.md").read_text()
        counts = result("info", tmp_path / "made", cwd=folder)
        assert ("blur extent [px]" in counts["quantiles"]) == (name not in ("frames", "real"))
        assert counts["objects"] == sum(len(sample.objects) for sample in samples)
        run("preview", tmp_path / "made", "-n", 2, "-o", tmp_path / "sheet.png", cwd=folder)
        assert min(cv2.imread(str(tmp_path / "sheet.png")).shape[:2]) > 200


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe_names())
def test_one_worker_makes_what_two_make(folder, tmp_path, name):
    assert generate(folder, tmp_path / "one", name, 1)["digest"] == generate(folder, tmp_path / "two", name, 2)["digest"]
