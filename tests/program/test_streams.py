"""Tests the program with standard streams that are closed, full, or read by nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")


def shell(line, folder, *arguments):
    """Run ``python -m blurkit`` with the arguments in a shell; ``line`` has redirections after ``"$@"``."""
    command = ["bash", "-c", line, "bash", sys.executable, "-m", "blurkit", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(closed, tmp_path):
    done = shell(f'"$@" {closed}', tmp_path, "recipes")
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (closed == "2>&-")


@pytest.mark.parametrize("where", ["2>&-", pytest.param("2>/dev/full", marks=FULL)])
def test_an_error_that_cannot_be_said_keeps_its_exit_code(where, tmp_path):
    done = shell(f'"$@" {where}', tmp_path, "verify", "nowhere")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@FULL
def test_a_result_that_does_not_fit_on_the_disk_is_an_error(tmp_path):
    done = shell('"$@" > /dev/full', tmp_path, "recipes")
    assert done.returncode == 1
    assert done.stderr.startswith("blurkit: standard output: No space left on device; ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["recipes"], ["--help"], ["recipes", "nosuch"]])
def test_a_reader_that_has_gone_does_not_change_the_exit_code(arguments, tmp_path):
    usual = shell('"$@"', tmp_path, *arguments)
    done = shell('(trap "" PIPE; sleep 0.3; "$@"; echo $? > code) | true', tmp_path, *arguments)
    assert (tmp_path / "code").read_text() == f"{usual.returncode}\n"
    assert done.stderr == usual.stderr


def test_nothing_that_is_printed_lands_in_a_file_of_a_dataset(tmp_path):
    """With descriptor 2 closed, the next file that is opened would be what libraries print to."""
    program = """
import os
from blurkit.program.streams import open_closed_descriptors
for number in (0, 2):
    os.close(number)
open_closed_descriptors()
with open("file", "wb", buffering=0) as file:
    os.write(2, b"printed by a library")
    file.write(b"data")
    assert file.fileno() > 2 and os.read(0, 1) == b"" and os.get_inheritable(2)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "file").read_bytes() == b"data"


@pytest.mark.slow
@pytest.mark.parametrize("streams", ["2>&-", "<&- >&- 2>&-"])
def test_a_dataset_is_made_without_streams(streams, tmp_path):
    options = ("--limit", "2", "--size", "48", "--recipe", "clean", "--workers", "1")
    assert shell('"$@"', tmp_path, "generate", "--out", "usual", *options).returncode == 0
    done = shell(f'"$@" {streams}', tmp_path, "generate", "--out", "other", *options)
    assert (done.returncode, done.stderr) == (0, "")
    for path in Path(tmp_path / "usual").glob("0*"):
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()
