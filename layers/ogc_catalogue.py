"""The collections behind `/ogc`: read view by view from the schema `api`, and read again as it changes.

tipg reads its catalogue once, all or nothing, with functions that it makes in every
connection. Here each view is tried alone, so that one that fails is named and the
others are served, and the login needs no right but to read.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
from cql2 import Expr
from pyproj import CRS, Transformer
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from tipg.collections import Catalog, PgCollection

from layers.ogc_filter import BOOLEAN, DATE, GEOMETRY, NUMBER, TEXT, TIME, Refused, Window
from masterplan.actors import VISITOR
from masterplan.database import ogc_url, transaction
from masterplan.errors import Unavailable
from masterplan.language import LANGUAGES, N_, translator
from masterplan.place import TILE_SRID, WGS84_SRID, place
from masterplan.tables import PUBLIC_SCHEMA

log = logging.getLogger(__name__)

#: How often the stamp of the layers is looked at; a change is served within 5 s.
_POLL_S = 2.0
#: How often everything is read again though no stamp changed: proposals move their extent.
_REREAD_S = 60.0
_REREAD_BROKEN_S = 6.0
_CONNECT_TIMEOUT_S = 3.0
#: How long a request waits for a free connection.
_ACQUIRE_TIMEOUT_S = 8.0
#: Above the login's own statement_timeout of 5 s: for a server that hangs.
_COMMAND_TIMEOUT_S = 10.0
_CONNECTIONS = 6
#: How many rows of a view are computed to see that it works.
_PROBED_ROWS = 10_000
#: What one tile may hold; beyond it the answer is an error, never a tile with some left out.
MAX_FEATURES_PER_TILE = 200_000
_TILE_EXTENT, _TILE_BUFFER = 4096, 256
#: From this zoom on, a tile is small enough for its outline to make sense in the stored CRS.
_FIRST_ZOOM_WITH_BOX = 6
#: How far from the place, in degrees, coordinates are still projected soundly.
_WINDOW_DEGREES = 40.0
_FINE_MARGIN_DEGREES = 2.0

AWAY = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError)  # fmt: skip

#: PostgreSQL's type, as tipg calls it, and the kind that a filter compares it as.
_TYPES = {
    "text": ("text", TEXT), "varchar": ("text", TEXT),
    "int2": ("smallint", NUMBER), "int4": ("integer", NUMBER), "int8": ("bigint", NUMBER),
    "float4": ("real", NUMBER), "float8": ("float8", NUMBER), "numeric": ("numeric", NUMBER),
    "bool": ("boolean", BOOLEAN), "date": ("date", DATE), "timestamptz": ("timestamptz", TIME),
    "geometry": ("geometry", GEOMETRY),
}  # fmt: skip


def window() -> Window:
    """Where coordinates of a request may lie; edges are drawn finely around the CRS's area of use."""
    lon, lat = place().center
    use = CRS.from_epsg(place().storage_srid).area_of_use
    margin = _FINE_MARGIN_DEGREES
    return Window(
        west=lon - _WINDOW_DEGREES,
        south=lat - _WINDOW_DEGREES,
        east=lon + _WINDOW_DEGREES,
        north=min(lat + _WINDOW_DEGREES, 89.0),
        fine=(use.west - margin, use.south - margin, use.east + margin, use.north + margin),
    )


class LayerCollection(PgCollection):
    """A view of the schema `api` as tipg serves it, with what tipg does not do.

    Boxes are exact, pages neither repeat nor skip a feature, and a tile holds everything.
    """

    def cql_where(self, bbox: list[float] | None = None, **conditions: Any) -> Any:
        """tipg's condition, with a box (degrees, EPSG:4326) as it lies on the ground.

        tipg takes the upright box around it in the stored CRS, which holds strangers.
        """
        if bbox is not None:
            asked = conditions.get("cql")
            conditions["cql"] = self._in_box(bbox) if asked is None else asked + self._in_box(bbox)
        return super().cql_where(**conditions)

    def _in_box(self, bbox: list[float]) -> Expr:
        box = window().box(*bbox)
        if box is None:
            return Expr({"op": "=", "args": [1, 0]})
        return Expr({"op": "s_intersects", "args": [{"property": self.geometry_column.name}, box]})

    def _sort_expressions(self, sortby: str | None) -> list[tuple[str, str]]:
        """The order asked for, and then the id."""
        asked = super()._sort_expressions(sortby)
        if self.id_column.name in (name for name, _ in asked):
            return asked
        return [*asked, (self.id_column.name, f'"{self.id_column.name}"')]

    async def get_tile(
        self, conn: asyncpg.Connection, *, tile: Any, properties: list[str] | None = None, **asked: Any
    ) -> bytes:
        """One Mapbox Vector Tile (WebMercatorQuad), whole or not at all.

        Raises
        ------
        Refused
            When the tile would hold more than `MAX_FEATURES_PER_TILE`.
        """
        where = self.cql_where(
            ids=asked.get("ids_filter"),
            bbox=asked.get("bbox_filter"),
            datetime=asked.get("datetime_filter"),
            properties=asked.get("properties_filter"),
            cql=asked.get("cql_filter"),
        )
        if near := self._near_tile(tile):
            where = near if where is None else where + near
        geometry = f'ST_Transform("{self.geometry_column.name}", {TILE_SRID})'
        envelope = f"ST_TileEnvelope({int(tile.z)}, {int(tile.x)}, {int(tile.y)})"
        columns = self._select_property_columns(properties)
        drawn = f"ST_AsMVTGeom({geometry}, {envelope}, {_TILE_EXTENT}, {_TILE_BUFFER}, true) AS geom"
        order = ", ".join(sql for _, sql in self._sort_expressions(None))
        encoded = await conn.fetchval(f"""
            WITH drawn AS MATERIALIZED (
                SELECT {", ".join([*columns, drawn])} FROM {self._qualified_name}
                {self._where_clause(where)} ORDER BY {order} LIMIT {MAX_FEATURES_PER_TILE + 1}
            )
            SELECT CASE WHEN (SELECT count(*) FROM drawn) <= {MAX_FEATURES_PER_TILE} THEN
                (SELECT ST_AsMVT(d, 'default', {_TILE_EXTENT}, 'geom')
                 FROM (SELECT * FROM drawn WHERE geom IS NOT NULL) d)
            END
        """)
        if encoded is None:
            raise Refused(
                f"This tile would hold more than {MAX_FEATURES_PER_TILE} features, and none is left out"
                " in silence: ask with a filter, or for a tile of a higher zoom."
            )
        return bytes(encoded)

    def _near_tile(self, tile: Any) -> Expr | None:
        """What lies near the tile, in the stored CRS, so that not everything is transformed."""
        if tile.z < _FIRST_ZOOM_WITH_BOX:
            return None
        half = 20037508.342789244
        side = 2 * half / 2**tile.z
        margin = side * _TILE_BUFFER / _TILE_EXTENT
        left, top = -half + tile.x * side, half - tile.y * side
        transformer = Transformer.from_crs(TILE_SRID, self.geometry_column.srid, always_xy=True)
        west, south, east, north = transformer.transform_bounds(
            left - margin, top - side - margin, left + side + margin, top + margin
        )
        if not all(abs(edge) < 1e9 for edge in (west, south, east, north)):
            return None
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        polygon = {"type": "Polygon", "coordinates": [ring]}
        column = self.geometry_column
        box = {"op": "st_setsrid", "args": [polygon, column.srid]}
        return Expr({"op": "s_intersects", "args": [{"property": column.name}, box]})


@dataclass(frozen=True)
class Served:
    """A collection and what the guard needs to know about it.

    `etag` changes whenever the layer does; None where rows come and go by themselves.
    """

    collection: LayerCollection
    kinds: dict[str, str]
    filterable: frozenset[str]
    etag: str | None


class Collections:
    """What `/ogc` serves; `watch()` keeps it current and `health()` says what it cannot read."""

    def __init__(self) -> None:
        self.served: dict[str, Served] = {}
        #: In tipg's own form, for its dependencies.
        self.catalog: Catalog = {"collections": {}, "last_updated": datetime.now(UTC)}
        #: Whether the views were ever read since the start.
        self.ready = False
        self._broken: dict[str, str] = {}
        self._stamp: str | None = None
        self._read_at = 0.0
        self._pool: asyncpg.Pool | None = None
        self._complained = False

    def health(self) -> dict[str, str]:
        """Each public view that cannot be served, with a reason fit for strangers."""
        return dict(self._broken)

    async def watch(self) -> None:
        """Read the collections, and again whenever a layer changes or the database comes back."""
        while True:
            try:
                await self.refresh()
                self._complained = False
            except (*AWAY, asyncpg.PostgresError, SQLAlchemyError, Unavailable) as away:
                if not self._complained:
                    log.warning("the collections cannot be read, trying again: %s", away)
                self._complained = True
                if not self.ready:
                    await self.stop()
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.terminate()

    def acquire(self) -> Any:
        """A connection of the read-only login, as an async context manager; tipg calls this.

        Raises
        ------
        TimeoutError
            On entering, when none gets free in time.
        """
        if self._pool is None:
            raise asyncpg.InterfaceError("no connections yet")
        return self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S)

    async def refresh(self) -> None:
        """Read every view again, if anything changed."""
        if self._pool is None:
            self._pool = await _pool()
        layers = await asyncio.to_thread(_layers)
        async with self.acquire() as connection:
            views = await _views(connection)
            stamp = _digest([layers, views])
            patience = _REREAD_BROKEN_S if self._broken else _REREAD_S
            if stamp == self._stamp and time.monotonic() < self._read_at + patience:
                return
            served, broken = {}, {}
            for name, columns in views.items():
                try:
                    served[name] = await _read_view(connection, name, columns, layers.get(name))
                except asyncpg.PostgresError as fault:
                    if isinstance(fault, AWAY) and not isinstance(fault, asyncpg.QueryCanceledError):
                        raise
                    broken[name] = f"The view {PUBLIC_SCHEMA}.{name} cannot be read ({fault.sqlstate})."
                    if name not in self._broken:
                        log.error("view %s.%s: %s", PUBLIC_SCHEMA, name, fault)
        self._take(served, broken, stamp)

    def _take(self, served: dict[str, Served], broken: dict[str, str], stamp: str) -> None:
        self.served, self._broken, self._stamp = served, broken, stamp
        self.catalog["collections"] = {name: each.collection for name, each in served.items()}
        self._read_at = time.monotonic()
        self.ready = True


async def _pool() -> asyncpg.Pool:
    """Connections are made when they are needed, and again when the database comes back."""
    return await asyncpg.create_pool(
        _dsn(),
        min_size=0,
        max_size=_CONNECTIONS,
        timeout=_CONNECT_TIMEOUT_S,
        command_timeout=_COMMAND_TIMEOUT_S,
        init=_prepare,
        server_settings={"application_name": "masterplan ogc"},
    )


#: What of a connection address means the same to asyncpg as to libpq.
_ADDRESS_PARTS = {"host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl"}


def _dsn() -> str:
    url = ogc_url()
    kept = {key: value for key, value in url.query.items() if key in _ADDRESS_PARTS}
    return url.set(drivername="postgresql", query=kept).render_as_string(hide_password=False)


async def _prepare(connection: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, encoder=json.dumps, decoder=orjson.loads, schema="pg_catalog")


_LAYERS = text("""
SELECT id, name_ro, name_en, description_ro, description_en, source, licence, indicative, accuracy_m,
    attributes, version, loaded_at::text FROM masterplan.layer
""")


def _layers() -> dict[str, dict[str, Any]]:
    with transaction(VISITOR) as connection:
        return {row.id: dict(row._mapping) for row in connection.execute(_LAYERS)}


_VIEWS = """
SELECT c.oid::bigint AS oid, c.relname AS view, a.attname AS name, t.typname AS type,
    CASE WHEN t.typname = 'geometry' THEN public.postgis_typmod_type(a.atttypmod) END AS geometry_type,
    CASE WHEN t.typname = 'geometry' THEN public.postgis_typmod_srid(a.atttypmod) END AS srid
FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = $1 AND c.relkind IN ('v', 'm') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY c.relname, a.attnum
"""


async def _views(connection: asyncpg.Connection) -> dict[str, list[dict[str, Any]]]:
    """The columns of each public view that has a geometry and an id."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in await connection.fetch(_VIEWS, PUBLIC_SCHEMA):
        found.setdefault(row["view"], []).append(dict(row))
    return {
        view: columns
        for view, columns in found.items()
        if {"id", "geometry"} <= {part for column in columns for part in (column["name"], column["type"])}
    }


async def _read_view(
    connection: asyncpg.Connection, name: str, rows: list[dict[str, Any]], layer: dict[str, Any] | None
) -> Served:
    view = f'"{PUBLIC_SCHEMA}"."{name.replace(chr(34), chr(34) * 2)}"'
    geometry = next(row for row in rows if row["type"] == "geometry")
    await connection.fetchval(f"SELECT count(v) FROM (SELECT * FROM {view} LIMIT {_PROBED_ROWS}) v")
    bounds = await _bounds(connection, view, geometry)
    columns = [_column(row, bounds) for row in rows if row["type"] in _TYPES]
    by_name = {column["name"]: column for column in columns}
    times = [column for column in columns if column["type"] in ("timestamptz", "date")]
    kinds = {row["name"]: _TYPES[row["type"]][1] for row in rows if row["type"] in _TYPES}
    return Served(
        collection=LayerCollection(
            type="Table",
            id=name,
            table=name,
            schema=PUBLIC_SCHEMA,
            title=layer["name_ro"] if layer else translator("ro")(_TITLES.get(name, name)),
            description=_description(layer) if layer else _described(name),
            table_columns=columns,
            properties=columns,
            id_column=by_name["id"],
            geometry_column=by_name[geometry["name"]],
            datetime_column=times[0] if times else None,
        ),
        kinds=kinds,
        filterable=_filterable(kinds, layer),
        etag=_digest([layer, rows]) if layer else None,
    )


def _column(row: dict[str, Any], bounds: list[float]) -> dict[str, Any]:
    column = {"name": row["name"], "type": _TYPES[row["type"]][0]}
    if row["type"] == "geometry":
        column |= {"geometry_type": row["geometry_type"], "srid": row["srid"], "bounds": bounds}
    return column


async def _bounds(connection: asyncpg.Connection, view: str, geometry: dict[str, Any]) -> list[float]:
    """West, south, east, north in degrees, EPSG:4326; the place's own where the view is empty."""
    corners = await connection.fetchrow(f"""
        SELECT ST_XMin(e) AS west, ST_YMin(e) AS south, ST_XMax(e) AS east, ST_YMax(e) AS north
        FROM (SELECT ST_Transform(ST_SetSRID(ST_Extent("{geometry["name"]}")::geometry, {geometry["srid"]}),
            {WGS84_SRID}) AS e FROM {view}) extent
    """)
    return list(place().bounds) if corners["west"] is None else list(corners.values())


#: What is told of a view that is no layer: of the views that ship, the proposals.
_TITLES = {"proposals": N_("Published proposals and observations")}
_DESCRIPTIONS = {
    "proposals": N_(
        "What people and UATs brought to the masterplan and the planners published, each with its score by the"
        " criteria set named with it. No personal data; texts stand as their authors wrote them."
    )
}


def _described(name: str) -> str | None:
    """In both languages, as layers are; None for a view that nothing is known of."""
    if name not in _DESCRIPTIONS:
        return None
    said = [translator(language)(_DESCRIPTIONS[name]) for language in LANGUAGES]
    return " ".join([*said, place().disclaimer_ro, place().disclaimer_en])


def _description(layer: dict[str, Any]) -> str:
    facts = [layer["description_ro"], layer["description_en"]]
    if layer["indicative"]:
        facts += [place().indicative_ro, place().indicative_en]
    facts.append(f"{layer['source']}. {layer['licence']}. ± {layer['accuracy_m']:g} m.")
    return " ".join(fact.strip() for fact in facts if fact.strip())


def _filterable(kinds: dict[str, str], layer: dict[str, Any] | None) -> frozenset[str]:
    """What may stand in the address as `?name=value`: for a layer, what it declares."""
    simple = {name for name, kind in kinds.items() if kind in (TEXT, NUMBER, BOOLEAN)}
    if layer is None:
        return frozenset(simple)
    declared = {item["name"] for item in layer["attributes"] if item["filterable"]}
    return frozenset(simple & (declared | {"id", "name_ro", "name_en", "status"}))


def _digest(facts: Any) -> str:
    return hashlib.sha256(orjson.dumps(facts, default=str)).hexdigest()[:16]
