"""Opens a table as a source: each row names a photograph, and says what is known about it."""

from __future__ import annotations

import errno
import functools
import math
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from blurkit.decode.disparity import FORMATS
from blurkit.errors import UsageError, nearest
from blurkit.program.progress import plural
from blurkit.sources.listing import REASONS, Listing
from blurkit.sources.record import ImageRecord, Source, path_id
from blurkit.sources.rows import read_rows
from blurkit.sources.splits import NAMES

#: Column -> its meaning. Focal lengths have the units that photographs are described with.
COLUMNS = {
    "path": "the file of the photograph, relative to the table or to --root",
    "licence": "its licence, such as CC-BY-4.0",
    "license": "the same",
    "split": "train, val or test",
    "focal_35mm": "its focal length in millimetres, equivalent to that of 35 mm film",
    "focal_pixels": "its focal length in pixels of the photograph",
    "disparity": "the file of its disparity map, .npy, .pfm or .png",
}

LAYOUT = f"a table (.csv, .tsv, .jsonl or .parquet) with the column path, and optionally {', '.join(list(COLUMNS)[1:])}"

#: Focal lengths beyond these limits are in another unit.
_FOCAL_LIMITS = {"focal_35mm": (1, 10_000), "focal_pixels": (10, 10_000_000)}

#: Wrong values that an error lists, at most.
_LISTED = 8

_REASONS = REASONS | {
    "missing": "the table lists it, and it is not on the disk",
    "link": "a symbolic link, or in a folder that is one; links are not followed",
    "duplicate_name": "the table lists it several times; its first row is used",
}


def open_table(root: Path, table: Path | None = None) -> Source:
    """Returns the photographs that a table lists, in its order.

    ``root``: the table, or with ``table`` the folder that its paths start from. Ids are the paths. Files outside of the folder
    are refused, and links in it are not followed. A photograph that is not on the disk is left out with a line of the ledger; one
    without the disparity map that the table names is used without it. All photographs have a split, or none has. Unknown columns
    are named in the notices of the source.

    Raises :class:`UsageError` if the table cannot be read, has no column ``path``, or has wrong values. The message names rows.
    """
    file, base = (root, root.parent) if table is None else (table, root)
    if not file.is_file():
        raise UsageError(f"{file}: no such file; --src table takes {LAYOUT}")
    if not base.is_dir():
        raise UsageError(
            f"{base}: no such folder; with --annotations, --root is the folder that the paths of the table start from"
        )
    reader = _Reader(file, Listing(base, _REASONS))
    source = reader.listing.source("table", reader.records(), f"{file} lists no photograph that is in {base}")
    return Source(source.name, root, source.records, source.passed_over, notices=reader.notices())


class _Reader:
    """Reads one table. ``listing``: of the folder that paths start from."""

    def __init__(self, file: Path, listing: Listing) -> None:
        self.listing = listing
        self._file, self._base = file, os.path.abspath(listing.root)
        self._unknown: dict[str, None] = {}
        self._problems: list[str] = []
        self._count = 0
        self._folder_refusal = functools.lru_cache(1 << 14)(self._find_folder_refusal)

    def notices(self) -> list[str]:
        """Sentences about columns that are not read."""
        if not self._unknown:
            return []
        guesses = "".join(nearest(name, COLUMNS) for name in self._unknown)
        names = plural(len(self._unknown), "unknown column")
        return [f"{self._file}: {names} not used: {', '.join(map(repr, self._unknown))}{guesses}; known are {', '.join(COLUMNS)}"]

    def records(self) -> Iterator[ImageRecord]:
        """Yields the photographs. Raises :class:`UsageError` at the end of the table if a value was wrong."""
        seen, splits = set[int](), {True: 0, False: 0}  # whether there is a split -> the first such row
        for number, row in read_rows(self._file, COLUMNS):
            self._check_columns(number, row)
            values = {name: value for name in COLUMNS if (value := row.get(name)) not in (None, "")}
            record = self._record(number, values)
            splits[record.split != ""] = splits[record.split != ""] or number
            if hash(record.id) in seen:
                self.listing.pass_over(record.path, "duplicate_name")
                continue
            seen.add(hash(record.id))
            if reason := self._refusal(record.path):
                self.listing.pass_over(record.path, reason)
            elif not self._problems:
                yield self._placed(record)
        if all(splits.values()):
            self._problem(splits[False], f"it has no split, and row {splits[True]} has one; all rows have a split, or none has")
        if self._problems:
            more = f"\n  and {self._count - len(self._problems)} more" if self._count > len(self._problems) else ""
            raise UsageError(f"{self._file}: {plural(self._count, 'wrong value')}:\n  " + "\n  ".join(self._problems) + more)

    def _check_columns(self, number: int, row: dict[str, Any]) -> None:
        if "path" not in row:
            raise UsageError(
                f"{self._file}, row {number}: there is no column called path; the columns are {', '.join(map(str, row))}"
            )
        self._unknown |= dict.fromkeys(name for name in row if name not in COLUMNS)

    def _record(self, number: int, values: dict[str, Any]) -> ImageRecord:
        """The record of a row, with paths relative to the folder. What is wrong is noted, and left out of the record."""
        path, disparity = (self._path(number, name, values.get(name)) for name in ("path", "disparity"))
        if not path and "path" not in values:
            self._problem(number, "path is empty")
        if disparity and not disparity.endswith(FORMATS):
            self._problem(number, f"disparity {disparity!r} is no file {', '.join(FORMATS)}")
        licence, split = values.get("licence", values.get("license", "")), values.get("split", "")
        if not isinstance(licence, str):
            self._problem(number, f"licence {licence!r} is no text")
        if values.get("license", licence) != licence:
            self._problem(number, f"licence is {licence!r} and license is {values['license']!r}")
        if split and split not in NAMES:
            self._problem(number, f"split {split!r} is none of {', '.join(NAMES)}{nearest(str(split), NAMES)}")
        film, pixels = (self._focal(number, name, values.get(name)) for name in _FOCAL_LIMITS)
        if film and pixels:
            self._problem(number, "focal_35mm and focal_pixels are both given; give one of them")
        record = ImageRecord(path_id(path), path, "table", str(licence), str(split), disparity=disparity)
        return replace(record, focal_35mm=film, focal_pixels=pixels)

    def _path(self, number: int, column: str, value: Any) -> str:
        """A path relative to the folder, or an empty text if it is not given or wrong."""
        if value is None:
            return ""
        if not isinstance(value, str) or "\0" in value:
            self._problem(number, f"{column} {value!r} is no path")
        elif "://" in value:
            self._problem(number, f"{column} {value!r} is an address; only files are read")
        else:
            path = os.path.normpath(os.path.relpath(value, self._base) if os.path.isabs(value) else value)
            if path.split(os.sep)[0] not in (".", ".."):
                return path
            self._problem(number, f"{column} {value!r} leads out of {self._base}; nothing outside of it is read")
        return ""

    def _focal(self, number: int, column: str, value: Any) -> float:
        try:
            focal = 0.0 if value is None else float(value)
        except (TypeError, ValueError, OverflowError):
            focal = math.nan
        least, most = _FOCAL_LIMITS[column]
        if value is not None and (isinstance(value, bool) or not least <= focal <= most):
            self._problem(number, f"{column} {value!r} is no number from {least} to {most}")
            return 0.0
        return focal

    def _problem(self, number: int, problem: str) -> None:
        self._count += 1
        if len(self._problems) < _LISTED:
            self._problems.append(f"row {number}: {problem}")

    def _placed(self, record: ImageRecord) -> ImageRecord:
        """The record with full paths, without a disparity map that is not there."""
        disparity = record.disparity
        if disparity and (reason := self._refusal(disparity)):
            sentence = f"its disparity map {disparity} is left out: {self.listing.reasons[reason]}"
            self.listing.pass_over(record.path, "no_disparity", sentence)
            disparity = ""
        root = self.listing.root
        return replace(record, path=str(root / record.path), disparity=str(root / disparity) if disparity else "")

    def _refusal(self, relative: str) -> str:
        """Why a file is not opened, a key of the reasons, or an empty text."""
        return self._folder_refusal(os.path.dirname(relative)) or self._of_mode(relative, stat.S_ISREG)

    def _find_folder_refusal(self, relative: str) -> str:
        if not relative:
            return ""
        return self._folder_refusal(os.path.dirname(relative)) or self._of_mode(relative, stat.S_ISDIR)

    def _of_mode(self, relative: str, is_right: Callable[[int], bool]) -> str:
        try:
            mode = os.lstat(os.path.join(self._base, relative)).st_mode
        except PermissionError:
            return "unreadable"
        except (OSError, ValueError) as error:  # ValueError: half of a surrogate pair
            if isinstance(error, OSError) and error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                raise  # a disk that fails must not make a source smaller
            return "missing"
        return "link" if stat.S_ISLNK(mode) else "" if is_right(mode) else "not_a_file"
