"""GeoJSON of what a filter means: streamed, in one snapshot, and never a half file that looks whole.

PostgreSQL writes each feature's text; Python only joins and passes on. Memory stays the same
whatever the number of proposals. The collection is closed by the very last piece: what breaks
before leaves text that no JSON reader accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, Text, and_, literal_column, select, text
from sqlalchemy.exc import OperationalError

from masterplan.actors import Actor
from masterplan.database import DATABASE_AWAY, app_engine
from masterplan.errors import Unavailable
from masterplan.files import write_file
from masterplan.language import LANGUAGES
from masterplan.place import WGS84_SRID, place
from masterplan.tables import decision, measurement, proposal, score
from proposals.criteria_store import stored_set
from proposals.explained import teller
from proposals.filters import ProposalFilter
from proposals.selecting import SCORED, refuse_unknown, uat_names, where

MEDIA_TYPE = "application/geo+json"

#: About a centimetre; surveyed Stereo 70 coordinates survive the way out.
_DEGREE_DECIMALS = 7
_ROWS_A_PIECE = 500
#: A reader on a slow line may take this long for one piece.
_SLOWEST_PIECE = "'10min'"

#: Staff write by hand which meeting or letter something came from; an address in it does not leave.
_SOURCE_EVENT = r"regexp_replace(proposal.source_event, '[^@[:space:]]*@[^@[:space:]]*', '[…]', 'g')"

_FEATURE = f"""
'{{"type":"Feature","id":' || to_json(proposal.receipt)::text
|| ',"geometry":' || ST_AsGeoJSON(
    ST_ForcePolygonCCW(ST_Transform(proposal.geom, {WGS84_SRID})), {_DEGREE_DECIMALS}, 0)
|| ',"properties":' || left(row_to_json((SELECT properties FROM (SELECT
    proposal.receipt, proposal.kind, proposal.theme, proposal.status, proposal.title, proposal.description,
    proposal.author_kind, proposal.channel, {_SOURCE_EVENT} AS source_event,
    proposal.uat, uat_names.name AS uat_name, proposal.on_behalf_of, proposal.budget_lei,
    proposal.documentation_stage, proposal.created_at, proposal.demo,
    proposal.criteria_set, measurement.edition, measurement.stale,
    score.total AS score, score.coverage, score.recommendation,
    decided.outcome, decided.reason_ro AS reason, decided.departure, decided.redirected_to,
    decided.published_at AS decided_at
) properties))::text, -1)
|| ',"criteria":{{' || coalesce((
    SELECT string_agg(to_json(key)::text
        || ':{{"value":' || coalesce((result -> 'value')::text, 'null')
        || ',"unit":' || coalesce((result -> 'unit')::text, 'null')
        || ',"score":' || coalesce((result -> 'score')::text, 'null')
        || ',"verdict":' || coalesce((result -> 'verdict')::text, 'null')
        || ',"weight":' || coalesce((result -> 'weight')::text, 'null')
        || coalesce(',"on":' || (result -> 'on')::text, '') || coalesce(',"why":' || (result -> 'why')::text, '')
        || coalesce(',"computed":' || (result -> 'computed')::text, '')
        || coalesce(',"override":' || (result -> 'override')::text, '')
        || coalesce(',"judgement":' || (result -> 'judgement')::text, '')
        || '}}', ',')
    FROM jsonb_each(score.results) AS criterion(key, result)), '')
|| '}}}}}}'
"""


#: The published decision that is in force, where there is one.
_DECIDED = decision.alias("decided")


def stream_geojson(wanted: ProposalFilter, actor: Actor, explain: bool = False) -> Generator[bytes, None, int]:
    """The FeatureCollection (RFC 7946, EPSG:4326) of what the filter means and the actor may see.

    With `explain` each feature also has the sentences of its results in every language; they are made
    one by one in Python, which takes many times as long as all the rest.

    Everything is read in one snapshot through a server-side cursor. The first piece comes once
    the database has begun to answer, so what is wrong from the start is raised before any byte.
    No e-mail is ever read. Returns the number of features.

    Raises
    ------
    InputError
        When the filter names a criterion or a UAT that does not exist.
    Unavailable
        When the database is away; also in the middle, and then the text stays unfinished.
    """
    with _snapshot(actor) as connection:
        refuse_unknown(connection, wanted)
        before, number = _opening(connection, wanted), 0
        found = connection.execute(_features(wanted, explain))
        with_sentences = _with_sentences(connection) if explain else None
        for rows in found.partitions(_ROWS_A_PIECE):
            texts = [with_sentences(*row) if with_sentences else row.feature for row in rows]
            yield before + ",\n".join(texts).encode()
            before, number = b",\n", number + len(texts)
        yield (b"" if number else before) + b"\n]}\n"
    return number


@contextmanager
def _snapshot(actor: Actor) -> Generator[Connection, None, None]:
    """A read-only transaction that sees one state of the database from its first to its last statement."""
    try:
        with app_engine().connect() as opened:
            connection = opened.execution_options(
                actor=actor, isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            with connection.begin():
                connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = {_SLOWEST_PIECE}"))
                connection.execute(text("SET LOCAL timezone = 'UTC'"))
                yield connection
    except OperationalError as away:
        raise Unavailable(DATABASE_AWAY) from away


def _with_sentences(connection: Connection) -> Callable[[str, str, dict[str, Any] | None], str]:
    """Puts the sentences of its results into the text of a feature."""
    tellers = [teller(connection, language) for language in LANGUAGES]
    sets = cache(lambda version: stored_set(connection, version))

    def explained(feature: str, criteria_set: str, results: dict[str, Any] | None) -> str:
        told = {telling.language: telling.sentences(sets(criteria_set), results or {}) for telling in tellers}
        # Before the ends of the properties and of the feature.
        return f'{feature[:-2]},"explanation":{orjson.dumps(told).decode()}{feature[-2:]}'

    return explained


def _features(wanted: ProposalFilter, explain: bool = False) -> Any:
    names = uat_names()
    sources = [proposal.c.criteria_set, score.c.results] if explain else []
    return (
        select(literal_column(_FEATURE, Text).label("feature"), *sources)
        .select_from(
            SCORED.outerjoin(measurement, measurement.c.proposal_id == proposal.c.id)
            .outerjoin(names, names.c.siruta == proposal.c.uat)
            .outerjoin(_DECIDED, and_(_DECIDED.c.proposal_id == proposal.c.id, _DECIDED.c.reopened_at.is_(None)))
        )
        .where(*where(wanted))
        .order_by(proposal.c.id)
        .execution_options(yield_per=_ROWS_A_PIECE)
    )


_EDITION = text("SELECT id, label, status FROM masterplan.edition ORDER BY id DESC LIMIT 1")
_LAYERS = text("SELECT id, version, indicative FROM masterplan.layer ORDER BY position, id")


def _opening(connection: Connection, wanted: ProposalFilter) -> bytes:
    """The collection up to its first feature: what it is, of when, of which filter, edition and layers."""
    here = place()
    found = connection.execute(_LAYERS)
    layers = {layer.id: {"version": layer.version, "indicative": layer.indicative} for layer in found}
    head: dict[str, Any] = {
        "type": "FeatureCollection",
        "disclaimer": {"ro": here.disclaimer_ro, "en": here.disclaimer_en},
        "generated_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "filter": wanted.to_dict(),
        "edition": dict(connection.execute(_EDITION).mappings().one()),
        "layers": layers,
    }
    if any(layer["indicative"] for layer in layers.values()):
        head["indicative"] = {"ro": here.indicative_ro, "en": here.indicative_en}
    return orjson.dumps(head)[:-1] + b',"features":[\n'


# -- files ---------------------------------------------------------------------------------


def export_to_file(wanted: ProposalFilter, actor: Actor, path: str, explain: bool = False) -> int:
    """Write the export to `path`, or to the standard output for `-`; returns the number of features.

    Raises
    ------
    MasterplanError
        When the file cannot be written, beside what `stream_geojson` raises.
    """
    return write_file(stream_geojson(wanted, actor, explain), path)
