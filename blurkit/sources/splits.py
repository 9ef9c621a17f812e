"""Assigns splits by the content of files, for sources without splits. All copies of a photograph get the same split."""

from __future__ import annotations

import collections
import errno
import hashlib
import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from blurkit.errors import UsageError

NAMES = ("train", "val", "test")

#: Threads that read files, the files that one of them reads in turn, and the most bytes of one read.
_THREADS, _BATCH, _READ = 8, 256, 1 << 18


def parse_shares(text: str) -> tuple[float, ...]:
    """Returns the fractions of train, val and test, whose sum is 1, from a text such as ``"80,10,10"``."""
    try:
        shares = [float(word) for word in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != len(NAMES) or min(shares) < 0 or not 0 < sum(shares) < math.inf:
        raise UsageError(f"--shares takes three numbers for {', '.join(NAMES)}, such as 80,10,10; got {text!r}")
    return tuple(share / sum(shares) for share in shares)


def splits_of(paths: Iterable[str], shares: tuple[float, ...]) -> Iterator[str]:
    """Yields the split of each file by the sha256 of its bytes. Equal paths that follow each other are read once.

    An unreadable file counts as empty; decoding it fails later. A few threads read ahead, which hides the delays of a network
    drive.
    """
    groups = ((path, sum(1 for _ in same)) for path, same in itertools.groupby(paths))
    waiting: collections.deque[Future[list[str]]] = collections.deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        while True:
            batch = list(itertools.islice(groups, _BATCH))
            if batch:
                waiting.append(pool.submit(_splits, batch, shares))
            elif not waiting:
                return
            if len(waiting) > 2 * _THREADS or not batch:
                yield from waiting.popleft().result()


def _splits(batch: Sequence[tuple[str, int]], shares: tuple[float, ...]) -> list[str]:
    """The splits of files, each as often as its count says."""
    return [split for path, count in batch for split in [split_of(path, shares)] * count]


def split_of(path: str, shares: tuple[float, ...]) -> str:
    """Returns the split of one file, as :func:`splits_of` does."""
    place = int.from_bytes(_sha256(path)[:8], "big") / 2**64
    for name, share in zip(NAMES, shares, strict=True):
        place -= share
        if place < 0:
            return name
    return NAMES[-1]


def _sha256(path: str) -> bytes:
    digest = hashlib.sha256()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            while data := os.read(descriptor, _READ):
                digest.update(data)
        finally:
            os.close(descriptor)
    except ValueError:  # no file can have this name
        return hashlib.sha256().digest()
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise  # the file is not at fault
        return hashlib.sha256().digest()
    return digest.digest()
