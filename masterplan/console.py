"""What the commands say: results on the standard output, everything else on the error stream."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from masterplan.errors import InputError, MasterplanError, Unavailable
from masterplan.jobs import Progress as Report

_LANGUAGE = "en"
_PLAIN_STEPS = 10
_LONGEST_CELL = 60
#: Of the rows that share a fault, so many are named after the first.
_ROWS_NAMED = 10
_START_IT = "Is it there? masterplan db status; masterplan db up; masterplan migrate"


def say(line: str) -> None:
    """One line of the result."""
    print(line, flush=True)


def remark(line: str) -> None:
    """One line beside the result."""
    print(line, file=sys.stderr, flush=True)


def complain(error: MasterplanError) -> None:
    """The error in a line; each fault of an input in a line of its own, with its field.

    A fault that many rows share is told once, with the rows.
    """
    if isinstance(error, InputError):
        for name, faults in _alike(error.faults):
            remark(f"error: {name}: {_told_once(faults)}")
    else:
        remedy = f" {_START_IT}" if isinstance(error, Unavailable) else ""
        remark(f"error: {one_line(error.message(_LANGUAGE))}{remedy}")


def _alike(faults: list[tuple[str, MasterplanError]]) -> Iterator[tuple[str, list[MasterplanError]]]:
    """Faults of one field that differ in their row alone, together, in the order of the first of each."""
    together: dict[tuple[str, str, str], list[MasterplanError]] = {}
    for name, fault in faults:
        facts = sorted((key, str(value)) for key, value in fault.facts.items() if key != "row")
        together.setdefault((name, fault.msgid, repr(facts)), []).append(fault)
    for (name, _, _), alike in together.items():
        yield name, alike


def _told_once(faults: list[MasterplanError]) -> str:
    first, rows = faults[0], [fault.facts.get("row") for fault in faults]
    sentence = one_line(first.message(_LANGUAGE))
    if rows[0] is not None and "{row}" not in first.msgid:
        sentence = f"row {rows[0]}: {sentence}"
    if len(faults) == 1:
        return sentence
    others = [str(row) for row in rows[1 : _ROWS_NAMED + 1] if row is not None]
    left_out = ["…"] * (len(rows) > _ROWS_NAMED + 1)
    named = f": {', '.join(others + left_out)}" if others else ""
    return f"{sentence} ({len(faults) - 1} more like it{named})"


def one_line(sentence: str) -> str:
    """Without line breaks or control characters, which would draw over the terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in sentence).split())


def json(content: Any) -> None:
    """The result as JSON, indented."""
    print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode(), flush=True)


def table(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Rows of the same keys, as aligned columns or as JSON."""
    if as_json:
        json(list(rows))
        return
    if not rows:
        remark("nothing")
        return
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    sys.stdout.flush()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date):
        return value.isoformat()[:10]
    words = one_line(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return words if len(words) <= _LONGEST_CELL else words[: _LONGEST_CELL - 1] + "…"


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """A function to tell how far `what` is, from 0 to 1: a bar on a terminal, else a line at each tenth."""
    if not sys.stderr.isatty():
        yield _plain(what)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _plain(what: str) -> Report:
    said = 0

    def report(share: float) -> None:
        nonlocal said
        step = int(share * _PLAIN_STEPS)
        if step > said:
            said = step
            remark(f"{what}: {100 * step // _PLAIN_STEPS} %")

    return report
