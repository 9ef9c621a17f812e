"""Zip archives, the files in them, and what a folder holds after they were unpacked."""

import io
import random
import zipfile
from pathlib import Path

from blurkit.sources.archive.download import LOCK

#: What a sound archive holds: a photograph, one deeper down, an empty one, and text.
FILES = {
    "val/a.jpg": random.Random(1).randbytes(70_000),
    "val/deep/er/b.jpg": random.Random(2).randbytes(5),
    "val/empty.jpg": b"",
    "top.json": b'{"images": []}' * 100,
}


def packed(files: dict[str, bytes]) -> bytes:
    """An archive of these files, stored as they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def contents(root: Path) -> dict[str, bytes]:
    """All files below a folder but the lock, by their paths relative to it."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != LOCK}


def nothing(*numbers: int) -> None:
    """A report to nobody."""
