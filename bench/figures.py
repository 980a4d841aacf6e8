"""What a measurement hands over, and how it is printed: the same Markdown on the terminal and in a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One figure of ours beside the same figure of a named alternative, measured in the same run.

    `theirs` is None where the alternative has none or did not finish; the `note` then says so.
    """

    what: str
    count: int
    unit: str
    ours: float
    alternative: str = ""
    theirs: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.theirs if self.theirs else None


@dataclass(frozen=True)
class Goal:
    """A goal of the issue with what was found; `met` is None when this run could not judge it."""

    what: str
    found: str
    met: bool | None


@dataclass
class Section:
    """One measurement: how it was done, its figures and its goals."""

    title: str
    method: str
    rows: list[Row] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    #: What the rows count.
    counted: str = "proposals"


def number(value: float | None) -> str:
    """Three significant digits, with thousands apart."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{decimals}f}"


_VERDICTS = {True: "met", False: "NOT met", None: "not judged"}


def markdown(section: Section) -> str:
    """The section as Markdown."""
    lines = [f"## {section.title}", "", section.method, ""]
    if section.rows:
        cells = [
            (row.what, f"{row.count:,}", row.unit, number(row.ours), row.alternative, number(row.theirs),
             f"× {number(row.ratio)}" if row.ratio else "–", row.note)
            for row in section.rows
        ]  # fmt: skip
        heads = ("measured", section.counted, "unit", "ours", "alternative", "alternative's", "ours ÷ it", "note")
        lines += [*_table(heads, cells), ""]
    if section.goals:
        goals = [(goal.what, goal.found, _VERDICTS[goal.met]) for goal in section.goals]
        lines += [*_table(("goal", "found", "verdict"), goals), ""]
    lines += [f"- skipped: {reason}" for reason in section.skipped] + [""] * bool(section.skipped)
    return "\n".join(lines)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    all_rows = [tuple(heads), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in all_rows) for column in range(len(heads))]
    padded = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in all_rows
    ]
    return [padded[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *padded[1:]]
