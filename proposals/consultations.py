"""Consultation sessions: a planner opens one for a meeting, and who is there submits with its code.

Forty people in one hall share one network, and would share its limit; with the code of the session
they share the session's own. A session has a place, an end, and a number of submissions.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from masterplan.actors import Actor
from masterplan.database import transaction
from masterplan.errors import Forbidden, InputError, MasterplanError
from masterplan.formats import clock, short_day
from masterplan.language import N_
from proposals.receipts import ALPHABET

STAFF_ONLY = N_("Only the masterplan's team may do this.")
NOT_A_CODE = N_("“{typed}” is not the code of a consultation session. It looks like K7MQ-2XTB.")
UNKNOWN_CODE = N_("There is no consultation session with the code {code}. Compare it, or leave the code empty.")
ENDED = N_("The consultation session with the code {code} ended on {when}. Leave the code empty to go on without it.")
FULL = N_("All the submissions of the consultation session {code} are used. Leave the code empty to go on without it.")
SHORT_PLACE = N_("Say where the session takes place, in 3 to 200 characters.")
WRONG_NUMBER = N_("A session takes between 1 and {most} submissions.")
WRONG_END = N_("A session ends in the future, within {days} days.")

SHORTEST_PLACE, LONGEST_PLACE = 3, 200
MOST_SUBMISSIONS = 1_000
LONGEST_DAYS = 31
_HALF = 4
_CONFUSED = str.maketrans("OILU", "011V")

_OPEN = text("SELECT masterplan.open_consultation(:code, :place, :most, :until)")
_CLOSE = text("SELECT masterplan.close_consultation(:code)")
_ALL = text(
    "SELECT code, place, most, used, opened_at, least(expires_at, closed_at) AS ends_at,"
    " least(expires_at, closed_at) > now() AS open FROM masterplan.consultations()"
)
_NAMED = text("SELECT place, expires_at, state FROM masterplan.consultation_named(:code)")


@dataclass(frozen=True)
class Consultation:
    """A session as planners see it: `used` of `most` submissions made with its code."""

    code: str
    place: str
    most: int
    used: int
    opened_at: datetime
    ends_at: datetime
    open: bool


def normalise(typed: str) -> str:
    """The code as issued, from what a person typed: any case, spaces, O for 0, I or L for 1.

    Raises
    ------
    InputError
        When it cannot be one.
    """
    characters = "".join(c for c in typed.upper() if c.isascii() and c.isalnum()).translate(_CONFUSED)
    if len(characters) != 2 * _HALF or len(typed) > 40:
        raise InputError([("consultation", MasterplanError(NOT_A_CODE, typed=typed.strip()[:20]))])
    return f"{characters[:_HALF]}-{characters[_HALF:]}"


def open_one(place: str, most: int, until: datetime, now: datetime, actor: Actor) -> str:
    """Open a session until a moment; its code.

    Raises
    ------
    Forbidden
        When `actor` is not staff.
    InputError
        Everything wrong with what was asked for, at once.
    """
    if not actor.is_staff:
        raise Forbidden(STAFF_ONLY)
    words = " ".join(place.split())
    faults: list[tuple[str, MasterplanError]] = []
    if not SHORTEST_PLACE <= len(words) <= LONGEST_PLACE:
        faults.append(("place", MasterplanError(SHORT_PLACE)))
    if not 1 <= most <= MOST_SUBMISSIONS:
        faults.append(("most", MasterplanError(WRONG_NUMBER, most=MOST_SUBMISSIONS)))
    if not 0 < (until - now).total_seconds() <= LONGEST_DAYS * 86_400:
        faults.append(("until", MasterplanError(WRONG_END, days=LONGEST_DAYS)))
    if faults:
        raise InputError(faults)
    code = normalise("".join(secrets.choice(ALPHABET) for _ in range(2 * _HALF)))
    with transaction(actor) as connection:
        connection.execute(_OPEN, {"code": code, "place": words, "most": most, "until": until})
    return code


def close(code: str, actor: Actor) -> None:
    """End a session now.

    Raises
    ------
    Forbidden
        When `actor` is not staff.
    """
    if not actor.is_staff:
        raise Forbidden(STAFF_ONLY)
    with transaction(actor) as connection:
        connection.execute(_CLOSE, {"code": code})


def every(connection: Connection) -> list[Consultation]:
    """All sessions, the newest first; the database answers planners only."""
    return [Consultation(**row._mapping) for row in connection.execute(_ALL)]


def place_of(connection: Connection, typed: str) -> str:
    """Where the session of a code takes place.

    Raises
    ------
    InputError
        When there is none, or it takes no more.
    """
    code = normalise(typed)
    found = connection.execute(_NAMED, {"code": code}).one_or_none()
    if found is None or found.state != "open":
        raise InputError([("consultation", why_closed(connection, code))])
    return found.place


def why_closed(connection: Connection, code: str) -> MasterplanError:
    """What a code that admits nobody (any more) stands for, in words."""
    found = connection.execute(_NAMED, {"code": code}).one_or_none()
    if found is None:
        return MasterplanError(UNKNOWN_CODE, code=code)
    if found.state == "ended":
        return MasterplanError(ENDED, code=code, when=f"{short_day(found.expires_at)}, {clock(found.expires_at)}")
    return MasterplanError(FULL, code=code)
