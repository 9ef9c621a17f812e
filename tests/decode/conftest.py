"""Videos that the tests of decoding share."""

import pytest
from clips import FORMATS, write_numbers


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """A video of numbered frames in each format, by its suffix."""
    folder = tmp_path_factory.mktemp("videos")
    return {suffix: write_numbers(folder / f"numbers.{suffix}") for suffix in FORMATS}
