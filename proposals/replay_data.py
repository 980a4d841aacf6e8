"""Every measured proposal out of the database into arrays, for replay and ranks.

One COPY in binary with fields of fixed width, which numpy reads without a Python object for each number.
Kept in this process until a proposal, a measurement, a layer version or a criteria set changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from psycopg import sql
from sqlalchemy import Connection, text

from masterplan.errors import Unavailable
from masterplan.language import N_
from proposals import judgements
from proposals.criteria import THEMES, CriteriaSet, measure_specs
from proposals.criteria_store import stored_set
from proposals.measures import MEASURES
from proposals.measuring import sets_in_use
from proposals.replaying import Alike, Asked, Everything, StoredColumn
from proposals.scoring import LayerFact

#: What stays out: what is hidden or withdrawn stands in nobody's way.
_SHOWN = "p.status NOT IN ('hidden', 'withdrawn')"

#: Sums, not the latest: what began earlier may be committed later.
_STAMP = text("""
    SELECT current_database() AS name,
        (SELECT (count(*), sum(extract(epoch FROM updated_at)))::text FROM masterplan.proposal) AS proposals,
        (SELECT (count(*), sum(extract(epoch FROM measured_at)), count(*) FILTER (WHERE stale))::text
         FROM masterplan.measurement) AS measurements,
        (SELECT string_agg((version, sha256, loaded_at)::text, ' ' ORDER BY version) FROM masterplan.criteria_set)
            AS sets,
        (SELECT (count(*), max(id))::text FROM masterplan.assessment) AS judgements
""")


@dataclass(frozen=True)
class Loaded:
    """Everything measured, the sets that judge it, and how many submissions are not measured or stale."""

    everything: Everything
    sets: Mapping[str, CriteriaSet]
    unmeasured: int
    stale: int


_kept: dict[tuple[Any, ...], Loaded] = {}


def load(connection: Connection, more: Iterable[CriteriaSet] = (), ids: Sequence[int] | None = None) -> Loaded:
    """Every measured submission that is not hidden (of `ids`, where given), with the measures of all sets in use.

    `more` are sets beside the stored ones whose measures are wanted. As seen by the actor of the
    transaction: for planners and the system. Kept while nothing changes; with `ids` read each time.
    """
    keys = measure_specs([*sets_in_use(connection).values(), *more])
    if ids is not None:
        return _load(connection, list(keys), ids)
    stamp = (*connection.execute(_STAMP).one(), frozenset(keys))
    if stamp not in _kept:
        found = _load(connection, list(keys), None)
        _kept.clear()
        _kept[stamp] = found
    return _kept[stamp]


# -- reading -------------------------------------------------------------------------------

_GROUPS = text(f"""
    SELECT p.criteria_set, m.layer_versions
    FROM masterplan.proposal p JOIN masterplan.measurement m ON m.proposal_id = p.id
    WHERE {_SHOWN} GROUP BY p.criteria_set, m.layer_versions ORDER BY p.criteria_set, m.layer_versions
""")
_WAITING = text(f"""
    SELECT count(*) FILTER (WHERE m.proposal_id IS NULL) AS unmeasured, count(*) FILTER (WHERE m.stale) AS stale
    FROM masterplan.proposal p LEFT JOIN masterplan.measurement m ON m.proposal_id = p.id
    WHERE {_SHOWN} AND (CAST(:ids AS bigint[]) IS NULL OR p.id = ANY(:ids))
""")
_FACTS = text("SELECT layer_id, version, indicative, accuracy_m FROM masterplan.layer_version")
_SETS = text("SELECT version, loaded_at FROM masterplan.criteria_set")
#: A worker that measures meanwhile may bring layer versions that were not there a moment ago.
_ATTEMPTS = 5
_BUSY = N_("The proposals are being measured again just now. Try again in a minute.")


def _load(connection: Connection, keys: list[str], ids: Sequence[int] | None) -> Loaded:
    for _ in range(_ATTEMPTS):
        groups = connection.execute(_GROUPS).all()
        rows = _rows(connection, keys, groups, ids)
        if (rows["alike"] >= 0).all():
            break
    else:
        raise Unavailable(_BUSY)
    rows = rows[np.lexsort((rows["id"], rows["alike"]))]
    given_points, given_verdicts = judgements.given_as_arrays(connection, rows["id"].astype(np.int64))
    waiting = connection.execute(_WAITING, {"ids": None if ids is None else list(ids)}).one()
    sets = {version: stored_set(connection, version) for version in {group.criteria_set for group in groups}}
    everything = Everything(
        receipts=np.char.rstrip(rows["receipt"].astype(str)),
        theme=rows["theme"].astype(np.int8),
        geometry=rows["geometry"].astype(np.int8),
        is_proposal=rows["is_proposal"].astype(bool),
        measured_at=rows["measured_at"].astype(float),
        alike=_alike(connection, groups, rows["alike"]),
        columns={key: _column(key, number, rows) for number, key in enumerate(keys)},
        asked=_asked(connection),
        judgements=given_points,
        overruled=given_verdicts,
    )
    return Loaded(everything, sets, waiting.unmeasured, waiting.stale)


def _alike(connection: Connection, groups: Sequence[Any], numbers: np.ndarray) -> tuple[Alike, ...]:
    facts = {
        (row.layer_id, row.version): LayerFact(row.version, row.indicative, row.accuracy_m)
        for row in connection.execute(_FACTS)
    }
    starts = np.searchsorted(numbers, np.arange(len(groups) + 1))
    return tuple(
        Alike(
            slice(int(starts[number]), int(starts[number + 1])),
            group.criteria_set,
            {layer: facts[layer, version] for layer, version in (group.layer_versions or {}).items()},
        )
        for number, group in enumerate(groups)
        if starts[number] < starts[number + 1]
    )


def _asked(connection: Connection) -> dict[str, tuple[Asked, ...]]:
    """Who asks for each measure among the sets in use, and since when it is taken."""
    loaded_at: dict[str, datetime] = {row.version: row.loaded_at for row in connection.execute(_SETS)}
    found: dict[str, tuple[Asked, ...]] = {}
    for version, criteria in sets_in_use(connection).items():
        for criterion in (*criteria.gates, *criteria.scored):
            asked = Asked(criterion.themes, criterion.geometries, loaded_at[version].timestamp())
            found[criterion.spec.key] = (*found.get(criterion.spec.key, ()), asked)
    return found


# -- the copy ------------------------------------------------------------------------------

_LONGEST_IDENTIFIER = 63
_RECEIPT_WIDTH = 24
_MEMBERS = {"value": "float8", "low": "float8", "high": "float8", "limit": "float8", "uncertain": "int2",
            "word": "int2", "class": "int2"}  # fmt: skip
_WIDTHS = {"float8": ">f8", "int2": ">i2", "int4": ">i4", "int8": ">i8", "bytea": f"S{_RECEIPT_WIDTH}"}
_SIGNATURE_BYTES, _TRAILER_BYTES = 19, 2


def _members(key: str) -> tuple[str, ...]:
    """What the answers of a measure may hold."""
    measure = MEASURES[key.split(".")[0]]
    found = ["word", "uncertain"] if measure.values else ["value", "low", "high"]
    return (*found, *["limit"] * measure.gives_limit, *["class"] * bool(measure.classes))


def _rows(
    connection: Connection, keys: list[str], groups: Sequence[Any], ids: Sequence[int] | None
) -> np.ndarray:
    """A structured array with a record for each measured submission."""
    fields = [
        ("id", "int8", "p.id", ()),
        ("receipt", "bytea", f"convert_to(rpad(p.receipt, {_RECEIPT_WIDTH}), 'UTF8')", ()),
        ("alike", "int4", "coalesce(g.number, 0)::int4 - 1", ()),
        ("theme", "int2", "(array_position(%s::text[], p.theme) - 1)::int2", (list(THEMES),)),
        ("geometry", "int2", "ST_Dimension(p.geom)::int2", ()),
        ("is_proposal", "int2", "(p.kind = 'proposal')::int4::int2", ()),
        ("measured_at", "float8", "extract(epoch FROM m.measured_at)::float8", ()),
        *(field for number, key in enumerate(keys) for field in _answer_fields(number, key)),
    ]
    selected = sql.SQL(", ").join(sql.SQL(expression) for _, _, expression, _ in fields)
    # One pass over the object; a key too long to be a column is looked up by itself.
    short = [(number, key) for number, key in enumerate(keys) if len(key.encode()) <= _LONGEST_IDENTIFIER]
    long = [(number, key) for number, key in enumerate(keys) if len(key.encode()) > _LONGEST_IDENTIFIER]
    record = sql.SQL(", ").join(sql.SQL("{} jsonb").format(sql.Identifier(key)) for _, key in short)
    named = [sql.SQL("r.{} AS {}").format(sql.Identifier(key), sql.Identifier(f"k{n}")) for n, key in short]
    named += [sql.SQL("m.measures -> {} AS {}").format(sql.Literal(key), sql.Identifier(f"k{n}")) for n, key in long]
    one_of = sql.SQL(" AND p.id = ANY(%s)") if ids is not None else sql.SQL("")
    statement = sql.SQL("""COPY (
        SELECT {selected} FROM masterplan.proposal p JOIN masterplan.measurement m ON m.proposal_id = p.id
        LEFT JOIN unnest(%s::text[], %s::jsonb[]) WITH ORDINALITY AS g(criteria_set, layer_versions, number)
            ON g.criteria_set = p.criteria_set AND g.layer_versions = m.layer_versions
        CROSS JOIN LATERAL (SELECT {named} FROM jsonb_to_record(m.measures) AS r({record}) OFFSET 0) a
        WHERE {shown}{one_of}) TO STDOUT (FORMAT binary)""").format(
        selected=selected, named=sql.SQL(", ").join(named or [sql.SQL("1")]),
        record=record if short else sql.SQL("none jsonb"), shown=sql.SQL(_SHOWN), one_of=one_of,
    )  # fmt: skip
    values = [value for *_, given in fields for value in given]
    versions = [orjson.dumps(group.layer_versions).decode() for group in groups]
    values += [[group.criteria_set for group in groups], versions]
    values += [list(ids)] if ids is not None else []
    with connection.connection.cursor() as cursor, cursor.copy(statement, values) as copy:
        content = b"".join(copy)
    dtype = [("fields", ">i2")]
    for name, kind, *_ in fields:
        dtype += [(f"{name} bytes", ">i4"), (name, _WIDTHS[kind])]
    return np.frombuffer(content[_SIGNATURE_BYTES : len(content) - _TRAILER_BYTES], dtype=dtype)


def _answer_fields(number: int, key: str) -> list[tuple[str, str, str, tuple[Any, ...]]]:
    """(name, type, expression, its values) of each member of an answer; none is ever NULL."""
    measure, answer = MEASURES[key.split(".")[0]], f"a.k{number}"
    found = []
    for member in _members(key):
        name = "value" if member == "word" else member
        given: tuple[Any, ...] = ()
        if member in ("word", "class"):
            expression = f"(coalesce(array_position(%s::text[], {answer} ->> '{name}'), 0) - 1)::int2"
            given = (list(measure.values if member == "word" else measure.classes),)
        elif member == "uncertain":
            expression = f"coalesce(({answer} ->> 'uncertain')::boolean, false)::int4::int2"
        else:
            expression = f"coalesce(({answer} ->> '{name}')::float8, 'NaN')"
        found.append((f"{number} {member}", _MEMBERS[member], expression, given))
    return found


def _column(key: str, number: int, rows: np.ndarray) -> StoredColumn:
    measure = MEASURES[key.split(".")[0]]
    found = {member: rows[f"{number} {member}"] for member in _members(key)}
    if measure.values:
        return StoredColumn(
            np.full(len(rows), np.nan), words=measure.values, word_codes=found["word"].astype(np.int8),
            uncertain=found["uncertain"].astype(bool),
        )  # fmt: skip
    value, low, high = (np.ascontiguousarray(found[name], dtype=float) for name in ("value", "low", "high"))
    return StoredColumn(
        value,
        low=_where_known(low, value),
        high=_where_known(high, value),
        limit=found["limit"].astype(float) if "limit" in found else None,
        classes=measure.classes,
        class_codes=found["class"].astype(np.int8) if "class" in found else None,
    )


def _where_known(edge: np.ndarray, value: np.ndarray) -> np.ndarray:
    missing = np.isnan(edge)
    return value if missing.all() else np.where(missing, value, edge)

