"""Tests the page on training against the program: its commands parse, and it explains every key, recipe and metric."""

import dataclasses
import json
import pkgutil
import re
import shlex
import typing

import click
import pytest
import torch
from checkout import ROOT
from documentation import fenced

from trainer.cli import cli
from trainer.config import FIRST, NETWORKS, TrainingRecipe, recipe_names
from trainer.evaluation.metrics import METRICS
from trainer.specs import options_of

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")


def commands():
    for _, block in fenced(PAGE, "shell"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if "trainer" in words:
                yield words[words.index("trainer") + 1 :]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_commands_parse(words):
    name, *arguments = words
    command = cli.commands[name]
    with click.Context(command) as context:
        assert command.parse_args(context, arguments) == []  # all words are used


def test_the_main_commands_are_on_the_page():
    assert {"run", "eval", "deblur"} <= {name for name, *_ in commands()}


def keys():
    """Every key of a recipe with its default, as the page writes them."""
    hints = typing.get_type_hints(TrainingRecipe)
    for field in dataclasses.fields(TrainingRecipe):
        section = next(
            (kind for kind in (hints[field.name], *typing.get_args(hints[field.name])) if dataclasses.is_dataclass(kind)), None
        )
        if typing.get_origin(hints[field.name]) is dict:
            yield f"{field.name}.name", FIRST[field.name]["name"]
        elif section is None:
            yield field.name, field.default
        else:
            yield from ((f"{field.name}.{inner.name}", inner.default) for inner in dataclasses.fields(section))


def written(value):
    """A default as TOML, numbers as people write them."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}".replace("e-05", "e-5").replace("0.0001", "1e-4")


def test_every_key_is_on_the_page_with_its_default():
    rows = {}
    for row in re.findall(r"^\| (`[\w.]+`(?:, `[\w.]+`)*) \|(.*)\|$", PAGE, re.MULTILINE):
        names = re.findall(r"`([\w.]+)`", row[0])
        stated = re.findall(r"`([^`]+)`", row[1].rsplit("|", 1)[-1])
        rows |= {name: stated[place] if len(stated) == len(names) else (stated or [""])[0] for place, name in enumerate(names)}
    for key, default in keys():
        assert key in rows, key
        if default != "" and key != "name":
            assert rows[key] == written(default), key


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, makers in NETWORKS.items() for name in makers])
def test_every_network_is_on_the_page_with_its_size_and_its_options(kind, name):
    (row,) = re.findall(rf"^\| `{name}` \| .*", PAGE[PAGE.index(f"| {kind} | what it is") :].partition("\n\n")[0], re.MULTILINE)
    *_, size, options, _ = row.split(" |")
    makers = NETWORKS[kind]
    assert options.strip() == ", ".join(f"`{key} = {json.dumps(value)}`" for key, value in options_of(makers[name]).items())
    with torch.device("meta"):
        network = pkgutil.resolve_name(makers[name])()
    count = sum(parameter.numel() for parameter in network.parameters())
    assert re.match(r"[\d,]+", size.strip())[0] == f"{count:,}"


def test_every_recipe_and_metric_is_on_the_page():
    for name in METRICS:
        assert f"\n| `{name}` |" in PAGE, name
    table = PAGE[PAGE.index("| system | recipes |") :].partition("\n\n")[0]
    cells = [row.split("|")[2] for row in table.splitlines()[2:]]
    assert sorted(re.findall("`([^`]+)`", " ".join(cells))) == sorted(recipe_names())
