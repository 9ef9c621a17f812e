"""What a licence asks for, in a few words: addresses, conditions, and the names that the Hugging Face Hub knows."""

from __future__ import annotations

import re

_CREATIVE_COMMONS = re.compile(r"CC-((?:BY|NC|ND|SA)(?:-(?:NC|ND|SA))*)-(\d\.\d)(?:-([A-Z]{2}))?")

#: Condition of a Creative Commons licence -> what it means for whoever uses a pair.
CONDITIONS = {
    "BY": "name the author",
    "NC": "no commercial use",
    "ND": "no adapted versions",
    "SA": "adapted versions under the same licence",
}

#: Licences without conditions -> address, and what they say.
_FREE = {
    "CC0-1.0": ("https://creativecommons.org/publicdomain/zero/1.0/", "none"),
    "public domain": ("https://creativecommons.org/publicdomain/mark/1.0/", "none"),
    "no-known-restrictions": ("https://www.flickr.com/commons/usage/", "none known"),
    "US-government-work": ("https://www.usa.gov/government-works", "none within the United States"),
}

#: Licences that the Hub lists (https://huggingface.co/docs/hub/repositories-licenses) among those that photographs have.
_ON_THE_HUB = frozenset(
    (
        *("cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nd-4.0"),
        *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
        *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    )
)


def conditions(licence: str) -> tuple[str, ...]:
    """The conditions of a Creative Commons licence such as ``CC-BY-NC-2.0``, as keys of :data:`CONDITIONS`; else none."""
    found = _CREATIVE_COMMONS.fullmatch(licence)
    return tuple(found[1].split("-")) if found else ()


def address(licence: str) -> str:
    """Where a licence can be read, or an empty text where that is not known."""
    found = _CREATIVE_COMMONS.fullmatch(licence)
    if found:
        parts = [part.lower() for part in found.groups() if part]
        return "/".join(("https://creativecommons.org/licenses", *parts, ""))
    return _FREE.get(licence, ("", ""))[0]


def may_be_shown(licence: str) -> bool:
    """Whether a crop and a blurred copy of a photograph may be shown to others: no licence without derivatives allows it."""
    return "ND" not in conditions(licence)


def in_words(licence: str) -> str:
    """What a licence asks for; of one that is not known by name, where to look."""
    if not licence:
        return "not known"
    asked = [CONDITIONS[condition] for condition in conditions(licence)]
    return "; ".join(asked) or _FREE.get(licence, ("", "see the source"))[1]


def hub_name(licence: str) -> str:
    """The name of a licence on the Hugging Face Hub: ``unknown`` for none, ``other`` for one that the Hub does not list."""
    name = licence.lower()
    return name if name in _ON_THE_HUB else "other" if name else "unknown"
