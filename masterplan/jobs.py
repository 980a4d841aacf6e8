"""Work that outlives a page: the `job` table and the worker that empties it.

A job is claimed with SKIP LOCKED, so several workers never do the same one; a
failed one is tried again later, and what it said last stays with it. A job
whose worker died is taken over once its claim is older than `CLAIM_EXPIRES`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

from sqlalchemy import Connection, Row, String, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from masterplan.actors import SYSTEM
from masterplan.database import transaction
from masterplan.errors import Unavailable

log = logging.getLogger(__name__)

#: Tells the table how far a job is, as a share from 0 to 1.
Progress = Callable[[float], None]
Handler = Callable[[dict[str, Any], Progress], None]

CLAIM_EXPIRES = "15 minutes"
RETRY_AFTER = "10 seconds"
POLL_S = 1.0
_LONGEST_ERROR = 500

_ENQUEUE = text(
    "INSERT INTO masterplan.job (kind, payload, run_after)"
    " VALUES (:kind, :payload, now() + make_interval(secs => :after_s))"
).bindparams(bindparam("kind", type_=String), bindparam("payload", type_=JSONB))
#: A job that ended its worker as often as it may be tried is not taken over once more.
_GIVE_UP = text(
    "UPDATE masterplan.job SET state = 'failed', finished_at = clock_timestamp(),"
    " last_error = 'its worker ended without a word'"
    f" WHERE state = 'running' AND claimed_at < now() - interval '{CLAIM_EXPIRES}' AND attempts >= max_attempts"
)
_CLAIM = text(
    "UPDATE masterplan.job SET state = 'running', attempts = attempts + 1, claimed_at = clock_timestamp()"
    " WHERE id = (SELECT id FROM masterplan.job"
    "  WHERE (state = 'queued' AND run_after <= now())"
    f"     OR (state = 'running' AND claimed_at < now() - interval '{CLAIM_EXPIRES}')"
    "  ORDER BY run_after, id LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING id, kind, payload, attempts, max_attempts"
)
#: The same work, waiting as well: what asked for it is committed, so the one that begins now does it all.
_ABSORB = text(
    "UPDATE masterplan.job SET state = 'done', progress = 1, finished_at = clock_timestamp()"
    " WHERE id IN (SELECT id FROM masterplan.job WHERE kind = :kind AND payload = :payload AND id <> :id"
    "  AND state = 'queued' AND attempts = 0 AND run_after <= now() FOR UPDATE SKIP LOCKED)"
).bindparams(bindparam("payload", type_=JSONB))
#: A claim that was taken over is somebody else's to finish.
_OWN = " WHERE id = :id AND attempts = :attempts AND state = 'running'"
_DONE = text(
    "UPDATE masterplan.job SET state = 'done', progress = 1, finished_at = clock_timestamp(), last_error = ''" + _OWN
)
_FAILED = text(
    "UPDATE masterplan.job SET last_error = :error,"
    " state = CASE WHEN attempts < max_attempts THEN 'queued' ELSE 'failed' END,"
    f" run_after = now() + interval '{RETRY_AFTER}' * attempts,"
    " finished_at = CASE WHEN attempts < max_attempts THEN NULL ELSE clock_timestamp() END" + _OWN
)
_RELEASED = text("UPDATE masterplan.job SET state = 'queued', attempts = attempts - 1, claimed_at = NULL" + _OWN)
_PROGRESS = text("UPDATE masterplan.job SET progress = :share, claimed_at = clock_timestamp()" + _OWN)


class Stopped(Exception):
    """The worker was asked to stop in the middle of a job, which goes back to the queue as it was."""


def enqueue(
    connection: Connection, kind: str, payload: dict[str, Any] | None = None, after_s: float = 0
) -> None:
    """Leave a job for the worker, due after so many seconds.

    The same jobs that wait together are done together, when one is claimed. Not sooner: a twin seen
    here may be done before this transaction ends, without what it brings.
    """
    connection.execute(_ENQUEUE, {"kind": kind, "payload": payload or {}, "after_s": after_s})


def run_one(handlers: Mapping[str, Handler], stop: Event | None = None) -> bool:
    """Claim and run one job; False when there was none. Once `stop` is set, its next report ends it."""
    with transaction(SYSTEM) as connection:
        connection.execute(_GIVE_UP)
        claimed = connection.execute(_CLAIM).one_or_none()
        if claimed is not None:
            connection.execute(_ABSORB, {"id": claimed.id, "kind": claimed.kind, "payload": claimed.payload})
    if claimed is None:
        return False
    handler = handlers.get(claimed.kind)
    if handler is None:
        _finish(_FAILED, claimed, error=f"no handler for {claimed.kind!r}")
        return True
    try:
        handler(claimed.payload, lambda share: _report(claimed, share, stop))
    except Unavailable:
        raise
    except Stopped:
        _finish(_RELEASED, claimed)
    except Exception as failure:
        log.exception("job %s (%s) failed at attempt %s", claimed.id, claimed.kind, claimed.attempts)
        _finish(_FAILED, claimed, error=f"{type(failure).__name__}: {failure}"[:_LONGEST_ERROR])
    else:
        _finish(_DONE, claimed)
    return True


def _finish(statement: TextClause, claimed: Row, **facts: object) -> None:
    with transaction(SYSTEM) as connection:
        connection.execute(statement, {"id": claimed.id, "attempts": claimed.attempts, **facts})


def _report(claimed: Row, share: float, stop: Event | None) -> None:
    _finish(_PROGRESS, claimed, share=min(max(share, 0.0), 1.0))
    if stop is not None and stop.is_set():
        raise Stopped


def work(handlers: Mapping[str, Handler], stop: Event) -> None:
    """Run jobs until `stop` is set; a database that is away is waited for."""
    while not stop.is_set():
        try:
            worked = run_one(handlers, stop)
        except Unavailable:
            log.warning("database away; waiting")
            worked = False
        if not worked:
            stop.wait(POLL_S)


def wait_until_done(timeout_s: float) -> bool:
    """Wait until no job is open but those for later; for tests and the command line."""
    open_jobs = text(
        "SELECT count(*) FROM masterplan.job WHERE state = 'running'"
        " OR (state = 'queued' AND (run_after <= now() OR attempts > 0))"
    )
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with transaction(SYSTEM) as connection:
            if connection.scalar(open_jobs) == 0:
                return True
        time.sleep(0.1)
    return False
