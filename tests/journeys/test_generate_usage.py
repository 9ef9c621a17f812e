"""Tests the options of ``blurkit generate``: the errors for wrong usage, and values from environment variables."""

from types import SimpleNamespace
from unittest import mock

import pytest
from command_line import SMALL, result, run
from packaged import COUNT


def test_a_bad_recipe_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "empty.npz").write_bytes(b"")
    for setting in ("response.encode=nosuch", "kernels=nosuch.npz", "kernels=empty.npz"):
        run("generate", *SMALL, "--set", setting, cwd=tmp_path, code=2)
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--src", "nowhere"), "unknown source 'nowhere'"),
        (("--src", "./nowhere"), "no such folder"),
        (("--recipe", "handhold"), "did you mean 'handheld'"),
        (("--set", "trajectory.lenght=3"), "did you mean 'trajectory.length'"),
        (("--set", "shard_bytes=many"), "whole number"),
        (("--size", "0"), "--size is a side"),
        (("--slice", "2/2"), "--slice is I/N"),
        (("--slice", "0/2", "--overwrite"), "cannot be combined"),
        (("--max-bad", "few"), "--max-bad is a share"),
        (("--limit", "0"), "--limit is at least 1"),
        (("--per-image", "0"), "--per-image is at least 1"),
        (("--seed", "-1"), "--seed lies between"),
        (("--wrokers", "2"), "--workers"),
        (("--split", "tain"), "did you mean 'train'"),
        (("--root", "photographs"), "--root goes with"),
    ],
)
def test_wrong_usage_says_what_to_do_and_exits_with_2(tmp_path, arguments, message):
    assert message in run("generate", *arguments, cwd=tmp_path, code=2).stderr


def test_an_output_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot make the folder" in run("generate", "--out", "file/shards", cwd=tmp_path, code=1).stderr


def test_a_disk_that_is_too_small_ends_the_run_before_any_work(tmp_path):
    with mock.patch("blurkit.program.files.shutil.disk_usage", return_value=SimpleNamespace(free=10_000)):
        done = run("generate", *SMALL, cwd=tmp_path, code=1)
    assert "this needs about" in done.stderr
    assert not list((tmp_path / "shards").glob("*.h5"))


def test_help_and_version(tmp_path):
    text = run("--help", cwd=tmp_path).stdout
    assert all(command in text for command in ("generate", "preview", "verify", "info", "recipes", "kernels"))
    assert "blurkit" in run("--version", cwd=tmp_path).stdout
    assert "No such command" in run("genrate", cwd=tmp_path, code=2).stderr


def test_every_option_has_a_variable_of_its_own_name(tmp_path):
    variables = {"BLURKIT_GENERATE_SLICE": "1/2", "BLURKIT_GENERATE_SET": "jpeg=none shard_bytes=100000"}
    printed = result("generate", "--size", "48", cwd=tmp_path, **variables, BLURKIT_GENERATE_PER_IMAGE="2")
    assert not printed["complete"]
    assert 0 < printed["made"] < 2 * COUNT


def test_values_come_from_the_environment_and_verbose_says_so(tmp_path):
    done = run("generate", "--dry-run", "-v", cwd=tmp_path, BLURKIT_GENERATE_SEED="5")
    assert "seed = 5 (environment)" in done.stderr
    assert "out = " in done.stderr
