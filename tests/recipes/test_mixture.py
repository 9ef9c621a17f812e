"""Tests mixtures of recipes: the shares and settings of their parts, and the errors for wrong mixtures."""

import collections

import numpy as np
import pytest
from plain_recipes import PLAIN

from blurkit.errors import UsageError
from blurkit.pair.pair import make_pair
from blurkit.recipes.load import load_recipe, recipe_from_toml
from blurkit.recipes.mixture import Mixture
from blurkit.sources import open_source

MIXTURE = 'name = "both"\n[mixture]\nclean = 3\nrotation = 1\n'


@pytest.fixture
def mixture(tmp_path):
    (tmp_path / "both.toml").write_text(MIXTURE)
    return tmp_path / "both.toml"


def test_parts_are_drawn_by_their_weights(mixture, rng):
    recipe = load_recipe(str(mixture))
    assert isinstance(recipe, Mixture)
    counts = collections.Counter(recipe.choose(rng=rng)[0].name for _ in range(2000))
    assert counts["clean"] / 2000 == pytest.approx(0.75, abs=0.04)
    assert counts["rotation"] + counts["clean"] == 2000


def test_a_pair_of_a_mixture_is_one_of_its_part(mixture):
    recipe = load_recipe(str(mixture), PLAIN)
    image = open_source("sample").records[0].read().pixels
    seen = set()
    for seed in range(12):
        pair = make_pair(image, recipe, rng=np.random.default_rng(seed), size=(64, 64))
        part = recipe.parts[int(pair.parameters["recipe"])]
        seen.add(part.name)
        assert (pair.nodes is not None) == (part.name == "rotation")
        alone = np.random.default_rng(seed)
        recipe.choose(rng=alone)
        assert np.array_equal(pair.blurred, make_pair(image, part, rng=alone, size=(64, 64)).blurred)
    assert seen == {"clean", "rotation"}


def test_settings_change_one_part_or_all(mixture):
    recipe = load_recipe(str(mixture), ["kernel.exposure=0.5", "clean.trajectory.length=9", "mixture.rotation=7"])
    clean, rotation = recipe.parts
    assert clean.kernel.exposure == rotation.kernel.exposure == (0.5,)
    assert clean.trajectory.length == (9.0, 9.0)
    assert recipe.weights == (3, 7)


def test_its_toml_holds_all_of_it(mixture, tmp_path):
    recipe = load_recipe(str(mixture), ["clean.trajectory.length=9"])
    again = recipe_from_toml(recipe.portable_toml())
    assert again == recipe
    assert again.digest() == recipe.digest()
    assert load_recipe(str(mixture)).digest() != recipe.digest()
    assert load_recipe(str(mixture), ["mixture.clean=4"]).digest() != load_recipe(str(mixture)).digest()


def test_files_stand_beside_it(tmp_path):
    (tmp_path / "mine.toml").write_text('name = "mine"\n[trajectory]\nlength = 5\n')
    (tmp_path / "mixed.toml").write_text('[mixture]\n"mine.toml" = 1\ndefocus = 0.5\n')
    recipe = load_recipe(str(tmp_path / "mixed.toml"), ["mine.trajectory.anxiety=0.002"])
    assert recipe.labels == ("mine", "defocus")
    assert recipe.parts[0].trajectory.anxiety == (0.002,)
    assert recipe.name == "mixture"


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("[mixture]\n", (), "at least one recipe"),
        ("mixture = 3\n", (), "table of recipes"),
        ("[mixture]\nclaen = 1\n", (), "did you mean 'clean'"),
        ("[mixture]\nclean = 0\n", (), "mixture.clean takes a weight above 0"),
        ('[mixture]\nclean = "much"\n', (), "mixture.clean takes a weight above 0"),
        ("[mixture]\nclean = 1\n[noise]\nshot = 1e-3\n", (), "unknown key 'noise'"),
        ("[mixture]\nclean = 1\n", ("mixture.clena=2",), "did you mean 'clean'"),
        ("[mixture]\nclean = 1\n", ("clean.trajectory.lenght=2",), "did you mean 'trajectory.length'"),
        ('[mixture]\nclean = 1\n"clean.toml" = 1\n', (), "two recipes of the mixture have the same name"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, text, settings, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_recipe(str(tmp_path / "bad.toml"), settings)


def test_a_mixture_is_not_part_of_another(mixture):
    outer = mixture.parent / "outer.toml"
    outer.write_text('[mixture]\n"both.toml" = 1\n')
    with pytest.raises(UsageError, match="cannot contain a mixture"):
        load_recipe(str(outer))
