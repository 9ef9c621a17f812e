"""Assigns splits by the content of files, for sources without splits. All copies of a photograph get the same split."""

from __future__ import annotations

import hashlib
import math

from blurkit.errors import UsageError

NAMES = ("train", "val", "test")


def parse_shares(text: str) -> tuple[float, ...]:
    """Returns the fractions of train, val and test, whose sum is 1, from a text such as ``"80,10,10"``."""
    try:
        shares = [float(word) for word in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != len(NAMES) or min(shares) < 0 or not 0 < sum(shares) < math.inf:
        raise UsageError(f"--shares takes three numbers for {', '.join(NAMES)}, such as 80,10,10; got {text!r}")
    return tuple(share / sum(shares) for share in shares)


def split_of(path: str, shares: tuple[float, ...]) -> str:
    """Returns the split of a file by the sha256 of its bytes. An unreadable file counts as empty; decoding it fails later."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError:
        digest = hashlib.sha256().digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    for name, share in zip(NAMES, shares, strict=True):
        place -= share
        if place < 0:
            return name
    return NAMES[-1]
