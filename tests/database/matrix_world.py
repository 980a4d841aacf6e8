"""A small world in which every cell of the matrix can be tried: somebody of each role, what is theirs, what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, CursorResult, text
from sqlalchemy.exc import DBAPIError

from masterplan import database
from masterplan.actors import PEOPLE, Actor, Role
from masterplan.permissions import Operation, Rule, Thing, Whose
from proposals.exporting import _features
from proposals.filters import ProposalFilter

#: Miroslava is the representative's own UAT, Ciurea another's.
OWN_UAT, OTHER_UAT = "97919", "96254"
#: No grant, or no policy that lets the new row in; and a function that finds nothing where it must.
REFUSED = {"42501", "P0002"}

_PROPOSAL = text("""
INSERT INTO masterplan.proposal (receipt, submission_key, kind, status, channel, author_kind, theme, title,
    description, geom, on_behalf_of, criteria_set, edition, session, account)
SELECT :receipt, :key, :kind, :status, 'online', 'citizen', 'water', 'Un titlu', '',
    ST_Transform(ST_SetSRID(ST_MakePoint(27.58, 47.16), 4326), 3844), :behalf, version, 1, :session, :account
FROM masterplan.criteria_set LIMIT 1
""")
_REST = text("""
WITH p AS (SELECT id, criteria_set FROM masterplan.proposal WHERE receipt = :receipt),
contact AS (INSERT INTO masterplan.contact (proposal_id, email, consent_version) SELECT id, :email, '1' FROM p),
measurement AS (INSERT INTO masterplan.measurement (proposal_id, measures, layer_versions, edition)
    SELECT id, '{}', '{}', 1 FROM p)
INSERT INTO masterplan.score (proposal_id, criteria_set, total, coverage, results)
    SELECT id, criteria_set, 50, 1, '{}' FROM p
""")
_ACCOUNT = text(
    "INSERT INTO masterplan.account (issuer, subject, email) VALUES ('https://login.example', :subject, :email)"
    " RETURNING id"
)
_GIVE = text("INSERT INTO masterplan.account_role (account_id, role, uats) VALUES (:account, :role, :uats)")


@dataclass(frozen=True)
class World:
    """Who acts, and the receipts of what is whose: by role for what is their own, one for what is another's."""

    actors: dict[Role, Actor]
    own: dict[tuple[Role, Thing], str]
    others: dict[Thing, str]
    nobody: int  # an account without a role, of nobody above
    somebody: int  # an account of another planner
    numbers: dict[str, int]  # receipt → number in the database, which no policy can hide


def make_world(connection: Connection) -> World:
    """Fill the database, with a connection that no policy binds."""
    actors, own = {}, {}
    for role in PEOPLE:
        account = None if role is Role.VISITOR else _account(connection, role.value, role)
        uats = (OWN_UAT,) if role is Role.UAT else ()
        actors[role] = Actor(role, "" if account is None else str(account), uats, f"session of {role.value}")
        for thing in (Thing.OBSERVATION, Thing.PROPOSAL, Thing.PUBLIC):
            own[role, thing] = _submission(connection, thing, actors[role], OWN_UAT)
    stranger = Actor(Role.UAT, str(_account(connection, "stranger", None)), (OTHER_UAT,), "another session")
    others = {
        thing: _submission(connection, thing, stranger, OTHER_UAT)
        for thing in (Thing.OBSERVATION, Thing.PROPOSAL, Thing.PUBLIC)
    }
    nobody, somebody = _account(connection, "nobody", None), _account(connection, "other", Role.PLANNER)
    numbers = dict(connection.execute(text("SELECT receipt, id FROM masterplan.proposal")).all())
    return World(actors, own, others, nobody, somebody, numbers)


def _account(connection: Connection, subject: str, role: Role | None) -> int:
    number = connection.scalar(_ACCOUNT, {"subject": subject, "email": f"{subject}@example.org"})
    if role in (Role.UAT, Role.PLANNER, Role.ADMINISTRATOR):
        uats = [OWN_UAT] if role is Role.UAT else []
        connection.execute(_GIVE, {"account": number, "role": role.value, "uats": uats})
    return number


def _submission(connection: Connection, thing: Thing, author: Actor, uat: str) -> str:
    receipt = f"{thing.name}-{author.role.value}-{uuid4().hex[:8]}"
    connection.execute(_PROPOSAL, {
        "receipt": receipt, "key": uuid4(), "kind": "proposal" if thing is Thing.PROPOSAL else "observation",
        "status": "published" if thing is Thing.PUBLIC else "submitted",
        "behalf": uat if thing is Thing.PROPOSAL else None,
        # Who is signed in finds theirs again by their account, from whatever browser.
        "session": "another browser" if author.user else author.session,
        # What is proposed for a UAT is its representatives' own, though a colleague brought it.
        "account": int(author.user) if author.user and thing is not Thing.PROPOSAL else None,
    })  # fmt: skip
    connection.execute(_REST, {"receipt": receipt, "email": f"{receipt}@example.org"})
    return receipt


# -- one cell ------------------------------------------------------------------------------

#: Runs something as an actor in a transaction, or part of one, that leaves nothing behind.
Trying = Callable[[Actor], Any]


@contextmanager
def as_the_application(actor: Actor) -> Iterator[Connection]:
    """Through the login of the application and its session hook."""
    with database.app_engine().execution_options(actor=actor).connect() as connection:
        connection.begin()
        yield connection
        connection.rollback()


def within(connection: Connection) -> Trying:
    """Within a transaction of the server's administrator, who takes the actor's role for the moment."""

    @contextmanager
    def trying(actor: Actor) -> Iterator[Connection]:
        with connection.begin_nested() as savepoint:
            database._take_role(connection, actor)
            yield connection
            savepoint.rollback()

    return trying


def succeeds(trying: Trying, actor: Actor, statement: Any, values: dict[str, Any]) -> bool:
    """Whether the database does it: a row is read or changed; anything but a refusal is an error."""
    return succeed(trying, actor, [statement], values)


def succeed(trying: Trying, actor: Actor, statements: list[Any], values: dict[str, Any]) -> bool:
    """Whether it does each of them, one after the other."""
    with trying(actor) as connection:
        try:
            with connection.begin_nested():
                return all(_touches_a_row(connection.execute(each, values)) for each in statements)
        except DBAPIError as refused:
            if refused.orig.sqlstate not in REFUSED:
                raise
            return False


def _touches_a_row(done: CursorResult) -> bool:
    return bool(done.all()) if done.returns_rows else done.rowcount > 0


def attempt(trying: Trying, world: World, rule: Rule, role: Role) -> set[bool]:
    """What the database answers to each way of doing it."""
    actor = world.actors[role]
    thing = Thing.OBSERVATION if rule.thing is Thing.RESULT else rule.thing
    if rule.thing is Thing.ACCOUNT:
        return _attempt_account(trying, world, rule, actor)
    if rule.thing is Thing.EDITION:
        return {succeeds(trying, actor, _EDITION[rule.operation], {})}
    if rule.operation is Operation.SUBMIT:
        return {_submits(trying, world, rule, actor)}
    receipt = world.own[role, thing] if rule.whose is Whose.OWN else world.others[thing]
    if thing is Thing.PROPOSAL and rule.whose is Whose.OWN and rule.operation is Operation.SEE:
        # What makes a proposal the visitor's or the stakeholder's is the tracking code they hold.
        actor = replace(actor, receipt=receipt)
    if rule.operation is Operation.EXPORT:
        return {succeeds(trying, actor, _features(ProposalFilter(receipts=(receipt,))), {})}
    statements = _RESULT if rule.thing is Thing.RESULT else _SUBMISSION
    moderated = "hidden" if rule.thing is Thing.PUBLIC else "published"
    return {
        succeeds(trying, actor, text(statement), {"r": receipt, "id": world.numbers[receipt], "moderated": moderated})
        for statement in statements[rule.operation]
    }


_SUBMISSION = {
    Operation.SEE: ["SELECT title FROM masterplan.proposal WHERE receipt = :r"],
    Operation.EDIT: ["UPDATE masterplan.proposal SET title = 'Alt titlu' WHERE receipt = :r",
                     "UPDATE masterplan.proposal SET description = 'x', theme = 'mobility' WHERE receipt = :r"],
    Operation.WITHDRAW: ["UPDATE masterplan.proposal SET status = 'withdrawn' WHERE receipt = :r"],
    Operation.MODERATE: ["UPDATE masterplan.proposal SET status = :moderated WHERE receipt = :r"],
    Operation.ASSESS: ["INSERT INTO masterplan.assessment (proposal_id, criterion, value, reason)"
                       " SELECT :id, 'coherence', 70, 'Se potrivește cu PUG.' RETURNING id"],
    Operation.DECIDE: ["INSERT INTO masterplan.decision_step (proposal_id, action, outcome, reason_ro, reason_en)"
                       " SELECT :id, 'recommend', 'integrate', 'Un motiv.', 'A reason.' RETURNING proposal_id"],
    Operation.READ_CONTACTS: ["SELECT email FROM masterplan.contact WHERE proposal_id = :id"],
}  # fmt: skip
_RESULT = {
    Operation.SEE: ["SELECT total FROM masterplan.score WHERE proposal_id = :id",
                    "SELECT measures FROM masterplan.measurement WHERE proposal_id = :id"],
    Operation.EDIT: ["UPDATE masterplan.score SET total = 100 WHERE proposal_id = :id",
                     "UPDATE masterplan.measurement SET measures = '{}' WHERE proposal_id = :id",
                     "DELETE FROM masterplan.score WHERE proposal_id = :id"],
}  # fmt: skip
_EDITION = {
    Operation.SEE: text("SELECT label FROM masterplan.edition"),
    Operation.PUBLISH: text("SELECT masterplan.publish_edition(masterplan.hold_plan(), now(), 'x', 'y')"),
}


def _submits(trying: Trying, world: World, rule: Rule, actor: Actor) -> bool:
    own = rule.whose is Whose.OWN
    behalf = (OWN_UAT if own else OTHER_UAT) if rule.thing is Thing.PROPOSAL else None
    # An observation of another's is one in the name of another account.
    account = int(actor.user) if actor.user else None
    if rule.thing is Thing.OBSERVATION and not own:
        account = world.nobody
    return succeeds(trying, actor, _PROPOSAL, {
        "receipt": uuid4().hex, "key": uuid4(), "kind": "observation" if behalf is None else "proposal",
        "status": "submitted", "behalf": behalf, "session": actor.session, "account": account,
    })  # fmt: skip


_NEW_ROLE = text("INSERT INTO masterplan.account_role (account_id, role) VALUES (:nobody, 'planner')")
_GRANTS = (
    text("UPDATE masterplan.account_role SET role = 'planner', uats = '{}' WHERE account_id = :somebody"),
    text("DELETE FROM masterplan.account_role WHERE account_id = :somebody"),
    text("UPDATE masterplan.account SET disabled_at = now() WHERE id = :somebody"),
)
_INVITATIONS = (
    text("INSERT INTO masterplan.invitation (email, role) VALUES ('new@example.org', 'administrator')"),
)


def _attempt_account(trying: Trying, world: World, rule: Rule, actor: Actor) -> set[bool]:
    own = rule.whose is Whose.OWN
    somebody = (int(actor.user) if actor.user else None) if own else world.somebody
    values = {"somebody": somebody, "nobody": somebody if own else world.nobody}
    if rule.operation is Operation.SEE:
        seen = [text("SELECT email FROM masterplan.account WHERE id = :somebody")]
        if not own or actor.role in (Role.UAT, Role.PLANNER, Role.ADMINISTRATOR):
            seen.append(text("SELECT role FROM masterplan.account_role WHERE account_id = :somebody"))
        return {succeeds(trying, actor, statement, values) for statement in seen}
    statements = list(_GRANTS) if own else [_NEW_ROLE, *_GRANTS, *_INVITATIONS]
    if own and actor.role is Role.STAKEHOLDER:
        statements.append(_NEW_ROLE)
    return {succeeds(trying, actor, statement, values) for statement in statements}
