"""``blurkit fetch``: downloads a known dataset from its own server, checks it, and unpacks it where `generate` looks for it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from blurkit.errors import OK, LockedError, UsageError, nearest
from blurkit.program.files import require_space
from blurkit.program.progress import Progress, data_size, duration, plural
from blurkit.program.signals import SIGNALS, Stop, stopping
from blurkit.sources.archive.download import RetryPolicy, delete_version_note, download, is_downloaded, part_path
from blurkit.sources.archive.unpack import unpack
from blurkit.sources.known.manifest import OF_SOURCE, Archive, Manifest, Split, load_manifest

#: Retries a failing server for about a minute.
RETRY_POLICY = RetryPolicy()

#: The file names of the photographs of COCO.
_PHOTOGRAPH = re.compile(r"\d{12}\.jpg")

#: The part of the message after a signal that says what is kept.
_KEPT = "the downloaded data is kept"


@dataclass
class _Fetch:
    """One run of the command. ``root``: the target folder. ``keep``: keep the archives. ``downloaded``: bytes in this run."""

    root: Path
    splits: list[Split]
    keep: bool
    quiet: bool
    stop: Stop
    downloaded: int = 0


def fetch(name: str, *, split: str, root: Path | None, keep: bool, mirror: str | None, as_json: bool, quiet: bool) -> int:
    """Download, check and unpack the missing parts of a dataset. Returns the exit code."""
    manifest = _manifest(name)
    splits = list(manifest.splits) if split == "all" else [manifest.split(split)]
    place = root if root is not None else Path(os.environ.get("BLURKIT_DATA") or "data", name)
    archives = [archive for archive in manifest.archives if not archive.split or archive.split in {part.name for part in splits}]
    begin = time.monotonic()
    with stopping() as stop:
        _end_at_once(stop)
        run = _Fetch(place, splits, keep, quiet, stop)
        place.mkdir(parents=True, exist_ok=True)
        missing = [archive for archive in archives if not _is_unpacked(run, archive)]
        _require_space(run, missing)
        try:
            for archive in missing:  # a mirror has the same paths as the server, below another address
                url = archive.url if mirror is None else mirror.rstrip("/") + urlsplit(archive.url).path
                _fetch_one(run, archive, url)
        except LockedError as error:
            message = f"another fetch is writing {place}: wait for it, stop it, or choose another --root"
            raise LockedError(message) from error
    _print(run, name, archives, time.monotonic() - begin, as_json)
    return OK


def _manifest(name: str) -> Manifest:
    if name not in OF_SOURCE:
        raise UsageError(f"unknown dataset {name!r}; use one of {', '.join(OF_SOURCE)}{nearest(name, OF_SOURCE)}")
    manifest = load_manifest(OF_SOURCE[name])
    if not manifest.archives or not all(archive.url and archive.bytes and archive.sha256 for archive in manifest.archives):
        raise UsageError(f"{manifest.title} is not fetched by blurkit. {manifest.obtain.strip()}")
    return manifest


def _is_unpacked(run: _Fetch, archive: Archive) -> bool:
    """Whether all requested files of an archive are unpacked.

    ``False`` if the archive itself is still there, since its files are then compared with it again.
    """
    if (run.root / archive.name).exists():
        return False
    if archive.split:
        return all(_photographs(run.root / split.folder) == split.images for split in run.splits if split.name == archive.split)
    files = (_annotations(run.root, split) for split in run.splits)
    return all(file.is_file() and file.stat().st_size for file in files)


def _annotations(root: Path, split: Split) -> Path:
    return root / "annotations" / f"instances_{split.folder}.json"


def _photographs(folder: Path) -> int:
    """The number of the dataset's photographs in a folder. Empty files, which a power failure can leave, do not count."""
    if not folder.is_dir():
        return 0
    with os.scandir(folder) as entries:
        return sum(1 for entry in entries if _PHOTOGRAPH.fullmatch(entry.name) and entry.is_file() and entry.stat().st_size)


def _require_space(run: _Fetch, archives: list[Archive]) -> None:
    """Raises if the disk has no room for the archives and their files. The files take at least as much as their archive."""
    kept = most = 0
    for archive in archives:
        if (run.root / archive.name).exists():
            continue  # `unpack` checks the space for its files
        part = part_path(run.root / archive.name)
        size, here = archive.bytes or 0, part.stat().st_size if part.exists() else 0
        most = max(most, kept + 2 * size - here)
        kept += 2 * size - here if run.keep else size - here
    together = "for a while, the disk holds both an archive and its files"
    require_space(run.root, most, f"{together}: make room, or choose another --root")


def _fetch_one(run: _Fetch, archive: Archive, url: str) -> None:
    target, size = run.root / archive.name, archive.bytes or 0
    if not run.quiet:
        from_where = "is already there" if target.exists() else f"({data_size(size)}) from {url}"
        print(f"{archive.name} {from_where}, into {run.root}", file=sys.stderr, flush=True)
    with contextlib.closing(_Bytes(archive.name, size, run)) as shown:
        download(url, target, size=size, sha256=archive.sha256, report=shown.report, say=shown.say, retry_policy=RETRY_POLICY)
        run.downloaded += shown.received
    with contextlib.closing(_Bytes(f"unpacking {archive.name}", size, run)) as shown:
        unpack(target, run.root, report=shown.report)
    if is_downloaded(target) and not run.keep:  # an archive that the user put there is kept
        target.unlink()
    delete_version_note(target)


class _Bytes(Progress):
    """Progress through one archive in bytes. ``received``: the bytes that this run downloaded or unpacked."""

    def __init__(self, what: str, total: int, run: _Fetch) -> None:
        super().__init__(total, quiet=True)  # quiet, since the bar of `Progress` counts pairs
        self._what, self._stop, self._quiet = what, run.stop, run.quiet
        self.received, self._begun = 0, False
        if sys.stderr.isatty() and not run.quiet:
            from tqdm import tqdm

            width, height = shutil.get_terminal_size()
            sizes = {"total": total, "unit": "B", "unit_scale": True, "ncols": width, "nrows": height}
            self._bar = tqdm(desc=what, smoothing=0.1, file=sys.stderr, **sizes)

    def report(self, done: int, total: int | None = None) -> None:
        """Show that ``done`` bytes are there, including those of earlier runs."""
        if self._stop:
            raise self._stop.error(_KEPT)
        self.received += max(done - self.done, 0) if self._begun else 0
        self.done, self.total, self._begun = done, total or self.total, True
        if self._bar is not None:
            if done < self._bar.n:  # the server sends the file from its beginning
                self._bar.reset()
            self._bar.total = self.total
        self.show()

    def say(self, sentence: str) -> None:
        """Print a sentence on its own line. The bar is drawn again below it."""
        if self._bar is not None:
            self._bar.clear()
        print(sentence, file=sys.stderr, flush=True)

    def _say(self, count: int, seconds: float) -> None:
        rate = self.received / seconds
        left = duration((self.total - count) / rate) if rate else "unknown"
        counts = f"{data_size(count)} of {data_size(self.total)} ({count / self.total:.0%})"
        self.say(f"{self._what}: {counts}, {data_size(rate)}/s, {left} left")


def _end_at_once(stop: Stop) -> None:
    """From now on, the first signal not only sets ``stop`` but also raises :class:`StoppedError`, wherever the program is.

    So the run also ends while it waits for a silent server. An interrupted download can be resumed.
    """
    set_stop: Any = signal.getsignal(SIGNALS[0])

    def handle(number: int, frame: FrameType | None) -> None:
        set_stop(number, frame)
        raise stop.error(_KEPT)

    for number in SIGNALS:
        signal.signal(number, handle)


def _print(run: _Fetch, name: str, archives: list[Archive], seconds: float, as_json: bool) -> None:
    kept = [archive.name for archive in archives if (run.root / archive.name).exists()]
    following = f"blurkit generate --src {name} --root {shlex.quote(str(run.root))}"
    if as_json:
        splits = {split.name: {"folder": split.folder, "images": split.images} for split in run.splits}
        result = {"source": name, "root": str(run.root), "splits": splits, "archives": kept, "downloaded": run.downloaded}
        print(json.dumps({**result, "seconds": round(seconds, 3), "next": following}, ensure_ascii=False))
        return
    for split in run.splits:
        print(f"{run.root / split.folder}: {plural(split.images, 'photograph')}; {_annotations(run.root, split)}: annotations")
    for archive in kept:
        print(f"{run.root / archive}: kept; you can delete it")
    print(f"{data_size(run.downloaded)} downloaded, after {duration(seconds)}" if run.downloaded else "nothing to download")
    print(f"use it: {following}")
