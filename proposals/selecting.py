"""Reading what came in: filters as SQL, pages of a table, counts, and one proposal in full.

Every value of a filter is a bound parameter. What the actor of the transaction may not see
is left out by row-level security, not here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    FromClause,
    Label,
    Text,
    and_,
    any_,
    cast,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from masterplan.errors import InputError, NotFound
from masterplan.formats import LOCAL_TIME
from masterplan.language import N_
from masterplan.place import WGS84_SRID, place
from masterplan.tables import feature, measurement, proposal, score
from masterplan.uats import uat_names as uats_on_the_map
from proposals import receipts
from proposals.filters import Box, CriterionCondition, GateCondition, Known, ProposalFilter, from_dict

#: A proposal with its score by its own criteria set. PostgreSQL leaves the join out where nothing needs it.
SCORED = proposal.outerjoin(
    score, and_(score.c.proposal_id == proposal.c.id, score.c.criteria_set == proposal.c.criteria_set)
)

# -- filters -------------------------------------------------------------------------------

_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq
}  # fmt: skip


def where(wanted: ProposalFilter) -> list[ColumnElement[bool]]:
    """Conditions over `SCORED` that hold for exactly the rows of the filter."""
    p = proposal.c
    conditions = [
        column.in_(values)
        for column, values in (
            (p.status, wanted.statuses), (p.theme, wanted.themes), (p.uat, wanted.uats),
            (p.author_kind, wanted.author_kinds), (p.receipt, wanted.receipts),
        )
        if values
    ]  # fmt: skip
    if wanted.kind is not None:
        conditions.append(p.kind == wanted.kind)
    if wanted.min_score is not None:
        conditions.append(score.c.total >= wanted.min_score)
    if wanted.max_score is not None:
        conditions.append(score.c.total <= wanted.max_score)
    if wanted.since is not None:
        conditions.append(p.created_at >= _midnight(wanted.since))
    if wanted.until is not None:
        conditions.append(p.created_at < _midnight(wanted.until + timedelta(days=1)))
    if wanted.bbox is not None:
        conditions += _in_box(wanted.bbox)
    conditions += [_says(word) for word in wanted.words]
    conditions += [_answered(gate) for gate in wanted.gates]
    conditions += [_compares(criterion) for criterion in wanted.criteria]
    return conditions


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LOCAL_TIME)


def _says(word: str) -> ColumnElement[bool]:
    """The word stands in the title or the description, no character a wildcard; or it is the whole receipt."""
    # As an array: the planner does not know how many will say it, and each is looked up by its number.
    saying = func.array(select(func.masterplan.saying(cast(word, Text))).scalar_subquery())
    return or_(proposal.c.id == any_(saying), proposal.c.receipt == _as_receipt(word))


def _as_receipt(word: str) -> str:
    try:
        return receipts.normalise(word)
    except InputError:
        return word


def _answered(gate: GateCondition) -> ColumnElement[bool]:
    return score.c.results[(gate.key, "verdict")].astext == gate.verdict


def _compares(criterion: CriterionCondition) -> ColumnElement[bool]:
    given = cast(score.c.results[(criterion.key, "score")].astext, Float(53))
    return _COMPARE[criterion.operator](given, criterion.value)


#: Around the place, in degrees, where the projected CRS is sound enough to ask the index.
_SOUND_DEGREES = 4.0
#: The sides of a box are cut at this length before they are projected …
_SIDE_DEGREES = 0.1
#: … so that they stray from the true, curved ones by less than this.
_STRAY_M = 50.0


def _in_box(box: Box) -> list[ColumnElement[bool]]:
    """Touches the box as degrees see it; the index in the projected CRS only narrows the search."""
    rectangle = func.ST_MakeEnvelope(*box, WGS84_SRID)
    touches = func.ST_Intersects(func.ST_Transform(proposal.c.geom, WGS84_SRID), rectangle)
    if not _near_the_place(box):
        return [touches]
    projected = func.ST_Transform(func.ST_Segmentize(rectangle, _SIDE_DEGREES), place().storage_srid)
    return [proposal.c.geom.op("&&")(func.ST_Expand(projected, _STRAY_M)), touches]


def _near_the_place(box: Box) -> bool:
    (lon, lat), (west, south, east, north) = place().center, box
    return (
        lon - _SOUND_DEGREES < west and east < lon + _SOUND_DEGREES
        and lat - _SOUND_DEGREES < south and north < lat + _SOUND_DEGREES
    )  # fmt: skip


_KEYS = text(
    "SELECT DISTINCT part, item->>'key' AS key FROM masterplan.criteria_set c"
    " CROSS JOIN unnest(ARRAY['gate', 'scored', 'judged']) part"
    " CROSS JOIN LATERAL jsonb_array_elements(coalesce(c.definition->part, '[]')) item"
)
#: A proposal keeps its code when a new version of the UAT layer drops it.
_UATS_IN_USE = text("SELECT DISTINCT uat FROM masterplan.proposal WHERE uat IS NOT NULL")


def known_words(connection: Connection) -> Known:
    """What a filter may name in this database, as far as the actor may see it."""
    keys: dict[str, set[str]] = {"gate": set(), "scored": set(), "judged": set()}
    for row in connection.execute(_KEYS):
        keys[row.part].add(row.key)
    uats = dict.fromkeys(connection.scalars(_UATS_IN_USE), "") | uats_on_the_map(connection)
    return Known(frozenset(keys["gate"]), frozenset(keys["scored"] | keys["judged"]), uats)


def refuse_unknown(connection: Connection, wanted: ProposalFilter) -> None:
    """A mistyped key or code would quietly match nothing.

    Raises
    ------
    InputError
        Names each criterion and UAT of the filter that the database does not have, and those it has.
    """
    if wanted.keys or wanted.uats:
        from_dict(wanted.to_dict(), known_words(connection))


# -- counts --------------------------------------------------------------------------------


def count(connection: Connection, wanted: ProposalFilter) -> int:
    """How many proposals the filter means."""
    return connection.scalar(select(func.count()).select_from(SCORED).where(*where(wanted)))


_COUNTABLE = {
    "kind": proposal.c.kind, "status": proposal.c.status, "theme": proposal.c.theme, "uat": proposal.c.uat,
    "author_kind": proposal.c.author_kind, "channel": proposal.c.channel,
    "recommendation": score.c.recommendation,
}  # fmt: skip


def counts_by(connection: Connection, wanted: ProposalFilter, column: str) -> dict[str | None, int]:
    """How many there are for each value of a column (one of kind, status, theme, uat,
    author_kind, channel, recommendation), the most frequent first; None where there is none."""
    value = _COUNTABLE[column]
    number = func.count()
    rows = connection.execute(
        select(value, number)
        .select_from(SCORED)
        .where(*where(wanted))
        .group_by(value)
        .order_by(number.desc(), value)
    )
    return {found: int(many) for found, many in rows}


# -- a page of the table -------------------------------------------------------------------


@dataclass(frozen=True)
class ProposalRow:
    """One line of the table. `uat` is a SIRUTA code; times carry their zone."""

    receipt: str
    kind: str
    status: str
    theme: str
    title: str
    uat: str | None
    uat_name: str | None
    total: float | None
    coverage: float | None
    recommendation: str | None
    demo: bool
    created_at: datetime


def uat_names() -> FromClause:
    """SIRUTA code → name, from the current UAT layer."""
    siruta = feature.c.properties["siruta"].astext
    return (
        select(siruta.label("siruta"), func.min(feature.c.name_ro).label("name"))
        .where(feature.c.layer_id == "uat", func.upper_inf(feature.c.versions))
        .group_by(siruta)
        .subquery("uat_names")
    )


def _columns(row_type: type, names: FromClause) -> list[Label[Any] | ColumnElement[Any]]:
    found = {"uat_name": names.c.name.label("uat_name")}
    for table in (measurement, score, proposal):
        found |= {column.name: column for column in table.c}
    return [found[field.name] for field in fields(row_type) if field.name in found]


#: What the table can be sorted by.
ORDERS = ("created", "score", "title", "uat")


def page(
    connection: Connection,
    wanted: ProposalFilter,
    order: str = "created",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> list[ProposalRow]:
    """One page of the table, sorted by one of `ORDERS`; what has no value to sort by comes last."""
    names = uat_names()
    sorts = {
        "created": proposal.c.created_at, "score": score.c.total,
        "title": proposal.c.title, "uat": names.c.name,
    }  # fmt: skip
    # Saying where NULL goes for a column that has none would keep its index from being used.
    keys = [sorts[order], proposal.c.id]
    directed = [key.desc() if descending else key.asc() for key in keys]
    if order in ("score", "uat"):
        directed[0] = directed[0].nulls_last()
    statement = (
        select(*_columns(ProposalRow, names))
        .select_from(SCORED.outerjoin(names, names.c.siruta == proposal.c.uat))
        .where(*where(wanted))
        .order_by(*directed)
        .limit(limit)
        .offset(offset)
    )
    return [ProposalRow(**row) for row in connection.execute(statement).mappings()]


# -- one proposal --------------------------------------------------------------------------


@dataclass(frozen=True)
class ProposalDetails(ProposalRow):
    """Everything about one proposal but its contact.

    `geometry` is a GeoJSON geometry; `lon`, `lat` a point on it for the map; both in degrees
    (EPSG:4326). `results` is as stored by scoring, None before it; `layer_versions` says what it
    was measured on in the edition `measured_edition`; `stale` that it waits to be measured again.
    """

    description: str
    channel: str
    source_event: str
    author_kind: str
    on_behalf_of: str | None
    budget_lei: float | None
    documentation_stage: str | None
    attributes: dict[str, Any]
    criteria_set: str
    updated_at: datetime
    results: dict[str, dict[str, Any]] | None
    scored_at: datetime | None
    layer_versions: dict[str, int] | None
    stale: bool | None
    measured_edition: int | None
    geometry: dict[str, Any]
    lon: float
    lat: float


_DEGREE_DECIMALS = 7


def one(connection: Connection, receipt: str) -> ProposalDetails:
    """The proposal with this receipt.

    Raises
    ------
    NotFound
        When there is none, or this actor may not see it.
    """
    names = uat_names()
    anchor = func.ST_Transform(proposal.c.anchor_3857, WGS84_SRID)
    geometry = func.ST_AsGeoJSON(func.ST_Transform(proposal.c.geom, WGS84_SRID), _DEGREE_DECIMALS, 0)
    statement = (
        select(
            *_columns(ProposalDetails, names),
            measurement.c.edition.label("measured_edition"),
            cast(geometry, JSONB).label("geometry"),
            func.ST_X(anchor).label("lon"),
            func.ST_Y(anchor).label("lat"),
        )
        .select_from(
            SCORED.outerjoin(measurement, measurement.c.proposal_id == proposal.c.id)
            .outerjoin(names, names.c.siruta == proposal.c.uat)
        )
        .where(proposal.c.receipt == receipt)
    )  # fmt: skip
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound(N_("There is no proposal with the receipt {receipt}."), receipt=receipt[:40])
    budget = row["budget_lei"]
    return ProposalDetails(**(dict(row) | {"budget_lei": None if budget is None else float(budget)}))
