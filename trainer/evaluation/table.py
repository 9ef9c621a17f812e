"""The comparisons of published works: tables whose members are recipes, with the published figures beside our own."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from blurkit.program.checks import require
from blurkit.program.toml import from_dict, named_text, parse_toml
from blurkit.report.page import BRIGHT, MUTED, OPENS, PANEL, TEXT, Page, text_width
from blurkit.report.sheet_layout import MARGIN
from blurkit.truth.box import Box
from trainer.evaluation.metrics import Metric

BLURRED = "blurred"

_SIZE, _LINE, _GAP = 20, 36, 32


class Cell(NamedTuple):
    """A place of a table. ``member``: empty for the blurred photographs. ``published``: empty if there is no such figure."""

    member: str
    metric: str
    published: str


@dataclass(frozen=True)
class Table:
    """A published table. ``source``: where its figures are from, and their convention. ``comparable``: under which conditions
    they are comparable with ours. ``columns``: names of the members of each row, none if a row has one member. ``rows``: for each
    row its ``members``, which are names of recipes, and ``published``, its figures: for each member those of ``metrics``, as text
    between spaces; "-" stands for none. ``blurred``: such figures of the blurred photographs, if they are published."""

    name: str
    title: str
    source: str
    comparable: str
    metrics: tuple[str, ...]
    columns: tuple[str, ...] = ()
    blurred: str = ""
    rows: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, row in self.rows.items():
            where = f"table {self.name}, row {name!r}"
            valid = isinstance(row, dict) and row.keys() == {"members", "published"}
            require(valid, f"{where}: a row has the keys members and published, got {row!r}")
            members, figures = len(row["members"]), row["published"].split()
            wide, metrics = max(len(self.columns), 1), len(self.metrics)
            require(members == wide, f"{where}: {members} members for {wide} columns")
            require(len(figures) == wide * metrics, f"{where}: {len(figures)} figures, not {wide} x {metrics}")

    @property
    def members(self) -> list[str]:
        """The members in the order of the rows."""
        return list(dict.fromkeys(member for row in self.rows.values() for member in row["members"]))

    def lines(self, metrics: Sequence[str]) -> dict[str, list[Cell]]:
        """Returns the cells of each row, of the blurred photographs first. ``metrics``: those of the table, then more."""
        wide = max(len(self.columns), 1)
        rows = {BLURRED: {"members": [""] * wide, "published": self.blurred or "- " * wide * len(self.metrics)}, **self.rows}
        lines: dict[str, list[Cell]] = {}
        for name, row in rows.items():
            figures = iter("" if figure == "-" else figure for figure in row["published"].split())
            places = ((member, metric) for member in row["members"] for metric in metrics)
            lines[name] = [Cell(*place, next(figures) if place[1] in self.metrics else "") for place in places]
        return lines


def load_table(name: str) -> tuple[Table, Path | None]:
    """Returns a table, by its name in the package or by its file, and the folder of the file. Raises UsageError."""
    text, folder = named_text("trainer", name, "table")
    return from_dict(Table, parse_toml(text, where=f"table {name}"), where=f"table {name}"), folder


#: The means of each finished member, as :func:`trainer.evaluation.scores.means` returns them, and its "step".
Results = Mapping[str, Mapping[str, Any]]
#: Rows of texts, each with whether it is the best figure of its column. The first row is the heading.
Grid = list[tuple[tuple[str, bool], ...]]


def value_of(cell: Cell, results: Results) -> float | None:
    """Returns our figure for a cell, or None if its member is not finished."""
    found = results.get(cell.member) if cell.member else next(iter(results.values()), None)
    return None if found is None else found["restored" if cell.member else BLURRED][cell.metric]


def to_grid(table: Table, results: Results, metrics: Mapping[str, Metric]) -> Grid:
    """Returns the table with a column of our figures and, if there are any, one of published figures for each metric."""
    lines = table.lines(list(metrics))
    columns = [[("", False), *((name, False) for name in lines)]]
    heads = [f"{column} {name}{metrics[name].unit}".strip() for column in table.columns or ("",) for name in metrics]
    for head, cells in zip(heads, zip(*lines.values(), strict=True), strict=True):
        metric = metrics[cells[0].metric]._replace(unit="")
        values = [value_of(cell, results) for cell in cells]
        columns.append(_column(head, ["" if value is None else metric.text(value) for value in values], metric.better))
        if any(cell.published for cell in cells):
            columns.append(_column("published", [cell.published for cell in cells], metric.better))
    steps = [
        dict.fromkeys(f"{results[cell.member]['step']:,}" for cell in line if cell.member in results) for line in lines.values()
    ]
    columns.append([("steps", False), *((" ".join(each), False) for each in steps)])
    return list(zip(*columns, strict=True))


def _column(head: str, texts: Sequence[str], better: int) -> list[tuple[str, bool]]:
    best = max((better * float(text) for text in texts if text), default=None)
    return [(head, False), *((text or "-", bool(text) and better * float(text) == best) for text in texts)]


def to_csv(table: Table, results: Results, metrics: Mapping[str, Metric]) -> str:
    """Returns CSV text with one line per figure: table, row, member, step, metric, value, published."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["table", "row", "member", "step", "metric", "value", "published"])
    for row, cells in table.lines(list(metrics)).items():
        for cell in cells:
            value, step = value_of(cell, results), results.get(cell.member, {}).get("step", "")
            figure = "" if value is None else f"{value:.6f}"
            writer.writerow([table.name, row, cell.member, step, cell.metric, figure, cell.published])
    return text.getvalue()


def draw_table(path: Path, grid: Grid, *, title: str, notes: Iterable[str]) -> None:
    """Draw a table with its notes below. The best figure of each column is bold."""
    widths = [max(text_width(text, _SIZE, bold=True) for text, _ in column) + _GAP for column in zip(*grid, strict=True)]
    wide = round(max(sum(widths) + 2 * MARGIN, text_width(title, 32, bold=True) + 2 * MARGIN, 960))
    lines = [line for note in notes for line in textwrap.wrap(note, (wide - 2 * MARGIN) // 10)]
    top = MARGIN + 60
    page = Page(wide, top + (len(grid) + 1) * _LINE + len(lines) * 28 + MARGIN)
    page.text(MARGIN, MARGIN + 26, title, 32, BRIGHT, bold=True)
    for number, row in enumerate(grid):
        y, right = top + number * _LINE, MARGIN + widths[0]
        if number % 2:
            page.rectangle(Box(y, MARGIN - 8, _LINE, wide - 2 * MARGIN + 16), PANEL)
        page.text(MARGIN, y + 25, row[0][0], _SIZE, TEXT)
        for (text, best), width in zip(row[1:], widths[1:], strict=True):
            right += width
            colour = OPENS if best else TEXT if number else MUTED
            page.text(right - _GAP - text_width(text, _SIZE, bold=best), y + 25, text, _SIZE, colour, bold=best)
    for number, line in enumerate(lines):
        page.text(MARGIN, top + (len(grid) + 1) * _LINE + number * 28 + 18, line, 18, MUTED)
    page.save(path)
