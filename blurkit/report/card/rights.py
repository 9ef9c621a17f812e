"""Writes the part of a card about licences: the number of pairs under each, and what its conditions mean for users."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from blurkit.program.progress import plural
from blurkit.report.card.markdown import plain, table
from blurkit.sources.licence import licence_address, licence_conditions, licence_words

#: Condition of a licence -> its name, and what it means for the pairs. The empty condition: no licence is known.
_MEANINGS = {
    "ND": (
        "No derivatives",
        "Adapted versions of their photographs, such as crops and blurred copies, may not be shared: do not publish these pairs.",
    ),
    "NC": ("Non-commercial", "Neither their photographs nor these pairs may be used commercially."),
    "SA": ("Share alike", "If you share these pairs, do so under the licence of their photograph."),
    "BY": (
        "Attribution",
        "If you share these pairs, name the author of each photograph and say that it was changed. The columns `source` and `id` "
        "identify the photograph of a pair.",
    ),
    "": ("Not known", "Without a known licence, there is no permission: find out the licence before you share these pairs."),
}


def rights(counts: Mapping[str, int]) -> Iterator[str]:
    """Yields paragraphs. ``counts``: licence -> number of pairs. The key of an unknown licence is empty."""
    if not counts:
        yield "The dataset has no pairs, so no licence applies."
        return
    yield "A pair is under the licence of its photograph. This is only a summary: the text of the licence counts."
    rows = ((_named(licence), f"{count:,}", licence_words(licence)) for licence, count in counts.items())
    yield table((("licence of the photograph", "pairs", "conditions"), *rows), "lrl")
    conditions = {licence: set(licence_conditions(licence)) if licence else {""} for licence in counts}
    for condition, (title, meaning) in _MEANINGS.items():
        pairs = sum(count for licence, count in counts.items() if condition in conditions[licence])
        if pairs:
            yield f"**{title}: {plural(pairs, 'pair')}.** {meaning}"
    free = [licence.lower() or "unknown" for licence in counts if not {"ND", "NC"} & conditions[licence]]
    if 0 < len(free) < len(counts) and not re.search("[`,]", "".join(free)):
        yield f"To leave out non-commercial and no-derivatives photographs: `--license {shlex.quote(','.join(free))}`."


def _named(licence: str) -> str:
    place = licence_address(licence)
    return f"[{plain(licence)}]({place})" if place else plain(licence) or "not known"
