"""``blurkit import``: makes shards of a folder of real pairs, by the plan and the engine of ``generate``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from blurkit.commands.generate import GenerateOptions, generate
from blurkit.pipeline.choices import Choices
from blurkit.program.progress import plural
from blurkit.sources.pair_folder import open_pair_folder

#: Pairs whose files are named.
_SHOWN = 2


def import_pairs(choices: Choices, options: GenerateOptions) -> int:
    """Show how the files of a folder were matched, then store the pairs. Returns the exit code of ``generate``.

    ``choices``: with the folder as the root of the source "pairs" and the recipe "real".
    """
    if not options.quiet:
        for line in _layout(choices):
            print(line, file=sys.stderr)
    return generate(choices, options)


def _layout(choices: Choices) -> list[str]:
    """What was found in the folder, and the files of the first pairs."""
    (root,) = choices.root
    source = open_pair_folder(Path(root))
    lines = [f"{root}: {plural(len(source.records), 'pair')}"]
    for record in source.records[:_SHOWN]:
        sharp, blurred = (os.path.relpath(path, root) for path in (record.path, record.blurred[0][1]))
        lines.append(f"  blurred {blurred}, sharp {sharp}")
    if source.passed_over:
        first = source.passed_over[0]
        lines.append(f"  {plural(len(source.passed_over), 'file')} in no pair, for example {first.id}: {first.message}")
    return lines
