"""Tests that an export can break off at any moment, is finished by a second run, and has the same bytes in any case."""

import importlib
import os
import shutil
import signal
from unittest import mock

import pytest
from exports import FORMATS, contents, export, one_sized, write_samples

from blurkit import export as room
from blurkit.program.progress import Progress

#: A function whose call breaks off a run, the module that calls it if it is no method of an exporter, and at which call: of a
#: sample in the second part, or the n-th.
MOMENTS = {
    "while a part is written": ("row_of", "blurkit.export.run", "000006"),
    "before a part is recorded": ("write_part", "blurkit.export.run", 2),
    "before a part has its name": ("commit", "", 2),
    "before the whole is complete": ("finish", "", 1),
    "after the whole is complete": ("write_card", "blurkit.commands.export", 1),
}


class Broken(BaseException):
    """A run that breaks off, as if it were killed."""


@pytest.fixture(autouse=True)
def dataset(tmp_path, make_sample):
    """Three shards of four samples."""
    return write_samples(tmp_path / "shards", *(one_sized(make_sample, 4, 4 * number) for number in range(3)))


@pytest.fixture(params=FORMATS)
def to(request):
    if request.param == "lmdb":
        pytest.importorskip("lmdb")
    return request.param


def breaking(function, call):
    """The function, which raises when it is called for this sample, or the n-th time."""
    count = 0

    def called(*arguments):
        nonlocal count
        count += 1
        if call in (count, arguments[0]):
            raise Broken
        return function(*arguments)

    return called


def broken_run(to, moment):
    """A patch that lets an export break off at a moment."""
    name, module, call = MOMENTS[moment]
    if module:
        return mock.patch(f"{module}.{name}", breaking(getattr(importlib.import_module(module), name), call))
    exporter = room.FORMATS[to]
    methods = {name: breaking(getattr(exporter, name), call)}
    return mock.patch.dict(room.FORMATS, {to: type("Breaking", (exporter,), methods)})


def exported(folder, to, out, *options, **how):
    return export(folder, "--to", to, "-o", out, "--truth", *options, **how)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_breaks_off_is_finished_by_the_next(tmp_path, to, moment):
    exported(tmp_path, to, "whole")
    with broken_run(to, moment), pytest.raises(Broken):
        exported(tmp_path, to, "out")
    assert not (tmp_path / "out/train.jsonl").exists()
    exported(tmp_path, to, "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_what_broke_off_never_looks_whole(tmp_path, to):
    with broken_run(to, "while a part is written"), pytest.raises(Broken):
        exported(tmp_path, to, "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    finished = {"folder": ["train"], "webdataset": ["train-00000.tar"]}.get(to, [])
    assert names == [".export-train", *finished]
    assert to != "folder" or [path.name for path in (tmp_path / "out/train").iterdir()] == ["00000"]


def test_a_part_that_one_database_has_is_written_to_the_other(tmp_path):
    """A run that is killed between the commits of the two databases. Nothing can be patched there, so its folder is composed."""
    pytest.importorskip("lmdb")
    for out, moment in (("before", "while a part is written"), ("out", "before a part is recorded")):
        with broken_run("lmdb", moment), pytest.raises(Broken):
            exported(tmp_path, "lmdb", out)
    blurred = ".export-train/train_blur.lmdb/data.mdb"
    assert (tmp_path / "before" / blurred).stat().st_size < (tmp_path / "out" / blurred).stat().st_size
    shutil.copy(tmp_path / "before" / blurred, tmp_path / "out" / blurred)
    exported(tmp_path, "lmdb", "whole")
    exported(tmp_path, "lmdb", "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_the_number_of_threads_changes_no_byte(tmp_path, to):
    for threads in (1, 5):
        exported(tmp_path, to, f"out{threads}", "--workers", threads)
    assert contents(tmp_path / "out1") == contents(tmp_path / "out5")


def test_a_second_run_writes_nothing(tmp_path, to):
    exported(tmp_path, to, "out")
    before = {path: os.stat(path).st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    said = exported(tmp_path, to, "out").stdout
    assert "12 pairs as " in said
    assert " 0 of them written" in said
    assert {path: os.stat(path).st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_ends_it_after_the_part_under_way(tmp_path, to, number, code):
    show = Progress.show

    def interrupted(self, under_way=0):
        if self.done == 1:
            os.kill(os.getpid(), number)
        show(self, under_way)

    exported(tmp_path, to, "whole")
    with mock.patch.object(Progress, "show", interrupted):
        done = exported(tmp_path, to, "out", "--workers", 1, code=code)
    assert "1 of 3 parts were written and are kept; run the same command again to resume" in done.stderr
    exported(tmp_path, to, "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
