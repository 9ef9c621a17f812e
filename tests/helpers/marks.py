"""Marks that several files of tests put on their tests."""

import sys

import pytest

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
