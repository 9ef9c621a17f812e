"""Files of one JSON object a line: the ledger of a dataset, and the metrics of a training."""

import json
from pathlib import Path


def read_lines(path: Path) -> list[dict]:
    """The object of each line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
