"""A proposal's results out of the database: as they are, as they were, and as another set would have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from layers.catalogue import catalogue
from masterplan.errors import MasterplanError, NotFound
from masterplan.language import N_
from proposals import receipts
from proposals.criteria import CriteriaSet
from proposals.criteria_store import stored_set
from proposals.explaining import Teller
from proposals.judgements import given_to
from proposals.measures import GEOMETRIES
from proposals.scoring import LayerFact, Score, Subject, score_one

NOT_MEASURED = N_("This submission is not measured yet; the worker does it, or: masterplan proposals score")


@dataclass(frozen=True)
class Explained:
    """One result of one proposal with the set that gave it and when it was measured.

    `stale` says that a layer has changed since.
    """

    receipt: str
    title: str
    criteria: CriteriaSet
    score: Score
    measured_at: datetime
    stale: bool


_NOW = text("""
    SELECT p.id, p.receipt, p.title, p.theme, p.kind, p.criteria_set, ST_Dimension(p.geom) AS dim,
        m.measures, m.layer_versions, m.measured_at, m.stale
    FROM masterplan.proposal p JOIN masterplan.measurement m ON m.proposal_id = p.id WHERE p.receipt = :receipt
""")
_BEFORE = text("""
    WITH of AS (SELECT id FROM masterplan.proposal WHERE receipt = :receipt),
    changed AS (SELECT greatest(
        (SELECT max(replaced_at) FROM masterplan.past_measurement JOIN of ON proposal_id = of.id),
        (SELECT max(made_at) FROM masterplan.assessment JOIN of ON proposal_id = of.id)) AS at)
    SELECT p.id, p.receipt, p.title, p.theme, p.kind, p.criteria_set, ST_Dimension(p.geom) AS dim,
        b.measures, b.layer_versions, b.measured_at, b.stale, changed.at AS before
    FROM changed JOIN masterplan.proposal p ON p.receipt = :receipt
    CROSS JOIN LATERAL (
        (SELECT measures, layer_versions, measured_at, true AS stale FROM masterplan.past_measurement
         WHERE proposal_id = p.id AND replaced_at >= changed.at ORDER BY id LIMIT 1)
        UNION ALL SELECT measures, layer_versions, measured_at, stale FROM masterplan.measurement
        WHERE proposal_id = p.id LIMIT 1
    ) b WHERE changed.at IS NOT NULL
""")
_IS_THERE = text("SELECT count(*) FROM masterplan.proposal WHERE receipt = :receipt")
_FACTS = text("SELECT layer_id, version, indicative, accuracy_m FROM masterplan.layer_version")


def explained(connection: Connection, typed: str, version: str | None = None) -> Explained:
    """How a proposal stands by its own criteria set, or by another one (`version`), from what is measured.

    Raises
    ------
    InputError
        When `typed` is no tracking code.
    NotFound
        When no submission has it, or this actor may not see it; or there is no such set.
    MasterplanError
        When it is not measured yet.
    """
    receipt = receipts.normalise(typed)
    row = connection.execute(_NOW, {"receipt": receipt}).one_or_none()
    if row is None:
        if not connection.scalar(_IS_THERE, {"receipt": receipt}):
            raise NotFound(N_("There is no proposal with the receipt {receipt}."), receipt=receipt)
        raise MasterplanError(NOT_MEASURED)
    return _explained(connection, row, version)


def explained_before(connection: Connection, typed: str) -> Explained | None:
    """How it stood before the last measuring that found something else, or before the last judgement or override.

    None if there was neither.
    """
    row = connection.execute(_BEFORE, {"receipt": receipts.normalise(typed)}).one_or_none()
    return None if row is None else _explained(connection, row, None, row.before)


def _explained(
    connection: Connection, row: Row, version: str | None, before: datetime | None = None
) -> Explained:
    criteria = stored_set(connection, version or row.criteria_set)
    known = {(f.layer_id, f.version): LayerFact(f.version, f.indicative, f.accuracy_m)
             for f in connection.execute(_FACTS)}  # fmt: skip
    layers = {layer: known[layer, number] for layer, number in (row.layer_versions or {}).items()}
    given = given_to(connection, [row.id], before).get(row.id)
    score = score_one(criteria, Subject(row.theme, GEOMETRIES[row.dim], row.kind), row.measures, layers, given)
    return Explained(row.receipt, row.title, criteria, score, row.measured_at, row.stale)


# -- what layers are called ----------------------------------------------------------------

_DATES = text("SELECT layer_id, version, source_date FROM masterplan.layer_version")


def teller(connection: Connection, language: str) -> Teller:
    """Tells results in a language, with the names and dates of the layers of this database."""
    dates: Mapping[tuple[str, int], date] = {
        (row.layer_id, row.version): row.source_date for row in connection.execute(_DATES)
    }
    names: dict[str, Any] = {layer.id: getattr(layer, f"name_{language}") for layer in catalogue().layers}
    return Teller(language, names, dates)
