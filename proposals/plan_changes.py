"""Change-sets: what integrating a proposal adds to, changes in and removes from the plan.

A planner prepares them from the proposal, adjusts them, and applies them once the decision is published: they become
new versions of the layers in the draft edition, each feature naming its proposal. What was applied never changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from shapely import to_wkb
from shapely.geometry import shape
from shapely.validation import explain_validity
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import bindparam

from layers.catalogue import STATUSES, Layer, catalogue
from masterplan.actors import Actor
from masterplan.database import transaction
from masterplan.errors import Forbidden, InputError, MasterplanError, NotFound
from masterplan.language import N_
from masterplan.place import WGS84_SRID, place
from proposals import receipts
from proposals.decisions import NOT_FOUND

ADD, CHANGE, REMOVE = ACTIONS = ("add", "change", "remove")
PREPARED, APPLIED = "prepared", "applied"
LONGEST_NAME = 300

ONLY_PLAN = N_("Only layers of the plan are changed by decisions; “{layer}” is evidence.")
NOT_IN_PLAN = N_("The layer “{layer}” has no feature “{feature}” in the plan now.")
NAME_NEEDED = N_("Give the feature a name of at most {most} characters.")
BAD_GEOMETRY = N_("The geometry is not valid: {why}.")
OTHER_TYPE = N_("The layer holds {expected}, this is {found}. Draw another geometry, or choose another layer.")
TAKEN = N_("Another prepared change is about the feature “{feature}” already.")
NOT_PREPARED = N_("This change is not prepared any more: it was applied or dropped meanwhile.")
NOT_DECIDED = N_("No published decision integrates this proposal: its changes cannot be applied yet.")
NOTHING_PREPARED = N_("Nothing is prepared for this proposal.")
GONE = N_("A feature that should change is not in the plan any more. Drop that change, or prepare it anew.")
NO_STATUS = N_("Unknown status “{status}”; use one of: {known}.")
WRONG_TYPE = N_("“{attribute}” should be {type}, found “{value}”.")
NOT_LISTED = N_("“{attribute}” is “{value}”; use one of: {known}.")
UNKNOWN = N_("The layer “{layer}” has no attribute “{attribute}”.")
STAFF_ONLY = N_("Only planners change the plan.")


@dataclass(frozen=True)
class GivenChange:
    """What a planner asks for. `geometry` is GeoJSON in EPSG:4326; None keeps the geometry of what is changed.

    `feature_id` is of a feature in the plan, for "change" and "remove"; a new one is named by its proposal.
    """

    action: str
    layer_id: str
    feature_id: str = ""
    name_ro: str = ""
    name_en: str = ""
    status: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    geometry: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PlanChange:
    """One change as it stands; `geometry` GeoJSON in EPSG:4326, None where a feature is removed."""

    id: int
    proposal_id: int
    action: str
    layer_id: str
    feature_id: str
    name_ro: str
    name_en: str
    status: str | None
    properties: Mapping[str, Any]
    geometry: Mapping[str, Any] | None
    state: str
    edition: int | None


@dataclass(frozen=True)
class PlanFeature:
    """A feature of the plan as it is now, to choose from."""

    feature_id: str
    name_ro: str
    name_en: str
    status: str | None
    properties: Mapping[str, Any]


_COLUMNS = f"""
    id, proposal_id, action, layer_id, feature_id, name_ro, name_en, status, properties,
    ST_AsGeoJSON(ST_Transform(geom, {WGS84_SRID}), 7)::jsonb AS geometry, state, edition
"""
_OF_PROPOSAL = text(f"""
    SELECT {_COLUMNS} FROM masterplan.plan_change WHERE proposal_id = :proposal AND state <> 'dropped' ORDER BY id
""")
_ONE = text(f"SELECT {_COLUMNS} FROM masterplan.plan_change WHERE id = :id")
_FEATURES = text("""
    SELECT feature_id, name_ro, name_en, status, properties FROM masterplan.current_feature WHERE layer_id = :layer
    ORDER BY name_ro COLLATE "ro-x-icu", feature_id
""")
_FEATURE = text("""
    SELECT name_ro, name_en, status FROM masterplan.current_feature
    WHERE layer_id = :layer AND feature_id = :feature
""")


def changes(connection: Connection, proposal_id: int) -> list[PlanChange]:
    """What is prepared for a proposal and what was applied, in the order it was prepared; for staff."""
    return [PlanChange(**row) for row in connection.execute(_OF_PROPOSAL, {"proposal": proposal_id}).mappings()]


def features_to_choose(connection: Connection, layer_id: str) -> list[PlanFeature]:
    """The features of a layer as the plan has them now, by name."""
    return [PlanFeature(**row) for row in connection.execute(_FEATURES, {"layer": layer_id}).mappings()]


def layers_for(geometry_type: str | None) -> list[Layer]:
    """The layers of the plan, or those of them that hold this type of geometry, in the order of the catalogue."""
    plan = [layer for layer in catalogue().layers if layer.kind == "plan"]
    if geometry_type is None:
        return plan
    return [layer for layer in plan if fits(layer, geometry_type)]


def fits(layer: Layer, geometry_type: str) -> bool:
    """Whether the layer holds this type of geometry, a GeoJSON name."""
    return layer.geometry.endswith(geometry_type.removeprefix("Multi")) and (
        layer.geometry.startswith("Multi") or not geometry_type.startswith("Multi")
    )


@dataclass(frozen=True)
class Cause:
    """The proposal that brought a change, and why it was integrated, as far as the reader may know it."""

    receipt: str
    title: str
    reason: Mapping[str, str]


_CAUSES = text("""
    SELECT p.id, p.receipt, p.title, d.reason_ro, d.reason_en FROM masterplan.proposal p
    LEFT JOIN LATERAL (SELECT reason_ro, reason_en FROM masterplan.decision WHERE proposal_id = p.id
        ORDER BY reopened_at IS NULL DESC, id DESC LIMIT 1) d ON true
    WHERE p.id = ANY(:ids)
""")


def causes(connection: Connection, proposal_ids: Iterable[int]) -> dict[int, Cause]:
    """Of these proposals, those that the actor may see, each with the reason of its latest decision."""
    rows = connection.execute(_CAUSES, {"ids": sorted(set(proposal_ids))})
    return {
        row.id: Cause(row.receipt, row.title, {"ro": row.reason_ro or "", "en": row.reason_en or ""}) for row in rows
    }


_WAITING = text("""
    SELECT p.receipt, p.title, d.published_at,
        count(c.id) FILTER (WHERE c.state = 'prepared') AS prepared
    FROM masterplan.decision d JOIN masterplan.proposal p ON p.id = d.proposal_id
    LEFT JOIN masterplan.plan_change c ON c.proposal_id = p.id
    WHERE d.reopened_at IS NULL AND d.outcome IN ('integrate', 'integrate_partly')
    GROUP BY p.receipt, p.title, d.published_at
    HAVING count(c.id) FILTER (WHERE c.state = 'prepared') > 0 OR count(c.id) FILTER (WHERE c.state = 'applied') = 0
    ORDER BY d.published_at
""")


def waiting(connection: Connection) -> list[Row]:
    """Integrated proposals that did not change the plan yet, or have more prepared; for staff, the oldest first."""
    return list(connection.execute(_WAITING))


# -- preparing -----------------------------------------------------------------------------

_PROPOSAL = text("""
    SELECT id FROM masterplan.proposal WHERE receipt = :receipt AND kind = 'proposal'
""")
_USED = text("""
    SELECT feature_id FROM masterplan.feature WHERE layer_id = :layer AND feature_id LIKE :like
    UNION SELECT feature_id FROM masterplan.plan_change WHERE layer_id = :layer AND feature_id LIKE :like
""")
_INSERT = text(f"""
    INSERT INTO masterplan.plan_change (proposal_id, action, layer_id, feature_id, name_ro, name_en, status, properties,
        geom)
    VALUES (:proposal, :action, :layer, :feature, :name_ro, :name_en, :status, :properties,
        coalesce(ST_Transform(ST_GeomFromWKB(:wkb, {WGS84_SRID}), :srid), (
            SELECT f.geom FROM masterplan.current_feature f
            WHERE CAST(:action AS text) = 'change' AND f.layer_id = :layer AND f.feature_id = :feature)))
    RETURNING id
""").bindparams(bindparam("properties", type_=JSONB))
_ADJUST = text(f"""
    UPDATE masterplan.plan_change SET name_ro = :name_ro, name_en = :name_en, status = :status,
        properties = :properties, geom = coalesce(ST_Transform(ST_GeomFromWKB(:wkb, {WGS84_SRID}), :srid), geom)
    WHERE id = :id AND state = 'prepared'
""").bindparams(bindparam("properties", type_=JSONB))
_DROP = text("UPDATE masterplan.plan_change SET state = 'dropped' WHERE id = :id AND state = 'prepared'")
_APPLY = text("SELECT masterplan.apply_changes(:proposal)")


def prepare(receipt: str, given: GivenChange, actor: Actor) -> int:
    """Prepare one change on behalf of staff; its number.

    Raises
    ------
    InputError
        Everything that is wrong with it, under the names of the fields.
    NotFound
        When there is no such proposal, or the feature to change is not in the plan.
    Forbidden
        When the actor is no planner.
    """
    with _as_staff(actor) as connection:
        proposal = _proposal_id(connection, receipt)
        layer = _plan_layer(given.layer_id)
        feature_id = given.feature_id if given.action != ADD else _new_id(connection, layer.id, receipt)
        values = _checked(connection, layer, given, feature_id)
        try:
            return connection.scalar(_INSERT, values | {"proposal": proposal, "action": given.action,
                                                        "layer": layer.id, "feature": feature_id})  # fmt: skip
        except DBAPIError as refused:
            if getattr(refused.orig, "sqlstate", None) == "23505":
                raise InputError([("feature_id", MasterplanError(TAKEN, feature=feature_id))]) from refused
            raise


def adjust(change_id: int, given: GivenChange, actor: Actor) -> None:
    """Give a prepared change other words, attributes or another geometry; layer, feature and action stay.

    Raises
    ------
    Forbidden, InputError, NotFound
        As `prepare`; Forbidden too when it was applied or dropped meanwhile.
    """
    with _as_staff(actor) as connection:
        row = connection.execute(_ONE, {"id": change_id}).mappings().one_or_none()
        if row is None or row["state"] != PREPARED:
            raise Forbidden(NOT_PREPARED)
        known = PlanChange(**row)
        asked = replace(given, action=known.action)
        values = _checked(connection, _plan_layer(known.layer_id), asked, known.feature_id, has_geometry=True)
        if not connection.execute(_ADJUST, values | {"id": change_id}).rowcount:
            raise Forbidden(NOT_PREPARED)


def drop(change_id: int, actor: Actor) -> None:
    """Give a prepared change up; it stays in the record.

    Raises
    ------
    Forbidden
        When it was applied or dropped meanwhile, or the actor is no planner.
    """
    with _as_staff(actor) as connection:
        if not connection.execute(_DROP, {"id": change_id}).rowcount:
            raise Forbidden(NOT_PREPARED)


def apply(receipt: str, actor: Actor) -> int:
    """Put what is prepared of a proposal into the draft edition, all or nothing; how many changes.

    Raises
    ------
    Forbidden
        When no published decision integrates it, or a feature to change is gone from the plan.
    NotFound
        When there is no such proposal, or nothing is prepared for it.
    """
    with _as_staff(actor) as connection:
        proposal = _proposal_id(connection, receipt)
        try:
            applied = connection.scalar(_APPLY, {"proposal": proposal})
        except DBAPIError as refused:
            sqlstate = getattr(refused.orig, "sqlstate", None)
            if sqlstate == "42501":
                raise Forbidden(NOT_DECIDED) from refused
            if sqlstate == "23514":
                raise Forbidden(GONE) from refused
            raise
        if not applied:
            raise NotFound(NOTHING_PREPARED)
        return applied


def _as_staff(actor: Actor) -> AbstractContextManager[Connection]:
    if not actor.is_staff:
        raise Forbidden(STAFF_ONLY)
    return transaction(actor)


def _proposal_id(connection: Connection, receipt: str) -> int:
    found = connection.scalar(_PROPOSAL, {"receipt": receipts.normalise(receipt)})
    if found is None:
        raise NotFound(NOT_FOUND, receipt=receipt)
    return found


def _plan_layer(layer_id: str) -> Layer:
    layer = catalogue().layer(layer_id)
    if layer.kind != "plan":
        raise InputError([("layer_id", MasterplanError(ONLY_PLAN, layer=layer_id))])
    return layer


def _new_id(connection: Connection, layer_id: str, receipt: str) -> str:
    """The tracking code as an id, with a number behind where it is taken."""
    base = re.sub(r"[^a-z0-9]+", "-", receipts.normalise(receipt).lower())
    used = set(connection.scalars(_USED, {"layer": layer_id, "like": f"{base}%"}))
    candidate, number = base, 1
    while candidate in used:
        number += 1
        candidate = f"{base}-{number}"
    return candidate


def _checked(
    connection: Connection, layer: Layer, given: GivenChange, feature_id: str, has_geometry: bool = False
) -> dict[str, Any]:
    """The values to store; a `wkb` of None leaves the geometry that is there, to the last bit.

    Raises
    ------
    InputError
        All that is wrong at once.
    NotFound
        When the feature to change or remove is not in the plan.
    """
    before = None
    if given.action != ADD:
        before = connection.execute(_FEATURE, {"layer": layer.id, "feature": feature_id}).one_or_none()
        if before is None:
            raise NotFound(NOT_IN_PLAN, layer=layer.id, feature=feature_id)
    if given.action == REMOVE:
        return {"name_ro": before.name_ro, "name_en": before.name_en, "status": before.status, "properties": {},
                "wkb": None, "srid": place().storage_srid}  # fmt: skip
    faults: list[tuple[str, MasterplanError]] = []
    if not 0 < len(given.name_ro.strip()) <= LONGEST_NAME or len(given.name_en.strip()) > LONGEST_NAME:
        faults.append(("name_ro", MasterplanError(NAME_NEEDED, most=LONGEST_NAME)))
    keeps = given.geometry is None and (has_geometry or before is not None)
    wkb = None if keeps else _geometry(given.geometry, layer, faults)
    properties = _properties(layer, given, faults)
    if faults:
        raise InputError(faults)
    return {"name_ro": given.name_ro.strip(), "name_en": given.name_en.strip(), "status": given.status,
            "properties": properties, "wkb": wkb, "srid": place().storage_srid}  # fmt: skip


def _geometry(given: Mapping[str, Any] | None, layer: Layer, faults: list) -> bytes | None:
    try:
        geometry = shape(given or {})
    except (KeyError, TypeError, ValueError, AttributeError) as broken:
        faults.append(("geometry", MasterplanError(BAD_GEOMETRY, why=str(broken)[:80])))
        return None
    if geometry.is_empty or not geometry.is_valid:
        faults.append(("geometry", MasterplanError(BAD_GEOMETRY, why=explain_validity(geometry)[:80])))
    elif not fits(layer, geometry.geom_type):
        faults.append(("geometry", MasterplanError(OTHER_TYPE, expected=layer.geometry, found=geometry.geom_type)))
    return to_wkb(geometry, output_dimension=2)


def _properties(layer: Layer, given: GivenChange, faults: list) -> dict[str, Any]:
    """Those of the declared attributes that have a value."""
    if given.status is not None and given.status not in STATUSES:
        faults.append(("status", MasterplanError(NO_STATUS, status=str(given.status)[:40], known=", ".join(STATUSES))))
    kept = {}
    for attribute in layer.attributes:
        value = given.properties.get(attribute.name)
        if value is None or value in ("", []):
            continue
        if not attribute.is_of_type(value):
            faults.append((attribute.name, MasterplanError(
                WRONG_TYPE, attribute=attribute.name, type=attribute.type, value=str(value)[:40]
            )))  # fmt: skip
        elif not attribute.allows(value):
            faults.append((attribute.name, MasterplanError(
                NOT_LISTED, attribute=attribute.name, value=str(value)[:40], known=", ".join(map(str, attribute.values))
            )))  # fmt: skip
        kept[attribute.name] = value
    unknown = sorted(set(given.properties) - {attribute.name for attribute in layer.attributes})
    faults += [(name, MasterplanError(UNKNOWN, attribute=name[:40], layer=layer.id)) for name in unknown]
    return kept
