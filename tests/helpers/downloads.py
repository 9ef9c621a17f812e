"""A file to download, another file of the same size, and the waiting times of the tests."""

import random

from file_server import FileServer

from blurkit.sources.archive.download import RetryPolicy

CONTENT = random.Random(1).randbytes(300_000)
SIZE = len(CONTENT)
OTHER = random.Random(2).randbytes(300_000)
QUICK = RetryPolicy(timeout=0.3, pauses=(0.01, 0.01, 0.01))


def ranges(server: FileServer) -> list[str | None]:
    """The header ``Range`` of each request."""
    return [headers.get("Range") for _, headers in server.requests]
