"""What was decided in a period, counted: outcomes, how long it took, why something was rejected.

Counts and rates come from published decisions that are in force; made-up rows are left out. What the actor may not
see is not counted, by row-level security.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, text

from masterplan.actors import Role
from masterplan.database import actor_of
from masterplan.formats import LOCAL_TIME
from proposals.deciding import Outcome

#: The groups that a period is counted by.
GROUPS = ("theme", "author_kind", "uat")


@dataclass(frozen=True)
class Figures:
    """What was decided in one group: how many of each outcome, and the median days from receipt to publication."""

    group: str
    counts: dict[Outcome, int]
    median_days: float

    @property
    def decided(self) -> int:
        return sum(self.counts.values())

    @property
    def integrated(self) -> int:
        """Integrated, wholly or partly."""
        return self.counts[Outcome.INTEGRATE] + self.counts[Outcome.PARTLY]

    @property
    def judged(self) -> int:
        """Integrated or rejected: what a rate can be of; changes asked for and redirected ones are neither."""
        return self.integrated + self.counts[Outcome.REJECT]

    @property
    def rate(self) -> float | None:
        """The share of integrated ones among integrated and rejected, 0 to 1; None where there are none."""
        return self.integrated / self.judged if self.judged else None


@dataclass(frozen=True)
class Period:
    """What a period looks like: all of it, by group, why something was rejected, and what still waits."""

    all: Figures | None
    by: dict[str, list[Figures]]
    rejections: list[tuple[str, int]]
    waiting: int


_DECIDED = """
    FROM masterplan.decision d JOIN masterplan.proposal p ON p.id = d.proposal_id
    WHERE d.reopened_at IS NULL AND NOT p.demo AND d.published_at >= :since AND d.published_at < :until
"""
_COUNTS = ", ".join(f"count(*) FILTER (WHERE d.outcome = '{o.value}') AS {o.value}" for o in Outcome)
_FIGURES = text(f"""
    SELECT p.theme, p.author_kind, p.on_behalf_of AS uat, grouping(p.theme, p.author_kind, p.on_behalf_of) AS level,
        {_COUNTS},
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.published_at - d.received_at) / 86400) AS days
    {_DECIDED}
    GROUP BY GROUPING SETS ((), (p.theme), (p.author_kind), (p.on_behalf_of))
    ORDER BY count(*) DESC, 1, 2, 3
""")
#: Which column a row is grouped by, from PostgreSQL's grouping().
_LEVELS = {7: "", 3: "theme", 5: "author_kind", 6: "uat"}
_REJECTIONS = text(f"""
    SELECT key, count(*) AS many FROM (SELECT unnest(d.reason_keys) AS key {_DECIDED} AND d.outcome = 'reject') k
    GROUP BY key ORDER BY many DESC, key
""")
_WAITING = text("""
    SELECT count(*) FROM masterplan.proposal p WHERE p.kind = 'proposal' AND p.status = 'published' AND NOT p.demo
        AND NOT EXISTS (SELECT FROM masterplan.decision d WHERE d.proposal_id = p.id AND d.reopened_at IS NULL)
""")


def period(connection: Connection, since: date | None, until: date | None) -> Period:
    """What was published from `since` to `until`, both included, on the zone's clock; None is without an end.

    By UAT (on whose behalf it was proposed, SIRUTA) only as far as the actor is a planner or speaks for it: it is
    there to check fairness, not to compare.
    """
    between = {"since": _midnight(since or date(1900, 1, 1)), "until": _midnight((until or date(9000, 1, 1)) + _A_DAY)}
    rows = [(_LEVELS[row.level], row) for row in connection.execute(_FIGURES, between)]
    actor = actor_of(connection)
    by = {group: [_figures(row, getattr(row, group)) for level, row in rows if level == group] for group in GROUPS}
    if not actor.is_staff:
        own = actor.uats if actor.role is Role.UAT else ()
        by["uat"] = [figures for figures in by["uat"] if figures.group in own]
    whole = next(_figures(row, "") for level, row in rows if level == "")
    return Period(
        whole if whole.decided else None, by,
        [(row.key, row.many) for row in connection.execute(_REJECTIONS, between)], connection.scalar(_WAITING),
    )  # fmt: skip


_A_DAY = timedelta(days=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LOCAL_TIME)


def _figures(row: Any, group: str) -> Figures:
    return Figures(group, {outcome: getattr(row, outcome.value) for outcome in Outcome}, float(row.days or 0))
