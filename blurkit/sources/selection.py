"""Selects photographs: combines the sources that a user names, by splits, licences, limits and weights, into one source."""

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
from blurkit.sources.known.mapillary import VERSIONS
from blurkit.sources.licence import matches
from blurkit.sources.open import SOURCES, open_source
from blurkit.sources.pairs import PairLayout
from blurkit.sources.record import ImageRecord, Source
from blurkit.sources.rows import TABLE_SUFFIXES
from blurkit.sources.table import RecordTable

#: The known licences, without versions.
FAMILIES = (
    *("CC0", "public domain", "no-known-restrictions", "US-government-work", "unknown"),
    *("Cityscapes", "BDD100K", "CC-BY", "CC-BY-SA", "CC-BY-ND", "CC-BY-NC", "CC-BY-NC-SA", "CC-BY-NC-ND"),
)

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Selection:
    """The options that select photographs. ``root``, ``limit`` and ``weight`` hold texts such as ``100`` or ``coco=100``.
    ``licence``: of the photographs of pairs, which have none of their own. ``blurred``, ``sharp``, ``side_by_side``: how pairs
    lie in their folder, see :class:`blurkit.sources.pairs.PairLayout`."""

    src: tuple[str, ...] = ("sample",)
    root: tuple[str, ...] = ()
    split: str = "all"
    shares: str = "80,10,10"
    license: str = ""
    limit: tuple[str, ...] = ()
    weight: tuple[str, ...] = ()
    annotations: str | None = None
    licence: str = ""
    blurred: str = ""
    sharp: str = ""
    side_by_side: bool = False


def select(selection: Selection, *, masks: bool) -> Source:
    """Returns the photographs of a selection as one source. If it combines several sources, they are its ``parts``.

    ``masks``: whether the objects of the photographs are needed; COCO's take seconds to find. Raises :class:`UsageError`.
    """
    names = _names(selection.src)
    layout = PairLayout(selection.blurred, selection.sharp, selection.side_by_side)
    wanted = selection.annotations
    owner = annotations_owner(wanted, names)
    root, roots = per_source(selection.root, names, "--root", Path)
    total, limits = per_source(selection.limit, names, "--limit", _count)
    weight, weights = per_source(selection.weight, names, "--weight", _weight)
    if weights and len(names) == 1:
        raise UsageError("--weight needs several sources, but --src names only one")
    if weight is not None:
        raise UsageError(f"--weight is NAME=W, such as --weight {names[0]}={weight:g}")
    if root is not None and len(names) > 1:
        raise UsageError(f"--root with several sources is NAME=DIR, such as --root {names[0]}={root}")
    split, shares, parts = selection.split, selection.shares, []
    for src, name in zip(selection.src, names, strict=True):
        place, annotations = roots.get(name, root), wanted if src == owner else None
        words = {"split": split, "shares": shares, "label": name, "licence": selection.licence}
        parts.append(open_source(src, root=place, masks=masks, annotations=annotations, layout=layout, **words))
    _check_words(selection.license, set().union(*(RecordTable.of(part.records).licences() for part in parts)))
    parts = [_with_licences(part, selection.license) for part in parts]
    if len(parts) == 1 and total is None and not limits:
        return parts[0]
    records = RecordTable(itertools.islice(mix(parts, weights, limits), total))
    passed_over = [entry for part in parts for entry in part.passed_over]
    places = tuple(replace(part, records=(), passed_over=[]) for part in parts)  # without records, which would take memory twice
    outputs = [path for part in parts for path in part.outputs]
    notices = [notice for part in parts for notice in part.notices]
    return Source("+".join(names), parts[0].root, records, passed_over, places, outputs, notices)


def annotations_owner(wanted: str | None, names: Sequence[str]) -> str | None:
    """Returns the source that the value of ``--annotations`` is for. Raises :class:`UsageError` if it is not among ``names``."""
    if wanted is None:
        return None
    is_table = Path(wanted).suffix.lower() in TABLE_SUFFIXES
    owner = "mapillary" if wanted in VERSIONS or not {"coco", "table"} & set(names) else "table" if is_table else "coco"
    if owner not in names:
        raise UsageError(
            "--annotations selects a set of annotations of mapillary, the JSON file of coco, or a table; name such a source"
        )
    return owner


def _names(src: Sequence[str]) -> list[str]:
    """Returns the name of each source. A single folder is called ``folder``; several folders have their own names."""
    folders = [text for text in src if text not in SOURCES]
    names = [text if text in SOURCES else Path(text).resolve().name if len(folders) > 1 else "folder" for text in src]
    repeated = [name for name, count in collections.Counter(names).items() if count > 1]
    if repeated:
        raise UsageError(
            f"--src names {repeated[0]!r} twice; each source may be named once, and several folders need different names"
        )
    taken = sorted((set(names) - set(src)) & SOURCES.keys()) if len(folders) > 1 else []
    if taken:
        raise UsageError(
            f"--src: a folder is called {taken[0]!r} like a source; rename it, because several folders keep their own names"
        )
    return names


def per_source(
    texts: Sequence[str], names: Sequence[str], option: str, parse: Callable[[str], _Value]
) -> tuple[_Value | None, dict[str, _Value]]:
    """Returns the value for all sources and {name: value} for single sources, from texts such as ``100`` and ``coco=100``."""
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
    """Returns a source with only the photographs that have a licence in ``wanted``, a list with commas. Empty means all."""
    if not wanted:
        return source
    words = wanted.split(",")
    fits = functools.cache(lambda licence: any(matches(licence, word) for word in words))  # computed once for each licence
    kept = RecordTable(record for record in source.records if fits(record.licence))
    if not len(kept):
        counts = collections.Counter(record.licence or "unknown" for record in source.records).most_common()
        there = ", ".join(f"{licence} ({count})" for licence, count in counts)
        raise UsageError(f"no photograph of {source.name} has the licence {wanted!r}; there are {there}")
    return replace(source, records=kept)


def _check_words(wanted: str, present: set[str]) -> None:
    """Raises :class:`UsageError` for a licence that is neither known nor ``present`` in a source. A misspelled licence would
    leave out photographs without a message."""
    for word in filter(None, wanted.split(",")):
        if not any(matches(word, family) for family in FAMILIES) and not any(matches(licence, word) for licence in present):
            raise UsageError(
                f"--license: unknown licence {word.strip()!r}; known are {', '.join(FAMILIES)}{nearest(word, FAMILIES)}"
            )


def mix(sources: Sequence[Source], weights: Mapping[str, float], limits: Mapping[str, int]) -> Iterator[ImageRecord]:
    """Yields the photographs of all sources, interleaved evenly, so that each part of the order has photographs of all sources.

    ``limits``: only the first so many photographs of a source are used. ``weights``: the relative number of photographs of a
    source; the default is 1. The numbers are as large as the available photographs allow. No photograph is used twice, and the
    photographs of a source are evenly spaced. Nothing is random.
    """
    available = [min(len(source.records), limits.get(source.name, len(source.records))) for source in sources]
    counts = _weighted(available, [weights.get(source.name, 1.0) for source in sources]) if weights else available
    parts = [
        _spread(rank, source.records, most, count)
        for rank, (source, most, count) in enumerate(zip(sources, available, counts, strict=True))
    ]
    return (record for _, _, record in heapq.merge(*parts, key=lambda part: part[:2]))


def _spread(rank: int, records: Sequence[ImageRecord], most: int, count: int) -> Iterator[tuple[float, int, ImageRecord]]:
    """Yields ``count`` of the first ``most`` records, each with its place in the common order, between 0 and 1, and ``rank``."""
    for number, place in enumerate(evenly_spaced(most, count)):
        yield (number + 0.5) / count, rank, records[place]


def _weighted(available: Sequence[int], weights: Sequence[float]) -> list[int]:
    scale = min((most / weight for most, weight in zip(available, weights, strict=True) if weight > 0), default=0.0)
    counts = [min(int(scale * weight + 1e-9), most) for most, weight in zip(available, weights, strict=True)]
    if not any(counts):
        raise UsageError(f"--weight {', '.join(map(str, weights))} of {', '.join(map(str, available))} photographs leaves none")
    return counts
