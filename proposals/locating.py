"""One place in the coordinate systems people use."""

from __future__ import annotations

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
WITH given AS (SELECT ST_SetSRID(ST_MakePoint(:x, :y), CAST(:srid AS integer)) AS point),
both_ways AS (
    SELECT ST_Transform(point, {WGS84_SRID}) AS degrees, ST_Transform(point, {STEREO70_SRID}) AS metres FROM given
)
SELECT ST_X(degrees) AS lon, ST_Y(degrees) AS lat, ST_X(metres) AS easting, ST_Y(metres) AS northing FROM both_ways
""")


def locate(connection: Connection, x: float, y: float, srid: int = WGS84_SRID) -> Located:
    """The place (`x` east or longitude, `y` north or latitude, in the CRS `srid`) in both systems."""
    row = connection.execute(_LOCATE, {"x": x, "y": y, "srid": srid}).one()
    return Located(row.lon, row.lat, row.easting, row.northing)


def locate_typed(connection: Connection, typed: TypedPoint, zone: Place) -> tuple[Located, bool]:
    """The place that a person typed, and whether its two numbers were read in the other order.

    They are where, as typed, they lie outside the zone's map and the other way round inside:
    maps and surveying programs disagree on which of Stereo 70's axes comes first.
    """
    as_typed = locate(connection, typed.x, typed.y, typed.srid)
    other = typed.the_other_way_round()
    if other is None or as_typed.inside(zone):
        return as_typed, False
    swapped = locate(connection, other.x, other.y, other.srid)
    return (swapped, True) if swapped.inside(zone) else (as_typed, False)
