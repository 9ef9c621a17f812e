"""Writes pieces of Markdown. Texts that other people wrote cannot break them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """Returns a text as one line, with all markup escaped."""
    return re.sub(r"([\\`*_\[\]<>|#~$&!])", r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Returns a text as one line of code."""
    return f"`{' '.join(text.replace('`', chr(39)).replace('|', '/').split())}`"


def fenced(language: str, text: str) -> str:
    """Returns a block of code. Its fence is longer than any fence in the text."""
    fence = "`" * max((len(run) + 1 for run in re.findall("`{3,}", text)), default=3)
    return f"{fence}{language}\n{text}\n{fence}"


def table(rows: Iterable[Sequence[str]], align: str) -> str:
    """Returns a table. The first row is its head. ``align``: ``l`` (left) or ``r`` (right) for each column."""
    head, *body = rows
    rules = ["---:" if side == "r" else "---" for side in align]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rules, *body))


def linked(text: str) -> str:
    """Returns the text with its web addresses as links."""
    return re.sub(r"https?://[^\s)]+", lambda found: f"<{found[0]}>", text)


def bibtex(citation: str) -> str:
    """Returns a BibTeX entry of one line with each field on a line of its own."""
    return re.sub(r",\s+(?=\w+ = \{)", ",\n  ", citation).removesuffix("}") + "\n}"
