"""Tests locks where there is no flock: files that name their owners, which are taken over only from a process that has ended."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from blurkit.errors import LockedError, UsageError
from blurkit.program import claims, lenient
from blurkit.program.locks import locked


@pytest.fixture(params=["ENOSYS", "ENOTSUP", "ENOLCK", "EINVAL"])
def without_flock(request, monkeypatch):
    number = getattr(errno, request.param)

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.delenv(lenient._TOLD, raising=False)
    monkeypatch.setattr(claims, "_HESITATION", 0.1)


def held(folder):
    return sorted(path for path in folder.iterdir() if path.name.startswith(".held"))


def test_claims_exclude_and_share_like_locks(without_flock, tmp_path, capsys):
    lock = tmp_path / ".lock"
    with locked(lock):
        with pytest.raises(LockedError, match=rf"another run is writing {tmp_path}.*process {os.getpid()} on"), locked(lock):
            pass
        with pytest.raises(LockedError), locked(lock, shared=True):
            pass
        with locked(tmp_path / ".lock-plan"), locked(tmp_path / ".lock-of-3"):
            assert len(held(tmp_path)) == 3
    with locked(lock, shared=True), locked(lock, shared=True), pytest.raises(LockedError), locked(lock):
        pass
    assert held(tmp_path) == []
    said = capsys.readouterr().err
    assert said.count("notice:") == 1
    assert "flock" in said


def test_many_threads_hold_it_one_at_a_time(without_flock, tmp_path):
    inside, most, done = 0, 0, []

    def work():
        nonlocal inside, most
        for _ in range(3):
            with locked(tmp_path / ".lock", wait=True):
                inside += 1
                most = max(most, inside)
                done.append(inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(done), most) == (9, 1)


def claim(folder, **changes):
    """A claim on ``.lock`` of a process that has ended, on this machine, unless ``changes`` say something else."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    owner = {"host": socket.gethostname(), "space": claims._space(), "process": ended.pid, "start": "1"} | changes
    path = folder / f".held.lock.alone.{'0' * 16}"
    path.write_text(json.dumps(owner))
    return path


def test_a_claim_of_a_process_that_has_ended_is_taken_over(without_flock, tmp_path):
    for changes in ({}, {"process": os.getpid(), "start": "1"}):  # the number may have been given to another process since
        path = claim(tmp_path, **changes)
        with locked(tmp_path / ".lock"):
            assert not path.exists()


@pytest.mark.parametrize("text", [None, "", "no JSON", "[1]", "[" * 100_000, '{"process": -1, "space": "x"}'])
def test_a_claim_of_another_machine_or_an_unknown_one_is_respected_and_named(without_flock, tmp_path, text):
    path = claim(tmp_path, host="node7", space="another boot")
    if text is not None:
        path.write_text(text)
    with pytest.raises(LockedError, match=rf"if it has ended, delete {path}") as caught, locked(tmp_path / ".lock"):
        pass
    assert text is not None or "on node7" in str(caught.value)
    assert held(tmp_path) == [path]


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / ".lock").symlink_to("outside")
    with pytest.raises(UsageError, match=r"\.lock is a symbolic link"), locked(tmp_path / ".lock"):
        pass
    assert not (tmp_path / "outside").exists()


def test_errors_of_a_lock_name_its_file(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output") as caught, locked(tmp_path / ".lock"):
        pass
    assert caught.value.filename == str(tmp_path / ".lock")


def test_an_error_within_the_block_stays_as_it_is(tmp_path):
    with pytest.raises(OSError, match="of the block") as caught, locked(tmp_path / ".lock"):
        raise OSError(errno.EINVAL, "of the block")
    assert caught.value.filename is None
