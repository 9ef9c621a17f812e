"""A soak: long generation from a folder with bad files, and a training that is resumed many times. Memory and handles stay flat.

``BLURKIT_SOAK_MINUTES`` is the length of the generation. The curves are drawn into ``soak.png`` in the folder
``BLURKIT_SOAK_OUT``, or in the working directory.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from packaged import PHOTOGRAPHS
from tiny_runs import RECIPE, write_pairs, write_recipe

from blurkit.report.plots import Plots
from trainer.networks.weights import NAME

MINUTES = float(os.environ.get("BLURKIT_SOAK_MINUTES", "30"))
RESUMES = 30
FILES = 1000
TENSORBOARD = "tensorboard"  # this folder gets a file from each process
INTERVAL = 2.0  # seconds between two looks at the processes
PROCESSES = 4  # the command, the resource tracker of multiprocessing and two workers


@pytest.fixture
def photographs(tmp_path):
    """1,000 files: 949 photographs, 50 files that are no photographs, and a PNG that claims 3.6 gigapixels."""
    folder, chance = tmp_path / "photographs", random.Random(0)
    folder.mkdir()
    images = [cv2.imread(str(path)) for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]
    for number in range(FILES - 51):
        image = images[number % len(images)]
        y, x = (chance.randrange(side - 200) for side in image.shape[:2])
        cv2.imwrite(str(folder / f"{number:04}.jpg"), image[y : y + 200, x : x + 200])
    whole = (folder / "0000.jpg").read_bytes()
    for number in range(10):
        (folder / f"cut-{number}.jpg").write_bytes(whole[: len(whole) * (number + 1) // 12])
        (folder / f"page-{number}.jpg").write_text("<!doctype html>")
        (folder / f"empty-{number}.jpg").touch()
        (folder / f"noise-{number}.jpg").write_bytes(chance.randbytes(20_000))
        (folder / f"small-{number}.jpg").write_bytes(cv2.imencode(".jpg", images[0][:20, :20])[1].tobytes())
    (folder / "bomb.png").write_bytes(_claims(60_000, 60_000))
    assert len(list(folder.iterdir())) == FILES
    return folder


def _claims(width, height):
    """A PNG file whose header claims a size, with hardly any data."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def look(process):
    """Memory in megabytes and number of handles of a process and its children: two lists, the process first."""
    megabytes, handles = [], []
    for number in [process, *map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())]:
        status = Path(f"/proc/{number}/status").read_text()
        megabytes.append(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1000)
        handles.append(len(os.listdir(f"/proc/{number}/fd")))
    return megabytes, handles


def peak(process):
    """The largest memory that a process has used, in megabytes."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[0]) / 1000


def flat(values, margin):
    """Whether the last quarter of a curve is not above its second quarter by more than ``margin``."""
    quarter = len(values) // 4
    return np.median(values[-quarter:]) <= np.median(values[quarter : 2 * quarter]) + margin


def draw(name, curves, unit):
    """Draw curves over the minutes, or over the number of resumes."""
    plots = Plots(list(curves), [], title="Soak")
    for label, (places, values) in curves.items():
        plots.panels[label].plot(places, values)
        plots.head(label, f"at the end {np.atleast_1d(values[-1]).max():.0f} {unit[label]}", "#2fd6ff")
    plots.save(Path(os.environ.get("BLURKIT_SOAK_OUT", ".")) / name)


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="memory and handles of processes are read from /proc")
def test_memory_and_handles_of_a_long_generation_are_flat(photographs, tmp_path):
    out = tmp_path / "shards"
    options = ("--size=64", "--per-image=1000", "--max-bad=10%", "--workers=2", "--set=shard_bytes=8000000", "--quiet")
    command = [sys.executable, "-m", "blurkit", "generate", "--src", str(photographs), "--out", str(out), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begin, moments, memory, handles = time.monotonic(), [], [], []
    while process.poll() is None and time.monotonic() < begin + 60 * MINUTES:
        time.sleep(INTERVAL)
        for path in sorted(out.glob("*.h5"))[:-4]:  # the shards are not the subject, and would fill the disk
            path.unlink()
        megabytes, numbers = look(process.pid)
        if len(megabytes) == PROCESSES:  # both workers are there
            moments.append((time.monotonic() - begin) / 60)
            memory.append(megabytes)
            handles.append(numbers)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (0, 75), errors
    curves = {"memory of the processes": (moments, memory), "handles of the processes": (moments, handles)}
    draw("soak-generate.png", curves, {"memory of the processes": "MB", "handles of the processes": "handles"})
    assert len(memory) > 8
    for number in range(PROCESSES):
        assert flat([row[number] for row in memory], 15)
        assert flat([row[number] for row in handles], 1)


@pytest.mark.soak
def test_a_training_that_is_resumed_thirty_times(tmp_path):
    recipe = write_recipe(tmp_path, RECIPE.replace("steps = 9", f"steps = {3 * RESUMES}"))
    pairs = write_pairs(tmp_path)
    command = [sys.executable, "-m", "trainer", "run", "--data", pairs, "--recipe", recipe, "--device", "cpu", "--quiet"]
    subprocess.run([*command, "--out", tmp_path / "undisturbed"], check=True, capture_output=True)
    out, peaks, files = tmp_path / "run", [], []
    for number in range(RESUMES):
        process = subprocess.Popen([*command, "--out", out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        expected = out / "checkpoints" / f"{3 * (number + 1):08d}.ckpt"
        while process.poll() is None and not expected.exists():
            time.sleep(0.01)
        if process.poll() is None:
            peaks.append(peak(process.pid))
        process.kill()
        process.wait()
        files.append(sum(1 for path in out.rglob("*") if path.is_file() and path.parent.name != TENSORBOARD))
    subprocess.run([*command, "--out", out], check=True, capture_output=True)
    draw("soak-resumes.png", {"peak memory of a run": (range(len(peaks)), peaks)}, {"peak memory of a run": "MB"})
    assert (out / NAME).read_bytes() == (tmp_path / "undisturbed" / NAME).read_bytes()
    assert flat(peaks, 15)
    assert max(files[5:]) <= max(files[:5]) + 1  # old checkpoints and temporary files are removed
