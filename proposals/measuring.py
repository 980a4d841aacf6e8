"""Measuring: runs the measures in PostGIS, for one drawn geometry or for every proposal, and stores.

One statement holds every measure that the criteria sets need; only the relation of subjects
differs between one geometry and a hundred thousand proposals, so both give the same numbers.
A measure is only taken of the themes and kinds of geometry that some criterion asks about.
Where the current version of a layer came with a raster, what that tells better replaces the
statement's answers (`proposals.on_rasters`); where none did, that costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import Any

import orjson
import shapely
from sqlalchemy import Connection, Row, TextClause, text

from layers.derived import SAYS_ITS_RASTERS
from masterplan.errors import Unavailable
from masterplan.language import N_
from masterplan.place import WGS84_SRID, place
from proposals import judgements, on_rasters
from proposals.criteria import RASTER, CriteriaSet, MeasureSpec
from proposals.criteria_store import stored_set
from proposals.measures import GEOMETRIES, UAT_LINES, Binds, once, size
from proposals.outlines import all_kept
from proposals.outlines import keep as keep_outlines
from proposals.scoring import Given, LayerFact, Score, Subject, batch, results_json, score_many, score_one

#: So many proposals are measured, or scored, by one statement; progress is told after each.
CHUNK = 5_000

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Candidate:
    """What is measured before anything is stored; `geometry` is WKB in EPSG:4326, longitude first."""

    geometry: bytes
    theme: str
    kind: str = "observation"
    author_kind: str = "citizen"
    on_behalf_of: str | None = None
    budget_lei: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """Every measure of one subject, with the layer versions it was taken on."""

    subject: Subject
    measures: dict[str, dict[str, Any]]
    layers: dict[str, LayerFact]
    edition: int

    @property
    def layer_versions(self) -> dict[str, int]:
        return {layer: fact.version for layer, fact in self.layers.items()}


# -- the statement -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Needed:
    """A measure with the themes and dimensions it is asked of, over all sets."""

    key: str
    function: str
    parameters: str
    themes: tuple[str, ...]
    dimensions: tuple[int, ...]

    @property
    def spec(self) -> MeasureSpec:
        return MeasureSpec(self.function, orjson.loads(self.parameters))


def _needed(sets: Iterable[CriteriaSet]) -> tuple[_Needed, ...]:
    asked: dict[str, tuple[MeasureSpec, set[str], set[int]]] = {}
    for criteria in sets:
        for criterion in (*criteria.gates, *criteria.scored):
            spec = criterion.spec
            _, themes, dimensions = asked.setdefault(spec.key, (spec, set(), set()))
            themes |= criterion.themes
            dimensions |= {GEOMETRIES.index(geometry) for geometry in criterion.geometries}
    return tuple(
        _Needed(
            key,
            spec.function,
            orjson.dumps(spec.parameters, option=orjson.OPT_SORT_KEYS).decode(),
            tuple(sorted(themes)),
            tuple(sorted(dimensions)),
        )
        for key, (spec, themes, dimensions) in sorted(asked.items())
    )


def make_outlines(connection: Connection, sets: Iterable[CriteriaSet]) -> None:
    """Have the outlines made that measuring by these sets reads, so that who submits first does not wait for them."""
    keep_outlines(connection, [item.spec for item in _needed(sets)])


def _answers(needed: Sequence[_Needed], bind: Binds, beside_rasters: bool = False) -> str:
    """Rows (id, measures) of every row of `every_subject` that is asked something: measure key → answer.

    With `beside_rasters` what the table `raster_answer` holds of the layers' current versions replaces answers.
    """
    if not needed:
        return "SELECT NULL::bigint AS id, NULL::jsonb AS measures WHERE false"
    rows = " UNION ALL ".join(_keyed(item, bind) for item in needed)
    if beside_rasters:
        rows = _beside_rasters(rows)
    return f"""SELECT id, jsonb_object_agg(key, answer) FILTER (WHERE answer IS NOT NULL) AS measures
        FROM ({rows}) AS a GROUP BY id"""


def _keyed(item: _Needed, bind: Binds) -> str:
    """The rows (id, key, answer) of one measure, about the subjects it is asked of alone."""
    measured = item.spec.measure.write(bind, **item.spec.parameters)
    themes, dimensions = bind(list(item.themes), "text[]"), bind(list(item.dimensions), "integer[]")
    return f"""(WITH subject AS NOT MATERIALIZED (
            SELECT * FROM every_subject WHERE theme = ANY({themes}) AND dim = ANY({dimensions})
        ) SELECT id, {bind(item.key, "text")} AS key, answer FROM ({measured}) AS m)"""


def _beside_rasters(rows: str) -> str:
    """The same as `on_rasters.replaced`, of rows."""
    return f"""SELECT a.id, a.key, CASE WHEN r.answer IS NULL THEN a.answer
            WHEN r.answer ->> 'on' = '{RASTER}' THEN r.answer ELSE a.answer || r.answer END AS answer
        FROM ({rows}) AS a LEFT JOIN (
            SELECT r.id, r.key, r.answer FROM pg_temp.raster_answer r
            JOIN masterplan.layer l ON l.id = r.layer AND l.version = r.version
        ) AS r USING (id, key)"""


UAT_LINES_SELECT = """
    SELECT id, on_behalf_of AS uat, geom FROM masterplan.proposal
    WHERE public AND kind = 'proposal' AND theme = 'mobility' AND ST_Dimension(geom) = 1
"""

_DRAFT = "(SELECT id FROM masterplan.edition WHERE status = 'draft')"


@lru_cache(maxsize=8)
def _one_statement(needed: tuple[_Needed, ...]) -> tuple[TextClause, dict[str, object]]:
    bind = Binds()
    answers = _answers(needed, bind)
    sql = f"""
        WITH {UAT_LINES} AS NOT MATERIALIZED ({UAT_LINES_SELECT}),
        every_subject AS MATERIALIZED (
            SELECT 0::bigint AS id, g.geom, ST_Dimension(g.geom) AS dim,
                {size("g.geom", "ST_Dimension(g.geom)")} AS size, CAST(:theme AS text) AS theme,
                CAST(:author_kind AS text) AS author_kind, CAST(:on_behalf_of AS text) AS on_behalf_of,
                CAST(:budget_lei AS float8) AS budget_lei, CAST(:attributes AS jsonb) AS attributes
            FROM (SELECT ST_Transform(ST_GeomFromWKB(:geometry, {WGS84_SRID}), {place().storage_srid}) AS geom
                  OFFSET 0) drawn
            CROSS JOIN LATERAL (SELECT {once("drawn.geom")} AS geom OFFSET 0) g
        )
        SELECT s.dim, coalesce((SELECT measures FROM ({answers}) AS m), '{{}}') AS measures, {_DRAFT} AS edition,
            {all_kept(bind, [item.spec for item in needed])} AS complete,
            (SELECT jsonb_object_agg(id, jsonb_build_array(version, indicative, accuracy_m))
             FROM masterplan.layer) AS layers,
            EXISTS (SELECT FROM masterplan.layer l WHERE l.id = ANY({_that_may(bind, needed)})
                AND {SAYS_ITS_RASTERS}) AS rasters
        FROM every_subject s"""
    return text(sql), bind.values


@lru_cache(maxsize=8)
def _many_statement(needed: tuple[_Needed, ...], beside_rasters: bool) -> tuple[TextClause, dict[str, object]]:
    bind = Binds()
    answers = _answers(needed, bind, beside_rasters)
    sql = f"""
        INSERT INTO masterplan.measurement (proposal_id, measures, layer_versions, edition)
        SELECT s.id, coalesce(m.measures, '{{}}'), CAST(:layer_versions AS jsonb), {_DRAFT}
        FROM every_subject s LEFT JOIN ({answers}) AS m USING (id)
        ON CONFLICT (proposal_id) DO UPDATE SET measures = excluded.measures,
            layer_versions = excluded.layer_versions, edition = excluded.edition,
            measured_at = now(), stale = false"""
    return text(sql), bind.values


@lru_cache(maxsize=8)
def _partial_statement(needed: tuple[_Needed, ...], beside_rasters: bool) -> tuple[TextClause, dict[str, object]]:
    """The same for some measures of what was measured before; the others stay as they are."""
    bind = Binds()
    answers, keys = _answers(needed, bind, beside_rasters), bind([item.key for item in needed], "text[]")
    sql = f"""
        UPDATE masterplan.measurement m SET measures = (m.measures - {keys}) || coalesce(a.measures, '{{}}'),
            layer_versions = CAST(:layer_versions AS jsonb), edition = {_DRAFT},
            measured_at = now(), stale = false
        FROM every_subject s LEFT JOIN ({answers}) AS a USING (id) WHERE m.proposal_id = s.id"""
    return text(sql), bind.values


# -- one geometry --------------------------------------------------------------------------


#: A layer loaded meanwhile has no outline yet; the next attempt makes it.
_ATTEMPTS = 3
_CHANGING = N_("The layers of the plan are changing just now. Try again in a minute.")


class LayersChanging(Unavailable):
    """Layers changed again and again while something was measured."""


def measure_one(connection: Connection, candidate: Candidate, sets: Iterable[CriteriaSet]) -> Measured:
    """Measure a geometry that need not be stored, for these criteria sets, in one round trip.

    Unknown geometry, or one without area, length or point, is the caller's to refuse.

    Raises
    ------
    LayersChanging
        When they do again and again while it is measured.
    """
    needed = _needed(sets)
    for _ in range(_ATTEMPTS):
        row = _measured_row(connection, candidate, needed)
        if row.complete:
            break
        keep_outlines(connection, [item.spec for item in needed])
    else:
        raise LayersChanging(_CHANGING)
    layers = {layer: LayerFact(*facts) for layer, facts in (row.layers or {}).items()}
    subject = Subject(candidate.theme, GEOMETRIES[row.dim], candidate.kind)
    measured = Measured(subject, row.measures, layers, row.edition)
    if row.rasters:
        _replace_by_rasters(connection, candidate, needed, measured)
    return measured


_IN_STORAGE = text(f"SELECT ST_AsBinary(ST_Transform(ST_GeomFromWKB(:geometry, {WGS84_SRID}), :srid))")


def _replace_by_rasters(
    connection: Connection, candidate: Candidate, needed: tuple[_Needed, ...], measured: Measured
) -> None:
    """Put what rasters answer in the place of what polygons did, where both are of the same version of the layer."""
    kept = on_rasters.layers_on_rasters(
        connection, [item.spec for item in needed],
        {layer: fact.accuracy_m for layer, fact in measured.layers.items()},
    )  # fmt: skip
    kept = {layer: on for layer, on in kept.items() if on.version == measured.layers[layer].version}
    stored = connection.scalar(_IN_STORAGE, {"geometry": candidate.geometry, "srid": place().storage_srid})
    subject = _OnRaster(0, candidate.theme, GEOMETRIES.index(measured.subject.geometry), shapely.from_wkb(stored))
    for _, key, _, answer in _raster_answers(needed, kept, [subject]):
        measured.measures[key] = on_rasters.replaced(measured.measures.get(key), answer)


def _measured_row(connection: Connection, candidate: Candidate, needed: tuple[_Needed, ...]) -> Row:
    statement, values = _one_statement(needed)
    with _planned_once(connection):
        return connection.execute(statement, values | {
            "geometry": candidate.geometry,
            "theme": candidate.theme,
            "author_kind": candidate.author_kind,
            "on_behalf_of": candidate.on_behalf_of,
            "budget_lei": candidate.budget_lei,
            "attributes": orjson.dumps(dict(candidate.attributes)).decode(),
        }).one()  # fmt: skip


_GENERIC_PLAN = text("SET LOCAL plan_cache_mode = force_generic_plan")
_AUTOMATIC_PLAN = text("SET LOCAL plan_cache_mode = auto")


@contextmanager
def _planned_once(connection: Connection) -> Iterator[None]:
    """Prepare what runs inside at its first use and plan it once for each database connection.

    Planning thirty measures takes several times as long as taking them for one place.
    """
    driver = connection.connection.driver_connection
    before = driver.prepare_threshold
    connection.execute(_GENERIC_PLAN)
    driver.prepare_threshold = 0
    try:
        yield
    finally:
        driver.prepare_threshold = before
    connection.execute(_AUTOMATIC_PLAN)


_STORE_MEASUREMENT = text("""
    INSERT INTO masterplan.measurement (proposal_id, measures, layer_versions, edition)
    VALUES (:id, CAST(:measures AS jsonb), CAST(:layer_versions AS jsonb), :edition)
    ON CONFLICT (proposal_id) DO UPDATE SET measures = excluded.measures,
        layer_versions = excluded.layer_versions, edition = excluded.edition,
        measured_at = now(), stale = false
""")

_STORE_SCORE = text("""
    INSERT INTO masterplan.score (proposal_id, criteria_set, total, coverage, recommendation, results)
    VALUES (:id, :criteria_set, :total, :coverage, :recommendation, CAST(:results AS jsonb))
    ON CONFLICT (proposal_id, criteria_set) DO UPDATE SET total = excluded.total,
        coverage = excluded.coverage, recommendation = excluded.recommendation,
        results = excluded.results, scored_at = now()
""")


def store_one(
    connection: Connection, proposal_id: int, measured: Measured, criteria: CriteriaSet, score: Score
) -> None:
    """Keep the measures and the score of a proposal just submitted."""
    connection.execute(_STORE_MEASUREMENT, {
        "id": proposal_id,
        "measures": orjson.dumps(measured.measures).decode(),
        "layer_versions": orjson.dumps(measured.layer_versions).decode(),
        "edition": measured.edition,
    })  # fmt: skip
    connection.execute(_STORE_SCORE, {
        "id": proposal_id,
        "criteria_set": criteria.version,
        "total": score.total,
        "coverage": score.coverage,
        "recommendation": score.recommendation,
        "results": results_json(score),
    })  # fmt: skip


def score_measured(
    measured: Measured, criteria: CriteriaSet, given: Mapping[str, Given] | None = None
) -> Score:
    """The score of what `measure_one` measured, and of what people judged of it."""
    return score_one(criteria, measured.subject, measured.measures, measured.layers, given)


# -- every proposal ------------------------------------------------------------------------


def measure_all(
    connection: Connection,
    proposal_ids: Sequence[int] | None = None,
    progress: Progress | None = None,
    sets: Iterable[CriteriaSet] | None = None,
) -> int:
    """Measure these proposals (all, by default) for every set in use, and store; how many.

    Runs in the caller's transaction, on behalf of the system: row-level security hides
    from anyone else the proposals that are not public.
    """
    versions = _current_versions(connection)
    ids = _all_ids(connection) if proposal_ids is None else list(proposal_ids)
    needed = _needed(sets or sets_in_use(connection).values())
    _measure(connection, ids, needed, _many_statement, versions, progress)
    return len(ids)


def measure_what_changed(connection: Connection, proposal_ids: Sequence[int]) -> int:
    """Measure these proposals again as far as layers changed since they were measured; how many.

    Everything is measured of those never measured, of those measured before the newest criteria set,
    and of those whose layers are all as they were.
    """
    versions = _current_versions(connection)
    sets = sets_in_use(connection)
    needed = _needed(sets.values())
    known = 0
    for changed, ids in _by_changed_layers(connection, list(proposal_ids), versions, list(sets)):
        known += len(ids)
        if changed:
            reading = tuple(item for item in needed if changed.intersection(item.spec.layers))
            _measure(connection, ids, reading, _partial_statement, versions)
        else:
            _measure(connection, ids, needed, _many_statement, versions)
    return known


_VERSIONS = text("""
    SELECT CASE WHEN m.measured_at >= newest.loaded_at THEN m.layer_versions ELSE '{}' END AS versions,
        array_agg(p.id ORDER BY p.id) AS ids
    FROM (SELECT max(loaded_at) AS loaded_at FROM masterplan.criteria_set WHERE version = ANY(:sets)) newest
    CROSS JOIN masterplan.proposal p LEFT JOIN masterplan.measurement m ON m.proposal_id = p.id
    WHERE p.id = ANY(:ids) GROUP BY 1
""")
_CURRENT_VERSIONS = text("SELECT id, version FROM masterplan.layer")


def _current_versions(connection: Connection) -> dict[str, int]:
    """The versions that what is measured from here on is at least taken on.

    They are read before, and stored: a layer that changes while it is measured leaves a job that
    finds an older version, and measures again.
    """
    return {row.id: row.version for row in connection.execute(_CURRENT_VERSIONS)}


def _by_changed_layers(
    connection: Connection, ids: list[int], current: Mapping[str, int], sets: list[str]
) -> Iterator[tuple[frozenset[str], list[int]]]:
    """The proposals by the layers that changed since they were measured; none for those to measure wholly."""
    for row in connection.execute(_VERSIONS, {"ids": ids, "sets": sets}).all():
        changed = (layer for layer, version in current.items() if row.versions.get(layer) != version)
        yield frozenset(changed if row.versions else ()), row.ids


def _measure(
    connection: Connection,
    ids: list[int],
    needed: tuple[_Needed, ...],
    statement_of: Callable[[tuple[_Needed, ...], bool], tuple[TextClause, dict[str, object]]],
    versions: Mapping[str, int],
    progress: Progress | None = None,
) -> None:
    kept = on_rasters.layers_on_rasters(connection, [item.spec for item in needed], _accuracies(connection))
    statement, values = statement_of(needed, bool(kept))
    keep_outlines(connection, [item.spec for item in needed])
    _hold(connection, UAT_LINES, UAT_LINES_SELECT, {})
    for done, chunk in _chunks(ids):
        _hold(connection, "every_subject", _SUBJECTS, {"ids": chunk})
        if kept:
            _hold_raster_answers(connection, needed, kept)
        connection.execute(statement, values | {"layer_versions": orjson.dumps(versions).decode()})
        if progress:
            progress(done)


_SUBJECTS = f"""
    SELECT p.id, g.geom, ST_Dimension(g.geom) AS dim, {size("g.geom", "ST_Dimension(g.geom)")} AS size, p.theme,
        p.author_kind, p.on_behalf_of, p.budget_lei::float8 AS budget_lei, p.attributes
    FROM masterplan.proposal p CROSS JOIN LATERAL (SELECT {once("p.geom")} AS geom OFFSET 0) g
    WHERE p.id = ANY(:ids)
"""


def _hold(connection: Connection, name: str, rows: str, values: Mapping[str, object]) -> None:
    """Keep rows for this transaction where an index on `geom` can find them, which row security prevents."""
    connection.execute(text(f"DROP TABLE IF EXISTS pg_temp.{name}"))
    connection.execute(text(f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {rows}"), values)
    connection.execute(text(f"CREATE INDEX ON {name} USING gist (geom)"))
    connection.execute(text(f"ANALYZE {name}"))


# -- on rasters ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _OnRaster:
    """A subject as rasters are asked about it; `geometry` in the storage CRS."""

    id: int
    theme: str
    dimension: int
    geometry: shapely.Geometry


def _raster_answers(
    needed: Sequence[_Needed], kept: Mapping[str, on_rasters.LayerOnRaster], subjects: Sequence[_OnRaster]
) -> Iterator[tuple[int, str, on_rasters.LayerOnRaster, dict[str, Any]]]:
    """For each measure that a raster may answer: subject, measure key, layer and answer."""
    for item in needed:
        spec = item.spec
        if spec.layer not in kept or not spec.may_use_raster:
            continue
        asked = [s for s in subjects if s.theme in item.themes and s.dimension in item.dimensions]
        if asked:
            found = on_rasters.answers(spec, kept[spec.layer], [subject.geometry for subject in asked])
            for subject, answer in zip(asked, found, strict=True):
                yield subject.id, item.key, kept[spec.layer], answer


_HELD = text("SELECT id, theme, dim, ST_AsBinary(geom) AS wkb FROM pg_temp.every_subject ORDER BY id")

_NO_RASTER_ANSWERS = """
DROP TABLE IF EXISTS pg_temp.raster_answer;
CREATE TEMPORARY TABLE raster_answer (id bigint, key text, layer text, version integer, answer jsonb) ON COMMIT DROP
"""
_KEEP_RASTER_ANSWERS = """
INSERT INTO pg_temp.raster_answer
SELECT id, key, layer, version, answer::jsonb
FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::integer[], %b::text[]) AS r(id, key, layer, version, answer)
"""


def _hold_raster_answers(
    connection: Connection, needed: Sequence[_Needed], kept: Mapping[str, on_rasters.LayerOnRaster]
) -> None:
    """Keep what rasters answer about the subjects held, for the statement to take."""
    rows = connection.execute(_HELD).all()
    shapes = shapely.from_wkb([row.wkb for row in rows])
    subjects = [_OnRaster(row.id, row.theme, row.dim, shape) for row, shape in zip(rows, shapes, strict=True)]
    connection.execute(text(_NO_RASTER_ANSWERS))
    found = [
        (subject, key, on.layer, on.version, orjson.dumps(answer).decode())
        for subject, key, on, answer in _raster_answers(needed, kept, subjects)
    ]
    if found:
        connection.exec_driver_sql(_KEEP_RASTER_ANSWERS, tuple(map(list, zip(*found, strict=True))))
    connection.execute(text("ANALYZE raster_answer"))


def _that_may(bind: Binds, needed: Sequence[_Needed]) -> str:
    """The layers whose rasters could answer some of these measures, as an array."""
    specs = (item.spec for item in needed)
    return bind(sorted({spec.layer for spec in specs if spec.may_use_raster}), "text[]")


_ACCURACIES = text("SELECT id, accuracy_m FROM masterplan.layer")


def _accuracies(connection: Connection) -> dict[str, float]:
    return {row.id: row.accuracy_m for row in connection.execute(_ACCURACIES)}


def score_all(
    connection: Connection,
    proposal_ids: Sequence[int] | None = None,
    criteria: CriteriaSet | None = None,
    progress: Progress | None = None,
) -> int:
    """Score measured proposals (all, by default) again from what is stored, and store; how many.

    Each against the set in force when it was submitted, or all against `criteria`.
    """
    ids = _all_ids(connection) if proposal_ids is None else list(proposal_ids)
    sets = sets_in_use(connection)
    facts = _layer_facts(connection)
    scored = 0
    for done, chunk in _chunks(ids):
        rows = [
            (row_id, criteria.version if criteria else row_set, score)
            for row_id, row_set, score in _scores(connection, chunk, criteria, sets, facts)
        ]
        _replace_scores(connection, rows)
        scored += len(rows)
        if progress:
            progress(done)
    return scored


_MEASURED = text("""
    SELECT p.id, p.theme, ST_Dimension(p.geom) AS dim, p.kind, p.criteria_set,
        m.layer_versions::text AS layer_versions, m.measures::text AS measures
    FROM masterplan.proposal p JOIN masterplan.measurement m ON m.proposal_id = p.id
    WHERE p.id = ANY(:ids) ORDER BY p.criteria_set, m.layer_versions, p.id
""")


def _scores(
    connection: Connection,
    ids: list[int],
    criteria: CriteriaSet | None,
    sets: Mapping[str, CriteriaSet],
    facts: Mapping[tuple[str, int], LayerFact],
) -> Iterator[tuple[int, str, Score]]:
    rows = connection.execute(_MEASURED, {"ids": ids}).all()
    given = judgements.given_to(connection, ids)
    for (version, layer_versions), alike in groupby(
        rows, key=lambda row: (row.criteria_set, row.layer_versions)
    ):
        judging, members = criteria or sets[version], list(alike)
        many = batch(
            [Subject(row.theme, GEOMETRIES[row.dim], row.kind) for row in members],
            [orjson.loads(row.measures) for row in members],
            {layer: facts[layer, number] for layer, number in orjson.loads(layer_versions).items()},
            {item.key for item in _needed([judging])},
            [given.get(row.id, {}) for row in members],
        )
        for row, score in zip(members, score_many(judging, many), strict=True):
            yield row.id, version, score


def _replace_scores(connection: Connection, rows: list[tuple[int, str, Score]]) -> None:
    by_set: dict[str, list[int]] = {}
    for proposal_id, version, _ in rows:
        by_set.setdefault(version, []).append(proposal_id)
    for version, ids in by_set.items():
        connection.execute(
            text("DELETE FROM masterplan.score WHERE criteria_set = :version AND proposal_id = ANY(:ids)"),
            {"version": version, "ids": ids},
        )
    # As arrays in one statement: COPY refuses a table with row-level security.
    columns = zip(*(
        (proposal_id, version, score.total, score.coverage, score.recommendation, results_json(score))
        for proposal_id, version, score in rows
    ), strict=True)  # fmt: skip
    if rows:
        connection.exec_driver_sql(_STORE_SCORES, tuple(map(list, columns)))


_STORE_SCORES = """
    INSERT INTO masterplan.score (proposal_id, criteria_set, total, coverage, recommendation, results)
    SELECT id, version, total, coverage, recommendation, results::jsonb
    FROM unnest(%b::bigint[], %b::text[], %b::float8[], %b::float8[], %b::text[], %b::text[])
        AS s(id, version, total, coverage, recommendation, results)
"""


def _layer_facts(connection: Connection) -> dict[tuple[str, int], LayerFact]:
    found = connection.execute(
        text("SELECT layer_id, version, indicative, accuracy_m FROM masterplan.layer_version")
    )
    return {
        (row.layer_id, row.version): LayerFact(row.version, row.indicative, row.accuracy_m) for row in found
    }


def _all_ids(connection: Connection) -> list[int]:
    return list(connection.scalars(text("SELECT id FROM masterplan.proposal ORDER BY id")))


def _chunks(ids: list[int]) -> Iterator[tuple[float, list[int]]]:
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        yield (start + len(chunk)) / len(ids), chunk


# -- stale ---------------------------------------------------------------------------------


def mark_stale(connection: Connection, layer_id: str) -> int:
    """Mark what was measured on another version of this layer than the current one; how many."""
    return connection.execute(
        text("""
            UPDATE masterplan.measurement m SET stale = true FROM masterplan.layer l
            WHERE l.id = :layer AND NOT m.stale
                AND (m.layer_versions -> l.id) IS DISTINCT FROM to_jsonb(l.version)
        """),
        {"layer": layer_id},
    ).rowcount


def stale_ids(connection: Connection) -> list[int]:
    """Proposals whose measures are no longer those of the current layers."""
    return list(
        connection.scalars(text("SELECT proposal_id FROM masterplan.measurement WHERE stale ORDER BY 1"))
    )


# -- criteria sets in the database ---------------------------------------------------------


def sets_in_use(connection: Connection) -> dict[str, CriteriaSet]:
    """Every set that still judges something: those not retired, and those proposals came under."""
    found = connection.execute(
        text("""
        SELECT version FROM masterplan.criteria_set c
        WHERE status <> 'retired'
            OR EXISTS (SELECT FROM masterplan.proposal p WHERE p.criteria_set = c.version)
    """)
    ).all()
    return {row.version: stored_set(connection, row.version) for row in found}
