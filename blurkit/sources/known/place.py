"""Finds the folder of a known dataset, and explains what is expected if it is not found."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection
from pathlib import Path

from blurkit.errors import UsageError, nearest
from blurkit.sources.known.manifest import OF_SOURCE, load_manifest


def default_root(name: str, root: Path | None) -> Path:
    """Returns ``root``, or ``$BLURKIT_DATA/name``, or ``data/name`` if the variable is not set."""
    return root if root is not None else Path(os.environ.get("BLURKIT_DATA") or "data", name)


def find_root(name: str, root: Path | None, folders: Collection[str], other: str = "") -> Path:
    """Returns the folder of a dataset, :func:`default_root`, which must contain one of ``folders``.

    Otherwise, raises :class:`UsageError`. The message says where the folder was expected, in which layout, how to get the data
    and what to run then. ``other``: follows the layout in the message.
    """
    base, place = os.environ.get("BLURKIT_DATA"), default_root(name, root)
    if any(os.path.isdir(place / folder) for folder in folders):
        return place
    manifest = load_manifest(OF_SOURCE[name])
    how = "" if root is not None or base else " ($BLURKIT_DATA is not set)"
    raise UsageError(
        f"no {manifest.title} in {place}{how}: {_what_is_there(place, folders)}\n\n"
        f"The expected layout is:\n{manifest.layout.rstrip()}{other}\n\n"
        f"{manifest.obtain.strip()}\nThen: blurkit generate --src {name} --root DIR; data/{name} or $BLURKIT_DATA/{name} "
        "is found without --root"
    )


def _what_is_there(place: Path, folders: Collection[str]) -> str:
    """Describes what is at a place that holds none of ``folders``."""
    if not os.path.exists(place):
        return "there is no such folder"
    try:
        inner = sorted(name for name in os.listdir(place) if os.path.isdir(place / name))
    except NotADirectoryError:
        return "that is no folder"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    nested = [name for name in inner if any(os.path.isdir(place / name / folder) for folder in folders)]
    wanted = f"it has none of the folders {', '.join(folders)}"
    if nested:
        return f"{wanted}; did you mean {' or '.join(str(place / name) for name in nested)}?"
    return f"{wanted} (found: {', '.join(inner[:8]) or 'no folders'})"


def is_folder(path: Path) -> bool:
    """Whether a folder of a dataset exists. Raises :class:`UsageError` if a link or a file is in its place."""
    try:
        mode = os.lstat(path).st_mode  # not Path.is_dir, which may take a disk that fails for a folder that is not there
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise
    if stat.S_ISLNK(mode):
        raise UsageError(
            f"{path} is a symbolic link; nothing outside a dataset's root is read: move or mount the folder there, "
            "or use --root with the folder that contains the target"
        )
    if not stat.S_ISDIR(mode):
        raise UsageError(f"{path} is no folder")
    return True


def choose_splits(split: str, known: dict[str, str], source: str) -> list[str]:
    """Returns the names (train, val, test) of the splits that ``split`` selects: ``all``, a name, or a folder.

    ``known``: name -> folder. Raises :class:`UsageError` for an unknown split.
    """
    chosen = [name for name, folder in known.items() if split in ("all", name, folder)]
    if not chosen:
        names = [name if name == folder else f"{name} ({folder})" for name, folder in known.items()]
        guess = nearest(split, [*known, *known.values()])
        raise UsageError(f"--split: {source} has no split {split!r}; it has all, {', '.join(names)}{guess}")
    return chosen
