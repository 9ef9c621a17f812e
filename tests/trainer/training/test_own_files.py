"""Tests that a run touches no file of anybody else in its folder, and knows its own files by their content."""

import pytest
from tiny_runs import RECIPE
from tiny_trainings import prepared, train

from blurkit.errors import UsageError
from blurkit.program.origin import marked
from trainer.config import load_recipe
from trainer.training.own_files import recipe_file, require_own

NAMES = (
    "recipe.toml",
    "metrics.jsonl",
    "generator.safetensors",
    "generator.json",
    "validation.png",
    "curves.png",
    "best/generator.safetensors",
    "best/generator.json",
    "checkpoints/00000100.ckpt",
    "checkpoints/best.ckpt",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("tiny"), RECIPE.replace("steps = 9", "steps = 3"))


@pytest.fixture(scope="module")
def whole(place):
    assert train(place, place / "whole") == 0
    return place / "whole"


def state(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_every_file_of_a_run_is_its_own(whole):
    assert {name for name in NAMES if not name.endswith("100.ckpt")} <= {
        str(path.relative_to(whole)) for path in whole.rglob("*")
    }
    require_own(whole)


@pytest.mark.parametrize("resume", ["auto", "never"])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_somebody_else_is_kept_and_named(place, tmp_path, name, resume):
    path = tmp_path / "mine" / name
    path.parent.mkdir(parents=True)
    path.write_text('{"step": 1, "loss": 0.5}\n')
    before = state(tmp_path)
    with pytest.raises(UsageError, match=rf"{path} was not written by blurkit.*choose another --out"):
        train(place, tmp_path / "mine", resume=resume)
    assert state(tmp_path) == before


@pytest.mark.parametrize("name", ["checkpoints", "best", "tensorboard"])
def test_a_linked_folder_is_not_written_through(place, tmp_path, name):
    (tmp_path / "outside").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to("../outside")
    with pytest.raises(UsageError, match=f"{name} is a symbolic link"):
        train(place, tmp_path / "run")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_recipe_that_was_edited_is_somebody_s_own(tmp_path):
    text = recipe_file(load_recipe("quick")).decode()
    (tmp_path / "recipe.toml").write_text(text)
    require_own(tmp_path)
    (tmp_path / "recipe.toml").write_text(text.replace("# Written", "# my notes\n# Written"))
    with pytest.raises(UsageError, match=r"recipe\.toml"):
        require_own(tmp_path)
    (tmp_path / "recipe.toml").write_text(text + "# my notes\n")
    with pytest.raises(UsageError, match=r"recipe\.toml"):
        require_own(tmp_path)
    assert load_recipe(str(tmp_path / "recipe.toml")) == load_recipe("quick")


def test_a_picture_of_somebody_else_is_told_by_its_mark(tmp_path, photo):
    photo.save(tmp_path / "curves.png")
    with pytest.raises(UsageError, match=r"curves\.png"):
        require_own(tmp_path)
    (tmp_path / "curves.png").write_bytes(marked((tmp_path / "curves.png").read_bytes()))
    require_own(tmp_path)
