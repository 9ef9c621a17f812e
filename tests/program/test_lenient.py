"""Tests calls that a file system lacks: optional ones are given up with one notice, others name the file and the call."""

import errno
import os
import stat

import pytest

from blurkit.errors import WriteError
from blurkit.program import files, lenient
from blurkit.program.files import append_line, make_folder, require_space, sync_folder, write_atomic
from blurkit.program.lenient import file_system


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    monkeypatch.delenv(lenient._TOLD, raising=False)


def refuse(monkeypatch, call, number, when=lambda *_: True):
    real = getattr(os, call)

    def answer(*arguments):
        if when(*arguments):
            raise OSError(number, os.strerror(number))
        return real(*arguments)

    monkeypatch.setattr(os, call, answer)


def is_folder(descriptor):
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


@pytest.mark.parametrize("name", ["EINVAL", "EPERM", "ENOSYS", "ENOTSUP", "EACCES", "EBADF"])
def test_a_folder_that_cannot_be_synced_is_said_once(tmp_path, monkeypatch, capsys, name):
    refuse(monkeypatch, "fsync", getattr(errno, name), is_folder)
    for _ in range(3):
        write_atomic(tmp_path / "a", b"data")
    assert (tmp_path / "a").read_bytes() == b"data"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"notice: {tmp_path} is on a file system" in said
    assert "fsync of folders" in said
    assert "power cut" in said


def test_a_file_that_cannot_be_synced_is_said_once(tmp_path, monkeypatch, capsys):
    refuse(monkeypatch, "fsync", errno.EINVAL)
    write_atomic(tmp_path / "a", b"data")
    write_atomic(tmp_path / "b", b"data")
    said = capsys.readouterr().err
    assert said.count("notice:") == 1
    assert "fsync of files" in said
    assert "fsync of folders" in said


def test_workers_do_not_repeat_a_notice(tmp_path, monkeypatch, capsys):
    refuse(monkeypatch, "fsync", errno.EINVAL, is_folder)
    make_folder(tmp_path / "shards")
    assert capsys.readouterr().err.count("notice:") == 1
    assert str(os.stat(tmp_path).st_dev) in os.environ[lenient._TOLD]  # which processes inherit


def test_a_disk_that_fails_is_no_lack(tmp_path, monkeypatch):
    refuse(monkeypatch, "fsync", errno.EIO, is_folder)
    with pytest.raises(OSError, match="Input/output") as caught:
        sync_folder(tmp_path)
    assert caught.value.filename == str(tmp_path)


@pytest.mark.parametrize("call", ["rename", "open"])
@pytest.mark.parametrize("name", ["EINVAL", "ENOSYS", "EPERM"])
def test_what_cannot_be_given_up_names_file_call_and_file_system(tmp_path, monkeypatch, call, name):
    number = getattr(errno, name)
    refuse(monkeypatch, call, number, lambda path, *_: str(path).startswith(str(tmp_path)))
    with pytest.raises(WriteError) as caught:
        write_atomic(tmp_path / "a", b"data")
    monkeypatch.undo()
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'a'}: ")
    assert f"({file_system(tmp_path)}) refuses {call} ({os.strerror(number)})" in said
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_an_error_of_close_names_the_file_and_leaves_nothing(tmp_path, monkeypatch, number):
    real = os.close

    def fail(descriptor):
        own = not is_folder(descriptor)
        real(descriptor)
        if own:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "close", fail)
    for write in (lambda path: write_atomic(path, b"data"), lambda path: append_line(path, "data")):
        with pytest.raises(OSError, match=os.strerror(number)) as caught:
            write(tmp_path / "a")
        assert caught.value.filename == str(tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"]  # of the line


def test_space_that_is_not_known_is_not_required(tmp_path, monkeypatch, capsys):
    refuse(monkeypatch, "statvfs", errno.ENOSYS)
    require_space(tmp_path, 1 << 60, "make room")
    assert "statvfs" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["link", "pipe", "pipe with a reader"])
def test_lines_are_not_appended_through_links_and_pipes(tmp_path, kind):
    path, reader = tmp_path / "ledger.jsonl", None
    if kind == "link":
        path.symlink_to("outside")
        (tmp_path / "outside").write_text("precious")
    else:
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if "reader" in kind else None
    with pytest.raises(WriteError, match=r"ledger\.jsonl is a symbolic link, a pipe or a device"):
        append_line(path, "a line")
    if reader is not None:
        assert os.read(reader, 10) == b""
        os.close(reader)
    if kind == "link":
        assert (tmp_path / "outside").read_text() == "precious"
