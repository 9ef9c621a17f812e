"""Tests that images and JSON files of COCO's format are found in the layouts of other programs."""

import json
import os

import pytest
from command_line import result, run
from dataset_roots import coco_document, save_photograph, write_coco

from blurkit.errors import UsageError
from blurkit.pipeline.remake import remake
from blurkit.shard import open_dataset
from blurkit.sources import open_source
from blurkit.sources.known.coco_layouts import find_parts, local_names

#: Layout -> (JSON file, folder of the images, how the JSON file begins the names of files, split).
LAYOUTS = {
    "coco 2014": ("annotations/instances_val2014.json", "val2014", "", "val"),
    "cvat": ("annotations/instances_default.json", "images/default", "", ""),
    "cvat train": ("annotations/instances_train.json", "images/train", "", "train"),
    "roboflow": ("valid/_annotations.coco.json", "valid", "", "val"),
    "roboflow of one": ("_annotations.coco.json", "", "", ""),
    "fiftyone": ("labels.json", "data", "", ""),
    "fiftyone of a split": ("validation/labels.json", "validation/data", "", "val"),
    "label studio": ("result.json", "images", "images/", ""),
    "label studio on windows": ("result.json", "images", "images\\", ""),
    "label studio with addresses": ("result.json", "images", "https://example.org/data/upload/1/", ""),
    "detectron": ("annotations/train.json", "train", "train/", "train"),
    "labelme": ("annotations.json", "JPEGImages", "JPEGImages/", ""),
    "open images": ("annotations/openimages_test_coco.json", "images", "", "test"),
    "beside": ("set/coco.json", "set/images", "", ""),
}


def write(root, file, folder, prefix="", count=3, first=100):
    document = coco_document(count)
    for number, image in enumerate(document["images"]):
        image["file_name"] = f"{first + number:012d}.jpg"
        (root / folder).mkdir(parents=True, exist_ok=True)
        save_photograph(root / folder / image["file_name"], number)
        image["file_name"] = prefix + image["file_name"]
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(json.dumps(document))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    file, folder, prefix, split = LAYOUTS[layout]
    write(tmp_path / "root", file, folder, prefix)
    for other in ("notes.json", "captions_val2014.json", ".hidden.json"):
        (tmp_path / "root" / other).write_text('{"images": [{"name": 3}, 4]}')
    source = open_source("coco", root=tmp_path / "root")
    names = [f"{100 + number:012d}" for number in range(3)]
    assert [os.path.basename(record.path) for record in source.records] == [f"{name}.jpg" for name in names]
    assert all(os.path.isfile(record.path) for record in source.records)
    nested = prefix.replace("\\", "/") == f"{folder}/"  # then the names are paths from the root, and keep their suffixes
    assert [record.id for record in source.records] == [f"{folder}/{name}".lstrip("/") + ".jpg" * nested for name in names]
    assert [len(record.masks().masks) for record in source.records] == [0, 1, 2]
    assert {record.split for record in source.records} == {split}
    assert [entry.reason for entry in source.passed_over] == []
    if split:
        assert len(open_source("coco", root=tmp_path / "root", split=split).records) == 3
        with pytest.raises(UsageError, match="there is no split"):
            open_source("coco", root=tmp_path / "root", split="nonsense")


def test_several_splits_of_one_root(tmp_path):
    for split in ("train", "valid", "test"):
        write(tmp_path, f"{split}/_annotations.coco.json", split)
    records = open_source("coco", root=tmp_path).records
    assert [(record.split, record.id.split("/")[0]) for record in records[::3]] == [
        ("test", "test"),
        ("train", "train"),
        ("val", "valid"),
    ]
    assert len(open_source("coco", root=tmp_path, split="val").records) == 3


def test_the_instances_are_taken_of_several_files_about_one_folder(tmp_path):
    for kind in ("captions", "instances", "person_keypoints"):
        write(tmp_path, f"annotations/{kind}_val2014.json", "val2014")
    assert [part.file.name for part in find_parts(tmp_path)] == ["instances_val2014.json"]
    (tmp_path / "annotations" / "instances_val2014.json").rename(tmp_path / "annotations" / "mine.json")
    with pytest.raises(UsageError, match=r"list the images of .*val2014; name one of them with --annotations"):
        find_parts(tmp_path)
    source = open_source("coco", root=tmp_path / "val2014", annotations=str(tmp_path / "annotations" / "mine.json"))
    assert len(source.records) == 3


#: Layouts that share a root -> the splits that select one of them, and how the ids of its photographs begin.
SHARED = {
    "coco 2014 and 2017": (("coco 2014", "coco 2017"), {"val2014": "val2014/", "val2017": "val2017/"}),
    "coco 2017 and fiftyone": (("coco 2017", "fiftyone"), {"val": "val2017/", "data": "data/"}),
    "coco 2014 and roboflow": (("coco 2014", "roboflow"), {"val2014": "val2014/", "valid": "valid/"}),
    "cvat and label studio": (("cvat", "label studio images"), {"images/default": "images/default/", "pictures": "pictures/"}),
}
MORE = {
    "coco 2017": ("annotations/instances_val2017.json", "val2017", "", "val"),
    "label studio images": ("result.json", "pictures", "", ""),
}


@pytest.mark.parametrize("shared", SHARED)
def test_of_several_layouts_none_is_taken_until_one_is_chosen(tmp_path, shared):
    layouts, splits = SHARED[shared]
    for layout in layouts:
        write(tmp_path, *(LAYOUTS | MORE)[layout][:3])
    with pytest.raises(UsageError, match=r"fits several layouts: .* and .*--split FOLDER, such as .*--annotations FILE\.json"):
        open_source("coco", root=tmp_path)
    for split, beginning in splits.items():
        records = open_source("coco", root=tmp_path, split=split).records
        assert [record.id[: len(beginning)] for record in records] == [beginning] * 3
        assert [len(record.masks().masks) for record in records] == [0, 1, 2]
    with pytest.raises(UsageError):
        open_source("coco", root=tmp_path, split="train2014")


def test_parts_of_one_layout_are_taken_together(tmp_path):
    names = ("instances_train2014", "instances_val2014", "image_info_test2015", "image_info_test-dev2015")
    for first, name in enumerate(names):
        folder = name.split("_")[-1].replace("-dev", "")
        write(tmp_path / "2014", f"annotations/{name}.json", folder, count=1, first=first)
    for first, name in enumerate(("one", "two")):
        write(tmp_path / "cvat", f"annotations/instances_{name}.json", f"images/{name}", count=1, first=first)
        write(tmp_path / "sets", f"{name}/{name}.json", f"{name}/images", count=1, first=first)
    for root, count in (("2014", 3), ("cvat", 2), ("sets", 2)):
        assert len(open_source("coco", root=tmp_path / root).records) == count


def test_other_files_about_the_folders_of_coco_2017_are_passed_over(tmp_path):
    root = write_coco(tmp_path, coco_document(3))
    for file in ("captions_train2017", "person_keypoints_train2017"):
        write(root, f"annotations/{file}.json", "train2017", first=200)
    for file in ("image_info_test2017", "image_info_test-dev2017"):
        write(root, f"annotations/{file}.json", "test2017", first=300)
    write(root, "annotations/panoptic_val2017.json", "val2017")
    ids = [record.id for record in open_source("coco", root=root).records]
    assert ids == [f"val2017/{100 + i:012d}" for i in range(3)]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jpg", ["a.jpg"]),
        ("val/a.jpg", ["val/a.jpg", "a.jpg"]),
        ("val\\b\\a.jpg", ["val\\b\\a.jpg", "val/b/a.jpg", "b/a.jpg"]),
        ("./a.jpg", []),
        ("http://x/y/a%20b.jpg?z=1", ["a b.jpg"]),
        ("../a.jpg", []),
        ("..\\a.jpg", ["..\\a.jpg"]),
        ("http://x/..", []),
        ("/etc/passwd", []),
    ],
)
def test_what_a_name_may_mean_is_never_outside_of_the_folder(name, found):
    assert local_names(name, "val") == found


def test_names_of_other_kinds_read_nothing_outside(tmp_path, nothing_outside_is_opened):
    write(tmp_path / "root", "labels.json", "data")
    document = json.loads((tmp_path / "root" / "labels.json").read_text())
    names = ["../../secret/photograph.jpg", "..\\..\\secret\\photograph.jpg", f"file://{tmp_path}/secret/photograph.jpg"]
    for number, name in enumerate(names):
        document["images"].append({"id": number, "file_name": name, "height": 1, "width": 1})
    (tmp_path / "root" / "labels.json").write_text(json.dumps(document))
    source = open_source("coco", root=tmp_path / "root")
    assert len(source.records) == 3
    assert {entry.reason for entry in source.passed_over} == {"outside", "missing"}


def test_each_command_takes_a_file_of_annotations_and_a_folder_of_images(tmp_path):
    write(tmp_path, "anywhere/mine.json", "elsewhere/photographs")
    options = ("--src", "coco", "--root", "elsewhere/photographs", "--annotations", "anywhere/mine.json")
    assert result("info", *options, cwd=tmp_path)["annotated"] == 2
    made = result("generate", *options, "--size", 48, "--recipe", "clean", "--masks", cwd=tmp_path)
    assert made["made"] == 3
    dataset, images = open_dataset(tmp_path / "shards"), str(tmp_path / "elsewhere/photographs")
    with pytest.raises(UsageError, match=r"add --annotations FILE, which is 'mine\.json'"):
        list(remake(dataset, range(3), [images], []))
    assert list(remake(dataset, range(3), [images], [], str(tmp_path / "anywhere/mine.json"))) == []
    card = (tmp_path / "shards" / "README.md").read_text()
    assert "COCO 2017" not in card
    assert "--root DIR" in card
    assert "--annotations mine.json" in card
    assert len(result("preview", *options, "--size", 48, "-n", 2, cwd=tmp_path)["samples"]) == 2
    for wrong, said in (
        (options[:2] + options[4:], "--root"),
        ((*options[:5], "nothing.json"), "no such file"),
        ((*options, "--split", "val"), "--split"),
    ):
        assert said in run("generate", *wrong, cwd=tmp_path, code=2).stderr


def test_nothing_found_tells_the_layouts_and_the_options(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(UsageError, match=r"(?s)COCO 2017 in .*Other layouts.*CVAT.*Roboflow.*--annotations FILE\.json"):
        open_source("coco", root=tmp_path)
