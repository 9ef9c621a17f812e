"""The part of a card about licences: how many pairs are under which, and what whoever uses or shares them has to know."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from blurkit.program.progress import plural
from blurkit.report.card.markdown import plain, table
from blurkit.sources.licence import licence_address, licence_conditions, licence_words

#: Condition of a licence -> what it means for the pairs.
_MEANINGS = {
    "ND": (
        "No derivatives",
        "Their photographs may not be shared in an adapted version, and a crop or a blurred copy is one: do not publish them.",
    ),
    "NC": ("Non-commercial", "Their photographs may not be used commercially, and neither may the pairs."),
    "SA": ("Share alike", "Whoever shares them does so under the licence of their photograph."),
    "BY": (
        "Attribution",
        "Whoever shares them names the author of the photograph and says that it was changed; the columns `source` and `id` "
        "lead from a pair to its photograph.",
    ),
    "": ("Not known", "Where no licence is known, none is given: find out before you share these pairs."),
}


def rights(counts: Mapping[str, int]) -> Iterator[str]:
    """Paragraphs. ``counts``: pairs by licence, an empty text for those of which none is known."""
    if not counts:
        yield "There is no pair, and so no licence."
        return
    yield "A pair is under the licence of its photograph. This is a summary; the licence itself is what counts."
    rows = ((_named(licence), f"{count:,}", licence_words(licence)) for licence, count in counts.items())
    yield table((("licence of the photograph", "pairs", "conditions"), *rows), "lrl")
    conditions = {licence: set(licence_conditions(licence)) if licence else {""} for licence in counts}
    for condition, (title, meaning) in _MEANINGS.items():
        pairs = sum(count for licence, count in counts.items() if condition in conditions[licence])
        if pairs:
            yield f"**{title}: {plural(pairs, 'pair')}.** {meaning}"
    free = [licence.lower() or "unknown" for licence in counts if not {"ND", "NC"} & conditions[licence]]
    if 0 < len(free) < len(counts) and not re.search("[`,]", "".join(free)):
        yield f"A dataset without the non-commercial and the no-derivatives ones: `--license {shlex.quote(','.join(free))}`."


def _named(licence: str) -> str:
    place = licence_address(licence)
    return f"[{plain(licence)}]({place})" if place else plain(licence) or "not known"
