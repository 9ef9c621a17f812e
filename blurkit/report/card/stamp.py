"""A line in a file that says which dataset it was written for, and that nobody has changed it since.

So a file that blurkit wrote can be told from one of somebody's own, and from one of blurkit's that somebody has made his own.
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

#: What stands in the content until it is stamped.
PLACE = f"blurkit-stamp {'0' * _DIGITS} {'0' * _DIGITS}"

#: A larger file is none that blurkit wrote.
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Stamp:
    """``key``: which dataset the file was written for, empty where it has no stamp. ``whole``: it still has the bytes that were
    written."""

    key: str
    whole: bool


#: Of a file that blurkit did not write.
NONE = Stamp("", whole=False)


def key_of(content: bytes) -> str:
    """A key of 32 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def stamped(content: bytes, key: str) -> bytes:
    """The content with its :data:`PLACE`, which it holds once, filled in: with the key, and with that of the content itself."""
    assert content.count(PLACE.encode()) == 1, "a place for one stamp"
    return _fill(content, key, key_of(_fill(content, key)))


def read_stamp(path: Path) -> Stamp | None:
    """The stamp of a file, :data:`NONE` where it has none or is no plain file, or ``None`` where nothing is there."""
    try:
        content = read_regular(path, most=_MOST_BYTES, follow_links=False)
    except UnreadableFileError as error:
        return None if error.reason == "missing" else NONE
    found = _STAMP.search(content)
    if found is None:
        return NONE
    key, digest = (part.decode() for part in found.groups())
    return Stamp(key, key_of(_fill(content, key)) == digest)


def _fill(content: bytes, key: str, digest: str = "0" * _DIGITS) -> bytes:
    return _STAMP.sub(f"blurkit-stamp {key} {digest}".encode(), content, count=1)
