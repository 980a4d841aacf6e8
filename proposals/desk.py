"""What the planner's desk asks beside filters and pages: the submission under a click, and its contact."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from masterplan.place import WGS84_SRID, place
from masterplan.tables import proposal
from proposals.filters import ProposalFilter
from proposals.selecting import SCORED, where


def nearest(connection: Connection, wanted: ProposalFilter, lon: float, lat: float, reach_m: float) -> str | None:
    """The receipt of the nearest submission of a filter within `reach_m` metres of a place (EPSG:4326)."""
    point = func.ST_Transform(func.ST_SetSRID(func.ST_MakePoint(lon, lat), WGS84_SRID), place().storage_srid)
    distance = func.ST_Distance(proposal.c.geom, point)
    return connection.scalar(
        select(proposal.c.receipt)
        .select_from(SCORED)
        .where(*where(wanted), func.ST_DWithin(proposal.c.geom, point, reach_m))
        .order_by(distance, proposal.c.id)
        .limit(1)
    )


_EMAIL = text(
    "SELECT c.email FROM masterplan.contact c JOIN masterplan.proposal p ON p.id = c.proposal_id"
    " WHERE p.receipt = :receipt"
)


def contact_email(connection: Connection, receipt: str) -> str | None:
    """The address left with a submission; row-level security shows it to staff only."""
    return connection.scalar(_EMAIL, {"receipt": receipt})
