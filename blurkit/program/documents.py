"""Reads JSON files that others may have written: no link, no pipe, bounded in size, and every value of the declared type."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NoReturn, get_args

from blurkit.errors import UnreadableFileError
from blurkit.program.files import read_regular

#: A larger document is not read.
MOST_BYTES = 256 << 20

#: Whole numbers beyond this do not fit the arrays and files of blurkit.
LARGEST = 2**63 - 1

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", dict: "an object", list: "a list"}


def read_document(path: Path, *, most: int = MOST_BYTES) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises :class:`UnreadableFileError`: ``missing``, ``link``, ``not_a_file``, ``unreadable``, ``too_large``, or ``damaged`` if
    the file holds something else.
    """
    return parse_document(read_regular(path, most=most, follow_links=False))


def parse_document(data: bytes) -> dict[str, Any]:
    """The object of a JSON text. Raises :class:`UnreadableFileError` ``damaged`` if it holds something else."""
    try:
        values = json.loads(data, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise UnreadableFileError("damaged", "It is nested too deeply.") from error
    except ValueError as error:  # also of a text that is not UTF-8, and of a number with thousands of digits
        raise UnreadableFileError("damaged", f"It is not valid JSON ({error}).") from error
    if not isinstance(values, dict):
        raise UnreadableFileError("damaged", f"It holds {values!r:.60}, not an object.")
    return values


def check_entries(values: Mapping[str, Any], kinds: Mapping[str, Any], prefix: str = "") -> None:
    """Check that these keys are there and that their values have these types. Other keys are allowed.

    ``kinds``: a type by key, such as ``int`` or ``str | None``. A whole number also stands for a float. Raises
    :class:`UnreadableFileError` ``damaged`` with the key, which follows ``prefix``.
    """
    for key, kind in kinds.items():
        if key not in values:
            raise UnreadableFileError("damaged", f"It has no {prefix}{key}.")
        value, choices = values[key], get_args(kind) if isinstance(kind, UnionType) else (kind,)
        if not any(_is(value, choice) for choice in choices):
            words = " or ".join("null" if choice is NoneType else _WORDS[choice] for choice in choices)
            raise UnreadableFileError("damaged", f"{prefix}{key} should be {words}, and is {value!r:.60}.")


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, int):
        return kind in (int, float) and abs(value) <= LARGEST
    return isinstance(value, kind) and not (isinstance(value, float) and not math.isfinite(value))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
