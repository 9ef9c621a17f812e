"""Reads the lists of pairs that RealBlur, RSBlur, BSD and others come with: text files with a pair in each line.

A line begins with the paths of the sharp and of the blurred image, with a space between them, or a tab if they hold spaces. What
follows is not used. If words of the paths clearly say that the blurred image is first, it is. The paths begin at some folder
above, such as ``RSBlur/0001/...`` for a list inside of ``RSBlur``, so folders at the beginning of a path are dropped until the
file is there. Nothing outside of the folder is opened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from blurkit.errors import UnreadableFileError
from blurkit.program.checks import require
from blurkit.program.files import read_regular
from blurkit.sources.listing import SUFFIXES
from blurkit.sources.pairs.names import FilePair, side_of

#: The suffix of lists, and the size of the largest that is read.
SUFFIX, _MOST_BYTES = ".txt", 1 << 28

_SPLIT = re.compile(r"(?<![a-z])(train|val|test)(?![a-z])")

#: The two paths of a line.
Line = tuple[str, str]


def find_lists(root: Path) -> list[Path]:
    """The lists of pairs that lie in a folder, not in folders inside of it, sorted by name."""
    found = sorted((path for path in root.iterdir() if path.suffix.lower() == SUFFIX), key=os.fsencode)
    return [path for path in found if path.is_file() and not path.is_symlink() and _lines(path)]


def read_list(path: Path, files: Collection[str]) -> tuple[list[FilePair], list[Line]]:
    """The pairs of a list, in its order, and its lines of which a file is missing.

    ``files``: those of the folder of the list, as paths relative to it. Raises :class:`UsageError` if this is no list of pairs.
    """
    lines = _lines(path)
    require(bool(lines), f"{path} is no list of pairs: each line holds the path of a sharp and of a blurred image")
    split = _SPLIT.search(path.stem.lower())
    pairs, missing = [], []
    for line in lines:
        sharp, blurred = (_inside(name, files) for name in _in_order(line))
        if sharp and blurred:
            pairs.append(FilePair(blurred, sharp, split[1] if split else ""))
        else:
            missing.append(line)
    return pairs, missing


def _lines(path: Path) -> list[Line]:
    """The lines of a list of pairs, none if the file is another text."""
    try:
        text = read_regular(path, most=_MOST_BYTES).decode()
    except (UnreadableFileError, UnicodeDecodeError):
        return []
    words = [line.strip().split("\t" if "\t" in line.strip() else None)[:2] for line in text.splitlines() if line.strip()]
    is_list = all(len(line) == 2 and all(os.path.splitext(name)[1].lower() in SUFFIXES for name in line) for line in words)
    return [(line[0], line[1]) for line in words] if is_list else []


def _in_order(line: Line) -> Line:
    """The two paths of a line, the sharp image first. What both have in common says nothing about a side."""
    first, second = map(side_of, _differing(*line))
    return line[::-1] if first != second and first != "sharp" and second != "blurred" else line


def _differing(one: str, other: str) -> Iterator[str]:
    """Both paths without the folders that they begin with together."""
    common = len(os.path.commonpath(("/" + one, "/" + other)))
    return (("/" + name)[common:] for name in (one, other))


def _inside(name: str, files: Collection[str]) -> str:
    """The file of the folder that a list means, or an empty text."""
    parts = name.replace("\\", "/").split("/")
    candidates = (os.path.join(*parts[first:]) for first in range(len(parts)))
    return next((candidate for candidate in candidates if candidate in files), "")
