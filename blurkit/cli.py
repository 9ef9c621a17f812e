"""Defines the command line of ``blurkit``: its commands and their options.

Each command is one function in :mod:`blurkit.commands`. It is imported when the command runs, so that ``--help`` is fast.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from blurkit import __version__
from blurkit.commands.options import annotations_option, import_options, recipe_option, source_options
from blurkit.program.options import (
    PATH,
    json_option,
    name_variables,
    overwrite_option,
    quiet_option,
    run_program,
    settings_option,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True})
@click.version_option(__version__, prog_name="blurkit")
def cli() -> None:
    """Make large paired datasets of motion-blurred and sharp photographs.

    Every command works without options, on the photographs in the package. Try `blurkit generate`, then `blurkit preview shards/`
    and `blurkit verify shards/`. Environment variables can set options, for example BLURKIT_GENERATE_SEED=3.
    """


@cli.command()
@source_options
@click.option("--out", type=PATH, default=Path("shards"), help="Folder of the dataset. Run the same command again to resume.")
@click.option(
    "--store",
    default="pairs",
    metavar="S",
    help="pairs; sharp: trainer draws blur and sensor anew for each use; light: blur is stored, the sensor is drawn anew.",
)
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Worker processes.  [default: the number of processors]")
@click.option("--slice", metavar="I/N|slurm", help="Make every N-th shard, from shard I (from 0); slurm: as in the array task.")
@click.option("--dry-run", is_flag=True, help="Print the numbers of images, pairs, shards, bytes, minutes; write nothing.")
@click.option("--retry-failed", is_flag=True, help="Make a shard again if photographs failed in it.")
@click.option("--max-bad", default="1%", metavar="P%|N", help="Exit with 1 if more pairs than this failed.")
@click.option("--overwrite", is_flag=True, help="First remove the dataset in --out.")
@json_option
@quiet_option
@click.option("-v", "--verbose", is_flag=True, help="Print the value of each option and where it comes from.")
@click.pass_context
def generate(context: click.Context, **values: Any) -> int:
    """Make a dataset of sharp and blurred pairs."""
    from blurkit.commands.generate import GenerateOptions, generate

    if values.pop("verbose"):
        _print_origins(context)
    choices = _choices(values)
    return generate(choices, GenerateOptions(json=values.pop("as_json"), **values))


@cli.command("import")
@click.argument("folder", type=PATH, required=False)
@import_options
@json_option
@quiet_option
def import_pairs(folder: Path | None, **values: Any) -> int:
    """Make a dataset of your own pairs of sharp and blurred photographs.

    FOLDER holds both. Two files are a pair if their paths differ in a word for the two sides, such as blur and sharp, LQ and GT,
    input and target, low and high, or _B and _S: in folders or in names, at any depth. So GoPro, REDS, RealBlur, RSBlur, BSD and
    HIDE can be named as they are. Lists of pairs in FOLDER are used, and FOLDER may be such a list. The pairs are stored as they
    are, without a kernel, and a run mixes them with others.
    """
    from blurkit.commands.generate import GenerateOptions, generate
    from blurkit.sources.pairs import PairLayout

    values |= {"src": ("pairs",), "recipe": "real", "settings": (*values["settings"], *_registration(values))}
    if folder is None:
        folder, layout = PairLayout.of_two_folders(values["blurred"], values["sharp"])
        values |= {"blurred": layout.blurred, "sharp": layout.sharp}
    values["root"] = (str(folder),)
    choices = _choices(values)
    return generate(choices, GenerateOptions(json=values.pop("as_json"), **values))


@cli.command()
@click.argument("shards", default="shards")
@click.option("--to", default="folder", metavar="folder|lmdb|webdataset|deepinv", help="Format of the copy.")
@click.option("-o", "--out", type=PATH, default=Path("exported"), help="Folder of the copy. Run it again to resume.")
@click.option("--split", metavar="S", help="Begins the names of the files.  [default: the split of the dataset, else train]")
@click.option("--truth", is_flag=True, help="Also write the kernels.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Threads that encode.  [default: the number of processors]")
@json_option
@quiet_option
def export(shards: str, **values: Any) -> int:
    """Copy the pairs of a dataset into the format of another program.

    folder: PNG files as in GoPro. lmdb: two databases for BasicSR. webdataset: tar files. deepinv: HDF5 for its HDF5Dataset. Each
    copy has a table of its pairs, with the photograph and the licence of each.
    """
    from blurkit.commands.export import ExportOptions, export_dataset

    return export_dataset(shards, ExportOptions(json=values.pop("as_json"), **values))


@cli.command()
@click.argument("shards", required=False)
@source_options
@click.option("-n", "--count", default=12, help="Pairs on the sheet.")
@click.option("-o", "--out", type=PATH, default=Path("preview.png"), help="File of the picture.")
@overwrite_option
@json_option
def preview(shards: str | None, count: int, out: Path, overwrite: bool, as_json: bool, **values: Any) -> int:
    """Draw a sheet of pairs with their kernels.

    SHARDS is a dataset or a single shard. Without it, the sheet shows the pairs that `generate` would make with these options.
    """
    from blurkit.commands.preview import preview

    return preview(shards, _choices(values), count=count, out=out, overwrite=overwrite, as_json=as_json)


@cli.command()
@click.argument("shards", default="shards")
@click.option("--recompute", metavar="P%", help="Also make this share of the samples again and compare.")
@click.option("--root", multiple=True, metavar="[NAME=]DIR", help="For --recompute: the folder of the photographs.")
@click.option("--file", "files", multiple=True, metavar="KEY=PATH", help="For --recompute: a file that the recipe reads.")
@click.option("--annotations", metavar="FILE", help="For --recompute: the file that lists the photographs, as in generate.")
@json_option
def verify(shards: str, recompute: str | None, root: tuple[str, ...], **values: Any) -> int:
    """Check every byte of a dataset.

    This covers structure, checksums and counts. With --recompute, samples are also made again and compared. Then only the folders
    and files that you name are opened, and nothing that the dataset names.
    """
    from blurkit.commands.verify import verify

    return verify(shards, recompute=recompute, roots=root, **values)


@cli.command()
@click.argument("shards", required=False)
@click.option("--src", metavar="NAME|FOLDER", help="Describe a source instead of a dataset.")
@click.option("--root", type=PATH, metavar="DIR", help="Folder of a named source.")
@click.option("--split", default="all", metavar="S", help="all, train, val or test.")
@annotations_option
@click.option("--hash", "hashes", is_flag=True, help="For a source: compare its archives with their known hashes.")
@click.option("-o", "--out", type=PATH, help="For a dataset: also draw all distributions into this picture.")
@overwrite_option
@json_option
def info(shards: str | None, src: str | None, out: Path | None, overwrite: bool, as_json: bool, **values: Any) -> int:
    """Describe a dataset or a source.

    For a dataset: counts, sizes, licences and how much blur there is. For a known source: which files are there or missing.
    """
    if src is None:
        from blurkit.commands.info import info

        return info(shards or "shards", out=out, overwrite=overwrite, as_json=as_json)
    from blurkit.commands.inventory import inventory

    return inventory(src, as_json=as_json, **values)


@cli.command()
@click.argument("name", required=False)
@settings_option("Change a value before printing.")
@json_option
def recipes(name: str | None, settings: tuple[str, ...], as_json: bool) -> int:
    """List the recipes, or print one.

    A recipe is printed as TOML. Save it to a file, change it, and use it with --recipe FILE.
    """
    from blurkit.commands.recipes import recipes

    return recipes(name, settings, as_json)


@cli.command()
@click.option("-n", "--count", default=1000, help="Number of kernels to draw.")
@recipe_option
@settings_option("Change a value of the recipe.")
@click.option("--seed", default=0, metavar="N", help="Seed of all random numbers, from 0.")
@click.option("-o", "--out", type=PATH, default=Path("kernels.npz"), help="A .npz, .npy, .h5 or .mat file, or a folder.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def kernels(count: int, recipe: str, settings: tuple[str, ...], seed: int, out: Path, overwrite: bool, as_json: bool) -> int:
    """Draw a bank of kernels."""
    from blurkit.commands.kernels import kernels
    from blurkit.recipes.load import load_recipe

    return kernels(load_recipe(recipe, settings), count=count, seed=seed, out=out, overwrite=overwrite, as_json=as_json)


@cli.command()
@click.argument("dataset")
@click.option("--split", default="val", metavar="S", help="train, val or all. Each comes with the annotations.")
@click.option("--root", type=PATH, metavar="DIR", help="Target folder. The default is $BLURKIT_DATA/DATASET, else data/DATASET.")
@click.option("--keep", is_flag=True, help="Keep the archives. The dataset then needs twice the disk space.")
@click.option("--mirror", metavar="URL", help="Address to download the archives from. Their hashes are checked as usual.")
@json_option
@quiet_option
def fetch(dataset: str, **values: Any) -> int:
    """Download a dataset, check it, and unpack it.

    DATASET is coco: 19.3 GB for train, 0.8 GB for val, 0.3 GB for the annotations. Run the same command again to resume.
    An archive is deleted after it is unpacked. Until then the archive and its files need twice its size on the disk.
    """
    from blurkit.commands.fetch import fetch

    return fetch(dataset, **values)


@cli.command()
@click.argument("sections", nargs=-1)
@json_option
def bench(sections: tuple[str, ...], as_json: bool) -> int:
    """Measure speed and memory, and print each figure beside its limit.

    SECTIONS: kernels, convolution, fused, workers, memory, reading, export, import, start, torch. Without SECTIONS, all are
    measured.
    """
    from blurkit.commands.bench import bench

    return bench(sections, as_json=as_json)


name_variables(cli, "BLURKIT")


def main() -> int:
    """Run a command and return its exit code."""
    return run_program("blurkit", cli)


def _registration(values: dict[str, Any]) -> list[str]:
    """Removes from ``values`` the options of registration, and returns them as settings of the recipe."""
    limit, register, gain = (values.pop(name) for name in ("register_limit", "register", "gain"))
    if (gain or limit is not None) and not register:
        raise click.UsageError("--gain and --register-limit go with --register")
    flags = [f"real.{name}=true" for name, asked in (("register", register), ("gain", gain)) if asked]
    return [*flags, *([] if limit is None else [f"real.limit={limit}"])]


def _choices(values: dict[str, Any]) -> Any:
    """Removes from ``values`` the options that decide what is made, and returns them as ``Choices``. Others have defaults."""
    from dataclasses import fields

    from blurkit.pipeline.choices import Choices

    return Choices(**{field.name: values.pop(field.name) for field in fields(Choices) if field.name in values})


def _print_origins(context: click.Context) -> None:
    """Print the value of each option, and whether it is a default, from the command line or from the environment."""
    for name, value in context.params.items():
        origin = context.get_parameter_source(name)
        print(f"{name} = {value!r} ({origin.name.lower() if origin else 'unknown'})", file=sys.stderr)
