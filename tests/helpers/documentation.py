"""The blocks of code in the pages of the documentation."""

import re
from collections.abc import Iterator

from checkout import ROOT

SHARD_FORMAT = (ROOT / "docs" / "shard-format.md").read_text(encoding="utf-8")


def fenced(page: str, *languages: str) -> Iterator[tuple[int, str]]:
    """Yields (line, text) of each fenced block in one of these languages."""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if match[1] in languages:
            yield page[: match.start(2)].count("\n"), match[2]
