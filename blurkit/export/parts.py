"""Formats whose parts are files or folders of their own."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path

from blurkit.errors import UsageError
from blurkit.export.exporter import Exporter, Part
from blurkit.export.state import move, require_absent


class FileParts(Exporter):
    """An :class:`Exporter` that writes one file or one folder for each part."""

    @abstractmethod
    def final(self, part: Part) -> Path:
        """The final path of a part."""

    def temporary(self, part: Part) -> Path:
        """The path of a part that is being written. Refuses to begin if somebody else has a file where the part belongs."""
        require_absent(self.final(part))
        return self.job.state / self.final(part).name

    def commit(self, part: Part) -> None:
        move(self.temporary(part), self.final(part))

    def has(self, part: Part, size: int) -> bool:
        final = self.final(part)
        if not os.path.lexists(final):
            return False
        found = _size_of(final)
        if found != size:
            raise UsageError(
                f"{final} has {found:,} bytes and was written with {size:,}: it was changed since; delete it and run the same "
                "command again, or choose another -o"
            )
        return True


def _size_of(path: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    if path.is_dir() and not path.is_symlink():
        return sum(_size_of(inner) for inner in path.iterdir())
    return path.lstat().st_size
