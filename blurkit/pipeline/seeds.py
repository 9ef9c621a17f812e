"""Random generators keyed by what they are for, never by when or where they run.

Each sample has its own Philox stream, keyed by (seed, source, image id, variant), so that its bytes do not depend on workers,
order, slices or resumption.
"""

from __future__ import annotations

import hashlib

import numpy as np

from blurkit.program.checks import require

#: 32-bit words of entropy taken from the key.
WORDS = 4


def seed_words(seed: int, source: str, image_id: str, variant: int) -> tuple[int, ...]:
    """The entropy of one sample's generator: the user's seed, then ``WORDS`` 32-bit words of blake2b("source/id#variant")."""
    require(0 <= seed < 2**63, f"a seed lies between 0 and 2**63 - 1, got {seed}")
    key = hashlib.blake2b(f"{source}/{image_id}#{variant}".encode(), digest_size=4 * WORDS).digest()
    return (seed, *np.frombuffer(key, "<u4").tolist())


def generator(words: tuple[int, ...]) -> np.random.Generator:
    """The generator of one sample, from its :func:`seed_words`."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
