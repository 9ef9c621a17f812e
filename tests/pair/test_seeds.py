"""Tests keyed generators: they depend only on their key, and numpy and hashlib reproduce them."""

import hashlib

import numpy as np
import pytest

from blurkit.errors import UsageError
from blurkit.pair.seeds import generator, seed_words


def test_the_words_follow_from_the_documented_rule():
    digest = hashlib.blake2b("sample/coffee#3".encode(), digest_size=16).digest()  # noqa: UP012
    words = [int.from_bytes(digest[i : i + 4], "little") for i in (0, 4, 8, 12)]
    assert seed_words(7, "sample", "coffee", 3) == (7, *words)
    expected = np.random.Generator(np.random.Philox(np.random.SeedSequence([7, *words]))).random(5)
    assert np.array_equal(generator(seed_words(7, "sample", "coffee", 3)).random(5), expected)


def test_each_part_of_the_key_matters():
    keys = [(0, "a", "b", 0), (1, "a", "b", 0), (0, "c", "b", 0), (0, "a", "d", 0), (0, "a", "b", 1)]
    draws = {generator(seed_words(*key)).random() for key in keys}
    assert len(draws) == len(keys)


def test_a_seed_is_not_negative():
    with pytest.raises(UsageError, match="between 0 and"):
        seed_words(-1, "sample", "coffee", 0)
