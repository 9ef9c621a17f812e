"""``trainer deblur``: restore photographs and videos."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blurkit.decode.capture import is_video
from blurkit.errors import FAILED, OK, BadImageError
from blurkit.program.files import make_folder
from blurkit.program.progress import plural
from trainer.evaluation.album import Album, plan
from trainer.evaluation.clips import restore_clip
from trainer.evaluation.images import read_photograph, write_photograph
from trainer.evaluation.restore import Restorer
from trainer.networks.weights import left_out, load_generator
from trainer.training.device import choose_device, memory_advice

_SECONDS_BETWEEN_LINES = 30.0


def deblur(
    weights: Path,
    inputs: Sequence[str],
    out: Path,
    *,
    tile: int,
    device: str,
    crf: int,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Restore every photograph and video. What cannot be restored is named and skipped, and what is already there is skipped.

    A file is written as a whole or not at all, so a file that is there is complete. Returns the exit code.
    """
    album = plan(inputs, out)
    place, reason = choose_device(device)
    generator, description = load_generator(weights)
    restore = Restorer(generator, place, tile=tile)
    say = Reporter(quiet=quiet)
    counts = {"photograph": len(album.work) - len(album.videos), "video": len(album.videos)}
    what = " and ".join(plural(count, noun) for noun, count in counts.items() if count) or "nothing"
    say.line(f"{weights} on {what}; {reason}{left_out(description)}")
    if album.passed:
        hint = "; videos are restored if they are named themselves" if any(is_video(str(file)) for file in album.passed) else ""
        names = ", ".join(map(str, album.passed[:5]))
        say.line(f"{plural(len(album.passed), 'file')} passed over, which are no images: {names}{hint}")
    done: dict[str, list[dict[str, Any]]] = {"restored": [], "skipped": [], "failed": []}
    for source, problem in album.refused.items():
        done["failed"].append(_failed(source, problem))
    for number, (source, target) in enumerate(album.work.items(), 1):
        say.number = f"{number} of {len(album.work)}: "
        if target.exists() and not overwrite:
            done["skipped"].append({"source": str(source), "target": str(target)})
            continue
        try:
            if source in album.videos:
                made = _restore_clip(restore, source, target, crf=crf, quiet=quiet)
            else:
                made = _restore(restore, source, target, say)
        except BadImageError as error:
            done["failed"].append(_failed(source, error))
        else:
            done["restored"].append(made)
            say.line(f"{say.number}{target}, {made['text']}")
    return _report(out, album, done, as_json=as_json)


class Reporter:
    """Prints on standard error what is done, unless ``quiet``. ``number``: the beginning of the lines of one photograph."""

    def __init__(self, *, quiet: bool) -> None:
        self.number = ""
        self._quiet, self._terminal, self._last = quiet, sys.stderr.isatty(), time.monotonic()

    def line(self, text: str) -> None:
        """Print a line."""
        if not self._quiet:
            print(f"\r\x1b[K{text}" if self._terminal else text, file=sys.stderr, flush=True)
        self._last = time.monotonic()

    def tiles(self, done: int, total: int) -> None:
        """Show how many tiles of a photograph are restored: at each tile on a terminal, else every 30 seconds."""
        text = f"{self.number}{done} of {total} tiles"
        if self._terminal and not self._quiet:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self.line(text)


def _restore(restore: Restorer, source: Path, target: Path, say: Reporter) -> dict[str, Any]:
    """Read, restore and write a photograph. Returns its description, with the key "text": the same in words."""
    begin = time.monotonic()
    photograph = read_photograph(source)
    height, width = photograph.pixels.shape[:2]
    with memory_advice("lower --tile"):
        restored = restore(photograph.pixels, tell=say.tiles)
    make_folder(target.parent)
    notes = [*photograph.notes, *write_photograph(target, photograph._replace(pixels=restored))]
    side, seconds = restore.tile(height, width), time.monotonic() - begin
    text = ", ".join((f"{width}x{height}", *([f"tiles of {side}"] if side else []), *notes, f"{seconds:.1f} s"))
    size = {"width": width, "height": height, "tile": side}
    return {"source": str(source), "target": str(target), **size, "notes": notes, "text": text}


def _restore_clip(restore: Restorer, source: Path, target: Path, *, crf: int, quiet: bool) -> dict[str, Any]:
    """Read, restore and write a video. Returns its description, as :func:`_restore` does."""
    begin = time.monotonic()
    make_folder(target.parent)
    with memory_advice("lower --tile"):
        clip, notes = restore_clip(restore, source, target, crf=crf, quiet=quiet)
    height, width = clip.shape
    text = ", ".join((f"{width}x{height}", plural(len(clip), "frame"), *notes, f"{time.monotonic() - begin:.1f} s"))
    size = {"width": width, "height": height, "tile": restore.tile(height, width), "frames": len(clip)}
    return {"source": str(source), "target": str(target), **size, "notes": notes, "text": text}


def _failed(source: Path, error: BadImageError) -> dict[str, Any]:
    print(f"{source} cannot be restored: {error}", file=sys.stderr, flush=True)
    return {"source": str(source), "reason": error.reason, "message": str(error)}


def _report(out: Path, album: Album, done: dict[str, list[dict[str, Any]]], *, as_json: bool) -> int:
    """Print what was done. Returns the exit code."""
    restored, skipped, failed = (len(done[name]) for name in ("restored", "skipped", "failed"))
    if as_json:
        for made in done["restored"]:
            del made["text"]
        print(json.dumps({"out": str(out), **done, "passed_over": list(map(str, album.passed))}, ensure_ascii=False))
    else:
        clips = sum("frames" in made for made in done["restored"])
        parts = [f"{plural(restored - clips, 'photograph')} restored"] if restored > clips or not clips else []
        parts += [f"{plural(clips, 'video')} restored"] if clips else []
        parts += [f"{skipped} already there (--overwrite restores them again)"] if skipped else []
        parts += [f"{failed} could not be restored"] if failed else []
        print(f"{out}: {', '.join(parts)}")
    return FAILED if failed else OK
