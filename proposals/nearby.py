"""What people brought near a place."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from masterplan.place import WGS84_SRID, place

#: How far one looks around, and how many are named; the count says how many there are.
NEARBY_M = 500.0
MOST_NAMED = 5

_NEARBY = text(f"""
WITH place AS (SELECT ST_Transform(ST_SetSRID(ST_MakePoint(:lon, :lat), {WGS84_SRID}), CAST(:srid AS integer)) AS point)
SELECT p.receipt, p.title, p.kind, ST_Distance(p.geom, place.point) AS distance_m, count(*) OVER () AS number
FROM masterplan.proposal p, place
WHERE p.public AND ST_DWithin(p.geom, place.point, :reach)
ORDER BY distance_m, p.receipt LIMIT {MOST_NAMED}
""")


@dataclass(frozen=True)
class Neighbour:
    """A public observation or project proposal; `distance_m` in metres of the storage CRS."""

    receipt: str
    title: str
    kind: str
    distance_m: float


def proposals_near(connection: Connection, lon: float, lat: float) -> tuple[int, list[Neighbour]]:
    """How many public ones lie within `NEARBY_M` of a place (degrees, EPSG:4326), and the nearest of them."""
    parameters = {"lon": lon, "lat": lat, "srid": place().storage_srid, "reach": NEARBY_M}
    rows = connection.execute(_NEARBY, parameters).all()
    found = [Neighbour(row.receipt, row.title, row.kind, row.distance_m) for row in rows]
    return (rows[0].number if rows else 0), found
