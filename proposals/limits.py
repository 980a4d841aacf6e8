"""How many may be submitted: by one origin or account within the hour, or with the code of a consultation session.

The counts live in the database (migration 0005), so every process shares them and a restart forgets
nothing. A submission that is refused or repeated counts for nothing: the count is part of its transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import transaction
from masterplan.errors import InputError, MasterplanError
from masterplan.formats import clock
from masterplan.jobs import Handler, Progress
from masterplan.language import N_
from proposals import consultations

#: The job that deletes what no limit counts any more.
FORGET_MARKS = "forget_marks"

ORIGIN_FULL = N_(
    "Your network has submitted as much as is taken within an hour without signing in. You may continue at {when}:"
    " what you wrote stays here, submit it again then. At a meeting, type the code of its consultation session."
)
UNKNOWN_FULL = N_(
    "Very much was submitted within the last hour. You may continue at {when}: what you wrote stays here, submit it"
    " again then. At a meeting, type the code of its consultation session."
)
ACCOUNT_FULL = N_(
    "Your account has submitted as much as is taken within an hour. You may continue at {when}: what you wrote stays"
    " here, submit it again then."
)

_ADMIT = text("SELECT masterplan.admit(:kind, :whose)")
_TAKE_PLACE = text("SELECT masterplan.take_place(:code)")
_FORGET = text("SELECT masterplan.forget_marks()")


class TooMany(MasterplanError):
    """A limit is reached; `until` says from when on another submission is taken."""

    http_status = 429

    def __init__(self, msgid: str, until: datetime) -> None:
        super().__init__(msgid, when=clock(until))
        self.until = until


def count_in(connection: Connection, actor: Actor, origin: str, code: str) -> None:
    """Count one submission of this transaction: with a code for its session, else for the origin or account.

    `origin` is the keyed hash of where it comes from, "" when that is not known; staff are not limited.

    Raises
    ------
    TooMany
        When the limit is reached.
    InputError
        When the code is none, or its session has ended or is full.
    """
    if actor.is_staff:
        return
    if code:
        _take_place(connection, code)
        return
    kind, whose, full = _counted(actor, origin)
    until = connection.scalar(_ADMIT, {"kind": kind, "whose": whose})
    if until is not None:
        raise TooMany(full, until)


def _take_place(connection: Connection, typed: str) -> None:
    code = consultations.normalise(typed)
    if not connection.scalar(_TAKE_PLACE, {"code": code}):
        raise InputError([("consultation", consultations.why_closed(connection, code))])


def _counted(actor: Actor, origin: str) -> tuple[str, str, str]:
    """Which limit holds, whose count it is, and what is said when it is reached."""
    if actor.role is not Role.VISITOR:
        return "account", actor.user, ACCOUNT_FULL
    return ("origin", origin, ORIGIN_FULL) if origin else ("unknown", "", UNKNOWN_FULL)


# -- what the limits are -------------------------------------------------------------------

KINDS = ("origin", "unknown", "account")

_LIMITS = text("SELECT kind, most FROM masterplan.submission_limit")
_SET_LIMIT = text("UPDATE masterplan.submission_limit SET most = :most WHERE kind = :kind")


def limits_now() -> dict[str, int]:
    """How many submissions are taken within an hour, by each of `KINDS`."""
    with transaction(SYSTEM) as connection:
        found = {row.kind: row.most for row in connection.execute(_LIMITS)}
    return {kind: found[kind] for kind in KINDS}


def set_limit(kind: str, most: int) -> None:
    """Take so many within an hour from the next submission on; `kind` is one of `KINDS`, `most` above zero."""
    with transaction(SYSTEM) as connection:
        connection.execute(_SET_LIMIT, {"kind": kind, "most": most})


# -- the worker ----------------------------------------------------------------------------


def _forget_marks(_: dict[str, Any], progress: Progress) -> None:
    with transaction(SYSTEM) as connection:
        connection.execute(_FORGET)
    progress(1.0)


HANDLERS: dict[str, Handler] = {FORGET_MARKS: _forget_marks}
