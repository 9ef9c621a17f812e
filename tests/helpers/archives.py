"""Zip archives, their files, and the files in a folder."""

import io
import random
import zipfile
from pathlib import Path

from blurkit.sources.archive.download import LOCK

#: The files of the sound archive: a photograph, a small and an empty file, and text.
FILES = {
    "val/a.jpg": random.Random(1).randbytes(70_000),
    "val/deep/er/b.jpg": random.Random(2).randbytes(5),
    "val/empty.jpg": b"",
    "top.json": b'{"images": []}' * 100,
}


def packed(files: dict[str, bytes]) -> bytes:
    """The bytes of an archive that stores these files without compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def contents(root: Path) -> dict[str, bytes]:
    """The contents of all files in a folder, except the lock, by their relative paths."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != LOCK}


def nothing(*numbers: int) -> None:
    """A report that does nothing."""
