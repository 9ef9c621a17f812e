"""Which photographs: the sources a user names, their splits, licences, limits and weights, as one source."""

from __future__ import annotations

import collections
import functools
import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from blurkit.errors import UsageError, nearest
from blurkit.program.picks import evenly_spaced
from blurkit.sources.licence import matches
from blurkit.sources.open import SOURCES, open_source
from blurkit.sources.record import ImageRecord, Source
from blurkit.sources.table import RecordTable

#: Licences that are known by name; a version narrows them further.
FAMILIES = (
    *("CC0", "public domain", "no-known-restrictions", "US-government-work", "unknown"),
    *("CC-BY", "CC-BY-SA", "CC-BY-ND", "CC-BY-NC", "CC-BY-NC-SA", "CC-BY-NC-ND"),
)

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Selection:
    """Values as the command line gives them: ``root``, ``limit`` and ``weight`` hold texts such as ``100`` or ``coco=100``."""

    src: tuple[str, ...] = ("sample",)
    root: tuple[str, ...] = ()
    split: str = "all"
    shares: str = "80,10,10"
    license: str = ""
    limit: tuple[str, ...] = ()
    weight: tuple[str, ...] = ()
    annotations: str | None = None


def select(selection: Selection, *, masks: bool) -> Source:
    """The photographs of a selection as one source; of several sources its ``parts`` say where each lies.

    ``masks``: whether the records are to know their objects, which takes a while for COCO.
    """
    names = _names(selection.src)
    _check_words(selection.license)
    if selection.annotations is not None and "mapillary" not in names:
        raise UsageError("--annotations chooses among the sets of mapillary; no other source has several")
    root, roots = per_source(selection.root, names, "--root", Path)
    total, limits = per_source(selection.limit, names, "--limit", _count)
    weight, weights = per_source(selection.weight, names, "--weight", _weight)
    if weights and len(names) == 1:
        raise UsageError("--weight says how much several sources weigh against each other; there is one")
    if weight is not None:
        raise UsageError(f"--weight is NAME=W, such as --weight {names[0]}={weight:g}")
    if root is not None and len(names) > 1:
        raise UsageError(f"--root with several sources is NAME=DIR, such as --root {names[0]}={root}")
    split, shares, parts = selection.split, selection.shares, []
    for src, name in zip(selection.src, names, strict=True):
        place, annotations = roots.get(name, root), selection.annotations if src == "mapillary" else None
        part = open_source(src, root=place, split=split, shares=shares, masks=masks, annotations=annotations, label=name)
        parts.append(_with_licences(part, selection.license))
    if len(parts) == 1 and total is None and not limits:
        return parts[0]
    records = RecordTable(itertools.islice(mix(parts, weights, limits), total))
    passed_over = [entry for part in parts for entry in part.passed_over]
    places = tuple(replace(part, records=(), passed_over=[]) for part in parts)  # not all records twice
    return Source("+".join(names), parts[0].root, records, passed_over, places)


def _names(src: Sequence[str]) -> list[str]:
    """What each source is called: its own name; ``folder``, or, of several folders, the folder's."""
    folders = [text for text in src if text not in SOURCES]
    names = [text if text in SOURCES else Path(text).resolve().name if len(folders) > 1 else "folder" for text in src]
    repeated = [name for name, count in collections.Counter(names).items() if count > 1]
    if repeated:
        raise UsageError(f"--src names {repeated[0]!r} twice; each is used once, and several folders go by their own names")
    taken = sorted((set(names) - set(src)) & SOURCES.keys()) if len(folders) > 1 else []
    if taken:
        raise UsageError(f"--src: a folder is called {taken[0]!r} like a source, and several go by their own names: rename it")
    return names


def per_source(
    texts: Sequence[str], names: Sequence[str], option: str, parse: Callable[[str], _Value]
) -> tuple[_Value | None, dict[str, _Value]]:
    """The value for all, and those for one source each by name, of texts such as ``100`` and ``coco=100``."""
    common, values = None, {}
    for text in texts:
        name, sign, value = text.partition("=")
        if sign and name in names:
            values[name] = parse(value)
        elif sign and parse is not Path:
            raise UsageError(f"{option} {text}: {name!r} is not among the sources {', '.join(names)}{nearest(name, names)}")
        else:
            common = parse(text)
    return common, values


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise UsageError(f"--limit is at least 1 photograph, or NAME=N of one source; got {text!r}")
    return int(text)


def _weight(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise UsageError(f"--weight is NAME=W with a number W from 0, got {text!r}")
    return value


def _with_licences(source: Source, wanted: str) -> Source:
    """A source with those photographs alone whose licence is among the ``wanted``, separated by commas; none named is all."""
    if not wanted:
        return source
    words = wanted.split(",")
    fits = functools.cache(lambda licence: any(matches(licence, word) for word in words))  # once for each licence
    kept = RecordTable(record for record in source.records if fits(record.licence))
    if not len(kept):
        counts = collections.Counter(record.licence or "unknown" for record in source.records).most_common()
        there = ", ".join(f"{licence} ({count})" for licence, count in counts)
        raise UsageError(f"no photograph of {source.name} has the licence {wanted!r}; there are {there}")
    return replace(source, records=kept)


def _check_words(wanted: str) -> None:
    """Refuse a licence that is none: a slip of the pen would leave photographs out in silence."""
    for word in filter(None, wanted.split(",")):
        if not any(matches(word, family) for family in FAMILIES):
            raise UsageError(
                f"--license: unknown licence {word.strip()!r}; known are {', '.join(FAMILIES)}{nearest(word, FAMILIES)}"
            )


def mix(sources: Sequence[Source], weights: Mapping[str, float], limits: Mapping[str, int]) -> Iterator[ImageRecord]:
    """The photographs of all sources, spread evenly over each other, so that any stretch of the order holds all of them.

    ``limits``: at most so many of a source, the first ones. ``weights``: how many of a source in relation to the others, which
    weigh 1 unless they are named; as many as the scarcest allows, evenly spaced over each source, none twice. Nothing is random.
    """
    available = [min(len(source.records), limits.get(source.name, len(source.records))) for source in sources]
    counts = _weighted(available, [weights.get(source.name, 1.0) for source in sources]) if weights else available
    parts = [
        _spread(rank, source.records, most, count)
        for rank, (source, most, count) in enumerate(zip(sources, available, counts, strict=True))
    ]
    return (record for _, _, record in heapq.merge(*parts, key=lambda part: part[:2]))


def _spread(rank: int, records: Sequence[ImageRecord], most: int, count: int) -> Iterator[tuple[float, int, ImageRecord]]:
    """``count`` of the first ``most`` records, each with its place between 0 and 1 in the common order."""
    for number, place in enumerate(evenly_spaced(most, count)):
        yield (number + 0.5) / count, rank, records[place]


def _weighted(available: Sequence[int], weights: Sequence[float]) -> list[int]:
    scale = min((most / weight for most, weight in zip(available, weights, strict=True) if weight > 0), default=0.0)
    counts = [min(int(scale * weight + 1e-9), most) for most, weight in zip(available, weights, strict=True)]
    if not any(counts):
        raise UsageError(f"--weight {', '.join(map(str, weights))} of {', '.join(map(str, available))} photographs leaves none")
    return counts
