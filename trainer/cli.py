"""The command line: options only. Each command is one function in :mod:`trainer.commands`, imported when it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from blurkit import __version__
from blurkit.program.options import PATH, json_option, name_variables, quiet_option, run_program, settings_option

device_option = click.option(
    "--device", default="auto", show_default=True, metavar="D", help="auto, cpu, cuda, or one of several, such as cuda:1."
)
weights_argument = click.argument("weights", type=PATH)
tile_option = click.option(
    "--tile",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Restore in overlapping tiles of this side.  [default: only photographs above 2 megapixels]",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="trainer")
def cli() -> None:
    """Learns to restore blurred photographs from pairs that blurkit made.

    Options can also be set in the environment, such as TRAINER_RUN_DEVICE=cpu.
    """


@cli.command()
@click.option(
    "--data", type=PATH, default=("shards",), show_default=True, multiple=True, help="Shards to learn from; or several."
)
@click.option("--weight", type=float, multiple=True, metavar="W", help="How often pairs of each --data come, in their order.")
@click.option("--val", type=PATH, multiple=True, help="Shards to validate on.  [default: a tenth of the photographs]")
@click.option("--out", type=PATH, metavar="DIR", help="Folder of the run; run again to resume.  [default: runs/RECIPE]")
@click.option("--recipe", default="quick", show_default=True, metavar="NAME|FILE", help="See `trainer recipes`.")
@settings_option("Change a value of the recipe.")
@device_option
@click.option("--resume", default="auto", show_default=True, metavar="auto|never|FILE", help="Go on, begin anew, or from there.")
@json_option
@quiet_option
def run(**values: Any) -> int:
    """Train a generator on shards.

    Progress, held-out pairs and curves are in --out while it runs. Stopped by a signal or killed, the same command goes on where
    it was. The recipe quick shows within minutes what training does; deblurgan trains DeblurGAN as published.
    """
    from trainer.commands.run import run

    return run(**values)


@cli.command()
@click.argument("name", required=False)
@settings_option("Change a value of the recipe.")
@json_option
def recipes(name: str | None, settings: tuple[str, ...], as_json: bool) -> int:
    """List the recipes, or print one as TOML, to be changed and given to `trainer run --recipe FILE`."""
    from trainer.commands.recipes import recipes

    return recipes(name, settings, as_json=as_json)


@cli.command()
@click.argument("sections", nargs=-1)
@json_option
def bench(sections: tuple[str, ...], as_json: bool) -> int:
    """Measure speed, each figure beside its limit.

    SECTIONS: step, loader; all of them if none is named.
    """
    from trainer.commands.bench import bench

    return bench(sections, as_json=as_json)


@cli.command("eval")
@weights_argument
@click.option("--data", type=PATH, default=Path("shards"), show_default=True, help="Shards, or a folder of pairs.")
@click.option(
    "--metrics", default="psnr,ssim", show_default=True, metavar="M,...", help="What to measure; the first sorts the sheet."
)
@tile_option
@device_option
@click.option("-o", "--out", type=PATH, metavar="DIR", help="Also write images.csv, results.json and sheet.png there.")
@json_option
@quiet_option
def evaluate(weights: Path, data: Path, **values: Any) -> int:
    """Measure what a generator restores.

    WEIGHTS is a run's folder or a file of weights. A folder of pairs has blurred and sharp images in folders or files of these
    names (the layouts of GoPro and REDS too), images with the blurred half at the left, or arrays (.npy).
    """
    from trainer.commands.evaluate import evaluate

    return evaluate(weights, data, **values)


@cli.command()
@weights_argument
@click.argument("inputs", nargs=-1, required=True, metavar="IN...")
@click.option("-o", "--out", type=PATH, required=True, help="A folder; or a file, for a single photograph.")
@tile_option
@device_option
def deblur(weights: Path, inputs: tuple[str, ...], out: Path, tile: int, device: str) -> int:
    """Restore photographs of any size.

    WEIGHTS is a run's folder or a file of weights; IN are photographs, folders of them, or patterns such as 'album/**/*.jpg'.
    Files keep their names, sizes and bits per sample; inputs are never overwritten.
    """
    from trainer.commands.deblur import deblur

    return deblur(weights, inputs, out, tile=tile, device=device)


name_variables(cli, "TRAINER")


def main() -> int:
    """The console script: runs a command and returns its exit code."""
    return run_program("trainer", cli)
