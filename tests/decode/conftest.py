"""Videos for the tests of decoding."""

import pytest
from clips import FORMATS, write_numbers


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """A video of numbered frames in each format, by suffix."""
    folder = tmp_path_factory.mktemp("videos")
    return {suffix: write_numbers(folder / f"numbers.{suffix}") for suffix in FORMATS}
