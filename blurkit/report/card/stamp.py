"""Writes and reads the stamp of a file: a line with a key of its dataset and a digest of its content.

The stamp tells whether blurkit wrote the file, for which dataset, and whether the file was changed since.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from blurkit.errors import UnreadableFileError
from blurkit.program.files import read_regular

_DIGITS = 32
_STAMP = re.compile(rb"blurkit-stamp ([0-9a-f]{32}) ([0-9a-f]{32})")

#: The placeholder for the stamp in a content that is not yet stamped.
PLACE = f"blurkit-stamp {'0' * _DIGITS} {'0' * _DIGITS}"

#: blurkit does not write a larger file with a stamp.
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Stamp:
    """``key``: of the dataset that the file was written for; empty without a stamp. ``whole``: the file was not changed since."""

    key: str
    whole: bool


#: The stamp of a file that blurkit did not write.
NONE = Stamp("", whole=False)


def key_of(content: bytes) -> str:
    """Returns a key of the content: 32 hexadecimal digits of its sha256."""
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def stamped(content: bytes, key: str) -> bytes:
    """Returns the content with its only :data:`PLACE` replaced by a stamp: ``key``, and a digest of the content itself."""
    assert content.count(PLACE.encode()) == 1, "the content has exactly one placeholder for a stamp"
    return _fill(content, key, key_of(_fill(content, key)))


def read_stamp(path: Path) -> Stamp | None:
    """Returns the stamp of a file; :data:`NONE` if it has none or is not a regular file; ``None`` if no file exists."""
    try:
        content = read_regular(path, most=_MOST_BYTES, follow_links=False)
    except UnreadableFileError as error:
        return None if error.reason == "missing" else NONE
    match = _STAMP.search(content)
    if match is None:
        return NONE
    key, digest = (part.decode() for part in match.groups())
    return Stamp(key, key_of(_fill(content, key)) == digest)


def _fill(content: bytes, key: str, digest: str = "0" * _DIGITS) -> bytes:
    return _STAMP.sub(f"blurkit-stamp {key} {digest}".encode(), content, count=1)
