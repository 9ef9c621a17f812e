"""Fixtures for the tests of exports."""

import os

import pytest


@pytest.fixture(autouse=True, scope="module")
def without_syncing():
    """No waiting for the disk, which takes most of the time of a small export. Power cuts are not tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(os, "sync", lambda: None)
        yield
