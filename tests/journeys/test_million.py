"""Tests the time and the memory that a plan of a million photographs takes in a new process."""

import json
import os
import shutil
import subprocess
import sys

import pytest

#: Limits of a whole process: processor seconds, which do not depend on other processes, and megabytes at the peak.
SECONDS, MEGABYTES = 30, 300

COUNT = 1_000_000

_PROLOGUE = """
import gc, re, sys, time
from pathlib import Path
from numba.core.dispatcher import Dispatcher
from blurkit.pipeline.choices import Choices
from blurkit.pipeline.plan import make_plan
from blurkit.recipes.load import load_recipe
from blurkit.pipeline.settings import Settings
from blurkit.sources.record import ImageRecord, Source
"""

_EPILOGUE = """
print(len(plan.records), plan.shards[-1][1], plan.records[-1].id)
print(time.process_time(), int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
print(sum(len(found.signatures) for found in gc.get_objects() if isinstance(found, Dispatcher)))
"""

_RECORDS = """
records = (
    ImageRecord(f"train2017/{i:012d}", f"/data/coco/train2017/{i:012d}.jpg", "coco", ("CC-BY-2.0", "")[i % 2], "train")
    for i in range(int(sys.argv[1]))
)
plan = make_plan(Source("coco", Path("/data/coco"), records), Settings(load_recipe("handheld")))
"""

_COCO = """
plan = Choices(src=("coco",), root=(sys.argv[1],), masks=sys.argv[2] == "masks").plan()
"""

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")


def measure(program, *arguments, count=COUNT):
    """Seconds of the processor, and megabytes at the highest of a process that makes a plan; it calls no compiled code, which
    would take 50 more."""
    command = [sys.executable, "-c", _PROLOGUE + program + _EPILOGUE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made, last, name, seconds, megabytes, compiled = done.stdout.split()
    assert compiled == "0"
    assert made == last == str(count)
    assert name == f"train2017/{count - 1:012d}"
    return float(seconds), float(megabytes)


def test_a_hundred_thousand_records_add_little_to_a_thousand():
    _, alone = measure(_RECORDS, 1000, count=1000)
    _, megabytes = measure(_RECORDS, COUNT // 10, count=COUNT // 10)
    assert megabytes - alone < 30


@pytest.mark.slow
def test_records_as_a_stream_make_a_plan():
    seconds, megabytes = measure(_RECORDS, COUNT, count=COUNT)
    assert seconds < SECONDS
    assert megabytes < MEGABYTES


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root of COCO with a million images, empty files all, and a hundred thousand annotations."""
    folder = tmp_path_factory.mktemp("million")
    (folder / "annotations").mkdir()
    (folder / "train2017").mkdir()
    descriptor = os.open(folder / "train2017", os.O_RDONLY)
    for i in range(COUNT):
        os.close(os.open(f"{i:012d}.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    licences = [{"id": i, "url": f"http://creativecommons.org/licenses/{terms}/2.0/"} for i, terms in enumerate(("by", "by-nc"))]
    with open(folder / "annotations" / "instances_train2017.json", "w") as file:
        file.write(f'{{"info": {{}}, "licenses": {json.dumps(licences)}, "images": [')
        for i in range(COUNT):
            url = f"http://images.cocodataset.org/train2017/{i:012d}.jpg"
            image = (
                f'"id": {i}, "license": {i % 2}, "file_name": "{i:012d}.jpg", "coco_url": "{url}", "height": 480, "width": 640'
            )
            file.write(f"{',' if i else ''}{{{image}}}")
        file.write('], "annotations": [')
        for i in range(COUNT // 10):
            outline = '"segmentation": [[10.5, 10.5, 40.25, 12.5, 30, 60.5, 11, 44]], "area": 1000.5, "iscrowd": 0'
            file.write(f'{"," if i else ""}{{"id": {i}, "image_id": {10 * i}, "category_id": 1, {outline}}}')
        file.write('], "categories": [{"id": 1, "name": "person"}]}')
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("masks", ["masks", "alone"])
def test_a_coco_file_makes_a_plan(root, masks):
    seconds, megabytes = measure(_COCO, root, masks)
    assert seconds < SECONDS
    assert megabytes < MEGABYTES
