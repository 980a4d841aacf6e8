"""Decisions on proposals: taking a step, seeing where one stands, publishing many at once.

Each step is a row inserted on behalf of the person. The database keeps the state machine; what a person
is told in words is asked of `proposals.deciding` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import Row
from sqlalchemy.exc import DBAPIError

from masterplan.actors import Actor
from masterplan.database import actor_of, transaction
from masterplan.errors import Forbidden, InputError, MasterplanError, NotFound
from masterplan.formats import day
from masterplan.language import DEFAULT_LANGUAGE, N_
from proposals import receipts
from proposals.deciding import (
    COMMENTED,
    LONGEST,
    SHORTEST,
    Action,
    Outcome,
    Standing,
    State,
    departs,
    then,
)
from proposals.reasons import composed, library

NOT_FOUND = N_("There is no submission with the tracking code {receipt}, or it is not shown any more.")
NOT_NOW = N_(
    "This cannot be done now: the decision stands otherwise than when you read it, or it is not yours to take."
)
INTEREST = N_("You declared an interest in this proposal: you have no part in its decision.")
OBSERVATION = N_("An observation is not decided. Turn it into a proposal first.")
ACCEPT_FIRST = N_("Accept the proposal for publication first: those concerned must be able to read it.")
WORDS_NEEDED = N_("Write from {least} to {most} characters.")
REASON_NEEDED = N_("Give a reason: choose one of the library, or write your own.")
DEPARTURE_NEEDED = N_("The criteria recommend otherwise. Say in public why you depart from it.")
REDIRECT_NEEDED = N_("Say to whom it is redirected.")
STILL_TIME = N_("The submitter and the UATs concerned may answer until {date}. It can be published then.")
TIME_OVER = N_("The time to answer ended on {date}.")
MOVED_ON = N_("The recommendation of the criteria changed since it was recommended. Challenge it, and recommend anew.")


@dataclass(frozen=True)
class Recommendation:
    """What a planner recommends: keys of the library, free words, or both; all of it becomes public."""

    outcome: Outcome
    reason_keys: tuple[str, ...] = ()
    reason: str = ""
    departure: str = ""
    redirected_to: str = ""


@dataclass(frozen=True)
class Decision:
    """Where the decision on one proposal stands, as the actor may know it.

    `recommendation` is the criteria's at this moment; `standing` what the actor is to it. `steps` are empty
    for who is no planner.
    """

    proposal_id: int
    receipt: str
    kind: str
    public: bool
    state: State
    standing: Standing
    recommendation: str | None
    outcome: Outcome | None = None
    reason: dict[str, str] = field(default_factory=dict)
    departure: str = ""
    redirected_to: str = ""
    concerned: tuple[str, ...] = ()
    answer_until: datetime | None = None
    steps: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Published:
    """A published decision, as everyone reads it; a reopened one has a later moment in `reopened_at`."""

    outcome: Outcome
    reason: dict[str, str]
    departure: str
    redirected_to: str
    recommendation: str | None
    criteria_set: str
    published_at: datetime
    reopened_at: datetime | None


_ABOUT = text("""
    SELECT p.id, p.receipt, p.kind, p.public, p.status, s.recommendation FROM masterplan.proposal p
    LEFT JOIN masterplan.score s ON s.proposal_id = p.id AND s.criteria_set = p.criteria_set
    WHERE p.receipt = :receipt
""")
_STATE = text("""
    SELECT *, masterplan.acting_person() AS me FROM masterplan.decision_state WHERE proposal_id = :id
""")
_STATE_IN_PUBLIC = text("""
    SELECT state, outcome, reason_ro, reason_en, redirected_to, departure, concerned, answer_until,
        concerned && (SELECT masterplan.acting_uats())::text[] AS is_concerned,
        masterplan.brought_by_me(proposal_id) AS brought
    FROM masterplan.decision_state WHERE proposal_id = :id
""")
_STEPS = text("SELECT * FROM masterplan.decision_step WHERE proposal_id = :id ORDER BY id")
_PUBLISHED = text("""
    SELECT outcome, reason_ro, reason_en, departure, redirected_to, recommendation, criteria_set, published_at,
        reopened_at
    FROM masterplan.decision WHERE proposal_id = :id ORDER BY id DESC
""")


def stands(connection: Connection, receipt: str) -> Decision:
    """Where the decision stands, for who may know it; open for everyone else.

    Raises
    ------
    NotFound
        When the actor sees no such submission.
    """
    about = connection.execute(_ABOUT, {"receipt": receipt}).one_or_none()
    if about is None:
        raise NotFound(NOT_FOUND, receipt=receipt)
    actor = actor_of(connection)
    here = {"proposal_id": about.id, "receipt": about.receipt, "kind": about.kind, "public": about.public,
            "recommendation": about.recommendation}  # fmt: skip
    statement = _STATE if actor.is_staff else _STATE_IN_PUBLIC
    row = connection.execute(statement, {"id": about.id}).one_or_none()
    if row is None:
        return Decision(**here, state=State.OPEN, standing=Standing.NONE)
    return Decision(
        **here, state=State(row.state), standing=_staff_standing(row) if actor.is_staff else _public_standing(row),
        outcome=Outcome(row.outcome) if row.outcome else None,
        reason={"ro": row.reason_ro or "", "en": row.reason_en or ""}, departure=row.departure or "",
        redirected_to=row.redirected_to or "", concerned=tuple(row.concerned), answer_until=row.answer_until,
        steps=tuple(connection.execute(_STEPS, {"id": about.id})) if actor.is_staff else (),
    )  # fmt: skip


def _staff_standing(row: Row) -> Standing:
    if row.me in row.interested:
        return Standing.INTERESTED
    if row.me == row.recommender:
        return Standing.RECOMMENDER
    return Standing.CONFIRMER if row.me == row.confirmer else Standing.NONE


def _public_standing(row: Row) -> Standing:
    if row.brought:
        return Standing.SUBMITTER
    return Standing.CONCERNED if row.is_concerned else Standing.NONE


def published(connection: Connection, proposal_id: int) -> list[Published]:
    """The published decisions on a proposal that the actor may see, the newest first."""
    return [
        Published(Outcome(row.outcome), {"ro": row.reason_ro, "en": row.reason_en}, row.departure, row.redirected_to,
                  row.recommendation, row.criteria_set, row.published_at, row.reopened_at)
        for row in connection.execute(_PUBLISHED, {"id": proposal_id})
    ]  # fmt: skip


# -- taking a step ---------------------------------------------------------------------------

_STEP = text("""
    INSERT INTO masterplan.decision_step (proposal_id, action, outcome, reason_ro, reason_en, reason_keys,
        redirected_to, departure, comment)
    VALUES (:id, :action, :outcome, :reason_ro, :reason_en, CAST(:keys AS text[]), :redirected_to, :departure, :comment)
""")
_ANSWER = text(
    "INSERT INTO masterplan.decision_step (proposal_id, action, comment) VALUES (:id, 'answer', :comment)"
)
_EMPTY: dict[str, Any] = {"outcome": None, "reason_ro": "", "reason_en": "", "keys": [], "redirected_to": "",
                          "departure": "", "comment": ""}  # fmt: skip


def recommend(receipt: str, given: Recommendation, actor: Actor) -> None:
    """One planner recommends an outcome; another has to confirm it.

    Raises
    ------
    Forbidden
        When it is not theirs to do, or not now.
    InputError
        Everything that is missing, under the names of the fields.
    NotFound
        When the actor sees no such submission.
    """
    with transaction(actor) as connection:
        decision = _allowed(connection, receipt, Action.RECOMMEND)
        faults = _faults(given, decision.recommendation)
        if faults:
            raise InputError(faults)
        _insert(connection, _STEP, _EMPTY | {
            "id": decision.proposal_id, "action": Action.RECOMMEND, "outcome": given.outcome,
            "reason_ro": composed(given.reason_keys, given.reason, "ro"),
            "reason_en": composed(given.reason_keys, given.reason, "en"), "keys": list(given.reason_keys),
            "redirected_to": given.redirected_to.strip() if given.outcome is Outcome.REDIRECT else "",
            "departure": given.departure.strip() if departs(given.outcome, decision.recommendation) else "",
        })  # fmt: skip


def _faults(given: Recommendation, recommendation: str | None) -> list[tuple[str, MasterplanError]]:
    faults = []
    known = all(key in library() for key in given.reason_keys)
    if not known or not SHORTEST <= len(composed(given.reason_keys, given.reason, "ro")) <= LONGEST:
        faults.append(("reason", MasterplanError(REASON_NEEDED)))
    if departs(given.outcome, recommendation) and not _is_said(given.departure):
        faults.append(("departure", MasterplanError(DEPARTURE_NEEDED)))
    if given.outcome is Outcome.REDIRECT and not SHORTEST <= len(given.redirected_to.strip()) <= 300:
        faults.append(("redirected_to", MasterplanError(REDIRECT_NEEDED)))
    return faults


def _is_said(words: str) -> bool:
    return SHORTEST <= len(words.strip()) <= LONGEST


def take(receipt: str, action: Action, actor: Actor, comment: str = "") -> None:
    """Any other step: confirm, challenge, take back, declare an interest, answer, reconsider, publish, reopen.

    Raises
    ------
    Forbidden, InputError, NotFound
        As `recommend`; a comment is needed for the actions of `COMMENTED`.
    """
    with transaction(actor) as connection:
        _take(connection, receipt, action, comment)


def publish_many(codes: Sequence[str], actor: Actor) -> int:
    """Publish prepared decisions in one transaction, all or none; how many.

    Raises
    ------
    Forbidden, NotFound
        As `take`; the message says what holds one of them back.
    """
    with transaction(actor) as connection:
        for code in codes:
            _take(connection, code, Action.PUBLISH, "")
    return len(codes)


def _take(connection: Connection, receipt: str, action: Action, comment: str) -> None:
    decision = _allowed(connection, receipt, action)
    _refuse_wrong_time(decision, action)
    if action in COMMENTED and not _is_said(comment):
        raise InputError([("comment", MasterplanError(WORDS_NEEDED, least=SHORTEST, most=LONGEST))])
    given = {"id": decision.proposal_id, "comment": comment.strip()}
    if action is Action.ANSWER:
        _insert(connection, _ANSWER, given)
    else:
        _insert(connection, _STEP, _EMPTY | given | {"action": action})


def _allowed(connection: Connection, receipt: str, action: Action) -> Decision:
    """The decision as it stands, if the actor may take this step now."""
    decision = stands(connection, receipts.normalise(receipt))
    if decision.kind != "proposal":
        raise Forbidden(OBSERVATION)
    if decision.standing is Standing.INTERESTED:
        raise Forbidden(INTEREST)
    if then(actor_of(connection).role, decision.standing, decision.state, action) is None:
        raise Forbidden(NOT_NOW)
    if action in (Action.CONFIRM, Action.PUBLISH) and not decision.public:
        raise Forbidden(ACCEPT_FIRST)
    return decision


def _refuse_wrong_time(decision: Decision, action: Action) -> None:
    until = decision.answer_until
    if until is None:
        return
    over = until <= datetime.now(UTC)
    if action is Action.PUBLISH and not over:
        raise Forbidden(STILL_TIME, date=day(until, DEFAULT_LANGUAGE))
    if action is Action.ANSWER and over:
        raise Forbidden(TIME_OVER, date=day(until, DEFAULT_LANGUAGE))


def _insert(connection: Connection, statement: Any, given: dict[str, Any]) -> None:
    """The database has the last word: somebody else may have been quicker."""
    try:
        connection.execute(statement, given)
    except DBAPIError as refused:
        sqlstate = getattr(refused.orig, "sqlstate", None)
        if sqlstate == "42501":
            raise Forbidden(NOT_NOW) from refused
        if sqlstate == "23514" and "changed meanwhile" in str(refused.orig):
            raise Forbidden(MOVED_ON) from refused
        raise


# -- what waits ------------------------------------------------------------------------------

_PREPARED = text("""
    SELECT p.receipt, p.title, d.outcome, d.answer_until, d.answer_until <= now() AS ready
    FROM masterplan.decision_state d JOIN masterplan.proposal p ON p.id = d.proposal_id
    WHERE d.state = 'confirmed' ORDER BY d.answer_until, p.id
""")
_ANSWER_DAYS = text("SELECT answer_days FROM masterplan.decision_setting")
_SET_ANSWER_DAYS = text("UPDATE masterplan.decision_setting SET answer_days = :days")


def prepared(connection: Connection) -> list[Row]:
    """Confirmed decisions that are not published yet, the one first whose time to answer ends first; for staff."""
    return list(connection.execute(_PREPARED))


def answer_days(connection: Connection) -> int:
    """How many days those concerned have to answer, for decisions confirmed from now on."""
    return connection.scalar(_ANSWER_DAYS)


def set_answer_days(connection: Connection, days: int) -> None:
    """Set it, on behalf of the system."""
    connection.execute(_SET_ANSWER_DAYS, {"days": days})
