"""Fixtures for the tests of exports."""

import os

import pytest


@pytest.fixture(autouse=True)
def without_syncing(monkeypatch):
    """No waiting for the disk, which takes most of the time of a small export. Power cuts are not tested here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "sync", lambda: None)
