"""The options that choose photographs and what is made of them, for the commands that take them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from blurkit.program.options import PATH, layout_options, settings_option


def _together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Returns one decorator that applies several options, the first at the top of ``--help``."""
    return lambda command: functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


recipe_option = click.option("--recipe", default="handheld", metavar="NAME|FILE", help="Recipe; see `blurkit recipes`.")

annotations_option = click.option(
    "--annotations",
    metavar="V|FILE",
    help="For mapillary: v1.2 or v2.0.  [default: the newest]  For coco and table: the file that lists the images in --root.",
)

source_options = _together(
    click.option(
        "--src",
        default=("sample",),
        multiple=True,
        metavar="NAME|FOLDER",
        help="sample, coco, mapillary, cityscapes, bdd100k, gopro, pairs, table, video, or a folder of images. Repeat to mix.",
    ),
    click.option(
        "--root",
        multiple=True,
        metavar="[NAME=]DIR",
        help="Folder of a named source. The default is $BLURKIT_DATA/NAME, else data/NAME.",
    ),
    click.option("--split", default="all", metavar="S", help="all, train, val or test."),
    click.option("--shares", default="80,10,10", help="Shares of train, val, test of a source without splits."),
    click.option(
        "--license",
        default="",
        show_default=False,
        metavar="L,...",
        help="Use only photographs under these licences, such as by,by-sa.",
    ),
    click.option("--weight", multiple=True, metavar="NAME=W", help="How many photographs of a source, relative to the others."),
    annotations_option,
    recipe_option,
    settings_option("Change a value of the recipe, or shard_bytes."),
    click.option("--size", default="320", metavar="N|HxW|full", help="Size of the crops; full: whole photographs."),
    click.option("--per-image", default=1, metavar="K", help="Pairs to make of each photograph."),
    click.option("--downscale", default=1, metavar="F", help="Make photographs F times smaller first."),
    click.option(
        "--min-sharpness",
        default=0.0,
        metavar="T",
        help="Skip a blurred or empty crop: the variance of its Laplacian is below T.",
    ),
    click.option("--masks", is_flag=True, help="Also store the masks of objects, if the source has them."),
    click.option("--seed", default=0, metavar="N", help="Seed of all random numbers, from 0."),
    click.option("--limit", multiple=True, metavar="[NAME=]N", help="Use only the first N photographs."),
)

import_options = _together(
    layout_options,
    click.option("--out", type=PATH, default=Path("shards"), help="Folder of the dataset. Run the same command again to resume."),
    click.option("--licence", default="", show_default=False, metavar="L", help="Licence of all photographs, such as CC-BY-4.0."),
    click.option("--register", is_flag=True, help="Measure how far both images are shifted, and move the sharp one."),
    click.option("--register-limit", type=float, metavar="PX", help="Leave out pairs with a larger shift.  [default: 16]"),
    click.option("--gain", is_flag=True, help="With --register: also match the brightness of the sharp image."),
    settings_option("Change a value of the recipe `real`, or shard_bytes."),
    click.option("--size", default="full", metavar="N|HxW|full", help="Size of the crops; full: whole photographs."),
    click.option("--per-image", default=1, metavar="K", help="Crops to make of each pair."),
    click.option("--downscale", default=1, metavar="F", help="Make photographs F times smaller first, in linear light."),
    click.option("--split", default="all", metavar="S", help="all, train, val or test: by lists, or by the sharp photograph."),
    click.option("--seed", default=0, metavar="N", help="Seed of the places of the crops, from 0."),
    click.option("--limit", multiple=True, metavar="N", help="Use only the first N pairs."),
    click.option("--workers", type=click.IntRange(1), metavar="N", help="Worker processes.  [default: the number of processors]"),
    click.option("--dry-run", is_flag=True, help="Show which files are pairs and how much would be made; write nothing."),
    click.option("-o", "--picture", type=PATH, metavar="FILE", help="With --dry-run: draw two of the pairs."),
    click.option("--max-bad", default="1%", metavar="P%|N", help="Exit with 1 if more pairs than this failed."),
    click.option("--overwrite", is_flag=True, help="First remove the dataset in --out. With --dry-run, replace FILE."),
)
