"""The options that choose photographs and what is made of them, for the commands that take them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from blurkit.program.options import settings_option


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
