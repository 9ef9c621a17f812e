"""The command ``blurkit`` in the process of the tests."""

import contextlib
import io
import json
import os
import pickle
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from blurkit.cli import main
from blurkit.pipeline.engine import Finished, Tick
from blurkit.pipeline.task import ShardTask, make_shard
from blurkit.program.signals import Stop

#: Options for a dataset in several shards, of the first nine packaged photographs unless a later option says otherwise.
SMALL = ("--limit", "9", "--size", "48", "--recipe", "clean", "--set", "shard_bytes=100000", "-q")


def run(*arguments: object, cwd: Path, code: int | None = 0, **environment: str) -> SimpleNamespace:
    """Run blurkit in a folder and check the exit code, unless it is ``None``. Returns ``returncode``, ``stdout`` and ``stderr``.

    Shards are made in this process, unless ``--workers`` is among the arguments: a worker takes a second to start. The tests
    that give ``--workers`` show that workers make the same shards.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.nullcontext() if "--workers" in arguments else mock.patch("blurkit.commands.generate.run_tasks", run_here),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", ["blurkit", *map(str, arguments)]),
    ):
        returned = main()
    assert code in (None, returned), err.getvalue() + out.getvalue()
    return SimpleNamespace(returncode=returned, stdout=out.getvalue(), stderr=err.getvalue())


def result(*arguments: object, **options: Any) -> Any:
    """Run blurkit with ``--json`` and return the parsed output."""
    return json.loads(run(*arguments, "--json", **options).stdout)


def dataset_files(folder: Path) -> dict[str, bytes]:
    """The bytes of the shards, records and ledger of a dataset, by name. They do not depend on how the dataset was made."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".h5", ".json", ".jsonl")}


def run_here(tasks: Iterable[ShardTask], *, workers: int, stop: Stop, tick: Tick) -> Iterator[Finished]:
    """As :func:`blurkit.pipeline.engine.run_tasks`, without workers. Each task is pickled and unpickled, as for a worker."""
    for task in tasks:
        record = make_shard(pickle.loads(pickle.dumps(task)), lambda _, decided: tick(decided))
        yield Finished(task.number, record, len(task.records) * task.settings.per_image)
