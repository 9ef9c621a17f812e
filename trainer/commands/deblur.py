"""``trainer deblur``: restore photographs."""

from __future__ import annotations

import glob
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from blurkit.errors import FAILED, OK, BadImageError, UsageError
from blurkit.program.checks import require
from blurkit.program.files import make_folder
from blurkit.program.progress import plural
from trainer.evaluation.images import WRITABLE, read_photograph, walk, write_photograph
from trainer.evaluation.restore import Restorer
from trainer.networks.weights import left_out, load_generator
from trainer.training.device import choose_device, memory_advice


def deblur(weights: Path, inputs: Sequence[str], out: Path, *, tile: int, device: str) -> int:
    """Restore every photograph. One that cannot be read is named and skipped. Returns the exit code."""
    work = plan(inputs, out)
    place, reason = choose_device(device)
    generator, description = load_generator(weights)
    restore = Restorer(generator, place, tile=tile)
    print(f"{weights} on {plural(len(work), 'photograph')}; {reason}{left_out(description)}", file=sys.stderr)
    bad = 0
    for number, (source, target) in enumerate(work.items(), 1):
        begin = time.monotonic()
        try:
            line = f"{target}, {_restore(restore, source, target)}, {time.monotonic() - begin:.1f} s"
        except BadImageError as error:
            bad, line = bad + 1, f"{source} cannot be restored: {error}"
        print(f"{number} of {len(work)}: {line}", file=sys.stderr, flush=True)
    print(f"{out}: {plural(len(work) - bad, 'photograph')} restored" + (f", {bad} could not be read" if bad else ""))
    return FAILED if bad else OK


def plan(inputs: Sequence[str], out: Path) -> dict[Path, Path]:
    """Returns the output file of each photograph.

    ``inputs``: files, folders and patterns. If there is one photograph, ``out`` may be a file. Otherwise ``out`` is a folder, and
    a photograph keeps its path relative to the folder that it was found in. A format that cannot be written becomes PNG. Raises
    :class:`UsageError` if there is no photograph, if two photographs have the same output, or if an input would be overwritten.
    """
    names = {file: name for text in inputs for file, name in _photographs_of(text, out)}
    require(len(names) > 0, f"no photographs in {', '.join(inputs)}")
    if out.suffix.lower() in WRITABLE and not out.is_dir():
        require(len(names) == 1, f"{len(names)} photographs cannot be written to one file, {out}; use a folder as --out")
        work = dict.fromkeys(names, out)
    else:
        work = {
            file: out / (name if name.suffix.lower() in WRITABLE else name.with_suffix(".png")) for file, name in names.items()
        }
    sources = {(status.st_dev, status.st_ino) for status in (file.stat() for file in work)}
    taken: dict[Path, Path] = {}
    for file, target in work.items():
        if taken.setdefault(target, file) != file:
            raise UsageError(f"{file} and {taken[target]} would both be written to {target}; restore them into two folders")
        if target.exists() and (target.stat().st_dev, target.stat().st_ino) in sources:
            raise UsageError(f"{target} is one of the inputs, and inputs are never overwritten; choose another --out")
    return work


def _photographs_of(text: str, out: Path) -> Iterator[tuple[Path, Path]]:
    """Yields the photographs that an argument names, with relative paths. Files in ``out``, of an earlier run, are left out."""
    path = Path(text)
    if path.is_dir():
        top, files = path, walk(path)
    elif path.exists():
        top, files = path.parent, [path]
    else:
        matches = map(Path, sorted(glob.glob(text, recursive=True)))
        files = [file for match in matches for file in (walk(match) if match.is_dir() else [match])]
        require(len(files) > 0, f"{text}: no such file or folder, and no photograph matches it as a pattern")
        top = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
    output = out.resolve()
    for file in files:
        if file == path or top.resolve() not in output.parents or output not in file.resolve().parents:
            yield file, file.relative_to(top)


def _restore(restore: Restorer, source: Path, target: Path) -> str:
    """Read, restore and write a photograph. Returns its size and what was changed, in words."""
    pixels, notes = read_photograph(source)
    height, width = pixels.shape[:2]
    with memory_advice("lower --tile"):
        restored = restore(pixels)
    make_folder(target.parent)
    notes += write_photograph(target, restored)
    side = restore.tile(height, width)
    return ", ".join((f"{width}x{height}", *([f"tiles of {side}"] if side else []), *notes))
