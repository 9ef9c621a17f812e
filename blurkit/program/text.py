"""Decodes text files that people wrote: UTF-8, with or without a byte order mark."""

from __future__ import annotations

import codecs

from blurkit.errors import UsageError

_OTHERS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def decode_text(data: bytes, *, where: str) -> str:
    """The text of a file, without the byte order mark that some editors write. ``where`` begins the error message.

    Raises :class:`UsageError` if the text is not UTF-8.
    """
    for mark, name in _OTHERS.items():
        if data.startswith(mark):
            raise UsageError(f"{where}: the file is {name}, not UTF-8; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = "UTF-16" if b"\0" in data[:4] else "another encoding"
        raise UsageError(f"{where}: the file is {kind}, not UTF-8 (byte {error.start}); save it as UTF-8") from error
