"""Vector tiles of the plan, straight from PostGIS: one tile a group of layers.

A tile is a Mapbox Vector Tile (one layer in it for each layer of the group), cut
in Web Mercator from the generated `geom_3857` column. Nothing is left out at any
zoom; geometry is only simplified to the tile's own grid.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, text

from masterplan.errors import NotFound
from masterplan.language import N_

MIN_ZOOM = 0
MAX_ZOOM = 22
#: Coordinates across one tile, and how far beyond its edge lines are kept, in the same units.
EXTENT = 4096
BUFFER = 128

_HALF_WORLD_M = 20037508.342789244

#: The MVT layer with the label points of an area layer is named after it, with this behind.
LABEL_SUFFIX = "_label"

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"


@dataclass(frozen=True)
class TileAddress:
    """Column and row of a tile in the WebMercatorQuad scheme."""

    z: int
    x: int
    y: int

    def __post_init__(self) -> None:
        if not (MIN_ZOOM <= self.z <= MAX_ZOOM and 0 <= self.x < 2**self.z and 0 <= self.y < 2**self.z):
            raise NotFound(N_("There is no tile {z}/{x}/{y}."), z=self.z, x=self.x, y=self.y)

    @property
    def bounds_m(self) -> tuple[float, float, float, float]:
        """West, south, east, north in metres of Web Mercator (EPSG:3857)."""
        side = 2 * _HALF_WORLD_M / 2**self.z
        west, north = self.x * side - _HALF_WORLD_M, _HALF_WORLD_M - self.y * side
        return west, north - side, west + side, north


_PLAN = text(f"""
WITH tile AS (SELECT ST_TileEnvelope(:z, :x, :y) AS box),
drawn AS (
    SELECT f.layer_id, f.pk, f.feature_id AS id, f.name_ro, f.name_en, f.status, f.properties,
        ST_AsMVTGeom(f.geom_3857, tile.box, {EXTENT}, {BUFFER}, true) AS geom
    FROM masterplan.current_feature f JOIN masterplan.layer l ON l.id = f.layer_id, tile
    WHERE l.group_id = :group
        AND f.geom_3857 && ST_Expand(tile.box, (ST_XMax(tile.box) - ST_XMin(tile.box)) * {BUFFER / EXTENT})
),
-- An area is cut by tiles; its name is written once, at a point inside the whole of it.
named AS (
    SELECT f.layer_id || '{LABEL_SUFFIX}' AS layer_id, f.pk, f.feature_id AS id, f.name_ro, f.name_en, f.status,
        f.properties, ST_AsMVTGeom(label.point, tile.box, {EXTENT}, 0, true) AS geom
    FROM masterplan.current_feature f JOIN masterplan.layer l ON l.id = f.layer_id, tile,
        LATERAL (SELECT ST_PointOnSurface(f.geom_3857) AS point) label
    WHERE l.group_id = :group AND f.layer_id = ANY(:labelled) AND ST_Dimension(f.geom) = 2
        AND f.geom_3857 && tile.box AND label.point && tile.box
),
encoded AS (
    SELECT ST_AsMVT(d, layer_id, {EXTENT}, 'geom') AS mvt
    FROM (SELECT layer_id, id, name_ro, name_en, status, properties, geom
          FROM (SELECT * FROM drawn UNION ALL SELECT * FROM named) both_kinds
          WHERE geom IS NOT NULL ORDER BY layer_id, pk) d
    GROUP BY layer_id
)
SELECT coalesce(string_agg(mvt, ''::bytea), ''::bytea) FROM encoded
""")


def plan_tile(
    connection: Connection, group: str, address: TileAddress, labelled: Collection[str] = ()
) -> bytes:
    """The tile of one group of layers as MVT bytes; empty where nothing lies.

    Area layers in `labelled` get a second MVT layer, `<layer>_label`, with one point an area.
    """
    parameters = {"group": group, "z": address.z, "x": address.x, "y": address.y, "labelled": list(labelled)}
    return bytes(connection.scalar(_PLAN, parameters))


_STAMP = text(
    "SELECT coalesce(md5(string_agg(id || ':' || version || ':' || loaded_at, ',' ORDER BY id)), 'empty')"
    " FROM masterplan.layer"
)


def plan_stamp(connection: Connection) -> str:
    """A short text that changes whenever any layer does; part of every tile address."""
    return connection.scalar(_STAMP)[:12]
