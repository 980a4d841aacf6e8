"""Editions of the plan: which there are, what each holds, how two differ, and publishing the draft.

A plan feature belongs to a range of editions; evidence has versions only. A published edition records the version of
every layer, so that plan and evidence are both read as they were: `features_of` in the database. The draft is what is
current.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from masterplan.errors import Forbidden, InputError, MasterplanError, NotFound, Unavailable
from masterplan.language import N_
from masterplan.place import WGS84_SRID, place

#: Between the first and the last day of a consultation, at least (the database holds it too).
SHORTEST_CONSULTATION_DAYS = 10
LONGEST_MINUTES, LONGEST_ACT, LONGEST_LABEL = 2_000, 500, 100

NO_EDITION = N_("There is no edition {number}. The editions are: {known}.")
NOT_PUBLISHED = N_("Edition {number} is not published yet; its export is made when it is.")
TOO_SHORT = N_("A consultation lasts at least {days} days: from {opens} it closes on {closes} at the earliest.")
BOTH_DAYS = N_("Give both days of the consultation, the first and the last, or neither.")
TOO_LONG = N_("Write at most {most} characters.")
LABEL_NEEDED = N_("Give the edition a name.")
STILL_OPEN = N_("The consultation of this edition is open until {date}. It can be published the day after.")
LOADING = N_("Layers are being loaded just now. Try again in a minute.")


@dataclass(frozen=True)
class Edition:
    """One edition. `opens_on` and `closes_on` are days on the zone's clock, both included; `sha256` of its export."""

    id: int
    label: str
    status: str
    opened_at: datetime
    published_at: datetime | None
    note: str
    opens_on: date | None
    closes_on: date | None
    minutes: str
    adopting_act: str
    sha256: str | None

    @property
    def is_draft(self) -> bool:
        return self.status == "draft"

    def consults_on(self, day: date) -> bool:
        """Whether its consultation is open on this day."""
        return self.opens_on is not None and self.opens_on <= day <= self.closes_on


@dataclass(frozen=True)
class Difference:
    """One feature that two editions hold otherwise.

    `what` is "added", "removed", "moved" (its geometry), "changed" (its name, status or attributes) or
    "moved_and_changed". `proposal_id` is of the proposal that caused it, where one did. `fields` names what changed,
    with the value before and after; `point` is a place on it in degrees (EPSG:4326).
    """

    layer_id: str
    feature_id: str
    what: str
    name_ro: str
    name_en: str
    fields: dict[str, tuple[Any, Any]]
    proposal_id: int | None
    point: tuple[float, float]

    def name(self, language: str) -> str:
        return getattr(self, f"name_{language}") or self.name_ro


# -- which there are -----------------------------------------------------------------------

_COLUMNS = (
    "id, label, status, opened_at, published_at, note, opens_on, closes_on, minutes, adopting_act, sha256"
)
_LIST = text(f"SELECT {_COLUMNS} FROM masterplan.edition ORDER BY id DESC")


def editions(connection: Connection) -> list[Edition]:
    """Every edition, the newest first: the draft, then those published."""
    return [Edition(**row) for row in connection.execute(_LIST).mappings()]


def edition(connection: Connection, number: int) -> Edition:
    """The edition with this number.

    Raises
    ------
    NotFound
        When there is none; the message lists those there are.
    """
    known = editions(connection)
    for each in known:
        if each.id == number:
            return each
    raise NotFound(NO_EDITION, number=number, known=", ".join(str(each.id) for each in reversed(known)))


def draft(connection: Connection) -> Edition:
    """The one edition that is being worked on."""
    return next(each for each in editions(connection) if each.is_draft)


def features_in(number: int | None) -> str:
    """What to read features from, in SQL: of a published edition, or what is current (None).

    A query that uses it with a number binds `edition` to it.
    """
    return "masterplan.current_feature" if number is None else "masterplan.features_of(:edition)"


def as_of(connection: Connection, number: int | None) -> int | None:
    """The number to read features by: None for the draft, which is what is current.

    Raises
    ------
    NotFound
        When there is no such edition.
    """
    return None if number is None or edition(connection, number).is_draft else number


# -- the calendar --------------------------------------------------------------------------

_PLAN = text("""
    UPDATE masterplan.edition SET label = :label, note = :note, opens_on = :opens_on, closes_on = :closes_on,
        minutes = :minutes, adopting_act = :adopting_act WHERE status = 'draft'
""")


@dataclass(frozen=True)
class Calendar:
    """What is said of the draft beforehand: its name, the days of its consultation, and the papers it leads to."""

    label: str
    opens_on: date | None = None
    closes_on: date | None = None
    minutes: str = ""
    adopting_act: str = ""
    note: str = ""


def set_calendar(connection: Connection, calendar: Calendar) -> None:
    """Write it for the draft.

    Raises
    ------
    InputError
        Everything that is wrong, under the names of the fields.
    """
    faults = _faults(calendar)
    if faults:
        raise InputError(faults)
    connection.execute(_PLAN, {
        "label": calendar.label.strip(), "note": calendar.note.strip(), "opens_on": calendar.opens_on,
        "closes_on": calendar.closes_on, "minutes": calendar.minutes.strip(),
        "adopting_act": calendar.adopting_act.strip(),
    })  # fmt: skip


def _faults(calendar: Calendar) -> list[tuple[str, MasterplanError]]:
    faults: list[tuple[str, MasterplanError]] = []
    if not calendar.label.strip():
        faults.append(("label", MasterplanError(LABEL_NEEDED)))
    lengths = {"label": LONGEST_LABEL, "minutes": LONGEST_MINUTES, "adopting_act": LONGEST_ACT, "note": LONGEST_MINUTES}
    for name, most in lengths.items():
        if len(getattr(calendar, name)) > most:
            faults.append((name, MasterplanError(TOO_LONG, most=most)))
    opens, closes = calendar.opens_on, calendar.closes_on
    if (opens is None) != (closes is None):
        faults.append(("closes_on", MasterplanError(BOTH_DAYS)))
    elif opens is not None and (closes - opens).days < SHORTEST_CONSULTATION_DAYS:
        earliest = date.fromordinal(opens.toordinal() + SHORTEST_CONSULTATION_DAYS)
        faults.append(("closes_on", MasterplanError(
            TOO_SHORT, days=SHORTEST_CONSULTATION_DAYS, opens=f"{opens:%d.%m.%Y}", closes=f"{earliest:%d.%m.%Y}"
        )))  # fmt: skip
    return faults


# -- the export ----------------------------------------------------------------------------

_DEGREE_DECIMALS = 7

_FEATURES = """
    SELECT f.layer_id, f.feature_id, f.name_ro, f.name_en, f.status, f.properties, f.source, f.source_date,
        f.indicative, lower(f.editions) AS since, p.receipt,
        ST_AsGeoJSON(ST_ForcePolygonCCW(ST_Transform(f.geom, {srid})), {decimals}, 0) AS geometry
    FROM {features} f JOIN masterplan.layer l ON l.id = f.layer_id AND l.kind = 'plan'
    LEFT JOIN masterplan.proposal p ON p.id = f.proposal_id
    ORDER BY l.position, f.layer_id COLLATE "C", f.feature_id COLLATE "C"
"""
_HELD_NOW = text("SELECT id, kind, version, indicative FROM masterplan.layer ORDER BY id COLLATE \"C\"")
_HELD = text("""
    SELECT e.layer_id AS id, l.kind, e.version, v.indicative FROM masterplan.edition_layer e
    JOIN masterplan.layer l ON l.id = e.layer_id
    JOIN masterplan.layer_version v ON v.layer_id = e.layer_id AND v.version = e.version
    WHERE e.edition = :edition ORDER BY e.layer_id
""")
_STORED = text("SELECT content FROM masterplan.edition_export WHERE edition = :edition")


def stored_export(connection: Connection, number: int) -> bytes:
    """The GeoJSON (RFC 7946, EPSG:4326) of a published edition, the very bytes that were published.

    Raises
    ------
    NotFound
        When there is no such edition, or it is the draft.
    """
    if edition(connection, number).is_draft:
        raise NotFound(NOT_PUBLISHED, number=number)
    return bytes(connection.scalar(_STORED, {"edition": number}))


def composed_export(connection: Connection, number: int, published_at: datetime | None = None) -> bytes:
    """The same, made anew from the rows: equal bytes, coordinates to 1e-7 degrees, while PROJ is the same.

    Of the draft with `published_at`: what publishing at that moment stores.
    """
    known = edition(connection, number)
    at = as_of(connection, number)
    held = list(connection.execute(_HELD_NOW if at is None else _HELD, {} if at is None else {"edition": at}))
    head = _head(known, held, published_at or known.published_at)
    features = b",\n".join(_written(row) for row in _rows(connection, at))
    return orjson.dumps(head)[:-1] + b',"features":[\n' + features + b"\n]}\n"


def _head(known: Edition, held: list[Any], published_at: datetime | None) -> dict[str, Any]:
    here = place()
    moment = published_at.astimezone(UTC).isoformat(timespec="seconds") if published_at else None
    layers = {
        row.id: {"kind": row.kind, "version": row.version, "indicative": row.indicative} for row in held
    }
    head: dict[str, Any] = {
        "type": "FeatureCollection",
        "disclaimer": {"ro": here.disclaimer_ro, "en": here.disclaimer_en},
        "edition": {"id": known.id, "label": known.label, "published_at": moment},
        "layers": layers,
    }
    if any(layer["indicative"] for layer in layers.values()):
        head["indicative"] = {"ro": here.indicative_ro, "en": here.indicative_en}
    return head


def _rows(connection: Connection, at: int | None) -> Iterator[Any]:
    query = _FEATURES.format(features=features_in(at), srid=WGS84_SRID, decimals=_DEGREE_DECIMALS)
    yield from connection.execute(text(query), {} if at is None else {"edition": at})


def _written(row: Any) -> bytes:
    properties = {
        "layer": row.layer_id, "name_ro": row.name_ro, "name_en": row.name_en, "status": row.status,
        **dict(sorted(row.properties.items())),
        "source": row.source, "source_date": row.source_date, "indicative": row.indicative,
        "edition": row.since, "proposal": row.receipt,
    }  # fmt: skip
    identity = orjson.dumps(f"{row.layer_id}/{row.feature_id}")
    return (
        b'{"type":"Feature","id":' + identity + b',"geometry":' + row.geometry.encode()
        + b',"properties":' + orjson.dumps(properties) + b"}"
    )  # fmt: skip


# -- publishing ----------------------------------------------------------------------------

_HOLD = text("SELECT masterplan.hold_plan()")
_PUBLISH = text("SELECT masterplan.publish_edition(:number, :at, :content, :next_label)")
#: A layer that is being loaded is waited for so long.
_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '10s'")
_NEXT_LABEL = "Ediția {number}"


def publish(connection: Connection, next_label: str = "") -> Edition:
    """Freeze the draft with its export, and open the next one; the published edition.

    In the caller's transaction, on behalf of staff: it is all or nothing.

    Raises
    ------
    Forbidden
        When its consultation is still open, or the actor may not publish.
    Unavailable
        When layers are being loaded at this moment.
    """
    at = datetime.now(UTC).replace(microsecond=0)
    try:
        connection.execute(_LOCK_TIMEOUT)
        number = connection.scalar(_HOLD)
        now = draft(connection)
        content = composed_export(connection, number, at)
        connection.execute(_PUBLISH, {
            "number": number, "at": at, "content": content,
            "next_label": next_label.strip() or _NEXT_LABEL.format(number=number + 1),
        })  # fmt: skip
    except OperationalError as busy:
        if getattr(busy.orig, "sqlstate", None) == "55P03":
            raise Unavailable(LOADING) from busy
        raise
    except DBAPIError as refused:
        if getattr(refused.orig, "sqlstate", None) == "23514" and now.closes_on:
            raise Forbidden(STILL_OPEN, date=f"{now.closes_on:%d.%m.%Y}") from refused
        raise
    return edition(connection, number)


# -- two of them ---------------------------------------------------------------------------

_DIFFERENCES = """
    WITH a AS (SELECT * FROM {before} WHERE layer_id = ANY(:layers)),
        b AS (SELECT * FROM {after} WHERE layer_id = ANY(:layers))
    SELECT coalesce(b.layer_id, a.layer_id) AS layer_id, coalesce(b.feature_id, a.feature_id) AS feature_id,
        a.pk IS NOT NULL AS was, b.pk IS NOT NULL AS stays,
        a.name_ro AS was_name_ro, a.name_en AS was_name_en, a.status AS was_status, a.properties AS was_properties,
        b.name_ro, b.name_en, b.status, b.properties, ST_AsBinary(a.geom) <> ST_AsBinary(b.geom) AS moved,
        CASE WHEN b.pk IS NOT NULL THEN b.proposal_id WHEN :from_edition > :to_edition THEN a.proposal_id
            ELSE removed.proposal_id END AS proposal_id,
        ST_X(point) AS lon, ST_Y(point) AS lat
    FROM a FULL JOIN b ON b.layer_id = a.layer_id AND b.feature_id = a.feature_id
    LEFT JOIN LATERAL (
        SELECT c.proposal_id FROM masterplan.plan_change c
        WHERE b.pk IS NULL AND c.action = 'remove' AND c.state = 'applied' AND c.layer_id = a.layer_id
            AND c.feature_id = a.feature_id AND c.edition > :from_edition AND c.edition <= :to_edition
        ORDER BY c.id DESC LIMIT 1) removed ON true
    CROSS JOIN LATERAL (SELECT ST_Transform(ST_PointOnSurface(coalesce(b.geom, a.geom)), {srid}) AS point) place
    WHERE a.pk IS DISTINCT FROM b.pk
    ORDER BY array_position(CAST(:layers AS text[]), coalesce(b.layer_id, a.layer_id)),
        coalesce(b.name_ro, a.name_ro) COLLATE "ro-x-icu", coalesce(b.feature_id, a.feature_id)
"""
_PLAN_LAYERS = text("SELECT id FROM masterplan.layer WHERE kind = 'plan' ORDER BY position")
_EVIDENCE = """
    SELECT l.id, was.version AS was, is_now.version AS is_now FROM masterplan.layer l
    LEFT JOIN ({before}) was ON was.layer_id = l.id LEFT JOIN ({after}) is_now ON is_now.layer_id = l.id
    WHERE l.kind = 'evidence' AND was.version IS DISTINCT FROM is_now.version ORDER BY l.position
"""


def differences(connection: Connection, before: int, after: int) -> list[Difference]:
    """Every plan feature that the two editions hold otherwise, by layer and name.

    A feature whose source alone is another one is no difference.

    Raises
    ------
    NotFound
        When there is no such edition.
    """
    earlier, later = as_of(connection, before), as_of(connection, after)
    layers = list(connection.scalars(_PLAN_LAYERS))
    query = _DIFFERENCES.format(
        before=_of(earlier, "before"), after=_of(later, "after"), srid=WGS84_SRID
    )
    rows = connection.execute(text(query), {
        "layers": layers, "from_edition": before, "to_edition": after,
        **({} if earlier is None else {"before": earlier}), **({} if later is None else {"after": later}),
    })  # fmt: skip
    return [found for row in rows if (found := _difference(row)) is not None]


def _of(number: int | None, name: str) -> str:
    return "masterplan.current_feature" if number is None else f"masterplan.features_of(:{name})"


def _difference(row: Any) -> Difference | None:
    fields = _changed_fields(row) if row.was and row.stays else {}
    what = _what(row, bool(fields))
    if what is None:
        return None
    return Difference(
        row.layer_id, row.feature_id, what, row.name_ro or row.was_name_ro, row.name_en or row.was_name_en, fields,
        row.proposal_id, (row.lon, row.lat),
    )  # fmt: skip


def _what(row: Any, changed: bool) -> str | None:
    if not row.was:
        return "added"
    if not row.stays:
        return "removed"
    if row.moved:
        return "moved_and_changed" if changed else "moved"
    return "changed" if changed else None


def _changed_fields(row: Any) -> dict[str, tuple[Any, Any]]:
    """What is otherwise, under its name: the value before and after."""
    before = {"name_ro": row.was_name_ro, "name_en": row.was_name_en, "status": row.was_status, **row.was_properties}
    after = {"name_ro": row.name_ro, "name_en": row.name_en, "status": row.status, **row.properties}
    names = [*before, *(name for name in after if name not in before)]
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def evidence_changes(connection: Connection, before: int, after: int) -> list[tuple[str, int | None, int | None]]:
    """Layers of evidence that the two editions were measured on in different versions: layer, before, after."""
    earlier, later = as_of(connection, before), as_of(connection, after)
    query = _EVIDENCE.format(before=_versions(earlier, "before"), after=_versions(later, "after"))
    values = {"before": earlier, "after": later}
    rows = connection.execute(text(query), {name: value for name, value in values.items() if value is not None})
    return [tuple(row) for row in rows]


def _versions(number: int | None, name: str) -> str:
    if number is None:
        return "SELECT id AS layer_id, version FROM masterplan.layer"
    return f"SELECT layer_id, version FROM masterplan.edition_layer WHERE edition = :{name}"
