"""Tests the documentation against the program.

Every ``python`` block of a page runs, in order, in one namespace. Every ``blurkit`` command in a shell block (``sh``, ``bash``,
``shell``) parses. The commands of the pages in ``TRIED`` also run, except in blocks marked ``shell``, which need downloaded data.
All of them run in one folder with the files of a reader: ``photos/``, ``photo.jpg``, ``measured.mat``, and the files that the
commands of the README make, such as ``shards/``.
"""

import contextlib
import io
import re
import shlex
import shutil
import sys

import click
import numpy as np
import pytest
from checkout import ROOT
from command_line import run
from documentation import fenced
from packaged import COUNT, PHOTOGRAPHS

from blurkit import KernelBank
from blurkit.camera.noise import PRESETS
from blurkit.cli import cli
from blurkit.program.toml import known_keys
from blurkit.recipes.load import load_recipe
from blurkit.recipes.recipe import Recipe
from blurkit.shard import open_dataset
from blurkit.shard.ledger import SKIPS
from blurkit.sources.listing import REASONS

PAGES = {page.stem: page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
PICTURES = sorted((ROOT / "docs/_static").iterdir())

#: Pages whose commands are run. Their order is that of a newcomer: the README makes the dataset that the others read.
TRIED = ("README", "quickstart", "reliability", "export")


#: Packages that the pages use and that may not be installed. Their blocks are then not tested.
FRAMEWORKS = ("torch", "albumentations", "kornia", "deepinv")


def text(page):
    return PAGES[page].read_text(encoding="utf-8")


def blocks(page, *languages):
    """(line, text) of each fenced block in one of these languages."""
    return fenced(text(page), *languages)


def commands(page, *languages):
    """(environment, arguments, file that takes the output) of each call of blurkit in the page's shell blocks."""
    for _, block in blocks(page, *(languages or ("sh", "bash"))):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if "blurkit" not in words:
                continue
            start = words.index("blurkit")
            environment = dict(word.split("=", 1) for word in words[:start] if "=" in word)
            end = words.index(">") if ">" in words else len(words)
            yield environment, words[start + 1 : end], words[end + 1] if end < len(words) else ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a reader."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "photos").mkdir()
    for name in ("brick", "coffee", "rocket"):
        shutil.copy(PHOTOGRAPHS / f"{name}.jpg", folder / "photos")
    shutil.copy(PHOTOGRAPHS / "coffee.jpg", folder / "photo.jpg")
    kernels = np.random.default_rng(0).random((3, 9, 7), np.float32)
    KernelBank.from_arrays(kernels, ["one", "two", "three"]).save(folder / "measured.mat")
    tried = []
    for command in (command for page in TRIED for command in commands(page) if command not in tried):
        environment, arguments, output = command
        printed = run(*arguments, cwd=folder, **environment).stdout
        if output:
            (folder / output).write_text(printed)
        tried.append(command)
    return folder


def test_the_commands_of_the_readme_leave_what_it_says(folder):
    assert len(open_dataset(folder / "shards")) == 4 * COUNT
    assert len(open_dataset(folder / "mine")) == 6
    assert (folder / "preview.png").stat().st_size > 100_000
    assert len(KernelBank.load(folder / "kernels.mat")) == 1000


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page, "python"))])
def test_python_blocks_run(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    namespace, failed = {"__name__": "__main__"}, {}
    for line, block in blocks(page, "python"):
        code = compile("\n" * line + block, PAGES[page], "exec")
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, namespace)
        except Exception as error:
            if getattr(error, "name", "") not in FRAMEWORKS:  # no dependencies of blurkit's, but of its readers
                failed[line + 1] = error
    assert failed == {}


@pytest.mark.parametrize("framework", FRAMEWORKS[1:])
def test_the_readme_shows_each_adapter_in_three_lines(framework):
    (block,) = [block for _, block in blocks("README", "python") if f"blurkit.adapters.{framework}" in block]
    assert len([line for line in block.splitlines() if line]) <= 3


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))])
def test_commands_parse(page):
    for environment, (name, *arguments), _ in commands(page, "sh", "bash", "shell"):
        known = {f"BLURKIT_{name}_{option.name}".upper() for option in cli.commands[name].params}
        assert set(environment) <= known
        try:
            cli.commands[name].make_context(name, arguments)
        except click.ClickException as error:
            pytest.fail(f"{page}: blurkit {shlex.join([name, *arguments])}: {error.message}")


def links(page):
    """Yields the files that a page links to."""
    for target in re.findall(r"\]\(([^)\s]+)\)|\{figure\} (\S+)|:target: (\S+)", text(page)):
        path, _, _ = "".join(target).partition("#")
        if path and "://" not in path:
            yield path


@pytest.mark.parametrize("page", [page for page in PAGES if any(links(page))])
def test_links_lead_somewhere(page):
    assert [path for path in links(page) if not (PAGES[page].parent / path).exists()] == []


def test_blocks_commands_and_links_are_found():
    """Without blocks, commands and links the tests of single pages would be skipped."""
    for found in (lambda page: blocks(page, "python"), commands, links):
        assert len([page for page in PAGES if any(found(page))]) >= 3


def test_pictures_are_made_by_a_script_and_small():
    makers = ("docs/pictures.py", "docs/real_blur.py", "tests/faults/test_soak.py")
    script = "".join((ROOT / name).read_text() for name in makers)
    shown = "".join(map(text, PAGES))
    assert PICTURES
    for picture in PICTURES:
        assert picture.name in script or f'"{picture.stem}"' in script
        assert f"_static/{picture.name}" in shown
        assert picture.stat().st_size <= 800_000
    commands = re.findall(r'"(blurkit preview .*)"', script)
    assert commands
    assert [command for command in commands if f"`{command}`" not in shown] == []


def test_every_option_is_explained():
    page = text("commands")
    for name, command in cli.commands.items():
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for option in command.params:
            spelled = option.opts[0] if option.opts[0].startswith("-") else option.opts[0].upper()
            assert f"{spelled}`" in section or f"{spelled} " in section, f"{name} {spelled}"


def test_every_key_of_a_recipe_is_explained():
    page = text("recipes")
    for key in known_keys(Recipe):
        section, _, name = key.rpartition(".")
        part = page.partition(f"\n### [{section}]\n" if section else "\n### The recipe itself\n")[2].partition("\n### ")[0]
        assert f"`{name}`" in part, key


def test_published_levels_of_noise_are_the_presets():
    rows = re.findall(r"^\| [^|`]+ \| (`noise\.[^|]*) \|$", text("recipes"), re.MULTILINE)
    stated = [load_recipe("clean", re.findall(r"`([^`]+)`", settings)).noise for settings in rows]
    for noise, name in zip(stated, ("unprocessing", "realblur", "rsblur", "boracchi-foi"), strict=True):
        for key, value in vars(PRESETS[name]).items():
            assert getattr(noise, key) == (value if isinstance(value, str) else pytest.approx(value, rel=1e-12)), (name, key)
    assert load_recipe("handheld").noise == PRESETS["mild"]


def test_every_part_of_a_shard_is_explained(folder):
    page = text("shard-format")
    for name in open_dataset(folder / "shards").shard(0).columns:
        assert f"`{name.removeprefix('parameters/')}`" in page, name
    for name in open_dataset(folder / "shards").shard(0).attributes:
        assert f"`{name}`" in page or name.startswith("convention_"), name


def test_every_reason_of_the_ledger_is_explained():
    page = text("reliability")
    decoding = re.findall(r"``(\w+)``", sys.modules["blurkit.decode.image"].__doc__.partition("reason is one of")[2])
    assert len(decoding) == 9
    for reason in (*REASONS, *decoding, *SKIPS, "worker_died"):
        assert f"`{reason}`" in page, reason
