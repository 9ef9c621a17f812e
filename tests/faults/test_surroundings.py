"""Tests that the stored bytes do not depend on the number of processes, the order, the locale, the time zone or the cache."""

import multiprocessing
import os
import random
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from blurkit.pipeline.choices import Choices
from blurkit.pipeline.task import make_shard


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4, 7])
def test_any_number_of_workers_makes_the_same_bytes(blurkit, undisturbed, tmp_path, workers):
    done = blurkit.generate(tmp_path / "shards", "--workers", str(workers))
    assert done.returncode == 0, done.stderr
    undisturbed.check_same(tmp_path / "shards")


@pytest.mark.slow
def test_any_order_makes_the_same_bytes(blurkit, undisturbed, tmp_path):
    for number in (2, 0, 3, 1):
        done = blurkit.generate(tmp_path / "shards", "--slice", f"{number}/4")
        assert done.returncode == 0, done.stderr
    undisturbed.check_same(tmp_path / "shards")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_of_any_kind_make_the_same_shards_in_any_order(photographs, undisturbed, tmp_path, method):
    plan = Choices(src=(str(photographs),), size="64", recipe="clean", per_image=3, settings=("shard_bytes=300000",)).plan()
    tasks = list(plan.tasks(tmp_path, range(len(plan.shards))))
    random.Random(8).shuffle(tasks)
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        for answer in [pool.submit(make_shard, task, print) for task in tasks]:
            answer.result(timeout=300)
    made = {path.name: path.read_bytes() for path in tmp_path.glob("0*")}
    assert made == {path.name: path.read_bytes() for path in undisturbed.folder.glob("0*")}


@pytest.mark.slow
def test_neither_the_clock_nor_the_age_of_files_changes_a_byte(blurkit, undisturbed, sabotage, tmp_path):
    """The clock jumps forth and back by years while the run goes on, and the files of a copy are from the future."""
    jumping = sabotage("""
        import itertools, time
        jumps = itertools.cycle([0, 4e8, -9e8])
        now = time.time
        time.time = lambda: now() + next(jumps)
        """)
    out = tmp_path / "shards"
    done = blurkit.generate(out, "--slice", "0/2", env=jumping)
    assert done.returncode == 0, done.stderr
    copy = Path(shutil.copytree(out, tmp_path / "elsewhere" / "copy", copy_function=shutil.copyfile))
    for path in copy.iterdir():
        os.utime(path, (5e9, 5e9))
    kept = {path: path.stat().st_mtime for path in copy.glob("0*")}
    assert kept
    done = blurkit.generate(copy, env=jumping)
    assert done.returncode == 0, done.stderr
    undisturbed.check_same(copy)
    assert {path: path.stat().st_mtime for path in kept} == kept, "shards of the copy were made again"


PLACES = {
    "Turkish": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"},
    "plain": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "America/St_Johns", "PYTHONHASHSEED": "7"},
    "threads": dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "3"),
    "no IPP": {"OPENCV_IPP": "disabled", "OPENCV_LOG_LEVEL": "DEBUG"},  # the first use of OpenCV in each process is a warning
    "many threads": {
        "OPENCV_FOR_THREADS_NUM": "7",
        "OMP_NUM_THREADS": "7",
        "OMP_DYNAMIC": "true",
        "NUMBA_THREADING_LAYER": "omp",
    },
    "optimised": {"PYTHONOPTIMIZE": "2", "PYTHONDONTWRITEBYTECODE": "1"},
}


_FAST = ("plain", "no IPP")


@pytest.mark.parametrize("place", [pytest.param(name, marks=() if name in _FAST else pytest.mark.slow) for name in PLACES])
def test_any_place_makes_the_same_bytes(blurkit, undisturbed, tmp_path, place):
    (tmp_path / "a place").mkdir()
    done = blurkit.generate("../shards", cwd=tmp_path / "a place", umask=0o077, env=PLACES[place])
    assert done.returncode == 0, done.stderr
    undisturbed.check_same(tmp_path / "shards")


@pytest.fixture
def compiled_code(undisturbed, tmp_path):
    """A copy of the cache of compiled code; the undisturbed run has filled it."""
    from blurkit.jit import cache_folder

    original = Path(cache_folder())
    folder = tmp_path / "cache" / "blurkit" / original.name
    for path in original.rglob("*.nb[ic]"):
        (folder / path.relative_to(original)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.relative_to(original))
    assert {path.suffix for path in folder.rglob("*")} >= {".nbi", ".nbc"}
    return folder


def broken(data, how, chance):
    """The bytes of a file after something has happened to it."""
    return {"empty": b"", "half": data[: len(data) // 2], "noise": chance.randbytes(len(data)), "text": b"<html>\n" * 40}[how]


def test_where_no_cache_can_be_kept_another_is_found_and_mended(blurkit, undisturbed, compiled_code, tmp_path):
    """The cache in the folder for temporary files is used, but for the two modules whose files are broken."""
    cache = shutil.move(compiled_code.parent, tmp_path / f"blurkit-{os.getuid()}")
    harmed = {}
    for pattern, how in {"rasterization.*.nbi": "half", "trajectory.*.nbc": "noise"}.items():
        for path in cache.rglob(pattern):
            harmed[path] = broken(path.read_bytes(), how, random.Random(6))
            path.write_bytes(harmed[path])
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb[ic]")}
    nowhere = {"BLURKIT_CACHE": "/dev/null", "XDG_CACHE_HOME": None, "HOME": None}
    done = blurkit.generate(tmp_path / "shards", env=nowhere)
    assert (done.returncode, done.stderr) == (0, "")
    undisturbed.check_same(tmp_path / "shards")
    assert {path.name.split(".")[0] for path in harmed if path.read_bytes() != harmed[path]} == {"rasterization", "trajectory"}
    written = {path.name.split(".")[0] for path in cache.rglob("*.nb[ic]") if path.stat().st_mtime_ns != before.get(path)}
    assert written == {"rasterization", "trajectory"}


@pytest.mark.slow
def test_without_any_cache_all_is_compiled(blurkit, undisturbed, tmp_path):
    (tmp_path / f"blurkit-{os.getuid()}").touch()  # no folder, so the folder for temporary files is of no use either
    nowhere = {"BLURKIT_CACHE": "/dev/null", "XDG_CACHE_HOME": None, "HOME": "/dev/null"}
    done = blurkit.generate(tmp_path / "shards", env=nowhere)
    assert (done.returncode, done.stderr) == (0, "")
    undisturbed.check_same(tmp_path / "shards")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("how", ["empty", "half", "noise", "text"])
def test_a_broken_cache_is_replaced(blurkit, undisturbed, compiled_code, tmp_path, how, suffix):
    chance = random.Random(5)
    for path in compiled_code.rglob(f"*.{suffix}"):
        path.write_bytes(broken(path.read_bytes(), how, chance))
    for _ in range(2):  # once with what is broken, once with what was made of it
        done = blurkit.generate(tmp_path / "shards", "--overwrite", env={"BLURKIT_CACHE": str(tmp_path / "cache")})
        assert (done.returncode, done.stderr) == (0, "")
        undisturbed.check_same(tmp_path / "shards")
