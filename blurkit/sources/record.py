"""What a source yields: one record per photograph, without its pixels."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

#: What would make an id ambiguous or unprintable: control characters, bytes that are not UTF-8, a "%" that looks like an escape.
_ESCAPED = re.compile("[\x00-\x1f\x7f\udc80-\udcff]|%(?=[0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class ImageRecord:
    """``id``: the photograph's name, unique and the same wherever the source lies. ``path``: the file. ``source``: whose id it
    is. ``licence``: a short name, or an empty text where none is known."""

    id: str
    path: str
    source: str
    licence: str = ""


@dataclass(frozen=True)
class PassedOver:
    """An entry that is no photograph to be opened, with the reason for the ledger: a short word and a sentence."""

    id: str
    path: str
    reason: str
    message: str


@dataclass(frozen=True)
class Source:
    """``name``: keys the random streams. ``root``: where it lies. ``records``: the photographs, in an order that
    never changes."""

    name: str
    root: Path
    records: Iterable[ImageRecord]
    passed_over: list[PassedOver] = field(default_factory=list)


def path_id(path: str) -> str:
    """A relative path as a readable, reversible id: POSIX separators, odd bytes as ``%XX``."""
    text = path.replace(os.sep, "/")
    return _ESCAPED.sub(lambda match: "".join(f"%{byte:02X}" for byte in os.fsencode(match[0])), text)
