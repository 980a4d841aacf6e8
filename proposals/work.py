"""What the worker does for proposals: measuring and scoring again what changed, in chunks.

Each chunk is a transaction of its own, so that a worker that stops loses at most those at hand, and what
was done shows at once. A lock keeps two workers from doing the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
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
#: So many transactions at a time: while one measures in the database, the other scores here.
LANES = 2

#: What was measured on the version before and is not committed yet is looked for once more after
#: this time; a submission's transaction is ended sooner (`masterplan.provision`).
_LONGEST_SUBMISSION_S = 120

_ALONE = text("SELECT pg_advisory_xact_lock(hashtext('masterplan rescore'))")
_PENDING = text("""
    SELECT p.id FROM masterplan.proposal p LEFT JOIN masterplan.measurement m ON m.proposal_id = p.id
    WHERE m.proposal_id IS NULL OR m.stale
        OR NOT EXISTS (SELECT FROM masterplan.score s
                       WHERE s.proposal_id = p.id AND s.criteria_set = p.criteria_set)
    ORDER BY p.id
""")
_EVERY = text("SELECT id FROM masterplan.proposal ORDER BY id")


def _no_progress(_: float) -> None:
    """Nobody watches."""


def score_pending(progress: Progress = _no_progress) -> int:
    """Measure and score what has no result yet or a stale one, as far as layers changed; how many."""
    return _in_chunks(_PENDING, measure_what_changed, progress)


def score_everything(progress: Progress = _no_progress) -> int:
    """Measure and score every proposal again, each by the set in force when it came; how many.

    What is submitted meanwhile is scored as it is submitted.
    """
    return _in_chunks(_EVERY, measure_all, progress)


def _in_chunks(which: TextClause, measure: Callable[[Connection, list[int]], int], progress: Progress) -> int:
    """Measure and score what `which` lists, in lanes side by side; an error ends what has not begun."""
    _make_outlines_ready()
    with _alone() as connection:
        ids = list(connection.scalars(which))
        done = 0
        with ThreadPoolExecutor(LANES) as lanes:
            begun = [
                lanes.submit(_measure_and_score, ids[start : start + CHUNK], measure)
                for start in range(0, len(ids), CHUNK)
            ]
            try:
                for chunk in as_completed(begun):
                    done += chunk.result()
                    progress(done / len(ids))
            finally:
                lanes.shutdown(cancel_futures=True)
    return done


def _measure_and_score(ids: list[int], measure: Callable[[Connection, list[int]], int]) -> int:
    with _bulk_transaction() as connection:
        measure(connection, ids)
        score_all(connection, ids)
    return len(ids)


def _make_outlines_ready() -> None:
    """Made and committed before, so that all lanes find them."""
    with _bulk_transaction() as connection:
        make_outlines(connection, sets_in_use(connection).values())


@contextmanager
def _bulk_transaction() -> Iterator[Connection]:
    """A transaction of the system that may take as long as it needs."""
    with transaction(SYSTEM) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        yield connection


@contextmanager
def _alone() -> Iterator[Connection]:
    """The same, as the only one at this work; it waits idle while lanes do it."""
    with _bulk_transaction() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(_ALONE)
        yield connection


# -- handlers ------------------------------------------------------------------------------


def _layer_changed(payload: dict[str, Any], progress: Progress) -> None:
    with _alone() as connection:
        mark_stale(connection, payload["layer"])
        if not payload.get("stragglers"):
            enqueue(connection, LAYER_CHANGED, payload | {"stragglers": True}, after_s=_LONGEST_SUBMISSION_S)
    score_pending(progress)


def _lines_changed(payload: dict[str, Any], progress: Progress) -> None:
    with _alone() as connection:
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
