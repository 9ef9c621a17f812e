"""Whose a file is, known by its content and never by its name: pictures carry a mark, other files have openings of their own.

A file of somebody else is never replaced or deleted. The mark is a text in a PNG file (the key ``Software``) or a comment in a
JPEG file. It says ``blurkit`` and nothing about the machine or the time, so equal pictures stay equal files.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from blurkit.errors import UnreadableFileError, UsageError
from blurkit.program.files import FilePath, open_regular, read_all

#: Whether the opening of a file is that of a file that blurkit writes.
Recognise: TypeAlias = Callable[[bytes], bool]

#: The bytes at the beginning of a file by which it is known.
OPENING = 1 << 16

_MARK = b"blurkit"
_MARK_WORD = re.compile(rb"blurkit(?![a-z0-9])")  # also begins the stamp of the picture of a dataset
_PNG, _JPEG, _COMMENT = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", 0xFE
_LISTED = 5


def marked(picture: bytes) -> bytes:
    """The bytes of a PNG or JPEG file with the mark. Other bytes come back as they are: they have no place for one."""
    if picture.startswith(_PNG):
        end = len(_PNG) + 12 + int.from_bytes(picture[8:12], "big")  # of the header, which is the first chunk
        chunk = b"tEXtSoftware\0" + _MARK
        chunk = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    elif picture.startswith(_JPEG):
        end = 2 + (2 + int.from_bytes(picture[4:6], "big")) * (picture[3] == 0xE0)  # behind the JFIF header, which comes first
        chunk = b"\xff\xfe" + (len(_MARK) + 2).to_bytes(2, "big") + _MARK
    else:
        return picture
    return picture[:end] + chunk + picture[end:]


def made_here(picture: bytes | str | os.PathLike[str]) -> bool:
    """Whether blurkit or the trainer made a picture: its mark is there.

    ``picture``: the bytes of a file (the first 64 kB suffice), or the path of a file. Links are not followed.
    It is ``False`` if the file cannot be read.
    """
    if not isinstance(picture, bytes):
        return is_file_with(picture, made_here)
    return any(_MARK_WORD.match(text) is not None for text in _texts(picture))


def _texts(data: bytes) -> Iterable[bytes]:
    """Yields the texts ``Software`` of a PNG file, or the comments of a JPEG file, as far as ``data`` reaches."""
    if data.startswith(_PNG):
        place = len(_PNG)
        while len(kind := data[place + 4 : place + 8]) == 4 and kind != b"IDAT":
            size = int.from_bytes(data[place : place + 4], "big")
            body = data[place + 8 : place + 8 + size]
            if kind == b"tEXt" and body.startswith(b"Software\0"):
                yield body[9:]
            place += 12 + size
    elif data.startswith(_JPEG):
        place = 2
        while len(head := data[place : place + 4]) == 4 and head[0] == 0xFF and head[1] != 0xDA:
            size = int.from_bytes(head[2:], "big")
            if head[1] == _COMMENT:
                yield data[place + 4 : place + 2 + size]
            place += 2 + max(size, 2)


def is_file_with(path: FilePath, recognise: Recognise) -> bool:
    """Whether there is a file, no link, whose opening ``recognise`` accepts."""
    try:
        return recognise(_opening(path))
    except UnreadableFileError:
        return False


def is_replaceable(path: FilePath, recognise: Recognise) -> bool:
    """Whether nothing of anybody else is lost if the file is replaced or deleted.

    True if there is no file, if it is empty or holds only zeros, as after a power cut, or if ``recognise`` accepts its opening.
    Links, folders, devices, and files that cannot be read belong to somebody else.
    """
    try:
        with open_regular(path, follow_links=False) as descriptor:
            data, size = read_all(descriptor, OPENING), os.fstat(descriptor).st_size
    except UnreadableFileError as error:
        return error.reason == "missing" and not os.path.lexists(path)
    return (size <= OPENING and not data.strip(b"\0")) or recognise(data)


def require_replaceable(files: Mapping[Path, Recognise], advice: str) -> None:
    """Raise :class:`UsageError`, with the names and ``advice``, if some of the files are not :func:`is_replaceable`."""
    foreign = [path for path, recognise in files.items() if not is_replaceable(path, recognise)]
    if not foreign:
        return
    names = ", ".join(map(_described, foreign[:_LISTED])) + (f" and {len(foreign) - _LISTED} more" if foreign[_LISTED:] else "")
    was, them = ("was", "it") if len(foreign) == 1 else ("were", "them")
    raise UsageError(f"{names} {was} not written by blurkit, or {was} damaged since; {advice.format(them=them)}")


def _described(path: Path) -> str:
    if path.is_symlink():
        return f"{path} (a symbolic link, which is not followed)"
    return f"{path} (a folder)" if path.is_dir() else str(path)


def require_free(files: Mapping[Path, Recognise], *, overwrite: bool) -> None:
    """Raise :class:`UsageError` if a file of somebody else is where an output belongs, unless ``overwrite`` is set.

    ``files``: the outputs, and how each is known by its opening. What blurkit made is replaced without asking. A folder is
    refused in any case.
    """
    for path in files:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name a file")
    if not overwrite:
        require_replaceable(files, "choose another name, or replace {them} with --overwrite")


def _opening(path: FilePath) -> bytes:
    with open_regular(path, follow_links=False) as descriptor:
        return read_all(descriptor, OPENING)
