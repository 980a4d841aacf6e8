"""Collecting everything that is wrong with a file, by code; the words are in `reading_messages`."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

REPAIRED, REFUSED, WARNED = "repaired", "refused", "warned"
_ROWS_NAMED = 10


class FileRefused(Exception):
    """The whole file cannot be used, for the reason `code`."""

    def __init__(self, code: str, **facts: str | int | float) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


class FeatureRefused(Exception):
    """One feature cannot be used, for the reason `code`; `field` is where in the feature."""

    def __init__(self, code: str, where: str = "geometry", **facts: str | int | float) -> None:
        super().__init__(code)
        self.code = code
        self.field = where
        self.facts = facts


@dataclass(frozen=True)
class Finding:
    """One fault: `row` counts features from 1 (None: the file), `code` is a key of MESSAGES."""

    code: str
    outcome: str
    row: int | None = None
    feature_id: str | None = None
    field: str | None = None
    facts: dict[str, str | int | float] = dataclasses.field(default_factory=dict)


class Report:
    """Findings in the order they were made; cosmetic ones are tallied into one finding a kind."""

    def __init__(self, per_kind: int) -> None:
        self._per_kind = per_kind
        self._findings: list[Finding] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._tallies: dict[tuple[str, str], list[int]] = defaultdict(list)

    def add(self, finding: Finding) -> None:
        """Note a finding of its own row, up to the cap of its kind."""
        kind = (finding.code, finding.outcome)
        self._counts[kind] += 1
        if self._counts[kind] <= self._per_kind:
            self._findings.append(finding)

    def tally(self, code: str, outcome: str, row: int) -> None:
        """Note a cosmetic finding that is told once for the whole file, with how many rows have it."""
        rows = self._tallies[code, outcome]
        if not rows or rows[-1] != row:
            rows.append(row)

    def findings(self) -> Iterator[Finding]:
        """Everything noted: single rows first, then tallies, then how many were left out."""
        yield from self._findings
        for (code, outcome), rows in self._tallies.items():
            named = ", ".join(str(row) for row in rows[:_ROWS_NAMED])
            more = " …" if len(rows) > _ROWS_NAMED else ""
            yield Finding(code, outcome, facts={"count": len(rows), "rows": named + more})
        for (code, outcome), count in self._counts.items():
            if count > self._per_kind:
                yield Finding("more_of_kind", outcome, facts={"count": count - self._per_kind, "kind": code})
