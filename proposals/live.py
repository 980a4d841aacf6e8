"""The rubric of a geometry that is not submitted: measured, scored and shown by evidence, storing nothing.

The same checks, measures and arithmetic as a submission's, in transactions that only read and end soon.
A proposal that is stored shows its evidence to whom row-level security shows the proposal.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
import shapely
from psycopg.errors import QueryCanceled, ReadOnlySqlTransaction
from shapely import Geometry
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError

from masterplan.actors import Actor, Role
from masterplan.database import transaction
from masterplan.errors import InputError, MasterplanError, NotFound, Unavailable
from masterplan.language import N_
from masterplan.place import WGS84_SRID, place
from proposals import receipts
from proposals.criteria import THEMES, CriteriaSet, Gate, MeasureSpec, Scored
from proposals.criteria_store import in_force, stored_set
from proposals.evidence import MOST_ROWS, MOST_VERTICES, evidence_statement
from proposals.explained import teller
from proposals.explaining import Teller
from proposals.measures import UAT_LINES, Binds, size
from proposals.measuring import (
    UAT_LINES_SELECT,
    Candidate,
    Measured,
    make_outlines,
    measure_one,
    score_measured,
)
from proposals.scoring import Score
from proposals.submission import checked_geometry

log = logging.getLogger(__name__)

_MEASURER = Actor(Role.MEASURER)
#: One answer takes some milliseconds; what takes this long is a shape that nobody draws.
_LONGEST = "3s"
_READ_ONLY = f"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '{_LONGEST}'"

#: Within this process one makes outlines, and the others find them made.
_MAKING = threading.Lock()

UNKNOWN_THEME = N_("Choose a theme: which criteria are asked depends on it.")
UNKNOWN_CRITERION = N_("There is no criterion “{key}” in this set.")
TOOK_TOO_LONG = N_("This shape takes too long to measure. Draw it with fewer points.")
NOT_NOW = N_("The result cannot be worked out now. Go on drawing: it is tried again by itself.")


@dataclass(frozen=True)
class Live:
    """How a geometry stands before it is submitted; `repairs` says what a submission of it would change."""

    criteria: CriteriaSet
    kind: str
    score: Score
    teller: Teller
    repairs: tuple[MasterplanError, ...]


@dataclass(frozen=True)
class Drawn:
    """One row of evidence; `amount` is in `unit`, and `geometry` GeoJSON in EPSG:4326."""

    role: str
    feature: str | None
    name_ro: str | None
    name_en: str | None
    amount: float | None
    unit: str
    geometry: Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """What one criterion measured; `complete` is false when more was found than is drawn."""

    criteria: CriteriaSet
    criterion: Gate | Scored
    drawn: tuple[Drawn, ...]
    complete: bool


def rubric(given: object, theme: object, actor: Actor, language: str) -> Live:
    """How a GeoJSON geometry (EPSG:4326) stands against the set in force, as a submission by this actor would.

    Raises
    ------
    InputError
        When a submission of it would be refused for its geometry or theme, with the same words.
    Unavailable
        When it takes too long, or the database is away.
    """
    geometry, repairs = checked_geometry(given)
    candidate = candidate_of(geometry, _theme(theme), actor)
    with _reading(actor) as connection:
        criteria, telling = in_force(connection), teller(connection, language)
    measured = _measured(candidate, criteria)
    return Live(criteria, candidate.kind, score_measured(measured, criteria), telling, repairs)


def candidate_of(geometry: Geometry, theme: str, actor: Actor) -> Candidate:
    """What this actor would submit there: a UAT's representative a proposal of the UAT, others an observation."""
    wkb = shapely.to_wkb(geometry)
    if actor.role is Role.UAT and actor.uats:
        return Candidate(wkb, theme, kind="proposal", author_kind="uat", on_behalf_of=actor.uats[0])
    return Candidate(wkb, theme)


def _theme(given: object) -> str:
    if not isinstance(given, str) or given not in THEMES:
        raise InputError([("theme", MasterplanError(UNKNOWN_THEME))])
    return given


def _measured(candidate: Candidate, criteria: CriteriaSet) -> Measured:
    try:
        with _reading(_MEASURER) as connection:
            return measure_one(connection, candidate, [criteria])
    except _WouldWrite:
        _make_outlines(criteria)
    with _reading(_MEASURER) as connection:
        return measure_one(connection, candidate, [criteria])


def _make_outlines(criteria: CriteriaSet) -> None:
    """A layer has just changed: what is kept beside it is made once, by whoever asks first."""
    with _MAKING:
        try:
            with transaction(_MEASURER) as connection:
                connection.exec_driver_sql("SET LOCAL statement_timeout = '60s'")
                make_outlines(connection, [criteria])
        except DBAPIError:
            # Another process made them at the same time, or could not either: measuring again tells.
            log.warning("outlines could not be made now", exc_info=True)


class _WouldWrite(Unavailable):
    """A transaction that only reads was asked to write."""


@contextmanager
def _reading(actor: Actor) -> Iterator[Connection]:
    """A transaction on behalf of `actor` that can change nothing and ends soon."""
    try:
        with transaction(actor) as connection:
            connection.exec_driver_sql(_READ_ONLY)
            yield connection
    except DBAPIError as failure:
        if isinstance(failure.orig, QueryCanceled):
            raise Unavailable(TOOK_TOO_LONG) from failure
        if isinstance(failure.orig, ReadOnlySqlTransaction):
            raise _WouldWrite(NOT_NOW) from failure
        log.exception("a live answer failed")
        raise Unavailable(NOT_NOW) from failure


# -- evidence ------------------------------------------------------------------------------

#: The subject of a drawn geometry, and of a stored proposal.
_DRAWN = f"""
    SELECT 0::bigint AS id, ST_Transform(ST_GeomFromWKB(:geometry, {WGS84_SRID}),
        CAST(:storage_srid AS integer)) AS geom, CAST(:theme AS text) AS theme,
        CAST(:author_kind AS text) AS author_kind, CAST(:on_behalf_of AS text) AS on_behalf_of,
        CAST(:budget_lei AS float8) AS budget_lei, CAST(:attributes AS jsonb) AS attributes
"""
_STORED = """
    SELECT p.id, p.geom, p.theme, p.author_kind, p.on_behalf_of, p.budget_lei::float8 AS budget_lei, p.attributes
    FROM masterplan.proposal p WHERE p.receipt = :receipt
"""
_SET_OF = text("SELECT criteria_set FROM masterplan.proposal WHERE receipt = :receipt")


def evidence_of_drawn(given: object, theme: object, key: object, actor: Actor) -> Evidence:
    """What a criterion of the set in force measures of a GeoJSON geometry (EPSG:4326) that is not submitted.

    Raises
    ------
    InputError, NotFound, Unavailable
        As `rubric`; also when there is no such criterion.
    """
    geometry, _ = checked_geometry(given)
    candidate = candidate_of(geometry, _theme(theme), actor)
    with _reading(actor) as connection:
        criteria = in_force(connection)
    criterion = _criterion(criteria, key)
    with _reading(_MEASURER) as connection:
        return _evidence(connection, criteria, criterion, _DRAWN, {
            "geometry": candidate.geometry, "storage_srid": place().storage_srid, "theme": candidate.theme,
            "author_kind": candidate.author_kind, "on_behalf_of": candidate.on_behalf_of,
            "budget_lei": candidate.budget_lei, "attributes": orjson.dumps(dict(candidate.attributes)).decode(),
        })  # fmt: skip


def evidence_of_stored(receipt: str, key: object, actor: Actor) -> Evidence:
    """What a criterion of its own set measures of a stored proposal, on today's layers.

    Raises
    ------
    InputError
        When `receipt` is no tracking code.
    NotFound
        When there is no such proposal or criterion, or this actor may not see the proposal.
    """
    wanted = receipts.normalise(receipt)
    with _reading(actor) as connection:
        version = connection.scalar(_SET_OF, {"receipt": wanted})
        if version is None:
            raise NotFound(N_("There is no proposal with the receipt {receipt}."), receipt=wanted)
        criteria = stored_set(connection, version)
        return _evidence(connection, criteria, _criterion(criteria, key), _STORED, {"receipt": wanted})


def _criterion(criteria: CriteriaSet, key: object) -> Gate | Scored:
    known = {criterion.key: criterion for criterion in (*criteria.gates, *criteria.scored)}
    if not isinstance(key, str) or key not in known:
        raise NotFound(UNKNOWN_CRITERION, key=str(key)[:40])
    return known[key]


def _evidence(
    connection: Connection, criteria: CriteriaSet, criterion: Gate | Scored, subject: str, values: Mapping[str, Any]
) -> Evidence:
    parameters = orjson.dumps(criterion.spec.parameters, option=orjson.OPT_SORT_KEYS)
    made = _statement(criterion.spec.function, parameters, subject)
    if made is None:
        return Evidence(criteria, criterion, (), True)
    statement, bound = made
    rows = connection.execute(statement, bound | dict(values)).all()
    drawn, vertices = [], 0
    for row in rows[:MOST_ROWS]:
        vertices += row.vertices
        if vertices > MOST_VERTICES:
            break
        drawn.append(Drawn(row.role, row.feature, row.name_ro, row.name_en, row.amount,
                           criterion.unit if row.unit is None else row.unit, orjson.loads(row.geometry)))  # fmt: skip
    return Evidence(criteria, criterion, tuple(drawn), len(drawn) == len(rows))


@lru_cache(maxsize=256)
def _statement(function: str, parameters: bytes, subject: str) -> tuple[TextClause, dict[str, object]] | None:
    bind = Binds()
    rows = evidence_statement(MeasureSpec(function, orjson.loads(parameters)), bind)
    if rows is None:
        return None
    sql = f"""
        WITH {UAT_LINES} AS NOT MATERIALIZED ({UAT_LINES_SELECT}),
        subject AS MATERIALIZED (
            SELECT g.id, g.geom, ST_Dimension(g.geom) AS dim, {size("g.geom", "ST_Dimension(g.geom)")} AS size,
                g.theme, g.author_kind, g.on_behalf_of, g.budget_lei, g.attributes
            FROM ({subject} OFFSET 0) g
        ) {rows}"""
    return text(sql), bind.values
