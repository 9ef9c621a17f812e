"""``blurkit preview``: draws a sheet of the pairs of a dataset, or of the pairs that ``generate`` would make."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from blurkit.commands.outcome import nothing_stored
from blurkit.errors import OK, BadImageError, UsageError
from blurkit.pair.redrawn import pairs_of
from blurkit.pipeline.choices import Choices
from blurkit.pipeline.fit import require_fit
from blurkit.pipeline.plan import Plan
from blurkit.pipeline.produce import make_samples
from blurkit.pipeline.settings import size_text
from blurkit.program.origin import made_here, require_free
from blurkit.program.picks import evenly_spaced
from blurkit.program.progress import plural
from blurkit.report.page import require_format
from blurkit.report.sheet import draw_sheet
from blurkit.shard.format import Sample
from blurkit.shard.index import open_dataset


def preview(shards: str | None, choices: Choices, *, count: int, out: Path, as_json: bool, overwrite: bool = False) -> int:
    """Draw ``count`` pairs, evenly spaced over the dataset or the plan. Returns the exit code."""
    if count < 1:
        raise UsageError(f"-n must be at least 1, got {count}")
    require_picture(out, overwrite=overwrite)
    if shards:
        samples, title, subtitle = _stored(shards, count)
    else:
        plan = choices.plan()
        for notice in plan.notices():
            print(notice, file=sys.stderr)
        require_fit(plan)
        samples, title, subtitle = planned(plan, count)
    draw_sheet(samples, out, title=title, subtitle=subtitle)
    if as_json:
        print(json.dumps({"picture": str(out), "samples": [sample.name for sample in samples]}, ensure_ascii=False))
    else:
        print(f"{out}: {plural(len(samples), 'pair')}")
    return OK


def require_picture(out: Path, *, overwrite: bool) -> None:
    """Raise :class:`UsageError` if a picture cannot be written to this path."""
    require_format(out)
    require_free({out: made_here}, overwrite=overwrite)


def _stored(shards: str, count: int) -> tuple[list[Sample], str, str]:
    dataset = open_dataset(shards, partial=True)
    if not len(dataset):
        raise nothing_stored(shards, dataset)
    recipe = dataset.index.get("configuration", {}).get("recipe", {}).get("name", "")
    shown = evenly_spaced(len(dataset), min(len(dataset), count))
    pairs = pairs_of(dataset)
    return [pairs[index] for index in shown], f"{shards} · {len(dataset):,} pairs", recipe


def planned(plan: Plan, count: int) -> tuple[list[Sample], str, str]:
    """Returns ``count`` of the pairs of a plan, evenly spaced, and a title and a subtitle for their picture."""
    settings = plan.settings
    samples: list[Sample] = []
    reasons = []
    for place in evenly_spaced(plan.pairs, min(plan.pairs, count)):
        image, variant = divmod(place, settings.per_image)
        try:
            samples += make_samples(plan.records[image], settings, [variant])
        except BadImageError as error:
            reasons.append(f"{plan.records[image].id}: {error}")
    if not samples:
        raise UsageError("none of the photographs can be used. The first one: " + reasons[0])
    for reason in reasons:
        print(f"left out: {reason}", file=sys.stderr)
    subtitle = f"seed {settings.seed}, size {size_text(settings.size)}. {settings.recipe.summary}"
    return samples, f"{settings.recipe.name} · {' + '.join(plan.source.places())}", subtitle
