"""Reads the rows of a table: CSV, JSON Lines or Parquet. Nothing is converted: values are as the file has them."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from blurkit.errors import UnreadableFileError, UsageError
from blurkit.program.files import open_regular
from blurkit.program.progress import plural

#: The suffixes of tables.
TABLE_SUFFIXES = frozenset((".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"))

#: Spreadsheets of some countries write semicolons, and ``.tsv`` has tabs. The first that parts the header is used.
_DELIMITERS = ",;\t"

#: The longest line of JSON, in bytes.
_MOST = 1 << 20


def read_rows(path: Path, wanted: Collection[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (number, {column: value}) of each row of a table. The suffix decides the format. In Parquet only the ``wanted``
    columns are read, and all others have the value ``None``.

    Numbers are those that a spreadsheet or an editor shows: the header of a CSV file is row 1, and rows of other formats count
    from 1. Values are ``str`` in CSV, and any value of JSON or Parquet in the others. Raises :class:`UsageError`, possibly after
    some rows, if the file cannot be read, or is not what its suffix says.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise UsageError(f"{path}: a table is a file {', '.join(sorted(TABLE_SUFFIXES))}")
    try:
        with open_regular(path) as descriptor:
            if suffix == ".parquet":
                yield from _parquet(path, descriptor, wanted)
            else:
                yield from (_json_lines if suffix in (".jsonl", ".ndjson") else _csv)(path, descriptor)
    except UnreadableFileError as error:
        raise UsageError(f"{path}: {error}") from error


def _csv(path: Path, descriptor: int) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    # File names may have bytes that are not UTF-8; the surrogates stand for them. A spreadsheet writes a byte order mark.
    with open(descriptor, encoding="utf-8-sig", errors="surrogateescape", newline="", closefd=False) as text:
        try:
            first = text.readline(_MOST)
            delimiter = next((sign for sign in _DELIMITERS if len(next(csv.reader([first], delimiter=sign), [])) > 1), ",")
            text.seek(0)
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if len(set(header)) < len(header):
                raise UsageError(f"{path}: two columns of the header have the same name: {', '.join(header)}")
            for number, values in enumerate(reader, 2):
                if not values:
                    continue  # an empty line
                if len(values) != len(header):
                    raise UsageError(f"{path}, row {number}: {plural(len(values), 'value')} for {plural(len(header), 'column')}")
                yield number, dict(zip(header, values, strict=True))
        except csv.Error as error:
            raise UsageError(f"{path}, after row {max(number, 1)}: this is no CSV: {error}") from error


def _json_lines(path: Path, descriptor: int) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(descriptor, "rb", closefd=False) as file:
        for number, line in enumerate(iter(lambda: file.readline(_MOST), b""), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{path}, row {number}: this is no line of JSON: {error}") from error
            if not isinstance(row, dict):
                raise UsageError(f'{path}, row {number}: each line is an object such as {{"path": "a.jpg"}}')
            yield number, row


def _parquet(path: Path, descriptor: int, wanted: Collection[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UsageError(f'{path}: Parquet needs pyarrow: pip install "blurkit[parquet]"') from error
    number = 0
    try:
        with open(descriptor, "rb", closefd=False) as file:
            table = ParquetFile(file)
            names = table.schema_arrow.names
            for batch in table.iter_batches(columns=[name for name in names if name in wanted]):  # others may hold whole images
                for row in batch.to_pylist():
                    number += 1
                    yield number, {**dict.fromkeys(names), **row}
    except (ArrowException, OSError, ValueError) as error:
        raise UsageError(f"{path}, after row {number}: this is no Parquet file: {error}") from error
