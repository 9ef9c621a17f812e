"""Formats whose parts are files or folders of their own."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path

from blurkit.errors import UsageError
from blurkit.export.exporter import Job, Part
from blurkit.program.files import sync_folder
from blurkit.program.lenient import naming


class FileParts(ABC):
    """The shared half of an :class:`Exporter` that writes one file or one folder for each part."""

    def __init__(self, job: Job) -> None:
        self.job = job

    @abstractmethod
    def final(self, part: Part) -> Path:
        """The final path of a part."""

    def temporary(self, part: Part) -> Path:
        """The path of a part that is being written. Refuses to begin if somebody else has a file where the part belongs."""
        require_absent(self.final(part))
        return self.job.state / self.final(part).name

    def check(self) -> None:  # noqa: B027 — any dataset can be held
        pass

    def bytes_of(self, part: Part) -> int:
        return self.job.pixel_bytes(part)

    def commit(self, part: Part) -> None:
        move(self.temporary(part), self.final(part))

    def has(self, part: Part, size: int) -> bool:
        final = self.final(part)
        if not os.path.lexists(final):
            return False
        found = size_of(final)
        if found != size:
            raise UsageError(
                f"{final} has {found:,} bytes and was written with {size:,}: it was changed since; delete it and run the same "
                "command again, or choose another -o"
            )
        return True

    def finish(self) -> None:  # noqa: B027 — each part is complete
        pass


def move(temporary: Path, final: Path) -> None:
    """Give a finished file or folder its final name. Raises :class:`UsageError` if there is something already."""
    require_absent(final)
    with naming("rename", final):
        os.rename(temporary, final)
    sync_folder(final.parent)


def require_absent(path: Path) -> None:
    """Raise :class:`UsageError` if a path exists that only this export may write."""
    if os.path.lexists(path):
        raise UsageError(f"{path} was not written by this export and is not replaced; move it away, or choose another -o")


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    if path.is_dir() and not path.is_symlink():
        return sum(size_of(inner) for inner in path.iterdir())
    return path.lstat().st_size
