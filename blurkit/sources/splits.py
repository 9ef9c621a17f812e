"""Splits by content, for sources that have none of their own: all copies of a photograph fall on one side."""

from __future__ import annotations

import hashlib
import math

from blurkit.errors import UsageError

NAMES = ("train", "val", "test")


def parse_shares(text: str) -> tuple[float, ...]:
    """``"80,10,10"`` as fractions of train, val and test."""
    try:
        shares = [float(word) for word in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != len(NAMES) or min(shares) < 0 or not 0 < sum(shares) < math.inf:
        raise UsageError(f"--shares takes three numbers for {', '.join(NAMES)}, such as 80,10,10; got {text!r}")
    return tuple(share / sum(shares) for share in shares)


def split_of(path: str, shares: tuple[float, ...]) -> str:
    """The split of a file by the sha256 of its bytes. A file that cannot be read counts as empty; it fails when decoded."""
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
