"""Recipes: what is drawn for a pair, as checked values that are read from TOML and written to it."""

from blurkit.recipes.load import load_recipe, recipe_names
from blurkit.recipes.mixture import Mixture
from blurkit.recipes.recipe import Recipe

__all__ = ["Mixture", "Recipe", "load_recipe", "recipe_names"]
