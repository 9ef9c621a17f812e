"""Tests writing files, which are complete or absent, locks, and the check of free space."""

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys

import pytest

from blurkit.errors import DiskFullError, LockedError, WriteError
from blurkit.program import files
from blurkit.program.files import append_line, make_folder, replacing, require_space, write_all, write_atomic
from blurkit.program.locks import locked


def test_a_commit_replaces_the_file_whole(tmp_path):
    path = tmp_path / "a.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.json"]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a"
    write_atomic(path, b"old")

    def fail():
        with replacing(path) as descriptor:
            os.write(descriptor, b"half of the new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_failing_system_calls_name_the_file_and_leave_nothing(tmp_path, monkeypatch, call):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        write_atomic(tmp_path / "a", b"data")
    assert caught.value.filename == str(tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_atomic(tmp_path / "none" / "a", b"data")
    assert caught.value.filename == str(tmp_path / "none" / "a")


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(files.os, "pwrite", lambda fd, data, offset: real(fd, bytes(data[:3]), offset))
    descriptor = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    write_all(descriptor, b"0123456789", 2)
    os.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"\0\x000123456789"


def test_lines_are_appended_whole(tmp_path):
    append_line(tmp_path / "a", "é one")
    append_line(tmp_path / "a", "two")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "é one\ntwo\n"


def test_a_lock_excludes_others_and_shared_locks_share(tmp_path):
    lock = tmp_path / ".lock"
    with locked(lock), pytest.raises(LockedError, match="another run is writing"), locked(lock, shared=True):
        pass
    with locked(lock, shared=True), locked(lock, shared=True), pytest.raises(LockedError), locked(lock):
        pass
    assert is_free(lock)


def is_free(lock):
    """Returns true if no process holds the lock."""
    with contextlib.suppress(LockedError), locked(lock):
        return True
    return False


def test_a_lock_ends_with_its_process_and_is_not_inherited(tmp_path):
    lock = tmp_path / ".lock"
    program = (
        "import subprocess, sys; from pathlib import Path; from blurkit.program.locks import locked\n"
        f"with locked(Path({str(lock)!r})):\n"
        "    child = subprocess.Popen(['sleep', '60'], close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "    print(child.pid, flush=True)\n"
        "    import os; os._exit(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    child = int(done.stdout)
    try:
        assert is_free(lock)
    finally:
        os.kill(child, signal.SIGKILL)  # raises if the child has already ended


def test_space_is_required_beforehand(tmp_path):
    require_space(tmp_path, 1, "make room")
    with pytest.raises(DiskFullError, match=r"needs about .* TB; make room"):
        require_space(tmp_path, 1 << 60, "make room")


def test_folders_that_cannot_be_made_say_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot make the folder"):
        make_folder(tmp_path / "file" / "inner")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
