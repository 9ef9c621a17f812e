"""Recipes: checked values that say how a pair is drawn. They are read from TOML and written to TOML."""

from blurkit.recipes.load import load_recipe, recipe_names
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe

__all__ = ["Mixture", "Recipe", "load_recipe", "recipe_names"]
