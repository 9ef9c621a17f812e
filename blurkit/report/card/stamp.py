"""A line in a file that says which dataset it was written for, and that nobody has changed it since.

So a file that blurkit wrote can be told from one of somebody's own, and from one of blurkit's that somebody has made his own.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

_DIGITS = 32
_STAMP = re.compile(rb"blurkit-stamp ([0-9a-f]{32}) ([0-9a-f]{32})")

#: What stands in the content until it is stamped.
PLACE = f"blurkit-stamp {'0' * _DIGITS} {'0' * _DIGITS}"


@dataclass(frozen=True)
class Stamp:
    """``key``: which dataset the file was written for, empty where it has no stamp. ``whole``: it still has the bytes that were
    written."""

    key: str
    whole: bool


#: Of a file that blurkit did not write.
NONE = Stamp("", whole=False)


def key_of(text: str) -> str:
    """A key of 32 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def stamped(content: bytes, key: str) -> bytes:
    """The content with its :data:`PLACE`, which it holds once, filled in."""
    assert content.count(PLACE.encode()) == 1, "a place for one stamp"
    return _fill(content, key.encode(), _digest(_fill(content, key.encode(), b"0" * _DIGITS)))


def read_stamp(path: Path) -> Stamp | None:
    """The stamp of a file, :data:`NONE` where it has none or is no plain file, or ``None`` where nothing is there."""
    if path.is_symlink():
        return NONE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        return NONE
    found = _STAMP.search(content)
    if found is None:
        return NONE
    return Stamp(found[1].decode(), _digest(_fill(content, found[1], b"0" * _DIGITS)) == found[2])


def _fill(content: bytes, key: bytes, digest: bytes) -> bytes:
    return _STAMP.sub(b"blurkit-stamp " + key + b" " + digest, content, count=1)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:_DIGITS].encode()
