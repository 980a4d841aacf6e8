"""What planners gave criteria, read: points for judged ones, overrides of what was computed.

The table `assessment` only grows; of each criterion of a proposal the latest row counts, whatever set it was given
under: it is about the place and the question. A latest row that takes back leaves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, text

from proposals.scoring import VERDICTS, Given

_LATEST = """
    SELECT proposal_id, criterion, value, verdict, reason, role, made_at, computed FROM (
        SELECT DISTINCT ON (proposal_id, criterion) proposal_id, criterion, kind, value, verdict, reason, role, made_at,
            computed
        FROM masterplan.assessment WHERE {which} ORDER BY proposal_id, criterion, id DESC
    ) AS latest WHERE kind <> 'taken_back'
"""
_OF_THESE = text(_LATEST.format(which="proposal_id = ANY(:ids)"))
_OF_THESE_BEFORE = text(_LATEST.format(which="proposal_id = ANY(:ids) AND made_at < :before"))
_OF_ALL = text(_LATEST.format(which="true"))


def given_to(
    connection: Connection, proposal_ids: Sequence[int], before: datetime | None = None
) -> dict[int, dict[str, Given]]:
    """What counts for these proposals, by id and criterion, as far as this actor may see; as it was `before`."""
    statement = _OF_THESE if before is None else _OF_THESE_BEFORE
    values = {"ids": list(proposal_ids)} | ({} if before is None else {"before": before})
    found: dict[int, dict[str, Given]] = {}
    for row in connection.execute(statement, values):
        found.setdefault(row.proposal_id, {})[row.criterion] = Given(
            points=row.value, verdict=row.verdict, reason=row.reason, role=row.role,
            at=row.made_at.isoformat(timespec="seconds"), on_value=(row.computed or {}).get("value"),
        )  # fmt: skip
    return found


def given_as_arrays(
    connection: Connection, ids: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Points and codes of verdicts for each criterion that any of these proposals was given; NaN for nothing."""
    points: dict[str, np.ndarray] = {}
    verdicts: dict[str, np.ndarray] = {}
    order = np.argsort(ids)
    for row in connection.execute(_OF_ALL):
        at = np.searchsorted(ids, row.proposal_id, sorter=order)
        if at == len(ids) or ids[order[at]] != row.proposal_id:
            continue
        kept, said = (points, row.value) if row.verdict is None else (verdicts, VERDICTS.index(row.verdict))
        kept.setdefault(row.criterion, np.full(len(ids), np.nan))[order[at]] = said
    return points, verdicts
