"""Finds the photographs that arguments name, and the files that their restored versions go to."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blurkit.decode.image import image_header
from blurkit.errors import BadImageError, UsageError
from blurkit.program.checks import require
from trainer.evaluation.images import READABLE, WRITABLE, all_files

#: Suffixes of photographs that cannot be read. They are named even if their content is damaged.
_OTHER = frozenset(
    (
        *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".psd", ".exr", ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw"),
        *(".orf", ".raf", ".rw2", ".pef", ".srw", ".raw", ".ppm", ".pgm", ".pbm", ".tga", ".apng"),
    )
)


@dataclass(frozen=True)
class Album:
    """``work``: the output file of each photograph. ``refused``: photographs that cannot be restored, and why. ``passed``: files
    in the named folders that are no images."""

    work: dict[Path, Path] = field(default_factory=dict)
    refused: dict[Path, BadImageError] = field(default_factory=dict)
    passed: list[Path] = field(default_factory=list)


def plan(inputs: Sequence[str], out: Path) -> Album:
    """Returns the photographs and their output files. Only the headers of the photographs are read.

    ``inputs``: files, folders and patterns. If there is one photograph, ``out`` may be a file. Otherwise ``out`` is a folder, and
    a photograph keeps its path relative to the folder that it was found in. A format that cannot be written becomes PNG. In
    folders the content decides what a photograph is, and its name where it cannot be read. Raises :class:`UsageError` if there is
    no photograph, if two photographs have the same output, or if an input would be overwritten.
    """
    names: dict[Path, Path] = {}
    album = Album()
    for text in inputs:
        for file, name, named in _files_of(text, out):
            try:
                image_header(file)
                names[file] = name
            except BadImageError as problem:
                if named or file.suffix.lower() in READABLE | _OTHER or problem.reason not in ("not_an_image", "empty"):
                    album.refused[file] = problem
                else:
                    album.passed.append(file)
    require(len(names) + len(album.refused) > 0, f"no photographs in {', '.join(inputs)}")
    if out.suffix.lower() in WRITABLE and not out.is_dir():
        require(len(names) <= 1, f"{len(names)} photographs cannot be written to one file, {out}; use a folder as --out")
        album.work.update(dict.fromkeys(names, out))
    else:
        for file, name in names.items():
            album.work[file] = out / (name if name.suffix.lower() in WRITABLE else name.with_suffix(".png"))
    _require_apart(album)
    return album


def _require_apart(album: Album) -> None:
    """Raise :class:`UsageError` if two photographs have the same output, or if an output is one of the inputs."""
    sources = {(status.st_dev, status.st_ino) for status in (file.stat() for file in album.work)}
    taken: dict[Path, Path] = {}
    for file, target in album.work.items():
        if taken.setdefault(target, file) != file:
            raise UsageError(f"{file} and {taken[target]} would both be written to {target}; restore them into two folders")
        if target.exists() and (target.stat().st_dev, target.stat().st_ino) in sources:
            raise UsageError(f"{target} is one of the inputs, and inputs are never overwritten; choose another --out")


def _files_of(text: str, out: Path) -> Iterator[tuple[Path, Path, bool]]:
    """Yields the files that an argument names, with relative paths, and whether it names the file itself. Files in ``out``, of an
    earlier run, are left out."""
    path = Path(text)
    if path.is_dir():
        top, files = path, all_files(path)
    elif path.exists():
        top, files = path.parent, [path]
    else:
        matches = map(Path, sorted(glob.glob(text, recursive=True)))
        files = [file for match in matches for file in (all_files(match) if match.is_dir() else [match])]
        require(len(files) > 0, f"{text}: no such file or folder, and no photograph matches it as a pattern")
        top = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
    output = out.resolve()
    for file in files:
        if file == path or top.resolve() not in output.parents or output not in file.resolve().parents:
            yield file, file.relative_to(top), file == path
