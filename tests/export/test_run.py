"""Tests that an export can break off at any moment, is finished by a second run, and has the same bytes in any case."""

import importlib
import os
import shutil
import signal
from unittest import mock

import pytest
from exports import FORMATS, contents, export, one_sized, write_samples

from blurkit import export as room
from blurkit.program.files import temporary_path
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


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_sample):
    """A folder with a dataset of three shards of four samples."""
    folder = tmp_path_factory.mktemp("exports")
    write_samples(folder / "shards", *(one_sized(make_sample, 4, 4 * number) for number in range(3)))
    return folder


@pytest.fixture(scope="module", params=FORMATS)
def to(request):
    if request.param == "lmdb":
        pytest.importorskip("lmdb")
    return request.param


@pytest.fixture(scope="module")
def whole(place, to):
    """What an undisturbed run leaves."""
    return undisturbed(place, to)


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


def exported(place, to, out, *options, **how):
    return export(place, "--to", to, "-o", out, "--truth", *options, **how)


def undisturbed(place, to):
    exported(place, to, place / f"whole-{to}")
    return contents(place / f"whole-{to}")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_breaks_off_is_finished_by_the_next(place, tmp_path, to, whole, moment):
    with broken_run(to, moment), pytest.raises(Broken):
        exported(place, to, tmp_path / "out")
    assert not (tmp_path / "out/train.jsonl").exists()
    exported(place, to, tmp_path / "out")
    assert contents(tmp_path / "out") == whole


def test_what_broke_off_never_looks_whole(place, tmp_path, to):
    with broken_run(to, "while a part is written"), pytest.raises(Broken):
        exported(place, to, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    finished = {"folder": ["train"], "webdataset": ["train-00000.tar"]}.get(to, [])
    assert names == [".export-train", *finished]
    assert to != "folder" or [path.name for path in (tmp_path / "out/train").iterdir()] == ["00000"]


def test_a_part_that_one_database_has_is_written_to_the_other(place, tmp_path):
    """A run that is killed between the commits of the two databases. Nothing can be patched there, so its folder is composed."""
    pytest.importorskip("lmdb")
    for out, moment in (("before", "while a part is written"), ("out", "before a part is recorded")):
        with broken_run("lmdb", moment), pytest.raises(Broken):
            exported(place, "lmdb", tmp_path / out)
    blurred = ".export-train/train_blur.lmdb/data.mdb"
    assert (tmp_path / "before" / blurred).stat().st_size < (tmp_path / "out" / blurred).stat().st_size
    shutil.copy(tmp_path / "before" / blurred, tmp_path / "out" / blurred)
    exported(place, "lmdb", tmp_path / "out")
    assert contents(tmp_path / "out") == undisturbed(place, "lmdb")


def test_temporary_files_of_killed_runs_are_removed(place, tmp_path, to, whole):
    exported(place, to, tmp_path / "out")
    for path in (tmp_path / "out/.export-train/00001.json", tmp_path / "out/train.jsonl"):
        temporary_path(path).touch()
    assert contents(tmp_path / "out") != whole
    exported(place, to, tmp_path / "out")
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize(
    ("to", "moment", "name"),
    [("deepinv", "before the whole is complete", "train.h5"), ("folder", "after the whole is complete", "train.md")],
)
def test_what_somebody_else_writes_between_two_runs_stays(place, tmp_path, to, moment, name):
    with broken_run(to, moment), pytest.raises(Broken):
        exported(place, to, tmp_path / "out")
    (tmp_path / "out" / name).write_text("mine")
    assert name in exported(place, to, tmp_path / "out", code=2).stderr
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_the_number_of_threads_changes_no_byte(place, tmp_path, to, whole):
    for threads in (1, 5):
        exported(place, to, tmp_path / f"out{threads}", "--workers", threads)
        assert contents(tmp_path / f"out{threads}") == whole


def test_a_second_run_writes_nothing(place, tmp_path, to):
    exported(place, to, tmp_path / "out")
    before = {path: os.stat(path).st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    said = exported(place, to, tmp_path / "out").stdout
    assert "12 pairs as " in said
    assert " 0 of them written" in said
    assert {path: os.stat(path).st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_ends_it_after_the_part_under_way(place, tmp_path, to, whole, number, code):
    show = Progress.show

    def interrupted(self, under_way=0):
        if self.done == 1:
            os.kill(os.getpid(), number)
        show(self, under_way)

    with mock.patch.object(Progress, "show", interrupted):
        done = exported(place, to, tmp_path / "out", "--workers", 1, code=code)
    assert "1 of 3 parts were written and are kept; run the same command again to resume" in done.stderr
    exported(place, to, tmp_path / "out")
    assert contents(tmp_path / "out") == whole
