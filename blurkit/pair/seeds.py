"""The random generator of each sample.

Each sample has its own Philox stream with the key (seed, source, image id, variant). Its bytes do not depend on workers, on
the order of the samples, on slices, or on resumption.
"""

from __future__ import annotations

import hashlib

import numpy as np

from blurkit.program.checks import require

#: The number of 32-bit words that are taken from the hash of the key.
WORDS = 4


def seed_words(seed: int, source: str, image_id: str, variant: int) -> tuple[int, ...]:
    """The entropy of one sample's generator: the user's seed, then ``WORDS`` 32-bit words of blake2b("source/id#variant"). Raises
    :class:`UsageError` for a seed outside of 0 to 2**63 - 1."""
    require(0 <= seed < 2**63, f"a seed lies between 0 and 2**63 - 1, got {seed}")
    key = hashlib.blake2b(f"{source}/{image_id}#{variant}".encode(), digest_size=4 * WORDS).digest()
    return (seed, *np.frombuffer(key, "<u4").tolist())


def generator(words: tuple[int, ...]) -> np.random.Generator:
    """The generator of one sample, made from its :func:`seed_words`."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
