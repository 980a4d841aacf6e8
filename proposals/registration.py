"""The registry, and proposals made of observations.

The database gives the numbers, one a submission, without a gap, from 1 each year (`0010_decisions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

import orjson
from sqlalchemy import Connection, text

from masterplan.actors import Actor
from masterplan.database import transaction
from masterplan.errors import Forbidden, MasterplanError, NotFound
from masterplan.language import N_
from masterplan.place import WGS84_SRID
from proposals import receipts
from proposals.submission import Submission
from proposals.submitting import NOT_FOUND, STAFF_ONLY, submit

NO_OBSERVATION = N_("Only an observation that is neither hidden nor withdrawn can be turned into a proposal.")

_ENTRY = text("""
    SELECT r.year, r.number, r.registered_at, p.channel FROM masterplan.registry r
    JOIN masterplan.proposal p ON p.id = r.proposal_id WHERE r.proposal_id = :id
""")
_RELATED = text("""
    SELECT o.receipt, o.title, o.kind FROM masterplan.proposal_link l
    JOIN masterplan.proposal o ON o.id IN (l.origin_id, l.proposal_id) AND o.id <> :id
    WHERE :id IN (l.proposal_id, l.origin_id) ORDER BY o.id
""")
_ORIGIN = text(f"""
    SELECT id, kind, status, channel, source_event, author_kind, theme, title, description, attributes,
        ST_AsGeoJSON(ST_Transform(geom, {WGS84_SRID}), 9) AS geometry
    FROM masterplan.proposal WHERE receipt = :receipt
""")
_LINK = text("""
    INSERT INTO masterplan.proposal_link (proposal_id, origin_id)
    SELECT id, :origin FROM masterplan.proposal WHERE receipt = :receipt ON CONFLICT DO NOTHING
""")


@dataclass(frozen=True)
class Entry:
    """One line of the registry: number within its year, when it was entered, how it came."""

    year: int
    number: int
    registered_at: datetime
    channel: str


@dataclass(frozen=True)
class Related:
    """The observation that a proposal was made of, or a proposal made of an observation."""

    receipt: str
    title: str
    kind: str


def entry(connection: Connection, proposal_id: int) -> Entry | None:
    """The line of the registry, where the actor may see it; made-up rows have none."""
    row = connection.execute(_ENTRY, {"id": proposal_id}).one_or_none()
    return None if row is None else Entry(**row._mapping)


def related(connection: Connection, proposal_id: int) -> list[Related]:
    """What it was made of and what was made of it, as far as the actor may see them."""
    return [Related(**row._mapping) for row in connection.execute(_RELATED, {"id": proposal_id})]


def turn_into_proposal(receipt: str, title: str, on_behalf_of: str, actor: Actor) -> str:
    """A proposal with what the observation says, linked to it; the tracking code of the proposal.

    Asked twice it gives the same proposal: its key is made of the observation's code.

    Raises
    ------
    Forbidden
        When `actor` is not staff, or it is no observation that stands.
    InputError
        What is wrong with the title or the UAT (SIRUTA).
    NotFound
        When there is no such submission.
    """
    if not actor.is_staff:
        raise Forbidden(STAFF_ONLY)
    code = receipts.normalise(receipt)
    with transaction(actor) as connection:
        origin = connection.execute(_ORIGIN, {"receipt": code}).one_or_none()
    if origin is None:
        raise NotFound(NOT_FOUND, receipt=code)
    if origin.kind != "observation" or origin.status in ("hidden", "withdrawn"):
        raise MasterplanError(NO_OBSERVATION)
    made = submit(Submission(
        submission_key=uuid5(NAMESPACE_URL, f"proposal of {code}"), kind="proposal", theme=origin.theme, title=title,
        description=origin.description, geometry=orjson.loads(origin.geometry), channel=origin.channel,
        source_event=origin.source_event, author_kind=origin.author_kind, on_behalf_of=on_behalf_of,
        attributes=origin.attributes,
    ), actor)  # fmt: skip
    with transaction(actor) as connection:
        connection.execute(_LINK, {"receipt": made.receipt, "origin": origin.id})
    return made.receipt
