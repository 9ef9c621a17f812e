"""Pieces of Markdown, safe for texts that others wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """Text of others in one line, in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>|#~$&!])", r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Text of others in one line of code."""
    return f"`{' '.join(text.replace('`', chr(39)).replace('|', '/').split())}`"


def fenced(language: str, text: str) -> str:
    """A block of code; whatever fences the text holds, its own is longer."""
    fence = "`" * max((len(run) + 1 for run in re.findall("`{3,}", text)), default=3)
    return f"{fence}{language}\n{text}\n{fence}"


def table(rows: Iterable[Sequence[str]], align: str) -> str:
    """A table, the first row its head; ``align`` has an ``l`` or an ``r`` for each column."""
    head, *body = rows
    rules = ["---:" if side == "r" else "---" for side in align]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rules, *body))


def linked(text: str) -> str:
    """Text of a manifest, with its addresses as links."""
    return re.sub(r"https?://[^\s)]+", lambda found: f"<{found[0]}>", text)


def bibtex(citation: str) -> str:
    """A BibTeX entry of one line with a line for each field."""
    return re.sub(r",\s+(?=\w+ = \{)", ",\n  ", citation).removesuffix("}") + "\n}"
