"""Tests full disks and failing file systems: the error names the cause, no file is incomplete, and the next run continues."""

import contextlib
import errno
import json
import os
import resource
import shutil
import subprocess

import pytest
from messages import check_said


def limit_files(size):
    """What a child does so that none of its files can be longer than this many bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def check_explained(done, *words):
    """The run failed with a message for a person, not with a traceback or as a bug."""
    assert done.returncode in (1, 2), done.stderr
    check_said(done, *words)


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_reported_and_can_be_lifted(blurkit, undisturbed, tmp_path):
    out = tmp_path / "shards"
    done = blurkit.generate(out, "--workers", "2", preexec_fn=limit_files(100_000))
    check_explained(done, os.strerror(errno.EFBIG), str(out), ".h5", "run the same command again")
    assert [path.name for path in out.glob("[!.]*") if path.suffix != ".tmp"] == ["plan.json"]

    done = blurkit.generate(out)
    assert done.returncode == 0, done.stderr
    undisturbed.check_same(out)


@pytest.mark.slow
def test_a_ledger_that_cannot_grow_is_reported_and_is_whole_in_the_end(blurkit, snapshot, tmp_path):
    source, out, limit = tmp_path / "pages", tmp_path / "shards", 5_000
    options = ("--set", "shard_bytes=1", "--max-bad", "100%")
    source.mkdir()
    for number in range(20):
        (source / f"{'a long name ' * 16}{number:02d}.jpg").write_text("no photograph")
    check_explained(blurkit.generate(tmp_path / "calm", *options, source=source), "no pair was made", "ledger.jsonl")
    assert (tmp_path / "calm" / "ledger.jsonl").stat().st_size > 2 * limit

    done = blurkit.generate(out, *options, source=source, preexec_fn=limit_files(limit))
    check_explained(done, os.strerror(errno.EFBIG), "ledger.jsonl")
    recorded = {failure["id"] for path in out.glob("0*.json") for failure in json.loads(path.read_bytes())["failures"]}
    assert 0 < len(recorded) < 20
    *lines, torn = (out / "ledger.jsonl").read_text(encoding="utf-8").split("\n")
    assert recorded <= {json.loads(line)["id"] for line in lines}, f"a record stands for a line that was cut off: {torn}"

    check_explained(blurkit.generate(out, *options, source=source), "no pair was made", "ledger.jsonl")
    snapshot(tmp_path / "calm").check_same(out)


def test_what_cannot_fit_is_not_begun(blurkit, disk):
    place = disk(1 << 20)
    check_explained(blurkit.generate(place / "shards"), " free", "needs about", "--out")
    assert sorted(path.name for path in (place / "shards").glob("[!.]*")) in ([], ["plan.json"])


@pytest.mark.slow
def test_a_disk_that_fills_up_is_reported_and_nothing_is_torn(blurkit, undisturbed, disk, slowly, wait_until):
    out = disk(32 << 20) / "shards"
    process = blurkit.start(out, "--workers", "2", env=slowly)
    wait_until(lambda: len(list(out.glob("*.h5"))) >= 2)
    fill(out.parent / "filler")
    check_explained(blurkit.finish(process), os.strerror(errno.ENOSPC), str(out), "run the same command again")
    undisturbed.check_whole(out)

    (out.parent / "filler").unlink()
    done = blurkit.generate(out)
    assert done.returncode == 0, done.stderr
    undisturbed.check_same(out)


def fill(path):
    """Write a file until the disk is full."""
    written = 1
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while written:
            written = file.write(bytes(1 << 12))


REFUSALS = {
    "fsync": (errno.EIO, "os.fstat(arguments[0]).st_size > 100_000"),
    "rename": (errno.EACCES, "str(arguments[1]).endswith('.h5')"),
    "pwrite": (errno.EDQUOT, "arguments[2] > 100_000"),
}


@pytest.mark.parametrize("call", ["fsync", *(pytest.param(call, marks=pytest.mark.slow) for call in ("rename", "pwrite"))])
def test_a_refused_system_call_is_reported(blurkit, undisturbed, sabotage, tmp_path, call):
    number, condition = REFUSALS[call]
    refusing = sabotage(
        f"""
        import os
        call = os.{call}

        def refuse(*arguments):
            if {condition}:
                raise OSError({number}, os.strerror({number}))
            return call(*arguments)

        os.{call} = refuse
        """
    )
    out = tmp_path / "shards"
    check_explained(blurkit.generate(out, env=refusing), os.strerror(number), str(out), ".h5")
    undisturbed.check_whole(out)
    assert not list(out.glob("*.h5")), "the sabotage did nothing"
    assert not list(out.glob("*.tmp"))


def test_a_folder_where_a_shard_belongs_is_reported_and_kept(blurkit, begun):
    (begun / "00003.h5").unlink()
    (begun / "00003.h5").mkdir()
    (begun / "00003.h5" / "mine").touch()
    check_explained(blurkit.generate(begun), f"{begun / '00003.h5'} (a folder) was not written by blurkit")
    assert (begun / "00003.h5" / "mine").exists()
    assert not list(begun.glob("*.tmp"))


@pytest.fixture
def read_only(begun):
    """A finished dataset but for one record, in a folder that nothing can be written to."""
    (begun / "00003.json").unlink()
    before = begun.stat().st_mode
    if os.geteuid():
        begun.chmod(0o555)
        yield begun
        begun.chmod(before)
        return
    if not shutil.which("chattr") or subprocess.run(["chattr", "+i", str(begun)], capture_output=True).returncode:
        pytest.skip("nothing is read-only for root here")
    yield begun
    subprocess.run(["chattr", "-i", str(begun)], check=True)


def test_a_read_only_folder_is_reported_and_can_be_verified(blurkit, read_only):
    check_explained(blurkit.generate(read_only), "cannot write in", str(read_only), "--out")
    done = blurkit.verify(read_only, code=1)
    assert done.stderr == ""
    assert done.stdout.startswith("00003.json: ")  # the record that the run had to write


@pytest.mark.slow
def test_a_file_where_the_folder_belongs_is_reported(blurkit, tmp_path):
    (tmp_path / "shards").write_text("mine")
    check_explained(blurkit.generate(tmp_path / "shards"), str(tmp_path / "shards"), "--out")
    assert (tmp_path / "shards").read_text() == "mine"
