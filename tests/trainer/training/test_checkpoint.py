"""Tests checkpoints: reading returns the saved state or raises an error, also for damaged files."""

import errno
import io
import os
import pickle
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from blurkit.errors import BlurkitError, UsageError
from blurkit.program.files import temporary_path
from trainer.training import checkpoint
from trainer.training.checkpoint import BEST, FOLDER, Checkpoint, Origin

ORIGIN = Origin("a" * 64, "b" * 64, "cpu", 1, 2, 1, 1)


def made(step=7, origin=ORIGIN):
    state = {"generator": {"weight": torch.arange(6.0) + step}, "adam": {0: {"step": torch.tensor(3.0)}}}
    losses = {"loss/l1": (torch.tensor(0.5), 2)}
    return Checkpoint(origin, step, 2 * step, {"best": -float("inf"), "psnr": 21.5}, state, losses)


def names(out):
    return sorted(path.name for path in (out / FOLDER).iterdir())


def test_what_is_loaded_is_what_was_saved(tmp_path):
    checkpoint.save(tmp_path, made())
    loaded = checkpoint.newest(tmp_path)
    assert (loaded.origin, loaded.step, loaded.consumed, loaded.validation) == (ORIGIN, 7, 14, made().validation)
    assert torch.equal(loaded.state["generator"]["weight"], made().state["generator"]["weight"])
    assert torch.equal(loaded.state["adam"][0]["step"], torch.tensor(3.0))
    assert loaded.losses == made().losses


def test_a_checkpoint_that_was_loaded_is_saved_with_the_same_bytes(tmp_path):
    checkpoint.save(tmp_path, made())
    path = tmp_path / FOLDER / "00000007.ckpt"
    first, loaded = path.read_bytes(), checkpoint.load(path)
    checkpoint.save(tmp_path, loaded)
    assert path.read_bytes() == first


def test_equal_tensors_are_stored_once_and_never_copied(tmp_path, monkeypatch):
    """Without an average of the weights, the average is the generator itself."""
    weight = torch.zeros(100_000)
    twice = replace(made(), state={"generator": {"weight": weight}, "average": {"weight": weight.detach()}})
    monkeypatch.delattr(torch.Tensor, "__deepcopy__")
    monkeypatch.setattr(torch.Tensor, "clone", None)
    checkpoint.save(tmp_path, twice)
    monkeypatch.undo()
    assert weight.nbytes < (tmp_path / FOLDER / twice.name).stat().st_size < 1.1 * weight.nbytes
    loaded = checkpoint.newest(tmp_path).state
    assert torch.equal(loaded["average"]["weight"], loaded["generator"]["weight"])


def test_the_last_two_and_the_best_are_kept(tmp_path):
    assert checkpoint.newest(tmp_path) is None
    checkpoint.save(tmp_path, made(2), best=True)
    for step in (1, 2, 99_999_999, 123_456_789):
        checkpoint.save(tmp_path, made(step))
    assert names(tmp_path) == ["123456789.ckpt", "99999999.ckpt", BEST]
    assert checkpoint.newest(tmp_path).step == 123_456_789
    assert checkpoint.load(tmp_path / FOLDER / BEST).step == 2


def test_every_flipped_or_missing_byte_is_found(tmp_path):
    checkpoint.save(tmp_path, made())
    path = tmp_path / FOLDER / "00000007.ckpt"
    whole = path.read_bytes()
    for place in range(0, len(whole), 41):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BlurkitError):
            checkpoint.load(path)
        path.write_bytes(whole[:place])
        with pytest.raises(BlurkitError):
            checkpoint.load(path)


def test_a_damaged_checkpoint_is_skipped(tmp_path):
    for step in (3, 4):
        checkpoint.save(tmp_path, made(step))
    newest = tmp_path / FOLDER / "00000004.ckpt"
    newest.write_bytes(newest.read_bytes()[:-1])
    assert checkpoint.newest(tmp_path).step == 3
    (tmp_path / FOLDER / "00000003.ckpt").write_bytes(b"")
    with pytest.raises(BlurkitError, match=r"00000004\.ckpt is damaged.*start again with --resume never"):
        checkpoint.newest(tmp_path)


def test_no_code_runs(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    for payload in (pickle.dumps(Hostile()), pickle.dumps({"origin": {}})):
        path = tmp_path / "hostile.ckpt"
        path.write_bytes(checkpoint._head(payload) + payload)
        with pytest.raises(BlurkitError, match="holds no checkpoint"):
            checkpoint.load(path)
    buffer = io.BytesIO()
    torch.save({"origin": Hostile()}, buffer)
    path.write_bytes(checkpoint._head(buffer.getvalue()) + buffer.getvalue())
    with pytest.raises(BlurkitError, match="holds no checkpoint"):
        checkpoint.load(path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"step": 10**9},
        {"step": -1, "consumed": -2},
        {"step": 7.0},
        {"step": True, "consumed": 2},
        {"consumed": 10**30},
        {"validation": {}},
        {"validation": {"best": "high"}},
        {"state": [1, 2]},
        {"losses": {"loss/l1": (torch.tensor(0.5), 0)}},
        {"losses": {"loss/l1": 3}},
        {"losses": None},
        {"more": 1},
    ],
)
def test_a_sealed_checkpoint_with_impossible_values_is_refused(tmp_path, changes):
    buffer = io.BytesIO()
    torch.save({**asdict(made()), **changes}, buffer)
    path = tmp_path / "hostile.ckpt"
    path.write_bytes(checkpoint._head(buffer.getvalue()) + buffer.getvalue())
    with pytest.raises(BlurkitError, match="holds no checkpoint"):
        checkpoint.load(path)


def test_other_things_than_files_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / "none"):
        with pytest.raises(UsageError, match="Name a file in the folder checkpoints/"):
            checkpoint.load(path)


def test_a_checkpoint_of_another_version_is_refused(tmp_path):
    (tmp_path / "old.ckpt").write_bytes(b"trainer-checkpoint 3 " + b"0" * 64 + b"\n")
    with pytest.raises(UsageError, match="another version"):
        checkpoint.load(tmp_path / "old.ckpt")


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, made(1))

    def full(descriptor, data):
        os.write(descriptor, bytes(data)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_all", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(tmp_path, made(2))
    assert names(tmp_path) == ["00000001.ckpt"]
    assert checkpoint.newest(tmp_path).step == 1


def test_files_of_a_killed_run_are_removed(tmp_path):
    checkpoint.save(tmp_path, made(1))
    checkpoint.save(tmp_path, made(1), best=True)
    for name in (*(temporary_path(Path(name)).name for name in ("00000002.ckpt", BEST)), "mine.tmp"):
        (tmp_path / FOLDER / name).touch()
    checkpoint.clean(tmp_path, after=1)
    assert names(tmp_path) == ["00000001.ckpt", BEST, "mine.tmp"]
    checkpoint.save(tmp_path, made(5))
    checkpoint.clean(tmp_path, after=3)
    assert names(tmp_path) == ["00000001.ckpt", BEST, "mine.tmp"]
    checkpoint.clean(tmp_path, after=0)
    assert names(tmp_path) == ["mine.tmp"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "c" * 64}, "other training pairs"),
        ({"device": "cuda"}, "--device cuda"),
        ({"threads": 4}, "OMP_NUM_THREADS=4"),
        ({"pairs": 8}, "use --set batch=8"),
        ({"pairs": 8, "processes": 4, "threads": 2}, "8 pairs per step with 4 processes.*use --set batch=8"),
        ({"recipe": "d" * 64}, "another recipe"),
    ],
)
def test_another_run_is_refused(tmp_path, change, message):
    other = Origin(**(vars(ORIGIN) | change))
    with pytest.raises(UsageError, match=f"{message}.*--resume never"):
        other.require_same(ORIGIN, tmp_path)
    assert other.require_same(other, tmp_path)


def test_the_pairs_of_a_step_may_be_divided_differently(tmp_path):
    for change in ({"processes": 2, "parts": 2}, {"processes": 2, "parts": 2, "threads": 4}, {"parts": 2}):
        assert not replace(ORIGIN, **change).require_same(ORIGIN, tmp_path)
    with pytest.raises(UsageError, match="3 processes cannot share 4 pairs"):
        replace(ORIGIN, pairs=4).require_same(replace(ORIGIN, pairs=6, processes=3), tmp_path)
