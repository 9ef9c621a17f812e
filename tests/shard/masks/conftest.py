"""Samples for the tests of masks in shards."""

import pytest
from masked_samples import with_objects


@pytest.fixture
def samples(make_sample):
    """A function that makes samples of these sizes with these numbers of objects."""
    return lambda sizes, counts: with_objects([make_sample(number, *size) for number, size in enumerate(sizes)], counts)
