"""Tests the table of records: it returns the records that were put in, and takes little memory."""

import os
import pickle
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from blurkit.decode.objects.coco import AnnotationIndex, CocoAnnotation
from blurkit.decode.place import ImagePlace
from blurkit.decode.video import FrameFolder
from blurkit.sources.record import ImageRecord
from blurkit.sources.table import RecordTable

NAMES = [
    *("a.jpg", "画像.jpg", "new\nline.jpg", "a b\t.jpg", "-q.jpg", "%41.jpg", "é.jpg", "e\u0301.jpg", "😀.jpg", "nul\0.jpg", ""),
    os.fsdecode(b"latin1_\xe9.jpg"),
    os.fsdecode(b"\xff\xfe\x80.jpg"),
    "\udcc3\udca9.jpg",  # two escaped bytes that together would be the UTF-8 of a letter
    "\ud800.jpg",
    "x" * 5000,
]
FOLDERS = ["", "/", "here/", "/data/coco/train2017/", "a//b/", os.fsdecode(b"/caf\xe9/")]


def records():
    return [
        ImageRecord(f"{folder}{name}", folder + name, source, licence, split)
        for folder in FOLDERS
        for name in NAMES
        for source, licence, split in (("coco", "CC-BY-2.0", "train"), ("folder", "", ""))
    ]


def test_some_records_with_another_split_are_a_table_of_their_own():
    annotation = CocoAnnotation(AnnotationIndex("x.json", np.arange(1), np.zeros((1, 2), np.int64), {}), (4, 5), 7)
    more = [
        ImageRecord("a#1", "v.mp4", "video", clip=FrameFolder("f", ("1.png", "2.png")), frame=1),
        ImageRecord("b", "c/b.jpg", "coco", "CC0-1.0", "val", annotation),
        ImageRecord("d", "c/d.jpg", "gopro", blurred=(("blur", ImagePlace("x.png")),), disparity="y.npy"),
    ]
    every = records() * 60 + more  # more than one block of texts
    table = RecordTable(every)
    assert list(table.paths()) == [(record.path, record.clip) for record in every]
    for kept in ([number % 3 == 0 for number in range(len(every))], [True] * len(every), [False] * len(every)):
        expected = [replace(record, split="test") for record, chosen in zip(every, kept, strict=True) if chosen]
        assert list(table.only(iter(kept), "test")) == expected


def test_what_goes_in_comes_out():
    expected = records()
    table = RecordTable(iter(expected))
    assert len(table) == len(expected)
    assert list(table) == expected
    assert [table[place] for place in range(len(table))] == expected
    assert list(table.names()) == [(record.source, record.id) for record in expected]


@pytest.mark.parametrize(
    "place", [slice(None), slice(3, 9), slice(-4, None), slice(None, None, -3), slice(5, 2), slice(10**9), slice(7, 8)]
)
def test_slices_are_those_of_a_list(place):
    expected = records()
    assert RecordTable(expected)[place] == expected[place]


def test_places_count_from_both_ends_and_no_further():
    expected = records()
    table = RecordTable(expected)
    assert table[-1] == expected[-1]
    assert table[-len(expected)] == expected[0]
    assert table[np.int64(3)] == expected[3]
    for place in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError):
            table[place]


def test_an_empty_table_is_one():
    table = RecordTable()
    assert (len(table), list(table), table[:], list(table.names())) == (0, [], [], [])
    assert RecordTable.of(table) is table
    assert list(RecordTable.of([ImageRecord("a", "b", "c")])) == [ImageRecord("a", "b", "c")]


def boxes(count):
    """An index with one annotation for each image from 0. The annotation's bytes start at the image's number."""
    images = np.arange(count)
    return AnnotationIndex("/a/objects.json", images, np.stack([images, images + 7], 1), {1: "box"})


def test_what_few_records_have_is_kept(tmp_path):
    clip, annotation = object(), object()
    expected = [
        ImageRecord("plain", "/a/plain", "s"),
        ImageRecord("objects", "/a/objects", "s", annotation=annotation),
        ImageRecord("blurred", "/a/blurred", "s", blurred=(("blur", ImagePlace("/b/x")), ("blur_gamma", ImagePlace("/b/y")))),
        ImageRecord("frame", "/a/clip", "s", clip=clip, frame=17),
        ImageRecord("first", "/a/clip", "s", clip=clip),
        ImageRecord("all", "/a/all", "s", "CC0-1.0", "val", annotation, (("blur", "z"),), clip, 3),
    ]
    table = RecordTable(expected)
    assert list(table) == expected
    assert list(RecordTable(table)) == expected
    assert table[1].annotation is annotation
    assert table[3].clip is table[4].clip is clip


def test_annotations_of_coco_are_kept_through_any_number_of_tables():
    index = boxes(30)
    sizes = ((480, 640), (640.0, "480"))
    rows = [
        ImageRecord(str(i), f"/a/{i}", "s", annotation=CocoAnnotation(index, sizes[i % 2], i) if i % 3 else None)
        for i in range(30)
    ]
    table = RecordTable(row for row in RecordTable(rows)[::-1] if row.id != "7")
    assert list(table) == [row for row in rows[::-1] if row.id != "7"]
    for record in table:
        number = int(record.id)
        assert (record.annotation is None) == (number % 3 == 0)
        assert record.annotation is None or record.annotation.index is index


def test_another_process_gets_the_annotations_of_a_record_alone():
    record = RecordTable([ImageRecord("a", "/a", "s", annotation=CocoAnnotation(boxes(10_000), (4, 5), 5000))])[0]
    data = pickle.dumps(record)
    assert len(data) < 2000
    sent = pickle.loads(data).annotation
    assert (sent.size, sent.image, sent.index.path, sent.index.categories) == ((4, 5), 5000, "/a/objects.json", {1: "box"})
    assert sent.index.of(5000).spans.tolist() == sent.index.spans.tolist() == [[5000, 5007]]


@pytest.mark.parametrize("annotated", [False, True])
def test_a_record_takes_less_than_ninety_bytes(annotated):
    count = 20_000
    index = boxes(count) if annotated else None
    licences = ("CC-BY-2.0", "CC-BY-NC-SA-2.0", "")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    table = RecordTable(
        ImageRecord(
            f"train2017/{i:012d}",
            f"/data/coco/train2017/{i:012d}.jpg",
            "coco",
            licences[i % 3],
            "train",
            CocoAnnotation(index, (480 + i % 1000, 640), i) if index else None,
        )
        for i in range(count)
    )
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table[count - 1].id == f"train2017/{count - 1:012d}"
    assert (after - before) / count < 90
    assert (peak - before) / count < 130  # a block that grows is copied once


def test_few_records_have_a_map_of_disparity():
    maps = ("", "", "/a/2.disparity.npy", "")
    records = [ImageRecord(f"{i}.png", f"/a/{i}.png", "folder", disparity=path) for i, path in enumerate(maps)]
    assert list(RecordTable(records)) == records
    assert [record.disparity for record in RecordTable(records)] == ["", "", "/a/2.disparity.npy", ""]
