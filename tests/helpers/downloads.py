"""A file to be downloaded, another of its size, and how patient a download of the tests is."""

import random

from file_server import FileServer

from blurkit.sources.archive.download import RetryPolicy

CONTENT = random.Random(1).randbytes(300_000)
SIZE = len(CONTENT)
OTHER = random.Random(2).randbytes(300_000)
QUICK = RetryPolicy(timeout=0.3, pauses=(0.01, 0.01, 0.01))


def ranges(server: FileServer) -> list[str | None]:
    """The part of the file that each request asked for."""
    return [headers.get("Range") for _, headers in server.requests]
