"""Submitting: one transaction from what a person sends to a stored, measured and scored row.

The submission key is unique, so a double click, a reload or a retry finds the first row again.
The row is inserted on behalf of the person, under their row-level security; the measurer, who sees
nothing else that is not public, measures and scores it in the same transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import orjson
import shapely
from sqlalchemy import Connection, text
from sqlalchemy.engine import Row
from sqlalchemy.exc import DBAPIError

from masterplan.actors import Actor, Role
from masterplan.database import act_as, acting_as, actor_of, transaction
from masterplan.errors import Forbidden, InputError, MasterplanError, NotFound
from masterplan.jobs import enqueue
from masterplan.language import N_
from masterplan.place import WGS84_SRID, place
from masterplan.uats import uat_names
from proposals import receipts
from proposals.criteria import CriteriaSet
from proposals.criteria_store import in_force, stored_set
from proposals.judgements import given_to
from proposals.limits import count_in
from proposals.measures import GEOMETRIES
from proposals.measuring import Candidate, LayersChanging, measure_one, score_measured, sets_in_use, store_one
from proposals.scoring import Score
from proposals.submission import CONSENT_VERSION, Checked, Faults, Submission, check

__all__ = ["MODERATED", "Outcome", "RowOutcome", "Submission", "load_result", "set_status", "submit", "submit_many"]

log = logging.getLogger(__name__)

#: What staff may make of a submission. Before that it is "submitted".
MODERATED = ("published", "hidden")

NOT_FOUND = N_("There is no submission with the tracking code {receipt}, or it is not shown any more.")
UNKNOWN_UAT = N_("There is no UAT with the SIRUTA code {siruta} on the map.")
REFUSED = N_("The submission {receipt} was not published, or is not public any more. The reason given: {reason}")
REASON_NEEDED = N_("Say why, in 3 to {most} characters: who submitted it reads the reason, and whoever has the code.")
STAFF_ONLY = N_("Only the masterplan's team may do this.")
CHANGED_MEANWHILE = N_("“{title}” was changed or withdrawn while you read it. Nothing was done; read it again.")


@dataclass(frozen=True)
class Outcome:
    """What came of a submission: its proof, where it lies, and how it stands against the criteria.

    `created` is false when the same submission was there already. `geometry` is "point", "line" or
    "polygon"; `uat` the SIRUTA code of the UAT that holds most of it, or None. `criteria` is the set
    that judges it; `score` None while nothing was measured yet. `repairs` says what was changed.
    """

    receipt: str
    proposal_id: int
    created: bool
    kind: str
    status: str
    theme: str
    title: str
    geometry: str
    uat: str | None
    edition: int
    created_at: datetime
    criteria: CriteriaSet
    score: Score | None
    repairs: tuple[MasterplanError, ...] = ()


@dataclass(frozen=True)
class RowOutcome:
    """What came of one row of many: `row` counts from 1; without a receipt it was refused for its `faults`.

    Where the same row was there already, `differs` names the fields that it has otherwise now; what is
    stored stays as it is.
    """

    row: int
    receipt: str | None
    created: bool
    faults: tuple[tuple[str, MasterplanError], ...] = ()
    repairs: tuple[MasterplanError, ...] = ()
    differs: tuple[str, ...] = ()


# -- one -----------------------------------------------------------------------------------


def submit(submission: Submission, actor: Actor, origin: str = "", consultation: str = "") -> Outcome:
    """Store, measure and score one submission, once.

    What cannot be measured now is kept all the same, and measured by the worker: `score` is then None.
    `origin` is the keyed hash of where it comes from, "" when that is not known; `consultation` the
    code of a consultation session as typed, "" without one.

    Raises
    ------
    InputError
        Everything wrong with it at once, each fault under the name of its field.
    TooMany
        When the origin or the account has submitted as much as is taken for now; nothing is stored.
    """
    with transaction(actor) as connection:
        checked = _checked(connection, submission, actor)
        criteria = in_force(connection)
        created = _insert(connection, checked, actor, criteria.version)
        if created:
            count_in(connection, actor, origin, consultation)
        act_as(connection, Actor(Role.MEASURER, key=str(submission.submission_key)))
        if not created:
            row = connection.execute(_BY_KEY, {"key": submission.submission_key}).one()
            return _outcome(connection, row)
        return _measured(connection, checked, criteria)


def _checked(connection: Connection, submission: Submission, actor: Actor) -> Checked:
    known = uat_names(connection) if submission.on_behalf_of else {}
    return _checked_against(known, submission, actor)


def _checked_against(known_uats: Mapping[str, str], submission: Submission, actor: Actor) -> Checked:
    """The submission as it can be stored; the UAT must be one that the map knows."""
    faults: Faults = []
    siruta = submission.on_behalf_of
    if siruta and siruta not in known_uats:
        faults.append(("on_behalf_of", MasterplanError(UNKNOWN_UAT, siruta=str(siruta)[:20])))
    try:
        checked = check(submission, actor)
    except InputError as refused:
        raise InputError(refused.faults + faults) from None
    if faults:
        raise InputError(faults)
    return checked


#: The UAT that holds most of a geometry `g.geom`; none holds a geometry wholly outside.
_UAT = """
    SELECT f.properties ->> 'siruta' FROM masterplan.current_feature f
    WHERE f.layer_id = 'uat' AND ST_Intersects(f.geom, g.geom)
    ORDER BY CASE WHEN ST_Covers(f.geom, g.geom) THEN 'Infinity'::float8
        WHEN ST_Dimension(g.geom) = 2 THEN ST_Area(ST_Intersection(f.geom, g.geom))
        ELSE ST_Length(ST_Intersection(f.geom, g.geom)) END DESC, f.feature_id
    LIMIT 1
"""
#: The edition that a submission is measured on: the draft, else the last one published.
_EDITION = "(SELECT id FROM masterplan.edition ORDER BY status = 'draft' DESC, id DESC LIMIT 1)"

# Without naming the unique column: with it, PostgreSQL also wants the new row to be one that the
# person may read, which a visitor without a session may not.
_INSERT = text(f"""
    INSERT INTO masterplan.proposal (receipt, submission_key, kind, channel, source_event, author_kind, theme,
        title, description, geom, uat, on_behalf_of, budget_lei, documentation_stage, attributes, criteria_set,
        edition, session, account)
    SELECT :receipt, :submission_key, :kind, :channel, :source_event, :author_kind, :theme,
        :title, :description, g.geom, ({_UAT}), :on_behalf_of, CAST(:budget_lei AS numeric),
        :documentation_stage, CAST(:attributes AS jsonb), :criteria_set, {_EDITION}, :session,
        CASE WHEN :channel = 'online' THEN masterplan.acting_account() END
    FROM (SELECT ST_Transform(ST_GeomFromWKB(:wkb, {WGS84_SRID}), CAST(:storage_srid AS integer)) AS geom
          OFFSET 0) g
    ON CONFLICT DO NOTHING
""")
_LEAVE_CONTACT = text(
    "INSERT INTO masterplan.contact (proposal_id, email, consent_version) VALUES (:id, :email, :consent)"
)

_RESULT = """
    SELECT p.id, p.receipt, p.kind, p.status, p.theme, p.title, ST_Dimension(p.geom) AS dim, p.uat, p.edition,
        p.created_at, p.criteria_set, s.total, s.coverage, s.recommendation, s.results
    FROM masterplan.proposal p
    LEFT JOIN masterplan.score s ON s.proposal_id = p.id AND s.criteria_set = p.criteria_set
"""
_BY_KEY = text(_RESULT + "WHERE p.submission_key = :key")
_BY_RECEIPT = text(_RESULT + "WHERE p.receipt = :receipt")


def _insert(connection: Connection, checked: Checked, actor: Actor, criteria_set: str) -> bool:
    """Store the row on behalf of the person; False when the same submission is there already."""
    given = checked.submission
    return connection.execute(_INSERT, {
        "receipt": receipts.issue(),
        "submission_key": given.submission_key,
        "kind": given.kind, "channel": given.channel, "source_event": given.source_event,
        "author_kind": given.author_kind, "theme": given.theme,
        "title": given.title, "description": given.description,
        "wkb": shapely.to_wkb(checked.geometry), "storage_srid": place().storage_srid,
        "on_behalf_of": given.on_behalf_of, "budget_lei": given.budget_lei,
        "documentation_stage": given.documentation_stage,
        "attributes": orjson.dumps(dict(given.attributes)).decode(),
        # What came by letter is not its own who typed it in.
        "criteria_set": criteria_set, "session": actor.session if given.channel == "online" else "",
    }).rowcount == 1  # fmt: skip


def _measured(connection: Connection, checked: Checked, criteria: CriteriaSet) -> Outcome:
    """Measure and score the row just inserted, and keep the contact apart."""
    given = checked.submission
    row = connection.execute(_BY_KEY, {"key": given.submission_key}).one()
    if given.email:
        connection.execute(_LEAVE_CONTACT, {"id": row.id, "email": given.email, "consent": CONSENT_VERSION})
    candidate = Candidate(
        geometry=shapely.to_wkb(checked.geometry), theme=given.theme, kind=given.kind,
        author_kind=given.author_kind, on_behalf_of=given.on_behalf_of,
        budget_lei=given.budget_lei, attributes=given.attributes,
    )  # fmt: skip
    score = measure_and_score(connection, row.id, candidate, criteria)
    return replace(_outcome(connection, row), created=True, score=score, repairs=checked.repairs)


#: Of a submission that was corrected, nothing measured before holds.
_MEASURE_LATER = text("UPDATE masterplan.measurement SET stale = true, layer_versions = '{}' WHERE proposal_id = :id")


def measure_and_score(
    connection: Connection, proposal_id: int, candidate: Candidate, criteria: CriteriaSet
) -> Score | None:
    """Measure and score a stored submission on behalf of the measurer; None where that is left to the worker."""
    # What a draft asks besides is measured too, so that a replay knows it.
    sets = sets_in_use(connection) | {criteria.version: criteria}
    try:
        with connection.begin_nested():
            measured = measure_one(connection, candidate, sets.values())
            score = score_measured(measured, criteria, given_to(connection, [proposal_id]).get(proposal_id))
            store_one(connection, proposal_id, measured, criteria, score)
    except LayersChanging:
        log.info("layers change while proposal %s is measured; left to the worker", proposal_id)
    except DBAPIError as failure:
        if failure.connection_invalidated:
            raise
        log.exception("proposal %s could not be measured; left to the worker", proposal_id)
    else:
        return score
    connection.execute(_MEASURE_LATER, {"id": proposal_id})
    enqueue(connection, SCORE_PENDING)
    return None


def _outcome(connection: Connection, row: Row) -> Outcome:
    scored = row.results is not None
    return Outcome(
        receipt=row.receipt, proposal_id=row.id, created=False, kind=row.kind, status=row.status,
        theme=row.theme, title=row.title, geometry=GEOMETRIES[row.dim], uat=row.uat, edition=row.edition,
        created_at=row.created_at, criteria=stored_set(connection, row.criteria_set),
        score=Score(row.total, row.coverage, row.recommendation, row.results) if scored else None,
    )  # fmt: skip


def load_result(connection: Connection, receipt: str, session: str = "") -> Outcome:
    """What came of a submission, found again by its tracking code as a person types it.

    Public ones are everyone's; one not yet public is shown to who holds its code, one hidden only to
    the browser session that submitted it and to staff.

    Raises
    ------
    InputError
        When it is no tracking code.
    NotFound
        When there is none, or not for this person.
    """
    wanted = receipts.normalise(receipt)
    asking = actor_of(connection)
    with acting_as(connection, replace(asking, receipt=wanted, session=session or asking.session)):
        row = connection.execute(_BY_RECEIPT, {"receipt": wanted}).one_or_none()
    if row is None:
        said = moderation_of(connection, wanted)
        if said is not None and said.status == "hidden":
            raise NotFound(REFUSED, receipt=wanted, reason=said.reason)
        raise NotFound(NOT_FOUND, receipt=wanted)
    return _outcome(connection, row)


_LAST_MODERATION = text("SELECT status, reason, made_at FROM masterplan.last_moderation(:receipt)")


@dataclass(frozen=True)
class Moderation:
    """The last thing that staff made of a submission, with the reason that its author reads."""

    status: str
    reason: str
    made_at: datetime


def moderation_of(connection: Connection, receipt: str) -> Moderation | None:
    """What became of a submission, for who holds its tracking code; None while nobody moderated it."""
    row = connection.execute(_LAST_MODERATION, {"receipt": receipt}).one_or_none()
    return None if row is None else Moderation(**row._mapping)


# -- many ----------------------------------------------------------------------------------

#: The job that measures and scores what has no result yet, or a stale one (`proposals.work`).
SCORE_PENDING = "score_pending"

_STAGED = (
    "ordinal integer, submission_key uuid, receipt text, kind text, status text, channel text,"
    " source_event text, author_kind text, theme text, title text, description text, geom geometry,"
    " on_behalf_of text, budget_lei numeric, documentation_stage text, attributes jsonb, created_at timestamptz"
)
_STAGED_NAMES = tuple(column.split()[0] for column in _STAGED.split(", "))

_INSERT_STAGED = text(f"""
    INSERT INTO masterplan.proposal (submission_key, receipt, kind, status, channel, source_event, author_kind,
        theme, title, description, geom, uat, on_behalf_of, budget_lei, documentation_stage, attributes,
        criteria_set, edition, demo, created_at, updated_at, account)
    SELECT s.submission_key, s.receipt, s.kind, s.status, s.channel, s.source_event, s.author_kind,
        s.theme, s.title, s.description, g.geom, u.uat,
        CASE WHEN :demo AND s.kind = 'proposal' THEN u.uat ELSE s.on_behalf_of END,
        s.budget_lei, s.documentation_stage, s.attributes,
        :criteria_set, {_EDITION}, :demo, coalesce(s.created_at, now()), coalesce(s.created_at, now()), NULL
    FROM staged_proposal s
    CROSS JOIN LATERAL (SELECT ST_Transform(s.geom, CAST(:storage_srid AS integer)) AS geom OFFSET 0) g
    CROSS JOIN LATERAL (SELECT ({_UAT}) AS uat OFFSET 0) u
    ORDER BY s.ordinal
    ON CONFLICT (submission_key) DO NOTHING
""")
#: Fields of a staged row `s` that are compared as they stand with the stored row `p`.
_COMPARED = (
    "kind", "channel", "source_event", "author_kind", "theme", "title", "description", "on_behalf_of",
    "budget_lei", "documentation_stage", "attributes",
)  # fmt: skip
#: A shape that moved by less than this is the same: another version of PROJ may compute it otherwise.
_SAME_PLACE_M = 0.01
_DIFFERENCES = [
    *(f"CASE WHEN p.{name} IS DISTINCT FROM s.{name} THEN '{name}' END" for name in _COMPARED),
    "CASE WHEN p.created_at <> s.created_at THEN 'created' END",
    f"""CASE WHEN ST_GeometryType(p.geom) <> ST_GeometryType(g.geom)
            OR ST_HausdorffDistance(p.geom, g.geom) > {_SAME_PLACE_M} THEN 'place' END""",
]
_STORED_ROWS = text(f"""
    SELECT s.ordinal, p.receipt, p.receipt = s.receipt AS created, c.email,
        CASE WHEN p.receipt = s.receipt THEN '{{}}' ELSE
            array_remove(ARRAY[{", ".join(_DIFFERENCES)}], NULL) END AS differs
    FROM staged_proposal s JOIN masterplan.proposal p USING (submission_key)
    LEFT JOIN masterplan.contact c ON c.proposal_id = p.id
    CROSS JOIN LATERAL (SELECT ST_Transform(s.geom, CAST(:storage_srid AS integer)) AS geom OFFSET 0) g
    ORDER BY s.ordinal
""")


@dataclass(frozen=True)
class StagedRow:
    """One row to insert with many others; `geom` is EWKB in hexadecimal, in any CRS that PostGIS knows."""

    submission_key: UUID
    receipt: str
    kind: str
    status: str
    channel: str
    source_event: str
    author_kind: str
    theme: str
    title: str
    description: str
    geom: str
    on_behalf_of: str | None
    budget_lei: float | None
    documentation_stage: str | None
    attributes: str
    created_at: datetime | None


def insert_many(connection: Connection, rows: Iterable[tuple[int, StagedRow]], demo: bool = False) -> None:
    """Insert numbered rows that are known to be good, in one statement, on behalf of staff or the system.

    A submission key that is there already is left as it is. Demonstration proposals are made on
    behalf of the UAT they lie in.
    """
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.staged_proposal"))
    connection.execute(text(f"CREATE TEMPORARY TABLE staged_proposal ({_STAGED}) ON COMMIT DROP"))
    columns = ", ".join(_STAGED_NAMES)
    with (
        connection.connection.cursor() as cursor,
        cursor.copy(f"COPY staged_proposal ({columns}) FROM STDIN") as copy,
    ):
        for ordinal, row in rows:
            copy.write_row((ordinal, *(getattr(row, name) for name in _STAGED_NAMES[1:])))
    connection.execute(_INSERT_STAGED, {
        "demo": demo,
        "criteria_set": in_force(connection).version,
        "storage_srid": place().storage_srid,
    })  # fmt: skip


def submit_many(
    rows: Sequence[Submission], actor: Actor, created_at: Sequence[datetime | None] | None = None
) -> list[RowOutcome]:
    """Store many submissions at once for staff; what can be stored is, the rest is refused row by row.

    One transaction, one insert. `created_at` says for each row when it first came in, where that is
    known. They are measured and scored by the job it leaves (`proposals.work`).

    Raises
    ------
    Forbidden
        When `actor` is not staff.
    """
    if not actor.is_staff:
        raise Forbidden(STAFF_ONLY)
    with transaction(actor) as connection:
        known = uat_names(connection)
        outcomes: dict[int, RowOutcome] = {}
        good: dict[int, Checked] = {}
        for number, submission in enumerate(rows, start=1):
            try:
                good[number] = _checked_against(known, submission, actor)
            except InputError as refused:
                outcomes[number] = RowOutcome(number, None, False, tuple(refused.faults))
        moments = created_at or [None] * len(rows)
        insert_many(connection, ((n, _staged(checked, moments[n - 1])) for n, checked in good.items()))
        for stored in connection.execute(_STORED_ROWS, {"storage_srid": place().storage_srid}):
            number = stored.ordinal
            differs = tuple(stored.differs)
            if not stored.created and stored.email != good[number].submission.email:
                differs += ("email",)
            outcomes[number] = RowOutcome(number, stored.receipt, stored.created, (), good[number].repairs, differs)
        if any(outcome.created for outcome in outcomes.values()):
            enqueue(connection, SCORE_PENDING)
        contacts = [
            {"key": checked.submission.submission_key, "email": checked.submission.email, "consent": CONSENT_VERSION}
            for number, checked in good.items()
            if checked.submission.email and outcomes[number].created
        ]
        if contacts:
            connection.execute(_LEAVE_CONTACTS, contacts)
    return [outcomes[number] for number in sorted(outcomes)]


_LEAVE_CONTACTS = text(
    "INSERT INTO masterplan.contact (proposal_id, email, consent_version)"
    " SELECT id, :email, :consent FROM masterplan.proposal WHERE submission_key = :key"
    " ON CONFLICT (proposal_id) DO NOTHING"
)


def _staged(checked: Checked, created_at: datetime | None) -> StagedRow:
    given = checked.submission
    return StagedRow(
        submission_key=given.submission_key, receipt=receipts.issue(), kind=given.kind, status="submitted",
        channel=given.channel, source_event=given.source_event, author_kind=given.author_kind,
        theme=given.theme, title=given.title, description=given.description,
        geom=shapely.to_wkb(shapely.set_srid(checked.geometry, WGS84_SRID), hex=True, include_srid=True),
        on_behalf_of=given.on_behalf_of, budget_lei=given.budget_lei,
        documentation_stage=given.documentation_stage,
        attributes=orjson.dumps(dict(given.attributes)).decode(), created_at=created_at,
    )  # fmt: skip


# -- staff ---------------------------------------------------------------------------------

_KNOWN = text("SELECT receipt FROM masterplan.proposal WHERE receipt = ANY(:receipts)")
_SET_STATUS = text(
    "UPDATE masterplan.proposal SET status = :status WHERE receipt = ANY(:receipts) AND status <> :status"
    " RETURNING receipt"
)
_HOLD = text("SELECT id FROM masterplan.proposal WHERE receipt = :receipt FOR UPDATE")
_CHANGED_SINCE = text("SELECT title FROM masterplan.proposal WHERE receipt = :receipt AND updated_at <> :seen")
_NOTE = text("SELECT masterplan.note_moderation(CAST(:receipts AS text[]), :status, :reason)")
SHORTEST_REASON, LONGEST_REASON = 3, 1_000


class ChangedMeanwhile(MasterplanError):
    """What a planner judged is not what is stored any more."""

    http_status = 409


def set_status_of_seen(receipt: str, seen: datetime, status: str, actor: Actor, reason: str = "") -> None:
    """Publish or hide one submission as the planner saw it: `seen` is its `updated_at` then.

    Raises
    ------
    ChangedMeanwhile
        When its author, or another planner, changed it since; nothing is done.
    Forbidden, InputError, NotFound
        As `set_status` does.
    """
    if not actor.is_staff:
        raise Forbidden(STAFF_ONLY)
    with transaction(actor) as connection:
        asked = {"receipt": receipts.normalise(receipt), "seen": seen}
        # What was withdrawn cannot be held, and never changes again.
        connection.execute(_HOLD, asked)
        title = connection.scalar(_CHANGED_SINCE, asked)
        if title is not None:
            raise ChangedMeanwhile(CHANGED_MEANWHILE, title=title)
        _set_status(connection, [receipt], status, reason)


def set_status(codes: Sequence[str], status: str, actor: Actor, reason: str = "") -> int:
    """Publish or hide submissions; how many changed. All or none.

    Who submitted something that is hidden reads the reason, so there must be one.

    Raises
    ------
    Forbidden
        When `actor` is not staff.
    InputError
        When something is hidden without a reason, or with one that is too long.
    NotFound
        When a tracking code is unknown; the message names it.
    """
    if not actor.is_staff:
        raise Forbidden(STAFF_ONLY)
    with transaction(actor) as connection:
        return _set_status(connection, codes, status, reason)


def _set_status(connection: Connection, codes: Sequence[str], status: str, reason: str) -> int:
    if status not in MODERATED:
        raise ValueError(f"not a status that staff may set: {status!r}")
    said = reason.strip()
    if status == "hidden" and not SHORTEST_REASON <= len(said) <= LONGEST_REASON:
        raise InputError([("reason", MasterplanError(REASON_NEEDED, most=LONGEST_REASON))])
    wanted = [receipts.normalise(code) for code in codes]
    known = set(connection.scalars(_KNOWN, {"receipts": wanted}))
    for code in wanted:
        if code not in known:
            raise NotFound(NOT_FOUND, receipt=code)
    changed = list(connection.scalars(_SET_STATUS, {"receipts": wanted, "status": status}))
    connection.execute(_NOTE, {"receipts": changed, "status": status, "reason": said})
    return len(changed)
