"""The card of a dataset, ``README.md``: what is in it, where it is from, on what terms, and how to read, check and make it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from blurkit.program.progress import data_size, plural
from blurkit.report.card.command import RECIPE_FILE, command_line, needs_recipe_file, recipe_toml
from blurkit.report.card.examples import LARGEST_PART
from blurkit.report.card.facts import Facts, SourceSummary
from blurkit.report.card.markdown import bibtex, code, fenced, linked, plain, table
from blurkit.report.card.rights import rights
from blurkit.report.card.stamp import PLACE
from blurkit.sources.licence import hub_name

#: Pairs below which the Hugging Face Hub calls a dataset by each name.
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
_LARGEST = "10M<n<100M"

_OWN = (
    "They are from files of whoever made this dataset, and blurkit knows neither who took them nor on what terms they may be "
    "used. **To do before sharing:** if you took them, say so here and name a licence; if others did, ask them, and name them. "
    "Once it is changed by hand, blurkit leaves this card as it is."
)

_READING = """\
from blurkit.shard import open_dataset

dataset = open_dataset(".")  # this folder
pair = dataset[0]
pair.sharp, pair.blurred  # uint8 (height, width, 3), RGB
pair.kernel  # float32 (k, k), sum 1
pair.path  # float32 (n, 2), (x, y) in pixels; empty where kernels are from a bank
pair.id, pair.meta["licence"]  # the photograph, and its licence"""


def card(facts: Facts, picture: str) -> str:
    """The card as Markdown, with a place for a stamp. ``picture``: the name of the picture beside it, empty for none."""
    parts = [
        *("\n".join(_front_matter(facts)), f"# {plain(facts.title)}", _summary(facts)),
        *_picture(facts, picture),
        *("## What is in it", table(_contents(facts), "ll"), *_recipe(facts)),
        *("## Where the photographs are from", *(part for origin in facts.origins for part in _origin(origin))),
        *("## Licences", *rights(facts.pairs_by_licence())),
        *("## What was left out", *_left_out(facts)),
        *("## How to read it", *_reading()),
        *("## How to make it again", *_again(facts)),
        f"<!-- {PLACE}: written by blurkit, which replaces it when the dataset changes, unless it was changed by hand. -->",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(facts: Facts) -> Iterator[str]:
    """What the Hugging Face Hub reads. The picture alone is no dataset to be viewed, so its viewer is off."""
    yield from ("---", f"pretty_name: {json.dumps(facts.title)}", "license:")
    yield from (f"- {name}" for name in sorted({hub_name(licence) for licence in facts.pairs_by_licence()} or {"unknown"}))
    yield from ("task_categories:", "- image-to-image", "size_categories:")
    yield f"- {next((name for most, name in _SIZES.items() if facts.index['samples'] < most), _LARGEST)}"
    yield from ("tags:", "- deblurring", "- image-restoration", "- motion-blur", "- blurkit", "viewer: false", "---")


def _summary(facts: Facts) -> str:
    made = f"Made by blurkit {facts.configuration['versions']['blurkit']}"
    return f"{facts.summary} {made} with the recipe {code(facts.configuration['recipe']['name'])}."


def _picture(facts: Facts, picture: str) -> Iterator[str]:
    if not picture:
        return
    if not facts.examples:
        yield f"![Blur kernels in a row]({picture})"
        yield "*Kernels of the dataset. No pair is shown, since the licences of all photographs forbid adapted versions.*"
        return
    yield f"![Photographs in a row, sharp above and blurred below, with the blur kernel of each]({picture})"
    height, _, width = facts.configuration["size"].partition("x")
    part = "" if height == width and int(height) <= LARGEST_PART else " Of each pair the middle is shown."
    names = ", ".join(code(name) for _, name in facts.examples)
    yield f"*Pairs from all over the dataset, sharp above, blurred below, kernels in the corner.{part} Left to right: {names}.*"


def _contents(facts: Facts) -> Iterator[tuple[str, str]]:
    configuration = facts.configuration
    split = configuration.get("split", "all")
    yield "pairs", f"{facts.index['samples']:,}"
    yield "photographs", f"{configuration['images']:,}" + (f", split {code(split)}" if split != "all" else "")
    if configuration["per_image"] > 1:
        yield "pairs of each photograph", f"{configuration['per_image']:,}, each with a crop and a blur of its own"
    height, _, width = configuration["size"].partition("x")
    yield "size", "whole photographs" if height == "full" else f"crops of {width} × {height} px"
    if configuration["downscale"] > 1:
        yield "downscaled", f"{configuration['downscale']} times, in linear light, before the blur"
    if configuration["min_sharpness"] > 0:
        yield "least sharpness", f"{configuration['min_sharpness']:g}, the variance of a sharp crop's Laplacian"
    if configuration["masks"]:
        yield "masks", "of the objects of a photograph, where its source outlines them"
    yield "seed", str(configuration["seed"])
    shards = sum(record["file"] is not None for record in facts.index["shards"])
    yield "files", f"{plural(shards, 'shard')} (HDF5), {data_size(facts.index['bytes'])}"
    yield "digest", code(facts.index["digest"])


def _recipe(facts: Facts) -> Iterator[str]:
    """What the recipe says of itself, and the recipe."""
    recipe = facts.configuration["recipe"]
    words = [text if text.endswith(".") else f"{text}." for text in (recipe["summary"], recipe["provenance"]) if text]
    if words:
        yield f"The recipe {code(recipe['name'])}: {plain(' '.join(words))}"
    toml = fenced("toml", recipe_toml(facts.configuration).rstrip("\n"))
    yield f"<details>\n<summary>The recipe in full</summary>\n\n{toml}\n\n</details>"


def _origin(origin: SourceSummary) -> Iterator[str]:
    made = f"{plural(origin.pairs, 'pair')} of {plural(origin.images, 'photograph')}."
    yield f"### {plain(origin.title)}"
    manifest = origin.manifest
    if manifest is None:
        yield f"{made} {_OWN}"
        return
    yield f"{made} {manifest.description}"
    yield f"Home: <{manifest.url}>. Licence: {'; '.join(map(linked, manifest.licence))}."
    yield fenced("bibtex", bibtex(manifest.citation))


def _left_out(facts: Facts) -> Iterator[str]:
    index, configuration = facts.index, facts.configuration
    planned = configuration["images"] * configuration["per_image"]
    if index["samples"] == planned:
        yield f"No pair: all {planned:,} that were planned are here."
    else:
        yield (
            f"{plural(planned, 'pair')} planned, {index['samples']:,} made, {index['failed']:,} failed because something is "
            f"wrong with the photograph, {index['skipped']:,} skipped by a rule."
        )
    if facts.left_out:
        rows = (
            (code(reason), stage, f"{entries:,}", f"{pairs:,}")
            for (stage, reason), (entries, pairs) in sorted(facts.left_out.items())
        )
        yield table((("reason", "stage", "entries", "pairs not made"), *rows), "llrr")
        yield "`ledger.jsonl` names each entry, with a sentence. No pair was planned for those at the stage `source`."


def _reading() -> Iterator[str]:
    yield fenced("python", _READING)
    yield (
        "The shards are plain HDF5, uncompressed and contiguous, which `h5py` and `numpy.memmap` read too; the conventions of "
        "their columns are attributes of each file. Whether every byte is still what was written:"
    )
    yield fenced("sh", "blurkit verify .")


def _again(facts: Facts) -> Iterator[str]:
    configuration = facts.configuration
    command = command_line(configuration)
    yield fenced("sh", command)
    notes = []
    if re.search(r"[ =]DIR\b", command):
        notes.append("`DIR` stands for where the photographs lie.")
    if needs_recipe_file(configuration):
        notes.append(f"`{RECIPE_FILE}` is the recipe in full, as above.")
    files = configuration["recipe"].get("files", {})
    notes += [f"The recipe's {code(key)} is a file of sha256 {code(digest)}." for key, digest in files.items()]
    versions = [f"{name} {version}" for name, version in configuration["versions"].items() if name != "code"]
    own = f"blurkit's own code of digest {code(configuration['versions']['code'])}"
    yield " ".join((*notes, f"The digest comes out the same with {', '.join(versions)}, and {own}."))
