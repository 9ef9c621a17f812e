"""Licences of photographs: their short names, as SPDX writes them where it has one, and what they ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: Part of an address -> licence, for those that are not of Creative Commons.
_OTHERS = {
    "flickr.com/commons/usage": "no-known-restrictions",
    "usa.gov/copyright": "US-government-work",
    "usa.gov/government-works": "US-government-work",
    "creativecommons.org/publicdomain/mark": "public domain",
}
_ADDRESS = re.compile(r"\bcreativecommons\.org/(?:licenses/([a-z+-]+)|publicdomain/(zero))/(\d+\.\d+)(?:/([a-z]{2})(?![a-z.]))?")
_VERSION = re.compile(r"(?<![\d.])v?(\d+\.\d+)")
_NAME = re.compile(r"CC-((?:BY|NC|ND|SA)(?:-(?:NC|ND|SA))*)-(\d\.\d)(?:-([A-Z]{2}))?")

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


def coco_licence(entry: Mapping[str, Any]) -> str:
    """The name of an entry of ``licenses`` in a file of COCO's format, such as ``CC-BY-NC-SA-2.0``.

    The entry's address decides, for its number means something else in every file; then its own name; or an empty text.
    """
    address, name = entry.get("url"), entry.get("name")
    address = address.lower() if isinstance(address, str) else ""
    if match := _ADDRESS.search(address):
        terms, _, version, port = match.groups()
        return "-".join(("CC", terms, version, *([port] if port else []))).upper() if terms else f"CC0-{version}"
    for part, licence in _OTHERS.items():
        if part in address:
            return licence
    return name.strip() if isinstance(name, str) else ""


def matches(licence: str, wanted: str) -> bool:
    """Whether a licence is what ``wanted`` names: ``by``, ``CC BY`` and ``cc-by-2.0`` all mean CC-BY-2.0, and none CC-BY-SA-2.0.

    Case, spaces and hyphens do not matter, nor a version that ``wanted`` does not give. ``unknown`` is the empty licence.
    """
    have, want = _parts(licence), _parts(wanted)
    return have[0] == want[0] and all(not asked or own == asked for own, asked in zip(have[1:], want[1:], strict=True))


def _parts(licence: str) -> tuple[str, str, str]:
    """Terms, version and country of a licence, in lower case without spaces and hyphens."""
    terms, version, country = (*_VERSION.split(licence.lower(), maxsplit=1), "", "")[:3]
    terms, country = (re.sub(r"[\s_-]", "", text) for text in (terms, country))
    return terms.removeprefix("cc") or terms or "unknown", version, country


def licence_conditions(licence: str) -> tuple[str, ...]:
    """The conditions of a Creative Commons licence such as ``CC-BY-NC-2.0``, as keys of :data:`CONDITIONS`; else none."""
    found = _NAME.fullmatch(licence)
    return tuple(found[1].split("-")) if found else ()


def licence_address(licence: str) -> str:
    """Where a licence can be read, or an empty text where that is not known."""
    found = _NAME.fullmatch(licence)
    if found:
        parts = [part.lower() for part in found.groups() if part]
        return "/".join(("https://creativecommons.org/licenses", *parts, ""))
    return _FREE.get(licence, ("", ""))[0]


def may_be_shown(licence: str) -> bool:
    """Whether a crop and a blurred copy of a photograph may be shown to others: no licence without derivatives allows it."""
    return "ND" not in licence_conditions(licence)


def licence_words(licence: str) -> str:
    """What a licence asks for; of one that is not known by name, where to look."""
    if not licence:
        return "not known"
    asked = [CONDITIONS[condition] for condition in licence_conditions(licence)]
    return "; ".join(asked) or _FREE.get(licence, ("", "see the source"))[1]


def hub_name(licence: str) -> str:
    """The name of a licence on the Hugging Face Hub: ``unknown`` for none, ``other`` for one that the Hub does not list."""
    name = licence.lower()
    return name if name in _ON_THE_HUB else "other" if name else "unknown"
