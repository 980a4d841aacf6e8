"""What the worker does for proposals: measuring and scoring again what changed, in chunks.

Each chunk is a transaction of its own, so that a worker that stops loses at most one, and what was
done shows at once. A lock keeps two workers from taking the same chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, TextClause, text

from layers.store import LAYER_CHANGED
from masterplan.actors import SYSTEM
from masterplan.database import transaction
from masterplan.jobs import Handler, Progress, enqueue
from proposals import limits
from proposals.measuring import (
    make_outlines,
    mark_stale,
    measure_all,
    measure_what_changed,
    score_all,
    sets_in_use,
)
from proposals.neighbours import LINES_CHANGED, mark_ending_near
from proposals.submitting import SCORE_PENDING

#: The job that measures and scores every proposal again.
SCORE_ALL = "score_all"
#: So many proposals are measured and scored by one transaction.
CHUNK = 5_000

#: What was measured on the version before and is not committed yet is looked for once more after
#: this time; a submission's transaction is ended sooner (`masterplan.provision`).
_LONGEST_SUBMISSION_S = 120

_ALONE = text("SELECT pg_advisory_xact_lock(hashtext('masterplan rescore'))")
_PENDING = """
    FROM masterplan.proposal p LEFT JOIN masterplan.measurement m ON m.proposal_id = p.id
    WHERE (m.proposal_id IS NULL OR m.stale
        OR NOT EXISTS (SELECT FROM masterplan.score s
                       WHERE s.proposal_id = p.id AND s.criteria_set = p.criteria_set))
"""
_PENDING_COUNT = text(f"SELECT count(*) {_PENDING}")
_NEXT_PENDING = text(f"SELECT p.id {_PENDING} AND p.id > :after ORDER BY p.id LIMIT :chunk")
_NEXT = text(
    "SELECT id FROM masterplan.proposal WHERE id > :after AND id <= :last ORDER BY id LIMIT :chunk"
)
_EXTENT = text("SELECT count(*) AS count, coalesce(max(id), 0) AS last FROM masterplan.proposal")


def _no_progress(_: float) -> None:
    """Nobody watches."""


def score_pending(progress: Progress = _no_progress) -> int:
    """Measure and score what has no result yet or a stale one, as far as layers changed; how many."""
    with transaction(SYSTEM) as connection:
        expected = connection.scalar(_PENDING_COUNT)
    return _in_chunks(_NEXT_PENDING, {}, expected, measure_what_changed, progress)


def score_everything(progress: Progress = _no_progress) -> int:
    """Measure and score every proposal again, each by the set in force when it came; how many.

    What is submitted meanwhile is scored as it is submitted.
    """
    with transaction(SYSTEM) as connection:
        extent = connection.execute(_EXTENT).one()
    return _in_chunks(_NEXT, {"last": extent.last}, extent.count, measure_all, progress)


def _in_chunks(
    following: TextClause,
    values: dict[str, int],
    expected: int,
    measure: Callable[[Connection, list[int]], int],
    progress: Progress,
) -> int:
    """Take the ids that `following` gives after the last one, until there are none."""
    done, last = 0, 0
    while True:
        with _bulk_transaction() as connection:
            ids = list(connection.scalars(following, values | {"after": last, "chunk": CHUNK}))
            if ids:
                measure(connection, ids)
                score_all(connection, ids)
        if not ids:
            return done
        done, last = done + len(ids), ids[-1]
        progress(min(done / max(expected, done), 1.0))


@contextmanager
def _bulk_transaction() -> Iterator[Connection]:
    """A transaction of the system, alone at this work, that may take as long as it needs."""
    with transaction(SYSTEM) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(_ALONE)
        yield connection


# -- handlers ------------------------------------------------------------------------------


def _layer_changed(payload: dict[str, Any], progress: Progress) -> None:
    with _bulk_transaction() as connection:
        mark_stale(connection, payload["layer"])
        make_outlines(connection, sets_in_use(connection).values())
        if not payload.get("stragglers"):
            enqueue(connection, LAYER_CHANGED, payload | {"stragglers": True}, after_s=_LONGEST_SUBMISSION_S)
    score_pending(progress)


def _lines_changed(payload: dict[str, Any], progress: Progress) -> None:
    with _bulk_transaction() as connection:
        mark_ending_near(connection, payload)
    score_pending(progress)


def _score_pending(_: dict[str, Any], progress: Progress) -> None:
    score_pending(progress)


def _score_all(_: dict[str, Any], progress: Progress) -> None:
    score_everything(progress)


#: What this package does of the jobs in the table.
HANDLERS: dict[str, Handler] = {
    LAYER_CHANGED: _layer_changed,
    LINES_CHANGED: _lines_changed,
    SCORE_PENDING: _score_pending,
    SCORE_ALL: _score_all,
    **limits.HANDLERS,
}
