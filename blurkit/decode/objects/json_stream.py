"""Reads a JSON file of any size, element by element, in bounded memory. COCO's annotations have hundreds of megabytes.

The file is read into a window. Its bytes are decoded as Latin-1, so that each character is a byte and each index is an offset. An
element that is not ASCII is decoded again as UTF-8. If an element ends beyond the window, the window becomes at least twice as
long and the element is parsed again, so that the time stays linear.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from blurkit.errors import UnreadableFileError, UsageError
from blurkit.program.files import open_regular

#: The longest element, in bytes. Values of other keys may be longer.
MAX_ELEMENT = 64 << 20

_CHUNK = 1 << 20
_MARGIN = 4096  # a fault at least so far before the window's end is not caused by the end
_ADVICE = "download it again, or unpack it again"
_AFTER = " \t\n\r,]}:"
# Matches a bracket, strings without escapes up to the next bracket, or the start of another string. The number of strings is
# bounded, which bounds the memory of the regular expression.
_TOKEN = re.compile(r'[\[\]{}]|"(?:[^"\\]*"(?:[^"\[\]{}]*"[^"\\]*"){0,100})?')
_STRING_TOKEN = re.compile(r'"|\\.', re.DOTALL)
_SPACE = re.compile(r"[ \t\n\r]*+")
_DECODER = json.JSONDecoder()


class Element(NamedTuple):
    """An element of the array at a top-level ``key``, or the whole value of the key if the value is no array.

    ``start``, ``end``: the byte offsets of ``value`` in the file.
    """

    key: str
    value: Any
    start: int
    end: int


def elements(path: str | os.PathLike[str], keys: Collection[str], *, last: str | None = None) -> Iterator[Element]:
    """Yields the elements of the arrays at ``keys`` of the object in a JSON file, in file order.

    ``last``: reading stops after the value of this key. By default the whole file is read, which proves that it is complete. The
    values of other keys are skipped. A byte order mark and the literals NaN and Infinity are accepted.

    Raises :class:`UsageError`, possibly after some elements, if the file is missing, is no regular file (links are not followed),
    is empty, is cut short, is not JSON, holds no object, has one of ``keys`` twice, is nested too deep, or has an element longer
    than :data:`MAX_ELEMENT`.
    """
    with _opened(path) as descriptor:
        scanner = _Scanner(path, descriptor)
        _enter_object(scanner)
        seen: set[str] = set()
        ended = scanner.peek() == "}"
        scanner.position += ended
        while not ended:
            key = _read_key(scanner)
            if key in seen:
                raise scanner.error(f"has the key {key!r} twice")
            if key in keys:
                seen.add(key)
                yield from _elements_at(scanner, key)
            else:
                scanner.skip()
            if key == last:
                return
            ended = scanner.take(",}") == "}"
        if scanner.peek():
            raise scanner.error("goes on after the end of its object")


def read_slices(path: str | os.PathLike[str], spans: Iterable[tuple[int, int]]) -> list[Any]:
    """Returns the elements at byte offsets (start, end) that :func:`elements` gave.

    Raises :class:`UsageError` if the file cannot be read, or if an element is no longer at its place.
    """
    values = []
    with _opened(path) as descriptor:
        for start, end in spans:
            try:
                data = os.pread(descriptor, min(end - start, MAX_ELEMENT), start)
                values.append(json.loads(data.decode("utf-8")))
            except (ValueError, RecursionError, OSError) as error:
                raise UsageError(
                    f"{path}: the JSON element at bytes {start} to {end} is gone ({error}): "
                    "the file was changed during the run; start again"
                ) from error
    return values


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[int]:
    try:
        with open_regular(path, follow_links=False) as descriptor:
            yield descriptor
    except UnreadableFileError as error:
        raise UsageError(f"{path}: a JSON file is expected here. {error}") from error


def _enter_object(scanner: _Scanner) -> None:
    scanner.fill()
    if scanner.text.startswith("\xef\xbb\xbf"):
        scanner.position = 3
    if scanner.text[:2] in ("\xff\xfe", "\xfe\xff") or "\0" in scanner.text[:4].strip("\0"):
        raise UsageError(f"{scanner.path}: the file is UTF-16 or UTF-32, not UTF-8; save it as UTF-8")
    first = scanner.peek()
    if not first:
        raise scanner.error("is empty")
    if first == "\0":
        raise scanner.error("starts with zeros, as after an interrupted download")
    if first != "{":
        raise scanner.error(f"holds no JSON object: it starts with {first!r} instead of '{{'")
    scanner.position += 1


def _read_key(scanner: _Scanner) -> str:
    if scanner.peek() not in ('"', ""):
        raise scanner.error("is not JSON: a key in double quotes is missing")
    key: str = scanner.value()[0]
    scanner.take(":")
    return key


def _elements_at(scanner: _Scanner, key: str) -> Iterator[Element]:
    if scanner.peek() != "[":
        yield Element(key, *scanner.value())
        return
    scanner.position += 1
    ended = scanner.peek() == "]"
    scanner.position += ended
    while not ended:
        yield Element(key, *scanner.value())
        ended = scanner.take(",]") == "]"


class _Scanner:
    """A window ``text`` that moves through a file. ``position``: in the window. ``base``: the window's offset in the file."""

    def __init__(self, path: str | os.PathLike[str], descriptor: int) -> None:
        self.path, self.text, self.position, self.base = path, "", 0, 0
        self._descriptor = descriptor

    def error(self, what: str, position: int | None = None) -> UsageError:
        offset = self.base + (self.position if position is None else position)
        return UsageError(f"{self.path}: the file {what} (byte {offset}); {_ADVICE}")

    def fill(self) -> bool:
        """Drops the text before the position and at least doubles the rest. At the file's end, changes nothing: returns false."""
        try:
            data = os.read(self._descriptor, max(_CHUNK, len(self.text) - self.position))
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror}") from error
        if data:
            self.text = self.text[self.position :] + data.decode("latin-1")
            self.base, self.position = self.base + self.position, 0
        return bool(data)

    def peek(self) -> str:
        """Moves to the next character that is no white space, and returns it. Returns an empty text at the end of the file."""
        while True:
            text = self.text
            match = _SPACE.match(text, self.position)
            self.position = match.end() if match else len(text)
            if self.position < len(text):
                return text[self.position]
            if not self.fill():
                return ""

    def take(self, wanted: str) -> str:
        """Moves beyond the next character, which must be one of ``wanted``, and returns it."""
        character = self.peek()
        if not character:
            raise self.error("is cut short")
        if character not in wanted:
            raise self.error(f"is not JSON: {' or '.join(map(repr, wanted))} is missing before {character!r}")
        self.position += 1
        return character

    def value(self) -> tuple[Any, int, int]:
        """Moves beyond the value at the position. Returns the value and its offsets (start, end) in the file."""
        self.peek()
        while True:
            text, start, fault = self.text, self.position, None
            try:
                value, end = _DECODER.raw_decode(text, start)
            except ValueError as error:
                fault, end = error, len(text)
            except RecursionError as error:
                raise self.error("is nested too deep") from error
            # A number that is cut by the window's end is still a number: "1" may be the start of "1.5".
            if end < len(text) and (text[end] in _AFTER or end + _MARGIN < len(text)):
                break
            if fault is not None and _is_final(fault, len(text)):
                raise self._fault(fault) from fault
            if len(text) - start >= MAX_ELEMENT:
                raise self.error(f"has an element of more than {MAX_ELEMENT >> 20} MiB")
            if not self.fill():
                if fault is None:  # the caller will notice the missing next character
                    break
                raise self._fault(fault) from fault
        if not text.isascii() and not text[start:end].isascii():
            value = self._decode_again(start, end)
        self.position = end
        return value, self.base + start, self.base + end

    def _fault(self, fault: ValueError) -> UsageError:
        if not isinstance(fault, json.JSONDecodeError):
            return self.error(f"has a number that cannot be read: {fault}")
        if fault.pos >= len(self.text) or fault.msg.startswith("Unterminated"):
            return self.error("is cut short within the element that starts here")
        return self.error(f"is not JSON: {fault.msg}", fault.pos)

    def _decode_again(self, start: int, end: int) -> Any:
        """Returns a value with characters that are not ASCII."""
        data = self.text[start:end].encode("latin-1")
        try:
            return _DECODER.decode(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise self.error("is not UTF-8", start + error.start) from error

    def skip(self) -> None:
        """Moves beyond the value at the position. The value may have any size."""
        first, depth = self.peek(), 0
        if first == '"':
            self.position += 1
            self._skip_string()
            return
        if first not in ("[", "{"):
            self.value()
            return
        while True:
            match = _TOKEN.search(self.text, self.position)
            if match is None:
                self.position = len(self.text)
                self._fill_or_fail()
                continue
            self.position = match.end()
            if match[0] == '"':
                self._skip_string()
            elif match[0][0] != '"':
                depth += 1 if match[0] in "[{" else -1
                if depth == 0:
                    return

    def _skip_string(self) -> None:
        """Moves beyond the end of the string around the position."""
        while True:
            match = _STRING_TOKEN.search(self.text, self.position)
            if match is not None:
                self.position = match.end()
                if match[0] == '"':
                    return
            else:
                self.position = len(self.text) - self.text.endswith("\\", self.position)  # an escape needs its next character
                self._fill_or_fail()

    def _fill_or_fail(self) -> None:
        if not self.fill():
            raise self.error("is cut short")


def _is_final(fault: ValueError, length: int) -> bool:
    """Whether a fault in a window of this length would remain in a longer window."""
    if not isinstance(fault, json.JSONDecodeError):  # from int(), which refuses thousands of digits
        return True
    return fault.pos + _MARGIN < length and not fault.msg.startswith("Unterminated")
