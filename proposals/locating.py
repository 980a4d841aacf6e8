"""One place in the coordinate systems people use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from masterplan.coordinates import STEREO70_SRID, TypedPoint
from masterplan.place import WGS84_SRID, Place


@dataclass(frozen=True)
class Located:
    """A place in degrees (EPSG:4326) and in Stereo 70 metres (EPSG:3844)."""

    lon: float
    lat: float
    easting: float
    northing: float

    def inside(self, zone: Place) -> bool:
        """Whether it lies on the map of the zone."""
        west, south, east, north = zone.bounds
        return west <= self.lon <= east and south <= self.lat <= north


_LOCATE = text(f"""
SELECT ST_X(degrees) AS lon, ST_Y(degrees) AS lat, ST_X(metres) AS easting, ST_Y(metres) AS northing
FROM unnest(CAST(:x AS float8[]), CAST(:y AS float8[]), CAST(:srid AS integer[])) WITH ORDINALITY
    AS given(x, y, srid, number)
CROSS JOIN LATERAL (SELECT ST_SetSRID(ST_MakePoint(x, y), srid) AS point OFFSET 0) p
CROSS JOIN LATERAL (
    SELECT ST_Transform(point, {WGS84_SRID}) AS degrees, ST_Transform(point, {STEREO70_SRID}) AS metres OFFSET 0
) both_ways
ORDER BY number
""")


def locate(connection: Connection, x: float, y: float, srid: int = WGS84_SRID) -> Located:
    """The place (`x` east or longitude, `y` north or latitude, in the CRS `srid`) in both systems."""
    return _located(connection, [(x, y, srid)])[0]


def locate_typed(connection: Connection, typed: TypedPoint, zone: Place) -> tuple[Located, bool]:
    """The place that a person typed, and whether its two numbers were read in the other order."""
    return locate_all_typed(connection, [typed], zone)[0]


def locate_all_typed(
    connection: Connection, typed: Sequence[TypedPoint], zone: Place
) -> list[tuple[Located, bool]]:
    """The same of many points, in their order.

    They are read in the other order where, as typed, they lie outside the zone's map and the other way
    round inside: maps and surveying programs disagree on which of Stereo 70's axes comes first.
    """
    as_typed = _located(connection, [(point.x, point.y, point.srid) for point in typed])
    others = {
        number: other
        for number, (point, found) in enumerate(zip(typed, as_typed, strict=True))
        if not found.inside(zone) and (other := point.the_other_way_round()) is not None
    }
    swapped = dict(zip(others, _located(connection, [(o.x, o.y, o.srid) for o in others.values()]), strict=True))
    return [
        (swapped[number], True) if number in swapped and swapped[number].inside(zone) else (found, False)
        for number, found in enumerate(as_typed)
    ]


def _located(connection: Connection, points: Sequence[tuple[float, float, int]]) -> list[Located]:
    if not points:
        return []
    x, y, srid = zip(*points, strict=True)
    rows = connection.execute(_LOCATE, {"x": list(x), "y": list(y), "srid": list(srid)})
    return [Located(row.lon, row.lat, row.easting, row.northing) for row in rows]
