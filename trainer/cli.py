"""Parses the command line. The function of a command is imported only when it runs, since torch takes a second to import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from blurkit import __version__
from blurkit.program.options import (
    PATH,
    json_option,
    layout_options,
    name_variables,
    overwrite_option,
    quiet_option,
    run_program,
    settings_option,
)

device_option = click.option(
    "--device", default="auto", show_default=True, metavar="D", help="auto, cpu, cuda, or one GPU of several, such as cuda:1."
)
weights_argument = click.argument("weights", type=PATH)
tile_option = click.option(
    "--tile",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Restore in overlapping tiles of N x N pixels.  [default: only photographs above 2 megapixels]",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="trainer")
def cli() -> None:
    """Train networks that restore blurred photographs, on pairs made by blurkit.

    You can also set an option in the environment, for example TRAINER_RUN_DEVICE=cpu.
    """


@cli.command()
@click.option("--data", type=PATH, default=("shards",), show_default=True, multiple=True, help="Folders of shards or of pairs.")
@click.option(
    "--weight", type=float, multiple=True, metavar="W", help="Relative frequency of the pairs of each --data, in order."
)
@click.option("--val", type=PATH, multiple=True, help="Folder of shards to validate on.  [default: a tenth of the photographs]")
@click.option("--out", type=PATH, metavar="DIR", help="Folder of the run. Repeat the command to resume.  [default: runs/RECIPE]")
@click.option("--recipe", default="quick", show_default=True, metavar="NAME|FILE", help="See `trainer recipes`.")
@settings_option("Change one value of the recipe.")
@device_option
@click.option("--resume", default="auto", show_default=True, metavar="auto|never|FILE", help="Continue, start over or load FILE.")
@click.option("--init", type=PATH, metavar="FILE|RUN", help="Start from the weights in a file or in the folder of a run.")
@json_option
@quiet_option
def run(**values: Any) -> int:
    """Train a generator on shards.

    While the run goes on, --out holds its progress, its restored validation pairs and its curves. If a signal or a kill stopped
    the run, the same command continues it. The recipe quick shows within minutes what training does. The recipe deblurgan trains
    DeblurGAN as published.
    """
    from trainer.commands.run import RunOptions, run

    return run(RunOptions(json=values.pop("as_json"), **values))


@cli.command("pretrain-critic")
@click.option("--data", type=PATH, default=("shards",), show_default=True, multiple=True, help="Folders of shards to train on.")
@click.option("--val", type=PATH, multiple=True, help="Folder of shards to test on.  [default: a tenth of the photographs]")
@click.option("-o", "--out", type=PATH, default=Path("runs/critic"), show_default=True, help="Folder to write to.")
@click.option(
    "--recipe", default="deblurgan-fixed", show_default=True, metavar="NAME|FILE", help="Has the critic; see `trainer recipes`."
)
@settings_option("Change one value of the recipe.")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Steps of training.  [default: those of the recipe, or 1000]")
@device_option
@overwrite_option
@json_option
@quiet_option
def pretrain_critic(**values: Any) -> int:
    """Train the critic of a recipe to tell blurred from sharp photographs.

    A run starts from the weights that this writes with --set critic.weights=FILE, and --set critic.frozen=true keeps them.
    """
    from trainer.commands.pretrain_critic import PretrainOptions, pretrain_critic

    return pretrain_critic(PretrainOptions(**values))


@cli.command()
@click.argument("name", required=False)
@settings_option("Change one value of the recipe.")
@json_option
def recipes(name: str | None, settings: tuple[str, ...], as_json: bool) -> int:
    """List the recipes, or print one as TOML. Edit the TOML and pass it to `trainer run --recipe FILE`."""
    from trainer.commands.recipes import recipes

    return recipes(name, settings, as_json=as_json)


@cli.command()
@click.argument("sections", nargs=-1)
@device_option
@json_option
def bench(sections: tuple[str, ...], device: str, as_json: bool) -> int:
    """Measure speed and print each figure beside its limit.

    SECTIONS are step, loader and drawn on a CPU, and parity, graph, speed and loader on a GPU. If you name none, all are
    measured.
    """
    from trainer.commands.bench import bench

    return bench(sections, device=device, as_json=as_json)


@cli.command("eval")
@click.argument("weights", type=PATH, required=False)
@click.option("--restored", type=PATH, metavar="DIR", help="Instead of WEIGHTS: images that another program restored, by name.")
@click.option("--data", type=PATH, default=Path("shards"), show_default=True, help="Folder of shards or of pairs.")
@layout_options
@click.option(
    "--metrics",
    default="psnr,ssim",
    show_default=True,
    metavar="M,...",
    help="Metrics to compute, for example psnr,ssim_3d,lpips_alex. The first one sorts the sheet.",
)
@click.option("--y", is_flag=True, help="Also compute psnr_y and ssim_y, of the luma.")
@tile_option
@device_option
@click.option("-o", "--out", type=PATH, metavar="DIR", help="Also write images.csv, results.json and sheet.png to DIR.")
@overwrite_option
@json_option
@quiet_option
def evaluate(weights: Path | None, data: Path, **values: Any) -> int:
    """Measure how well a generator, or another program, restores.

    WEIGHTS is the folder of a run or a file of weights. A folder of pairs holds blurred and sharp images in folders or files with
    these names, such as blur and sharp, LQ and GT, or input and target. Arrays (.npy, .npz) may replace images.
    """
    from trainer.commands.evaluate import EvaluateOptions, evaluate

    return evaluate(weights, data, EvaluateOptions(**values))


@cli.command()
@click.argument("name", metavar="NAME|FILE")
@click.option("--data", type=PATH, default=("shards",), show_default=True, multiple=True, help="Folders of shards to train on.")
@click.option("--val", type=PATH, multiple=True, help="Folder of shards to validate on.  [default: a tenth of the photographs]")
@click.option("--test", type=PATH, metavar="DIR", help="Shards or pairs to measure all members on.  [default: --val]")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Steps of each member.  [default: those of its recipe]")
@settings_option("Change one value of all recipes, or of one: MEMBER:KEY=VALUE.")
@click.option("--metrics", default="", metavar="M,...", help="More metrics, or files of weights of metrics: lpips_alex=FILE.")
@click.option("--runs", type=PATH, metavar="DIR", help="Take each finished run DIR/MEMBER as it is, whatever its steps.")
@click.option("--only", multiple=True, metavar="MEMBER", help="Train this member only. Others are shown if they are finished.")
@click.option("-o", "--out", type=PATH, metavar="DIR", help="Folder of the table and of the runs.  [default: tables/NAME]")
@tile_option
@device_option
@overwrite_option
@json_option
@quiet_option
def table(name: str, **values: Any) -> int:
    """Make a published comparison again, on your pairs.

    NAME is vegan, nogan, nogan-pretrained, ird, iitgn or nnfl. Its members are recipes. Each is trained in --out/MEMBER, then
    measured, and the table is written beside the published figures. If it was stopped, the same command continues it.
    """
    from trainer.commands.table import TableOptions, table

    return table(name, TableOptions(json=values.pop("as_json"), **values))


@cli.command()
@weights_argument
@click.argument("inputs", nargs=-1, required=True, metavar="IN...")
@click.option("-o", "--out", type=PATH, required=True, help="Folder to write to, or a file if there is one photograph or video.")
@click.option("--overwrite", is_flag=True, help="Restore photographs and videos again whose files are already there.")
@click.option(
    "--crf",
    type=click.IntRange(0, 51),
    default=16,
    show_default=True,
    metavar="N",
    help="Quality of restored videos, from 0 (best) to 51, if the program ffmpeg is installed.",
)
@tile_option
@device_option
@json_option
@quiet_option
def deblur(weights: Path, inputs: tuple[str, ...], out: Path, **values: Any) -> int:
    """Restore photographs and videos of any size.

    WEIGHTS is the folder of a run or a file of weights. IN are photographs, folders of photographs, patterns such as
    'album/**/*.jpg', or videos. Files keep their names, sizes, bits per channel, colour profiles and Exif; videos keep their
    frames, and their sound if the program ffmpeg is installed. Inputs are never overwritten. Files that are already in --out are
    kept, so the same command continues a run that was stopped.
    """
    from trainer.commands.deblur import deblur

    return deblur(weights, inputs, out, **values)


@cli.command()
@weights_argument
@click.option("-o", "--out", type=PATH, default=Path("generator.onnx"), show_default=True, help="The file to write.")
@click.option("--int8", is_flag=True, help="Also write it in int8, to NAME.int8.onnx; needs --data.")
@click.option("--data", type=PATH, metavar="DIR", help="Shards or pairs, for the ranges of int8 and for PSNR.")
@overwrite_option
@json_option
@quiet_option
def export(weights: Path, out: Path, **values: Any) -> int:
    """Write a generator as an ONNX file for any height and width, and check it.

    WEIGHTS is the folder of a run or a file of weights. `trainer deblur` and `trainer eval` take the file in place of weights.
    """
    from trainer.commands.export import export_generator

    return export_generator(weights, out, **values)


name_variables(cli, "TRAINER")


def main() -> int:
    """Run a command and return its exit code. This is the console script."""
    return run_program("trainer", cli)
