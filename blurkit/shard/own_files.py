"""Which files of a folder a dataset of blurkit owns. A name is not enough: the content has to be what blurkit writes.

The opening of a file decides, so that a file of blurkit that was cut off or damaged further on is still known.
"""

from __future__ import annotations

import re

from blurkit.program.origin import Recognise
from blurkit.shard.documents import INDEX, LEDGER, PLAN, is_dataset_file
from blurkit.shard.layout import is_layout_opening

_LETTERS = rb'(?:[^"\\\n]|\\.)*'
_PLAN = re.compile(rb'\s*\{\s*"configuration":\s*\{\s*"source":.*"images_digest":\s*"[0-9a-f]{64}"', re.DOTALL)
_INDEX = re.compile(rb'\s*\{\s*"format":\s*"blurkit-dataset"')
_RECORD = re.compile(rb'\s*\{\s*"file":\s*(null|"\d{5,12}\.h5"),\s*"samples":')
_LINE = re.compile(rb'\{"id": "%b", "path": "%b", "stage": "[a-z]+", "reason": "[a-z_]+", "message": "' % (_LETTERS, _LETTERS))
_ID = re.compile(rb'\{"id": "%b\\?(?:"|$)' % _LETTERS)
_AFTER_ID = b', "path": "'


def how_known(name: str) -> Recognise | None:
    """How a file of a dataset with this name is known by its opening. ``None`` if a dataset has no file with this name."""
    if not is_dataset_file(name):
        return None
    named = {PLAN: _is_plan, INDEX: _is_index, LEDGER: _is_ledger}
    return named.get(name) or (is_layout_opening if name.endswith(".h5") else _is_record)


def _is_plan(opening: bytes) -> bool:
    return _PLAN.match(opening) is not None


def _is_index(opening: bytes) -> bool:
    return _INDEX.match(opening) is not None


def _is_record(opening: bytes) -> bool:
    return _RECORD.match(opening) is not None


def _is_ledger(opening: bytes) -> bool:
    """Of a first line a full disk may have left the beginning. Then another line may follow without a line break."""
    first = _ID.match(opening)
    if first is None or b"\n" in opening:
        return first is not None and _LINE.search(opening) is not None
    rest = opening[first.end() :][: len(_AFTER_ID)]
    return rest == _AFTER_ID[: len(rest)]
