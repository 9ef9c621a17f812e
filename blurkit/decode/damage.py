"""Tells messages of damage from other messages of the image libraries.

A message counts as damage if it means that pixels are lost or guessed. What OpenCV says about the machine, such as a part of it
that an environment variable switched off, is no property of the file. Sources: jerror.h of libjpeg-turbo 3.1, pngread.c and
pngrutil.c of libpng 1.6, and OpenCV 5.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: What libjpeg says if entropy-coded data are missing or wrong. Its other warnings are about metadata.
_JPEG = re.compile(
    r"premature end of|Premature end of JPEG|bad Huffman code|bad arithmetic code|found marker|extraneous bytes"
    "|Inconsistent progression|Unknown Adobe color transform"
)

#: What libpng, libtiff and OpenCV's decoders say about faults that change no pixel: bytes after the image, invalid metadata.
_HARMLESS = re.compile(
    'Too much image data|Extra compressed data|Unknown field with tag|"Orientation"|not sorted|TIFFFetchNormalTag'
)

#: A message of one of OpenCV's image decoders. The name of the source file says so.
_DECODER = re.compile(r"\[[^\]\n]*\] \S+ (?:\S*/)?(?:grfmt_\w+|loadsave|bitstrm|rgbe|exif)\.\w+:\d+")

# The parts of a message of OpenCV or libpng that do not help a user.
_CLUTTER = re.compile(r"^\[.*?\] global \S+ \S+ (?:.*?error: \([^)]*\))? *|^libpng (?:warning|error): | *in function '.*")


def damage_in(messages: Iterable[str]) -> list[str]:
    """Returns the messages that report damage, without prefixes; see :func:`blurkit.decode.nativelog.catch_messages`."""
    return [_CLUTTER.sub("", message.splitlines()[0]) for message in messages if _is_damage(message)]


def _is_damage(message: str) -> bool:
    if message.startswith("["):
        return bool(_DECODER.match(message)) and not _HARMLESS.search(message)
    if message.startswith("libpng"):
        return not _HARMLESS.search(message)
    return bool(_JPEG.search(message))
