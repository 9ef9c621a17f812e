"""Tests training runs: a run that is stopped or killed and continued ends with the same bytes; wrong input is refused."""

import functools
import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import run as command
from json_lines import read_lines
from same_runs import differing_files
from tensors import threads
from tiny_runs import write_pairs
from tiny_trainings import prepared, train

from blurkit.errors import BlurkitError, LockedError, StoppedError, UsageError
from blurkit.program.files import temporary_path
from blurkit.program.locks import locked
from blurkit.shard import Shard
from trainer.commands import run as run_command
from trainer.data.stream import Stream
from trainer.networks.weights import NAME
from trainer.training import checkpoint, loop
from trainer.training.checkpoint import BEST, FOLDER
from trainer.training.outputs import CURVES, SHEET
from trainer.training.step import Step


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Pictures take most of the time, so only the run in ``whole`` draws them."""

    def draw(out, *_, **__):
        (out / SHEET).touch()
        (out / CURVES).touch()

    monkeypatch.setattr(loop, "draw", draw)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def whole(place):
    """An uninterrupted run, its pictures too."""
    assert train(place, place / "whole") == 0
    return place / "whole"


class Killed(Exception):
    """Stands for SIGKILL: the run writes nothing after it."""


def disturb(monkeypatch, at, action):
    """Call ``action`` within these steps, counted over all runs of the test."""
    call, taken = Step.__call__, []

    def disturbed(self, number, *images):
        taken.append(number)
        if len(taken) in at:
            action()
        return call(self, number, *images)

    monkeypatch.setattr(Step, "__call__", disturbed)
    return taken


def kill():
    raise Killed


def weights(out):
    return (out / "generator.safetensors").read_bytes()


def check_same(out, whole, *others):
    """The folders hold the same files, but for the pictures, which these tests do not draw, and files that may differ."""
    assert set(differing_files(out, whole)) <= {SHEET, CURVES, *others}


def test_a_run_writes_its_files(whole, capsys):
    names = {path.name for path in whole.iterdir()} - {".lock", "tensorboard"}
    assert names == {
        *("recipe.toml", "metrics.jsonl", "generator.safetensors", "generator.json"),
        *("validation.png", "curves.png", FOLDER, "best"),
    }
    assert {path.name for path in (whole / FOLDER).iterdir()} == {"00000006.ckpt", "00000009.ckpt", BEST}
    lines = read_lines(whole / "metrics.jsonl")
    assert [line["step"] for line in lines if "loss/l1" in line] == [2, 4, 6, 8, 9]
    assert [line["step"] for line in lines if "val/psnr" in line] == [4, 8, 9]
    assert all("loss/critic" in line for line in lines if line["step"] > 2 and "loss/l1" in line)
    assert json.loads((whole / "generator.json").read_text())["step"] == 9


def test_killed_five_times_within_an_epoch(place, whole, tmp_path, monkeypatch):
    """Between the kills the number of threads that read the pairs changes."""
    taken = disturb(monkeypatch, (2, 6, 9, 12, 15), kill)
    for readers, ahead in ((1, 1), (2, 3), (1, 5), (4, 2), (1, 1)):
        monkeypatch.setattr(loop, "Stream", functools.partial(Stream, threads=readers, prefetch=ahead))
        with pytest.raises(Killed):
            train(place, tmp_path, "checkpoint_every=2")
    train(place, tmp_path, "checkpoint_every=2")
    assert taken == [0, 1, 0, 1, 2, 3, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8]
    check_same(tmp_path, whole, "recipe.toml", f"{FOLDER}/00000006.ckpt", f"{FOLDER}/00000008.ckpt")


def test_files_that_a_kill_left_old_or_missing_are_completed(place, whole, tmp_path):
    """After the last checkpoint: no step is left, and yet every file is brought to its last state."""
    out = Path(shutil.copytree(whole, tmp_path / "run"))
    weights = (out / "generator.safetensors").read_bytes()
    (out / "generator.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))  # the weights of an older step
    (out / "generator.json").unlink()
    shutil.rmtree(out / "best")
    shutil.copy(out / FOLDER / "00000009.ckpt", out / FOLDER / "00000003.ckpt")  # a third one, which was to be removed
    names = (*(path.name for path in out.glob("[!.]*") if path.is_file()), f"{FOLDER}/00000009.ckpt", "best/generator.json")
    (out / "best").mkdir()
    for name in names:
        Path(temporary_path(out / name)).touch()
    (out / "mine.tmp").touch()
    train(place, out)
    assert differing_files(out, whole) == ["mine.tmp"]


@pytest.mark.parametrize("lost", [SHEET, CURVES, f"{FOLDER}/{BEST}"])
def test_a_validation_that_lost_a_file_is_repeated(place, whole, tmp_path, lost):
    out = Path(shutil.copytree(whole, tmp_path / "run"))
    (out / lost).unlink()
    train(place, out)
    assert (out / lost).exists()
    check_same(out, whole)


def test_a_signal_before_the_first_step_names_no_checkpoint(place, tmp_path, monkeypatch):
    build = run_command.build_step
    monkeypatch.setattr(run_command, "build_step", lambda *given: [os.kill(os.getpid(), signal.SIGTERM), build(*given)][1])
    with pytest.raises(StoppedError, match="stopped by SIGTERM; no step was completed, so there is no checkpoint; run the same"):
        train(place, tmp_path)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_stop_right_after_a_file_was_loaded_keeps_a_checkpoint(place, whole, tmp_path, monkeypatch):
    build = run_command.build_step
    monkeypatch.setattr(run_command, "build_step", lambda *given: [os.kill(os.getpid(), signal.SIGTERM), build(*given)][1])
    with pytest.raises(StoppedError, match="a checkpoint of step 6 is in"):
        train(place, tmp_path, resume=str(whole / FOLDER / "00000006.ckpt"))
    assert (tmp_path / FOLDER / "00000006.ckpt").exists()


def test_a_checkpoint_beyond_the_recipe_is_refused(place, whole, tmp_path):
    def hostile(**changes):
        made = replace(checkpoint.load(whole / FOLDER / "00000009.ckpt"), **changes)
        checkpoint.save(tmp_path / "other", made)
        return str(tmp_path / "other" / FOLDER / made.name)

    with pytest.raises(UsageError, match=r"is at step 1,000,000,000, beyond the 9 of the recipe"):
        train(place, tmp_path / "run", resume=hostile(step=10**9, consumed=2 * 10**9))
    state = checkpoint.load(whole / FOLDER / "00000009.ckpt").state
    moments = state["generator adam"].items()
    short = {number: {**tensors, "exp_avg": tensors["exp_avg"].flatten()[:1]} for number, tensors in moments}
    for wrong in ({}, {**state, "generator": 3}, {**state, "average": {}}, {**state, "generator adam": short}):
        with pytest.raises(BlurkitError, match=r"does not hold the state of these networks.*--resume never"):
            train(place, tmp_path / "run", resume=hostile(step=6, consumed=12, state=wrong))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_leads_to_a_checkpoint_and_its_exit_code(place, whole, tmp_path, monkeypatch, number):
    taken = disturb(monkeypatch, (2, 4), lambda: os.kill(os.getpid(), number))
    for step in (2, 4):
        with pytest.raises(StoppedError, match=rf"stopped by {number.name}; a checkpoint of step {step}") as stopped:
            train(place, tmp_path)
        assert stopped.value.exit_code == (130 if number == signal.SIGINT else 75)
    train(place, tmp_path)
    assert taken == list(range(9))
    check_same(tmp_path, whole)


def test_a_validation_that_a_signal_interrupts_is_repeated(place, whole, tmp_path, monkeypatch):
    validate, calls = loop.validate, []

    def signalled(*arguments):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return validate(*arguments)

    monkeypatch.setattr(loop, "validate", signalled)
    with pytest.raises(StoppedError, match="step 8"):
        train(place, tmp_path)
    train(place, tmp_path)
    check_same(tmp_path, whole, f"{FOLDER}/00000006.ckpt", f"{FOLDER}/00000008.ckpt")


def test_a_finished_run_reports_again(place, whole, tmp_path, capsys):
    shutil.copytree(whole, tmp_path / "copy")
    first = (whole / "generator.safetensors").stat().st_mtime_ns
    train(place, whole)
    assert (whole / "generator.safetensors").stat().st_mtime_ns == first
    output = json.loads(capsys.readouterr().out)
    assert output["steps"] == 9
    assert output["psnr_blurred"] > 0
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    level, step = max((line["val/psnr"], -line["step"]) for line in lines if "val/psnr" in line)
    assert (output["best"], output["best_step"]) == (round(level, 4), -step)


def test_a_run_can_start_again_or_from_a_file(place, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    train(place, tmp_path / "run", "seed=4", resume="never")
    assert weights(tmp_path / "run") != weights(whole)
    train(place, tmp_path / "other", resume=str(whole / FOLDER / "00000006.ckpt"))
    assert weights(tmp_path / "other") == weights(whole)


def test_a_different_run_cannot_be_continued(place, whole, tmp_path):
    with pytest.raises(UsageError, match=r"another recipe: batch 2 there, 4 here"):
        train(place, whole, "batch=4")
    write_pairs(tmp_path, photographs=6)
    with pytest.raises(UsageError, match="other training pairs"):
        train(place, whole, data=(tmp_path / "00000.h5",))
    with threads(2), pytest.raises(UsageError, match="1 torch threads"):
        train(place, whole)
    with locked(whole / ".lock"), pytest.raises(LockedError):
        train(place, whole)


def test_bad_input_says_what_to_do(place, tmp_path):
    with pytest.raises(UsageError, match="blurkit generate"):
        train(place, tmp_path, data=(tmp_path / "none",))
    with pytest.raises(UsageError, match=r"do not fit.*--set crop=24"):
        train(place, tmp_path, "crop=64")
    with pytest.raises(UsageError, match="a multiple of 4 and at least 8 pixels, got 18"):
        train(place, tmp_path, "crop=18")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match=r"--device cuda: there is no GPU.*--device cpu"):
            train(place, tmp_path, device="cuda")
    data, columns = bytearray((place / "00000.h5").read_bytes()), Shard(place / "00000.h5").columns
    first = data.find(columns["sharp"][7].tobytes())
    data[first] ^= 1
    (tmp_path / "bad.h5").write_bytes(data)
    with pytest.raises(BlurkitError, match="differ from what was written"):
        train(place, tmp_path, "steps=20", data=(tmp_path / "bad.h5",))


def test_ten_steps_that_are_not_finite_end_the_run(place, tmp_path, monkeypatch):
    call = Step.__call__
    monkeypatch.setattr(Step, "__call__", lambda self, number, *images: call(self, number, *(i * torch.nan for i in images)))
    with pytest.raises(BlurkitError, match="step 10: 10 steps in a row"):
        train(place, tmp_path, "steps=20", "validate_every=20")


def test_out_of_memory_says_what_to_lower(place, tmp_path, monkeypatch):
    def full(*_):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    monkeypatch.setattr(Step, "__call__", full)
    with pytest.raises(BlurkitError, match=r"out of memory; lower --set batch=1 or --set crop=8, or raise --set accumulate"):
        train(place, tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(loop, "validate", full)
    with pytest.raises(BlurkitError, match=r"out of memory; name smaller pairs with --val"):
        train(place, tmp_path)


def test_batch_norm_is_continued_only_with_the_same_parts_of_a_batch(place, tmp_path):
    settings = ('generator={name="dense", rate=2}', "steps=3", "validate_every=3")
    assert train(place, tmp_path / "run", *settings) == 0
    before = (tmp_path / "run" / NAME).read_bytes()
    with pytest.raises(UsageError, match=r"BatchNorm in the generator.*--resume never"):
        train(place, tmp_path / "run", *settings, "accumulate=2")
    assert (tmp_path / "run" / NAME).read_bytes() == before
    assert train(place, tmp_path / "run", *settings) == 0


def test_a_killed_run_on_drawn_images_ends_in_the_same_bytes(place, tmp_path, monkeypatch):
    """The data holds sharp images alone. The blurred images of each visit are drawn again by the run that continues."""
    options = ("--limit", 4, "--per-image", 2, "--size", 24, "--set", "trajectory.length=[4,9]", "--store", "sharp")
    command("generate", *options, "--out", "shards", "-q", cwd=tmp_path)
    data = {"data": (tmp_path / "shards",)}
    train(place, tmp_path / "whole", **data)
    disturb(monkeypatch, (3, 8), kill)
    for _ in range(2):
        with pytest.raises(Killed):
            train(place, tmp_path / "killed", **data)
    train(place, tmp_path / "killed", **data)
    check_same(tmp_path / "killed", tmp_path / "whole")
