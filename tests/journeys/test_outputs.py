"""Tests that ``-o`` replaces pictures of blurkit, and files of anybody else only with ``--overwrite``."""

import os

import pytest
from command_line import run

from blurkit.program.origin import made_here

COMMANDS = {
    "preview.png": ("preview", "shards", "-n", "1", "-o", "out/preview.png"),
    "preview.jpg": ("preview", "shards", "-n", "1", "-o", "out/preview.jpg"),
    "info.png": ("info", "shards", "-o", "out/info.png"),
    "kernels.npz": ("kernels", "-n", "2", "-o", "out/kernels.npz"),
}


@pytest.fixture
def place(small_dataset, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "shards").symlink_to(small_dataset.folder / "shards")
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_of_somebody_else_is_kept_and_named(place, name):
    path = place / "out" / name
    path.write_text("precious")
    said = run(*COMMANDS[name], cwd=place, code=2).stderr
    assert f"out/{name}" in said
    assert "--overwrite" in said
    assert path.read_text() == "precious"
    assert os.listdir(place / "out") == [name]
    run(*COMMANDS[name], "--overwrite", cwd=place)
    assert path.read_bytes() != b"precious"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "kernels.npz"])
def test_a_picture_of_blurkit_and_an_empty_file_are_replaced(place, name):
    path = place / "out" / name
    path.touch()  # as mktemp leaves it
    run(*COMMANDS[name], cwd=place)
    first = path.read_bytes()
    assert made_here(first)
    run(*COMMANDS[name], cwd=place)
    assert path.read_bytes() == first


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "kernels.npz"])
def test_nothing_is_written_through_a_link(place, name):
    run(*COMMANDS[name], cwd=place)
    (place / "out" / name).rename(place / name)  # a picture of ours, which would be replaced without asking
    (place / "out" / name).symlink_to(place / name)
    before = (place / name).read_bytes(), (place / name).stat().st_ino
    assert "symbolic link" in run(*COMMANDS[name], cwd=place, code=2).stderr
    run(*COMMANDS[name], "--overwrite", cwd=place)
    assert ((place / name).read_bytes(), (place / name).stat().st_ino) == before
    assert not (place / "out" / name).is_symlink()
