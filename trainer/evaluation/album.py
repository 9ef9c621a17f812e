"""Finds the photographs and videos that arguments name, and the files that their restored versions go to."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blurkit.decode.capture import is_video
from blurkit.decode.image import image_header
from blurkit.errors import BadImageError, UsageError
from blurkit.program.checks import require
from trainer.evaluation.clips import CLIPS
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
    """``work``: the output file of each photograph and video. ``videos``: which of them are videos. ``refused``: photographs that
    cannot be restored, and why. ``passed``: files in the named folders that are no images."""

    work: dict[Path, Path] = field(default_factory=dict)
    videos: set[Path] = field(default_factory=set)
    refused: dict[Path, BadImageError] = field(default_factory=dict)
    passed: list[Path] = field(default_factory=list)


def plan(inputs: Sequence[str], out: Path) -> Album:
    """Returns the photographs and their output files. Only the headers of the photographs are read.

    ``inputs``: files, folders and patterns. If there is one photograph, ``out`` may be a file. Otherwise ``out`` is a folder, and
    a photograph keeps its path relative to the folder that it was found in. A format that cannot be written becomes PNG. In
    folders the content decides what a photograph is, and its name where it cannot be read. Videos are restored if they are named
    themselves, because a video in an album may take hours. Raises :class:`UsageError` if there is nothing to restore, if two
    photographs have the same output, or if an input would be overwritten.
    """
    names: dict[Path, Path] = {}
    album = Album()
    for text in inputs:
        for file, name, named in _files_of(text, out):
            try:
                image_header(file)
                names[file] = name
            except BadImageError as problem:
                if named and is_video(str(file)):
                    names[file] = name
                    album.videos.add(file)
                elif not named and is_video(str(file)):
                    album.passed.append(file)
                elif named or file.suffix.lower() in READABLE | _OTHER or problem.reason not in ("not_an_image", "empty"):
                    album.refused[file] = problem
                else:
                    album.passed.append(file)
    require(len(names) + len(album.refused) > 0, f"no photographs in {', '.join(inputs)}")
    known = CLIPS if album.videos else WRITABLE
    if out.suffix.lower() in (*WRITABLE, *(CLIPS if album.videos else ())) and not out.is_dir():
        require(len(names) <= 1, f"{len(names)} files cannot be written to one file, {out}; use a folder as --out")
        is_known = out.suffix.lower() in known
        require(is_known, f"{inputs[0]} is a video and cannot be written to {out}; use one of {', '.join(CLIPS)}, or a folder")
        album.work.update(dict.fromkeys(names, out))
    else:
        for file, name in names.items():
            suffixes, other = (CLIPS, ".mkv") if file in album.videos else (WRITABLE, ".png")
            album.work[file] = out / (name if name.suffix.lower() in suffixes else name.with_suffix(other))
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
