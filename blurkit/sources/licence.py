"""Knows the licences of photographs: their short names, which are those of SPDX if SPDX has one, and their conditions.

The source of a photograph, in ``known/``, says which licence it has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: Part of an address -> licence. These licences are not numbered licences of Creative Commons.
_OTHER_ADDRESSES = {
    "flickr.com/commons/usage": "no-known-restrictions",
    "usa.gov/copyright": "US-government-work",
    "usa.gov/government-works": "US-government-work",
    "creativecommons.org/publicdomain/mark": "public domain",
}
_ADDRESS = re.compile(r"\bcreativecommons\.org/(?:licenses/([a-z+-]+)|publicdomain/(zero))/(\d+\.\d+)(?:/([a-z]{2})(?![a-z.]))?")
_VERSION = re.compile(r"(?<![\d.])v?(\d+\.\d+)")
_NAME = re.compile(r"CC-((?:BY|NC|ND|SA)(?:-(?:NC|ND|SA))*)-(\d\.\d)(?:-([A-Z]{2}))?")

#: Condition of a Creative Commons licence -> its meaning for the user of a pair.
CONDITIONS = {
    "BY": "name the author",
    "NC": "no commercial use",
    "ND": "no adapted versions",
    "SA": "adapted versions under the same licence",
}

#: Licence without conditions -> (address, its conditions in words).
_FREE = {
    "CC0-1.0": ("https://creativecommons.org/publicdomain/zero/1.0/", "none"),
    "public domain": ("https://creativecommons.org/publicdomain/mark/1.0/", "none"),
    "no-known-restrictions": ("https://www.flickr.com/commons/usage/", "none known"),
    "US-government-work": ("https://www.usa.gov/government-works", "none within the United States"),
}

#: Licence of one dataset -> (address, conditions, its conditions in words).
_OF_DATASETS = {
    "Cityscapes": (
        "https://www.cityscapes-dataset.com/license/",
        ("NC", "ND"),
        "no commercial use; share no photographs and no pairs",
    ),
    "BDD100K": (
        "https://doc.bdd100k.com/license.html",
        ("NC",),
        "education, research, not for profit; keep the copyright notice",
    ),
}

#: The licences of photographs that the Hugging Face Hub lists (https://huggingface.co/docs/hub/repositories-licenses).
_ON_THE_HUB = frozenset(
    (
        *("cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nd-4.0"),
        *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
        *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    )
)


def coco_licence(entry: Mapping[str, Any]) -> str:
    """Returns the short name, such as ``CC-BY-NC-SA-2.0``, of an entry of ``licenses`` in a file of COCO's format.

    The entry's address decides, because its number has another meaning in each file. If the address is not known, the entry's own
    name is returned, or an empty text.
    """
    address, name = entry.get("url"), entry.get("name")
    address = address.lower() if isinstance(address, str) else ""
    if match := _ADDRESS.search(address):
        terms, _, version, port = match.groups()
        return "-".join(("CC", terms, version, *([port] if port else []))).upper() if terms else f"CC0-{version}"
    for part, licence in _OTHER_ADDRESSES.items():
        if part in address:
            return licence
    return name.strip() if isinstance(name, str) else ""


def matches(licence: str, wanted: str) -> bool:
    """Whether ``wanted`` names a licence. ``by``, ``CC BY`` and ``cc-by-2.0`` name CC-BY-2.0, but not CC-BY-SA-2.0.

    Case, spaces and hyphens are ignored. If ``wanted`` has no version, any version matches. ``unknown`` names the empty licence.
    """
    have, want = _parts(licence), _parts(wanted)
    return have[0] == want[0] and all(not asked or own == asked for own, asked in zip(have[1:], want[1:], strict=True))


def _parts(licence: str) -> tuple[str, str, str]:
    """Returns (terms, version, country) of a licence, in lower case, without spaces and hyphens."""
    terms, version, country = (*_VERSION.split(licence.lower(), maxsplit=1), "", "")[:3]
    terms, country = (re.sub(r"[\s_-]", "", text) for text in (terms, country))
    return terms.removeprefix("cc") or terms or "unknown", version, country


def licence_conditions(licence: str) -> tuple[str, ...]:
    """Returns the conditions, keys of :data:`CONDITIONS`, of a licence such as ``CC-BY-NC-2.0``; none for an unknown licence."""
    if licence in _OF_DATASETS:
        return _OF_DATASETS[licence][1]
    found = _NAME.fullmatch(licence)
    return tuple(found[1].split("-")) if found else ()


def licence_address(licence: str) -> str:
    """Returns the address of a licence's text, or an empty text if the address is not known."""
    found = _NAME.fullmatch(licence)
    if found:
        parts = [part.lower() for part in found.groups() if part]
        return "/".join(("https://creativecommons.org/licenses", *parts, ""))
    return _OF_DATASETS[licence][0] if licence in _OF_DATASETS else _FREE.get(licence, ("", ""))[0]


def may_be_shown(licence: str) -> bool:
    """Whether crops and blurred copies of a photograph may be shown to others. A licence with the condition ND forbids it."""
    return "ND" not in licence_conditions(licence)


def licence_words(licence: str) -> str:
    """Returns the conditions of a licence in words. For a licence whose name is not known, they say where to look."""
    if not licence:
        return "not known"
    if licence in _OF_DATASETS:
        return _OF_DATASETS[licence][2]
    asked = [CONDITIONS[condition] for condition in licence_conditions(licence)]
    return "; ".join(asked) or _FREE.get(licence, ("", "see the source"))[1]


def hub_name(licence: str) -> str:
    """Returns the Hugging Face Hub's name of a licence: ``unknown`` for an empty licence, ``other`` if it is not listed there."""
    name = licence.lower()
    return name if name in _ON_THE_HUB else "other" if name else "unknown"
