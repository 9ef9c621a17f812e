"""``trainer eval``: measure how well a generator, or another program, restores the pairs of a dataset or a folder."""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from blurkit.errors import OK, UsageError
from blurkit.program.files import make_folder, write_atomic
from blurkit.program.origin import Recognise, made_here, require_free
from blurkit.program.progress import Progress, plural
from blurkit.sources.pairs import PairLayout
from trainer.data.folders import FolderPairs
from trainer.evaluation.metrics import Metric, load_metrics
from trainer.evaluation.pairsets import PairSet, open_pairset
from trainer.evaluation.pictures import draw_triples
from trainer.evaluation.restore import Restorer
from trainer.evaluation.restored import Restore, RestoredFiles, open_restored
from trainer.evaluation.scores import Score, make_row, means, representative_pairs, score_pairs, to_csv, to_table
from trainer.networks.weights import left_out, load_generator
from trainer.training.device import choose_device, memory_advice

#: The files that are written to the folder ``--out``.
IMAGES, RESULTS, SHEET = "images.csv", "results.json", "sheet.png"

#: The metrics that ``--y`` adds: of the luma, as many papers report them.
_LUMA = ("psnr_y", "ssim_y")

#: How each of them is known by its opening, so that no file of somebody else is replaced.
_OUTPUTS: dict[str, Recognise] = {
    IMAGES: lambda opening: opening.startswith(b"name,height,width,"),
    RESULTS: lambda opening: re.match(rb'\{\s*"n": \d+,\s*"blurred": \{', opening) is not None,
    SHEET: made_here,
}


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of the command. ``metrics``: see :func:`trainer.evaluation.metrics.load_metrics`. ``tile``: see
    :class:`trainer.evaluation.restore.Restorer`. ``out``: the folder for the files, or None."""

    metrics: str
    tile: int
    device: str
    out: Path | None
    as_json: bool
    quiet: bool
    overwrite: bool = False
    blurred: str = ""
    sharp: str = ""
    side_by_side: bool = False
    restored: Path | None = None
    y: bool = False


def evaluate(weights: Path | None, data: Path, options: EvaluateOptions) -> int:
    """Score every pair and print a table or a JSON object. With ``out``, also write files. Returns the exit code."""
    out, quiet = options.out, options.quiet
    source = weights if options.restored is None else options.restored
    if source is None or (weights is not None and options.restored is not None):
        raise UsageError("name either WEIGHTS, a run or a file of weights, or --restored DIR, a folder of restored images")
    if out is not None:
        require_free({out / name: recognise for name, recognise in _OUTPUTS.items()}, overwrite=options.overwrite)
    place, reason = choose_device(options.device)
    names = [*options.metrics.split(","), *(_LUMA if options.y else ())]
    chosen = load_metrics(list(dict.fromkeys(names)), place)
    pairs = open_pairset(data, PairLayout(options.blurred, options.sharp, options.side_by_side))
    restore, description = _opened(source, options, pairs, place)
    if not quiet:
        for notice in pairs.notices if isinstance(pairs, FolderPairs) else ():
            print(notice, file=sys.stderr)
        print(
            f"{weights or options.restored} on {plural(len(pairs), 'pair')} of {data}; {reason}{left_out(description)}",
            file=sys.stderr,
        )
    scores, summary = measure(restore, pairs, chosen, quiet=quiet)
    result = {
        **summary,
        "metrics": {name: metric.convention for name, metric in chosen.items()},
        "weights": None if weights is None else str(weights),
        "restored_files": None if options.restored is None else str(options.restored),
        "step": description.get("step"),
        "data": str(data),
    }
    if options.as_json:
        print(strict_json(result))
    else:
        print(to_table(scores, chosen))
        print(f"\n{', '.join(result['sizes'])}; {result['frame']}")
        print("\n".join(f"{name}: {convention}" for name, convention in result["metrics"].items()))
    if out is not None:
        make_folder(out)
        write_atomic(out / IMAGES, to_csv(scores).encode(errors="backslashreplace"))
        write_atomic(out / RESULTS, strict_json(result, indent=2).encode(errors="backslashreplace") + b"\n")
        _draw_sheet(out / SHEET, restore, pairs, scores, chosen, result)
        if not quiet:
            print(f"{out}: {IMAGES}, {RESULTS}, {SHEET}", file=sys.stderr)
    return OK


def _opened(source: Path, options: EvaluateOptions, pairs: PairSet, place: torch.device) -> tuple[Restore, dict[str, Any]]:
    """What restores, and its description: a generator, or a folder of restored images."""
    if options.restored is not None:
        return open_restored(source, pairs), {}
    generator, description = load_generator(source)
    return Restorer(generator, place, tile=options.tile), description


def measure(
    restore: Restore, pairs: PairSet, metrics: Mapping[str, Metric], *, quiet: bool
) -> tuple[list[Score], dict[str, Any]]:
    """Returns the score of each pair, and their :func:`means` with the sizes of the pairs and whether tiles were used."""
    scores, progress = [], Progress(len(pairs), quiet=quiet)
    with memory_advice("lower --tile"):
        for score in score_pairs(restore, pairs, metrics):
            scores.append(score)
            progress.done += 1
            progress.show()
    progress.close()
    sizes = dict(Counter(f"{score.width}x{score.height}" for score in scores).most_common())
    if isinstance(restore, RestoredFiles):
        frame = "restored images as they are"
    else:
        sides = sorted({restore.tile(score.height, score.width) for score in scores})
        frame = " and ".join(f"tiles of {side}" if side else "full frame" for side in sides)
    return scores, {**means(scores), "sizes": sizes, "frame": frame}


def _draw_sheet(
    path: Path,
    restore: Restore,
    pairs: PairSet,
    scores: list[Score],
    metrics: Mapping[str, Metric],
    result: dict[str, Any],
) -> None:
    """Draw the pairs with the greatest, median and least gain in the first metric, with the means over all pairs."""
    name, metric = next(iter(metrics.items()))
    chosen = representative_pairs(scores, name, metric.better).items()
    rows = [make_row(restore, pairs, index, scores[index], metrics, words=words) for index, words in chosen]
    before, after = (metric.text(result[side][name]) for side in ("blurred", "restored"))
    title = f"{result['weights'] or result['restored_files']} · {plural(result['n'], 'pair')}"
    draw_triples(path, rows, title=title, subtitle=f"{result['data']} · {result['frame']} · mean {name} {before} → {after}")


def strict_json(result: dict[str, Any], indent: int | None = None) -> str:
    """Strict JSON. The PSNR of equal images is infinite, which JSON cannot express, so it becomes null."""
    strict = dict(result)
    for side in ("blurred", "restored"):
        strict[side] = {name: mean if math.isfinite(mean) else None for name, mean in result[side].items()}
    return json.dumps(strict, indent=indent, ensure_ascii=False)
