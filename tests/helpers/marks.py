"""Marks that several files of tests use."""

import sys

import pytest

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
