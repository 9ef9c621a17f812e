"""The folder of a dataset: clearing it, and refusing to change files in it that are not the dataset's.

Somebody may have pointed ``--out`` at a folder of his own. So a file is replaced or deleted only if its content is blurkit's.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from blurkit.errors import UsageError
from blurkit.program.origin import require_replaceable
from blurkit.report.card.describe import remove_description
from blurkit.shard.documents import INDEX, LEDGER, PLAN, record_path, shard_name
from blurkit.shard.own_files import how_known

_ADVICE = "nothing was changed: move {them} away, or choose another --out"


def clear(folder: Path) -> None:
    """Removes the dataset in a folder, and nothing else. Raises :class:`UsageError` if other files have names of a dataset."""
    names = [path.name for path in folder.iterdir() if how_known(path.name)]
    require_own(folder, names)
    remove_description(folder)
    for name in sorted(names, key=PLAN.__eq__):  # the plan last: without it, the folder counts as somebody else's
        (folder / name).unlink(missing_ok=True)


def refuse_other_files(folder: Path) -> None:
    """Raises :class:`UsageError` if a folder without a plan holds files with names of a dataset."""
    names = sorted(path.name for path in folder.iterdir() if how_known(path.name))
    require_own(folder, names)
    if names:
        raise UsageError(
            f"{folder} holds {names[0]} but no {PLAN}: it is what is left of a dataset; start again with --overwrite, or choose "
            "another --out"
        )


def require_own_outputs(folder: Path, shards: Iterable[int]) -> None:
    """Raises :class:`UsageError` if a run that makes these shards would replace a file that is not blurkit's."""
    made = [name for number in shards for name in (shard_name(number), record_path(folder, number).name)]
    require_own(folder, [*made, LEDGER, INDEX])


def require_own(folder: Path, names: Iterable[str]) -> None:
    """Raises :class:`UsageError` if one of these files of a folder is there and is not blurkit's."""
    known = {folder / name: how for name in names if (how := how_known(name)) is not None}
    require_replaceable(known, _ADVICE)
