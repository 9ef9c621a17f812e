"""Writes the card of a dataset, ``README.md``: its content, sources and licences, and how to read, check and make it again."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from blurkit.program.progress import data_size, plural
from blurkit.program.toml import to_toml
from blurkit.report.card.command import RECIPE_FILE, command_line
from blurkit.report.card.examples import LARGEST_PART
from blurkit.report.card.facts import Facts, SourceSummary
from blurkit.report.card.markdown import bibtex, code, fenced, linked, plain, table
from blurkit.report.card.rights import rights
from blurkit.report.card.stamp import PLACE
from blurkit.sources.licence import hub_name

#: A number of pairs -> the Hugging Face Hub's name for the size of a dataset with fewer pairs.
_SIZES = {1e3: "n<1K", 1e4: "1K<n<10K", 1e5: "10K<n<100K", 1e6: "100K<n<1M", 1e7: "1M<n<10M", math.inf: "10M<n<100M"}

_OWN = (
    "The photographs are files of the person who made this dataset. blurkit does not know who took them, or under which licence "
    "they may be used. **To do before sharing:** if you took them, say so here and name a licence. If other people took them, "
    "ask for their permission and name them. After you change this card by hand, blurkit does not replace it."
)

#: What is stored if it is not pairs.
_STORED = {
    "sharp": "sharp images; blur and sensor are drawn anew for each use",
    "light": "sharp images, and the blurred linear light; the sensor is drawn anew for each use",
}

#: How the pairs are opened. The second form is for a dataset whose blurred images are drawn anew.
_OPENING = """\
from blurkit import open_dataset

pairs = open_dataset(".")  # this folder"""
_OPENING_REDRAWN = """\
from blurkit import Redrawn, open_dataset

pairs = Redrawn(open_dataset("."))  # this folder; pairs.pair(0, key=7) draws another blurred image"""

_READING = """\
```python
{opening}
pair = pairs[0]
pair.sharp, pair.blurred  # uint8 (height, width, 3), RGB
pair.kernel  # float32 (k, k), sum 1
pair.path  # float32 (n, 2), (x, y) in pixels; empty if the kernel is from a bank
pair.id, pair.meta["licence"]  # the photograph, and its licence
```

The shards are plain HDF5 files, uncompressed and contiguous. `h5py` and `numpy.memmap` can also read them. The attributes of \
each file describe the conventions of its columns. This command checks that no byte has changed since the shards were written:

```sh
blurkit verify .
```"""


def card(facts: Facts, picture: str) -> str:
    """Returns the card as Markdown, with a placeholder for the stamp. ``picture``: the file name of its picture, or empty."""
    configuration = facts.configuration
    made = f"Made by blurkit {configuration['versions']['blurkit']} with the recipe {code(configuration['recipe']['name'])}."
    parts = (
        *(_front_matter(facts), f"# {plain(facts.title)}", f"{facts.summary} {made}"),
        *(_picture(facts, picture) if picture else ()),
        *("## What is in it", table(_contents(facts), "ll"), *_recipe(configuration["recipe"])),
        *("## Where the photographs are from", *(part for origin in facts.origins for part in _origin(origin))),
        *("## Licences", *rights(facts.pairs_by_licence())),
        *("## What was left out", *_left_out(facts)),
        *("## How to read it", _reading(configuration)),
        *("## How to make it again", *_again(configuration)),
        f"<!-- {PLACE}: written by blurkit. If the dataset changes, blurkit replaces it, unless it was edited by hand. -->",
    )
    return "\n\n".join(parts) + "\n"


def _reading(configuration: dict[str, Any]) -> str:
    return _READING.format(opening=_OPENING if _store(configuration) == "pairs" else _OPENING_REDRAWN)


def _store(configuration: dict[str, Any]) -> str:
    return str(configuration.get("store", "pairs"))


def _front_matter(facts: Facts) -> str:
    """The metadata for the Hugging Face Hub. Its viewer is off, since it would show only the picture of the card."""
    licences = "\n- ".join(sorted({hub_name(licence) for licence in facts.pairs_by_licence()} or {"unknown"}))
    size = next(name for most, name in _SIZES.items() if facts.index["samples"] < most)
    return (
        f"---\npretty_name: {json.dumps(facts.title)}\nlicense:\n- {licences}\n"
        f"task_categories:\n- image-to-image\nsize_categories:\n- {size}\n"
        "tags:\n- deblurring\n- image-restoration\n- motion-blur\n- blurkit\nviewer: false\n---"
    )


def _picture(facts: Facts, picture: str) -> tuple[str, str]:
    if not facts.examples:
        why = "No pair is shown, because the licences of all photographs forbid adapted versions."
        return f"![Blur kernels in a row]({picture})", f"*Kernels of the dataset. {why}*"
    height, _, width = facts.configuration["size"].partition("x")
    part = "" if height == width and int(height) <= LARGEST_PART else " Only the middle of each pair is shown."
    names = ", ".join(code(name) for _, name in facts.examples)
    return (
        f"![Photographs in a row, sharp above and blurred below, with the blur kernel of each]({picture})",
        f"*Pairs from the whole dataset: sharp above, blurred below, the kernel in the corner.{part} Left to right: {names}.*",
    )


def _contents(facts: Facts) -> list[tuple[str, str]]:
    made = {"split": "all", **facts.configuration}
    height, _, width = made["size"].partition("x")
    split = f", split {code(made['split'])}" if made["split"] != "all" else ""
    shards = sum(record["file"] is not None for record in facts.index["shards"])
    rows = (
        (True, "pairs", f"{facts.index['samples']:,}"),
        (True, "photographs", f"{facts.photographs.total():,}{split}"),
        (made["per_image"] > 1, "pairs of each photograph", f"{made['per_image']:,}, each with its own crop and blur"),
        (True, "size", "whole photographs" if height == "full" else f"crops of {width} × {height} px"),
        (made["downscale"] > 1, "downscaled", f"{made['downscale']} times, in linear light, before the blur"),
        (made["min_sharpness"] > 0, "least sharpness", f"{made['min_sharpness']:g}, the variance of a sharp crop's Laplacian"),
        (_store(made) != "pairs", "stored", _STORED.get(_store(made), "")),
        (made["masks"], "masks", "of the objects of a photograph, if its source has them"),
        (True, "seed", str(made["seed"])),
        (True, "files", f"{plural(shards, 'shard')} (HDF5), {data_size(facts.index['bytes'])}"),
        (True, "digest", code(facts.index["digest"])),
    )
    return [(name, text) for included, name, text in rows if included]


def _recipe(recipe: dict[str, Any]) -> Iterator[str]:
    """The texts of the recipe, then the full recipe."""
    words = [text if text.endswith(".") else f"{text}." for text in (recipe["summary"], recipe["provenance"]) if text]
    if words:
        yield f"The recipe {code(recipe['name'])}: {plain(' '.join(words))}"
    toml = fenced("toml", to_toml(recipe).rstrip("\n"))
    yield f"<details>\n<summary>The recipe in full</summary>\n\n{toml}\n\n</details>"


def _origin(origin: SourceSummary) -> Iterator[str]:
    made = f"{plural(origin.pairs, 'pair')} of {plural(origin.images, 'photograph')}."
    manifest = origin.manifest
    yield f"### {plain(origin.title)}"
    yield f"{made} {manifest.description if manifest is not None else _OWN}"
    if manifest is not None:
        yield f"Home: <{manifest.url}>. Licence: {'; '.join(map(linked, manifest.licence))}."
        yield fenced("bibtex", bibtex(manifest.citation))


def _left_out(facts: Facts) -> Iterator[str]:
    index, configuration = facts.index, facts.configuration
    planned = configuration["images"] * configuration["per_image"]
    if index["samples"] == planned:
        yield f"No pair was left out: all {planned:,} planned pairs were made."
    else:
        yield (
            f"{plural(planned, 'pair')} planned, {index['samples']:,} made, {index['failed']:,} failed because something is "
            f"wrong with the photograph, {index['skipped']:,} skipped by a rule."
        )
    if facts.left_out:
        counts = sorted(facts.left_out.items())
        rows = ((code(reason), stage, f"{entries:,}", f"{pairs:,}") for (stage, reason), (entries, pairs) in counts)
        yield table((("reason", "stage", "entries", "pairs not made"), *rows), "llrr")
        yield "`ledger.jsonl` lists each entry with the reason. No pair was planned for the entries at the stage `source`."


def _again(configuration: dict[str, Any]) -> tuple[str, str]:
    command, versions = command_line(configuration), dict(configuration["versions"])
    notes = ["`DIR` stands for the folder of the photographs."] if re.search(r"[ =]DIR\b", command) else []
    if f"--recipe {RECIPE_FILE}" in command:
        notes.append(f"`{RECIPE_FILE}` stands for a file with the full recipe above.")
    files = configuration["recipe"].get("files", {})
    notes += [f"{code(key)} in the recipe is a file with the sha256 {code(digest)}." for key, digest in files.items()]
    blurkit_code = f"code of blurkit with the digest {code(versions.pop('code'))}"
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    notes.append(f"The new dataset has the same digest if it is made with {packages}, and the {blurkit_code}.")
    return fenced("sh", command), " ".join(notes)
