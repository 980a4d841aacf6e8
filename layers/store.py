"""Storing layers: a new version closes the old rows and opens new ones, in one transaction.

A feature that did not change keeps its row; nothing is overwritten. What a decision
did to a feature stays until a file says something new of that feature. The owner
makes each layer's typed public view in the schema `api` when it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import shapely
from psycopg.types.json import Jsonb
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.expression import bindparam

from layers.catalogue import Layer, catalogue
from masterplan.database import OGC_ROLE, PUBLIC_ROLE
from masterplan.jobs import enqueue
from masterplan.place import WGS84_SRID, place
from masterplan.tables import PUBLIC_SCHEMA

#: The job that tells the packages above that a layer changed; payload `{"layer": id}`.
LAYER_CHANGED = "layer_changed"


@dataclass(frozen=True)
class FeatureRow:
    """One feature to store; `geometry` in EPSG:4326, longitude first."""

    feature_id: str
    name_ro: str
    name_en: str
    status: str | None
    properties: dict[str, Any]
    source: str
    source_date: date
    indicative: bool
    geometry: BaseGeometry


@dataclass(frozen=True)
class Loaded:
    """What a load did: the version now current and how many features it opened and closed."""

    layer_id: str
    version: int
    opened: int
    closed: int
    unchanged: int

    @property
    def changed(self) -> bool:
        return bool(self.opened or self.closed)


def lock(connection: Connection, layer_id: str) -> None:
    """Until this transaction ends nobody else loads this layer."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('layer ' || :id))"), {"id": layer_id})


def current(connection: Connection, layer: Layer, file_sha256: str) -> Loaded | None:
    """What is stored, if this very file, declared like this, is the current version; else None."""
    found = connection.execute(_CURRENT_FILE, {"id": layer.id}).one_or_none()
    declared = (file_sha256, layer.attribute_rows(), layer.indicative, layer.accuracy_m, layer.source)
    if found is None or tuple(found)[2:] != declared:
        return None
    _write_layer(connection, layer, found.version)
    return Loaded(layer.id, found.version, 0, 0, found.feature_count)


def load(
    connection: Connection, layer: Layer, rows: Iterable[FeatureRow], file_sha256: str, shipped: bool = False
) -> Loaded:
    """Make `rows` the current version of `layer`, on the owner's connection.

    `shipped` says that they come with the application, and may be replaced by what ships next.

    Loading what is current already changes nothing and makes no version.
    """
    lock(connection, layer.id)
    before = connection.execute(_CURRENT_LAYER, {"id": layer.id}).one_or_none()
    _stage(connection, layer, rows)
    _keep_decided(connection, layer)
    counts = connection.execute(_COMPARE, {"layer": layer.id}).one()
    declaration_changed = before is None or before.attributes != layer.attribute_rows()
    facts_changed = before is None or (before.indicative, before.accuracy_m) != (layer.indicative, layer.accuracy_m)
    if not (counts.opened or counts.closed or facts_changed):
        _write_layer(connection, layer, before.version)
        if declaration_changed:
            _make_view(connection, layer)
        return Loaded(layer.id, before.version, 0, 0, counts.unchanged)
    version = 1 if before is None else before.version + 1
    _write_layer(connection, layer, version)
    connection.execute(_CLOSE, {"layer": layer.id, "version": version})
    connection.execute(_OPEN, {"layer": layer.id, "version": version, "kind": layer.kind})
    connection.execute(_WRITE_VERSION, {
        "layer": layer.id, "version": version, "kind": layer.kind, "sha256": file_sha256,
        "count": counts.opened + counts.unchanged, "shipped": shipped,
    })  # fmt: skip
    if declaration_changed:
        _make_view(connection, layer)
    # Measures are planned with fresh statistics right away, not when the server gets to it.
    connection.execute(text("ANALYZE masterplan.feature, masterplan.feature_part"))
    enqueue(connection, LAYER_CHANGED, {"layer": layer.id})
    return Loaded(layer.id, version, counts.opened, counts.closed, counts.unchanged)


_CURRENT_LAYER = text(
    "SELECT version, attributes, indicative, accuracy_m FROM masterplan.layer WHERE id = :id"
)

_CURRENT_FILE = text("""
SELECT l.version, v.feature_count, v.file_sha256, l.attributes, l.indicative, l.accuracy_m, l.source
FROM masterplan.layer l JOIN masterplan.layer_version v ON v.layer_id = l.id AND v.version = l.version
WHERE l.id = :id
""")

_STAGE = """
DROP TABLE IF EXISTS pg_temp.staged;
CREATE TEMPORARY TABLE staged (
    feature_id text, name_ro text, name_en text, status text, properties jsonb,
    source text, source_date date, indicative boolean, wkb bytea, geom geometry
) ON COMMIT DROP
"""

_SAME = """
    f.feature_id = s.feature_id AND (f.name_ro, f.name_en, f.properties, f.source, f.source_date, f.indicative)
    = (s.name_ro, s.name_en, s.properties, s.source, s.source_date, s.indicative)
    AND f.status IS NOT DISTINCT FROM s.status AND ST_AsBinary(f.geom) = ST_AsBinary(s.geom)
"""

_COMPARE = text(f"""
SELECT
    (SELECT count(*) FROM staged s WHERE NOT EXISTS (SELECT FROM masterplan.current_feature f
        WHERE f.layer_id = :layer AND {_SAME})) AS opened,
    (SELECT count(*) FROM masterplan.current_feature f WHERE f.layer_id = :layer
        AND NOT EXISTS (SELECT FROM staged s WHERE {_SAME})) AS closed,
    (SELECT count(*) FROM masterplan.current_feature f WHERE f.layer_id = :layer
        AND EXISTS (SELECT FROM staged s WHERE {_SAME})) AS unchanged
""")

_DRAFT = "(SELECT id FROM masterplan.edition WHERE status = 'draft')"

_CLOSE = text(f"""
UPDATE masterplan.feature f SET
    versions = int4range(lower(versions), :version),
    editions = CASE WHEN editions IS NOT NULL THEN int4range(lower(editions), {_DRAFT}) END
WHERE layer_id = :layer AND upper_inf(versions)
    AND NOT EXISTS (SELECT FROM staged s WHERE {_SAME})
""")

_OPEN = text(f"""
INSERT INTO masterplan.feature (layer_id, feature_id, versions, editions, name_ro, name_en, status, properties,
    source, source_date, indicative, geom)
SELECT :layer, feature_id, int4range(:version, NULL),
    CASE WHEN :kind = 'plan' THEN int4range({_DRAFT}, NULL) END,
    name_ro, name_en, status, properties, source, source_date, indicative, geom
FROM staged s
WHERE NOT EXISTS (SELECT FROM masterplan.current_feature f WHERE f.layer_id = :layer AND {_SAME})
ORDER BY feature_id
""")

_WRITE_VERSION = text(f"""
INSERT INTO masterplan.layer_version (layer_id, version, edition, source, source_date, indicative, accuracy_m,
    feature_count, file_sha256, shipped)
SELECT id, :version, CASE WHEN :kind = 'plan' THEN {_DRAFT} END, source, source_date, indicative, accuracy_m,
    :count, :sha256, :shipped
FROM masterplan.layer WHERE id = :layer
""")

_WRITE_LAYER = text("""
INSERT INTO masterplan.layer (id, group_id, position, kind, geometry_type, name_ro, name_en, description_ro,
    description_en, source, licence, source_date, indicative, accuracy_m, attributes, version)
VALUES (:id, :group, :position, :kind, :geometry, :name_ro, :name_en, :description_ro, :description_en,
    :source, :licence, :source_date, :indicative, :accuracy_m, :attributes, :version)
ON CONFLICT (id) DO UPDATE SET group_id = excluded.group_id, position = excluded.position,
    kind = excluded.kind, geometry_type = excluded.geometry_type, name_ro = excluded.name_ro,
    name_en = excluded.name_en, description_ro = excluded.description_ro,
    description_en = excluded.description_en, source = excluded.source, licence = excluded.licence,
    source_date = excluded.source_date, indicative = excluded.indicative, accuracy_m = excluded.accuracy_m,
    attributes = excluded.attributes, version = excluded.version,
    loaded_at = CASE WHEN layer.version = excluded.version THEN layer.loaded_at ELSE now() END
""").bindparams(bindparam("attributes", type_=JSONB))


def _stage(connection: Connection, layer: Layer, rows: Iterable[FeatureRow]) -> None:
    connection.execute(text(_STAGE))
    cursor = connection.connection.cursor()
    columns = "feature_id, name_ro, name_en, status, properties, source, source_date, indicative, wkb"
    with cursor.copy(f"COPY staged ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row((
                row.feature_id, row.name_ro, row.name_en, row.status, Jsonb(row.properties),
                row.source, row.source_date, row.indicative, shapely.to_wkb(row.geometry, output_dimension=2),
            ))  # fmt: skip
    transform = text(f"""
        UPDATE staged SET geom = {_multi(layer, f"ST_Transform(ST_GeomFromWKB(wkb, {WGS84_SRID}), :srid)")}
    """)
    connection.execute(transform, {"srid": place().storage_srid})


# Of each feature that a decision added, changed or removed: what the last file said of it, if any did.
_DECIDED = text("""
    CREATE TEMPORARY TABLE decided ON COMMIT DROP AS
    SELECT DISTINCT ON (c.feature_id) c.feature_id, told.pk AS told
    FROM masterplan.plan_change c LEFT JOIN LATERAL (
        SELECT f.pk FROM masterplan.feature f
        WHERE f.layer_id = c.layer_id AND f.feature_id = c.feature_id AND f.proposal_id IS NULL
        ORDER BY lower(f.versions) DESC LIMIT 1) told ON true
    WHERE c.layer_id = :layer AND c.state = 'applied'
""")
_NOTHING_NEW = text(f"""
    DELETE FROM staged s USING decided d, masterplan.feature f
    WHERE s.feature_id = d.feature_id AND f.pk = d.told AND {_SAME}
    RETURNING s.feature_id
""")
_AS_DECIDED = text("""
    INSERT INTO staged (feature_id, name_ro, name_en, status, properties, source, source_date, indicative, geom)
    SELECT f.feature_id, f.name_ro, f.name_en, f.status, f.properties, f.source, f.source_date, f.indicative, f.geom
    FROM masterplan.current_feature f JOIN decided d USING (feature_id)
    WHERE f.layer_id = :layer AND f.proposal_id IS NOT NULL AND (d.told IS NULL OR f.feature_id = ANY(:unchanged))
        AND NOT EXISTS (SELECT FROM staged s WHERE s.feature_id = f.feature_id)
""")


def _keep_decided(connection: Connection, layer: Layer) -> None:
    """Stage what decisions made of features in place of what the file repeats of them."""
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.decided"))
    connection.execute(_DECIDED, {"layer": layer.id})
    unchanged = list(connection.scalars(_NOTHING_NEW))
    connection.execute(_AS_DECIDED, {"layer": layer.id, "unchanged": unchanged})


def _multi(layer: Layer, expression: str) -> str:
    """A layer declared as Multi… keeps one geometry type for all its features."""
    return f"ST_Multi({expression})" if layer.geometry.startswith("Multi") else expression


def _write_layer(connection: Connection, layer: Layer, version: int) -> None:
    position = [known.id for known in catalogue().layers].index(layer.id)
    connection.execute(_WRITE_LAYER, {
        "id": layer.id, "group": layer.group, "position": position, "kind": layer.kind,
        "geometry": layer.geometry, "name_ro": layer.name_ro, "name_en": layer.name_en,
        "description_ro": layer.description_ro, "description_en": layer.description_en,
        "source": layer.source, "licence": layer.licence, "source_date": layer.source_date,
        "indicative": layer.indicative, "accuracy_m": layer.accuracy_m,
        "attributes": layer.attribute_rows(), "version": version,
    })  # fmt: skip


_SQL_OF_TYPE = {
    "text": "f.properties->>'{name}'",
    "integer": "(f.properties->>'{name}')::bigint",
    "number": "(f.properties->>'{name}')::double precision",
    "boolean": "(f.properties->>'{name}')::boolean",
    "list": "(SELECT string_agg(value, ', ') FROM jsonb_array_elements_text(f.properties->'{name}') AS value)",
}


def _make_view(connection: Connection, layer: Layer) -> None:
    """The typed public view of a layer, which `/ogc` serves as a collection."""
    columns = "".join(
        f', {_SQL_OF_TYPE[a.type].format(name=a.name)} AS "{_checked(a.name)}"' for a in layer.attributes
    )
    view = f"{PUBLIC_SCHEMA}.{_checked(layer.id)}"
    for statement in (
        f"DROP VIEW IF EXISTS {view}",
        f"CREATE VIEW {view} WITH (security_barrier) AS"
        f" SELECT f.feature_id AS id, f.name_ro, f.name_en, f.status{columns}, f.source, f.source_date,"
        f" f.indicative, lower(f.versions) AS layer_version, f.geom, lower(f.editions) AS edition,"
        f" (SELECT p.receipt FROM masterplan.proposal p WHERE p.id = f.proposal_id) AS proposal"
        f" FROM masterplan.feature f WHERE f.layer_id = '{layer.id}' AND upper_inf(f.versions)",
        f"ALTER VIEW {view} OWNER TO {PUBLIC_ROLE}",
        f"GRANT SELECT ON {view} TO {OGC_ROLE}",
    ):
        connection.execute(text(statement.replace(":", r"\:")))


def _checked(name: str) -> str:
    """A name of the catalogue that may stand in SQL."""
    if not (name.isascii() and name.replace("_", "a").isalnum() and name[0].isalpha() and name == name.lower()):
        raise ValueError(f"not a name for the database: {name!r}")
    return name
