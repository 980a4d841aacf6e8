"""The tables, as SQLAlchemy Core sees them; `migrations/` creates them.

Geometries are stored in the place's projected CRS (`Place.storage_srid`, metres;
EPSG:3844, Stereo 70, for Iași). Columns ending in `_3857` are generated, for tiles.
"""

from __future__ import annotations

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, INT4RANGE, JSONB

from masterplan.place import TILE_SRID, place

SCHEMA = "masterplan"
#: The schema of public views that `/ogc` serves.
PUBLIC_SCHEMA = "api"

metadata = MetaData(schema=SCHEMA)


def _moment(name: str) -> Column:
    return Column(name, DateTime(timezone=True))


def _stored_geometry(name: str = "geom") -> Column:
    return Column(name, Geometry(srid=place().storage_srid, spatial_index=False))


def _tile_geometry(name: str) -> Column:
    return Column(name, Geometry(srid=TILE_SRID, spatial_index=False))


edition = Table(
    "edition", metadata,
    Column("id", Integer, primary_key=True),
    Column("label", Text), Column("status", Text),
    _moment("opened_at"), _moment("published_at"), Column("note", Text),
    Column("opens_on", Date), Column("closes_on", Date), Column("minutes", Text), Column("adopting_act", Text),
    Column("sha256", Text),
)

layer = Table(
    "layer", metadata,
    Column("id", Text, primary_key=True),
    Column("group_id", Text), Column("position", Integer), Column("kind", Text),
    Column("geometry_type", Text),
    Column("name_ro", Text), Column("name_en", Text),
    Column("description_ro", Text), Column("description_en", Text),
    Column("source", Text), Column("licence", Text), Column("source_date", Date),
    Column("indicative", Boolean), Column("accuracy_m", Double),
    Column("attributes", JSONB), Column("style", JSONB),
    Column("version", Integer), _moment("loaded_at"),
)

layer_version = Table(
    "layer_version", metadata,
    Column("layer_id", Text, primary_key=True), Column("version", Integer, primary_key=True),
    Column("edition", Integer), Column("source", Text), Column("source_date", Date),
    Column("indicative", Boolean), Column("accuracy_m", Double),
    Column("feature_count", Integer), Column("file_sha256", Text), Column("shipped", Boolean), _moment("loaded_at"),
)

feature = Table(
    "feature", metadata,
    Column("pk", BigInteger, primary_key=True),
    Column("layer_id", Text), Column("feature_id", Text),
    Column("versions", INT4RANGE), Column("editions", INT4RANGE),
    Column("name_ro", Text), Column("name_en", Text), Column("status", Text),
    Column("properties", JSONB),
    Column("source", Text), Column("source_date", Date), Column("indicative", Boolean),
    Column("proposal_id", BigInteger),
    _stored_geometry(), _tile_geometry("geom_3857"),
)

criteria_set = Table(
    "criteria_set", metadata,
    Column("version", Text, primary_key=True),
    Column("status", Text), Column("definition", JSONB), Column("source_toml", Text),
    Column("sha256", Text), _moment("loaded_at"), _moment("published_at"),
)

proposal = Table(
    "proposal", metadata,
    Column("id", BigInteger, primary_key=True),
    Column("receipt", Text), Column("submission_key", Uuid),
    Column("kind", Text), Column("status", Text),
    Column("channel", Text), Column("source_event", Text), Column("author_kind", Text),
    Column("theme", Text), Column("title", Text), Column("description", Text),
    _stored_geometry(), _tile_geometry("geom_3857"), _tile_geometry("anchor_3857"),
    Column("uat", Text), Column("on_behalf_of", Text),
    Column("budget_lei", Numeric), Column("documentation_stage", Text),
    Column("attributes", JSONB), Column("criteria_set", Text), Column("edition", Integer),
    Column("public", Boolean), Column("demo", Boolean), Column("session", Text),
    _moment("created_at"), _moment("updated_at"),
)

contact = Table(
    "contact", metadata,
    Column("proposal_id", BigInteger, primary_key=True),
    Column("email", Text), Column("consent_version", Text), _moment("created_at"),
)

measurement = Table(
    "measurement", metadata,
    Column("proposal_id", BigInteger, primary_key=True),
    Column("measures", JSONB), Column("layer_versions", JSONB), Column("edition", Integer),
    _moment("measured_at"), Column("stale", Boolean),
)

score = Table(
    "score", metadata,
    Column("proposal_id", BigInteger, primary_key=True),
    Column("criteria_set", Text, primary_key=True),
    Column("total", Double), Column("coverage", Double), Column("recommendation", Text),
    Column("results", JSONB), _moment("scored_at"),
)

decision = Table(
    "decision", metadata,
    Column("id", BigInteger, primary_key=True),
    Column("proposal_id", BigInteger),
    Column("outcome", Text), Column("reason_ro", Text), Column("reason_en", Text), Column("reason_keys", ARRAY(Text)),
    Column("redirected_to", Text), Column("departure", Text),
    Column("recommendation", Text), Column("criteria_set", Text), Column("total", Double),
    _moment("received_at"), _moment("published_at"), _moment("reopened_at"),
)

job = Table(
    "job", metadata,
    Column("id", BigInteger, primary_key=True),
    Column("kind", Text), Column("payload", JSONB), Column("state", Text),
    Column("attempts", Integer), Column("max_attempts", Integer),
    Column("run_after", DateTime(timezone=True)),
    Column("progress", Double), Column("last_error", Text),
    _moment("created_at"), _moment("claimed_at"), _moment("finished_at"),
)

session_role = Table(
    "session_role", metadata,
    Column("session_id", Text, primary_key=True),
    Column("role", Text), Column("uats", ARRAY(Text)), _moment("updated_at"),
)
