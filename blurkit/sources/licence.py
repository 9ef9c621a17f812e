"""Short names of licences, as SPDX writes them where it has one, and the comparison with what somebody asks for."""

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
_CREATIVE_COMMONS = re.compile(
    r"\bcreativecommons\.org/(?:licenses/([a-z+-]+)|publicdomain/(zero))/(\d+\.\d+)(?:/([a-z]{2})(?![a-z.]))?"
)
_VERSION = re.compile(r"(?<![\d.])v?(\d+\.\d+)")


def coco_licence(entry: Mapping[str, Any]) -> str:
    """The name of an entry of ``licenses`` in a file of COCO's format, such as ``CC-BY-NC-SA-2.0``.

    The entry's address decides, for its number means something else in every file; then its own name; or an empty text.
    """
    address, name = entry.get("url"), entry.get("name")
    address = address.lower() if isinstance(address, str) else ""
    if match := _CREATIVE_COMMONS.search(address):
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
