"""Signed tickets: how a page opens a route that Streamlit's session does not reach.

A ticket names the session, the user and what was asked for (a filter), and expires. It
carries no role: the route reads the role of the session from the database at
each request. Its start is rounded, so the same question within the same hour
gives the same ticket and browsers keep their tiles.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from masterplan.errors import Forbidden
from masterplan.language import N_
from masterplan.secrets import secret

#: Tickets start at full hours, so that they stay the same for a while …
_STEP_S = 3600
#: … and are good for at least this long.
_LIFETIME_S = 12 * 3600


@dataclass(frozen=True)
class Ticket:
    """What a route may do for whom: the session and user that asked, the asked-for filter, and since when
    the user is signed in (seconds since 1970; 0 for who is not)."""

    session: str
    user: str
    filter: dict[str, Any]
    since: int = 0


@cache
def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(secret("ticket_key"), salt="ticket")


def sign(ticket: Ticket, now: float | None = None) -> str:
    """The ticket as text for an address; equal tickets within an hour are equal texts."""
    start = int((time.time() if now is None else now) // _STEP_S * _STEP_S)
    expires = start + _STEP_S + _LIFETIME_S
    content = {"s": ticket.session, "u": ticket.user, "f": ticket.filter, "i": ticket.since, "e": expires}
    return _serializer().dumps(content)


def read(signed: str, now: float | None = None) -> Ticket:
    """The ticket behind the text.

    Raises
    ------
    Forbidden
        When the text was not signed here, or has expired.
    """
    try:
        content = _serializer().loads(signed)
    except BadData as forged:
        raise Forbidden(N_("This address is not valid. Open it again from the page.")) from forged
    if content["e"] < (time.time() if now is None else now):
        raise Forbidden(N_("This address has expired. Reload the page."))
    return Ticket(content["s"], content["u"], content["f"], content["i"])
