"""Collects the facts about a finished dataset: its sources, its licences, and the photographs that were left out."""

from __future__ import annotations

import collections
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blurkit.program.picks import evenly_spaced
from blurkit.program.progress import plural
from blurkit.shard.index import Dataset
from blurkit.shard.ledger import Failure, left_out
from blurkit.sources.known.manifest import OF_SOURCE, Manifest, is_of_release, load_manifest
from blurkit.sources.licence import may_be_shown

#: The largest number of pairs in the picture of a dataset.
MOST_EXAMPLES = 6


@dataclass(frozen=True)
class SourceSummary:
    """One source. ``manifest``: ``None`` for photographs of the user. ``images``: photographs that have a pair."""

    name: str
    manifest: Manifest | None
    images: int
    pairs: int

    @property
    def title(self) -> str:
        """The usual name of the source."""
        words = {
            "folder": "own photographs",
            "video": "video frames",
            "pairs": "own pairs",
            "coco": "own photographs with objects",
        }
        return self.manifest.title if self.manifest is not None else words.get(self.name, self.name)


@dataclass(frozen=True)
class Facts:
    """``index``: the content of ``dataset.json``. ``licences``: (source, licence) -> number of pairs. ``photographs``: source ->
    number of photographs that have a pair. ``left_out``: (stage, reason) -> (entries of the source, pairs that were not made
    because of them). ``undescribed``: known sources with photographs of another dataset. ``examples``: a few samples that may be
    shown under their licences, as (number, id of the photograph)."""

    index: dict[str, Any]
    licences: collections.Counter[tuple[str, str]]
    photographs: collections.Counter[str]
    left_out: dict[tuple[str, str], tuple[int, int]]
    examples: tuple[tuple[int, str], ...]
    undescribed: frozenset[str] = frozenset()

    @property
    def configuration(self) -> dict[str, Any]:
        """The configuration of the dataset's plan."""
        return dict(self.index["configuration"])

    @property
    def origins(self) -> list[SourceSummary]:
        """The sources, in the order of the options ``--src``."""
        pairs = collections.Counter[str]()
        for (source, _), count in self.licences.items():
            pairs[source] += count
        names, images = self.configuration["images_of"], self.photographs
        manifests = {name: _manifest(name, self.configuration) for name in names if name not in self.undescribed}
        return [SourceSummary(name, manifests.get(name), images[name], pairs[name]) for name in names]

    @property
    def title(self) -> str:
        """A name for the dataset."""
        return "Motion-blurred pairs: " + " + ".join(origin.title for origin in self.origins)

    @property
    def summary(self) -> str:
        """Two sentences that describe the pairs."""
        recipe = self.configuration["recipe"]
        if "mixture" in recipe:
            blur, truth = f"a mixture of recipes ({', '.join(recipe['mixture'])})", "the truth about its blur and "
        elif "frames" in recipe:
            blur, truth = "the mean of the frames around it", ""
        elif recipe.get("kernels"):
            blur, truth = "a kernel from a bank", "its blur kernel and "
        elif "objects" in recipe:
            blur, truth = "simulated motion of the camera and of objects", "the kernels and paths of both and "
        else:
            blur, truth = "simulated camera shake", "its blur kernel, the path of the camera, and "
        count = plural(self.index["samples"], "pair")
        if "real" in recipe:
            return f"{count} of a sharp and a real blurred photograph. The blur is not simulated, and no kernel is known."
        return (
            f"{count} of a sharp photograph and a copy of it blurred by {blur}. With each "
            f"pair come {truth}every number that was drawn for it."
        )

    def pairs_by_licence(self) -> dict[str, int]:
        """Returns licence -> number of pairs, the most frequent licence first. The key of an unknown licence is empty."""
        counts = collections.Counter[str]()
        for (_, licence), count in self.licences.items():
            counts[licence] += count
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def gather(dataset: Dataset, failures: Iterable[Failure]) -> Facts:
    """Returns the facts about a complete dataset. Only columns are read, no pixels."""
    licences, photographs = collections.Counter[tuple[str, str]](), collections.Counter[str]()
    allowed, undescribed = functools.cache(may_be_shown), set[str]()
    shown, first = [np.empty(0, np.int64)], 0
    for number in range(len(dataset.files)):
        columns = dataset.shard(number).columns
        sources, terms = (np.char.decode(columns[name], "utf-8", "replace").tolist() for name in ("source", "licence"))
        licences.update(zip(sources, terms, strict=True))
        # All pairs of a photograph are in one shard.
        ids = set(zip(sources, np.char.decode(columns["id"], "utf-8", "replace").tolist(), strict=True))
        photographs.update(source for source, _ in ids)
        undescribed.update(source for source, photograph in ids if not is_of_release(source, photograph))
        shown.append(first + np.flatnonzero([allowed(licence) for licence in terms]))
        first += len(terms)
    numbers = np.concatenate(shown)
    chosen = numbers[spread(len(numbers))].tolist()
    located = [(number, *dataset.locate(number)) for number in chosen]
    examples = tuple((number, shard.photograph(row)[1]) for number, shard, row in located)
    return Facts(dataset.index, licences, photographs, left_out(failures), examples, frozenset(undescribed))


def spread(total: int) -> list[int]:
    """Returns the middles of :data:`MOST_EXAMPLES` equal parts of ``range(total)``, or all its numbers if there are fewer."""
    count = min(total, MOST_EXAMPLES)
    return list(evenly_spaced(total, 2 * count))[1::2]


def _manifest(name: str, configuration: dict[str, Any]) -> Manifest | None:
    if name not in OF_SOURCE:
        return None
    older = name == "mapillary" and configuration.get("annotations") == "v1.2"
    return load_manifest("mapillary_vistas_1.2" if older else OF_SOURCE[name])
