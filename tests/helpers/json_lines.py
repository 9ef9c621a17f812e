"""Files with one JSON object per line: the ledger of a dataset, and the metrics of a training."""

import json
from pathlib import Path


def read_lines(path: Path) -> list[dict]:
    """The objects of all lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
