"""Decisions through the database: the table walked as every role, two people, reasons, answers, publishing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product

import pytest
from matrix_world import OTHER_UAT, OWN_UAT, Trying, World, as_the_application, make_world, within
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from masterplan import audit, database
from masterplan.actors import PEOPLE, SYSTEM, VISITOR, Actor, Role
from masterplan.database import transaction
from masterplan.errors import Forbidden, InputError
from masterplan.permissions import Thing
from proposals import decisions, receipts
from proposals.deciding import STAFF, Action, Outcome, Standing, State, then
from proposals.decisions import Recommendation, publish_many, published, recommend, stands, take
from proposals.exporting import stream_geojson
from proposals.filters import ProposalFilter

pytestmark = pytest.mark.database

_PEOPLE = frozenset(PEOPLE) - STAFF
#: What a role can be to a decision: staff bring letters in their own name, so that bringing is no standing of theirs.
POSSIBLE = {
    **{role: {Standing.NONE, Standing.SUBMITTER} for role in _PEOPLE},
    Role.UAT: {Standing.NONE, Standing.SUBMITTER, Standing.CONCERNED},
    **{role: {Standing.NONE, Standing.RECOMMENDER, Standing.CONFIRMER, Standing.INTERESTED} for role in STAFF},
}


@pytest.fixture(scope="module")
def administrator(database_name: str) -> Iterator[Connection]:
    engine = create_engine(database.admin_url())
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture(scope="module")
def world(administrator: Connection) -> World:
    made = make_world(administrator)
    administrator.execute(text("UPDATE masterplan.decision_setting SET answer_days = 0"))
    administrator.commit()
    return made


@pytest.fixture
def proposal(administrator: Connection, world: World) -> Iterator[str]:
    """A public proposal of the other UAT, recommended for integration, with a code as people type it."""
    code, number = receipts.issue(), world.numbers[world.others[Thing.PROPOSAL]]
    administrator.execute(text("UPDATE masterplan.proposal SET status = 'published', receipt = :c WHERE id = :n"),
                          {"c": code, "n": number})  # fmt: skip
    administrator.execute(text("UPDATE masterplan.score SET recommendation = 'integrate' WHERE proposal_id = :n"),
                          {"n": number})  # fmt: skip
    administrator.commit()
    yield code
    for table in ("decision_state", "decision_step", "decision"):
        administrator.execute(text(f"DELETE FROM masterplan.{table} WHERE proposal_id = :n"), {"n": number})
    administrator.commit()


def planner(world: World) -> Actor:
    return world.actors[Role.PLANNER]


def other(world: World) -> Actor:
    return world.actors[Role.ADMINISTRATOR]


INTEGRATE = Recommendation(Outcome.INTEGRATE, ("meets_criteria",))


# -- the table -------------------------------------------------------------------------------

_PLACE = text("""
INSERT INTO masterplan.decision_state (proposal_id, state, outcome, reason_ro, reason_en, reason_keys, redirected_to,
    departure, recommendation, criteria_set, received_at, recommender, confirmer, interested, concerned, answer_until)
SELECT id, :state, 'integrate', 'abc', 'abc', '{}', '', '', NULL, criteria_set, created_at, :recommender, :confirmer,
    :interested, :concerned, :until FROM masterplan.proposal WHERE id = :n
""")
_PUBLIC = text("UPDATE masterplan.proposal SET status = 'published' WHERE id = :n")
_OWN = text("UPDATE masterplan.proposal SET account = :account, session = :session WHERE id = :n")
_STATE = text("SELECT state FROM masterplan.decision_state WHERE proposal_id = :n")
_AS_STAFF = text("""
INSERT INTO masterplan.decision_step (proposal_id, action, outcome, reason_ro, reason_en, comment)
VALUES (:n, :action, :outcome, 'Un motiv.', 'A reason.', 'Un comentariu.')
""")
_AS_ANYBODY = text(
    "INSERT INTO masterplan.decision_step (proposal_id, action, comment) VALUES (:n, :action, 'Un comentariu.')"
)


def _after(connection: Connection, trying: Trying, actor: Actor, number: int, action: Action) -> State | None:
    """The state that the database comes to, or None where it refuses."""
    outcome = "integrate" if action is Action.RECOMMEND else None
    given = {"n": number, "action": action, "outcome": outcome}
    if actor.role not in STAFF and action is Action.RECOMMEND:
        return None if _refused(connection, trying, actor, given) else State.RECOMMENDED
    with connection.begin_nested() as savepoint:
        database._take_role(connection, actor)
        try:
            with connection.begin_nested():
                connection.execute(_AS_STAFF if actor.role in STAFF else _AS_ANYBODY, given)
        except DBAPIError as refused:
            assert refused.orig.sqlstate == "42501", refused
            return None
        finally:
            connection.execute(text("RESET ROLE"))
            after = connection.scalar(_STATE, {"n": number})
            savepoint.rollback()
        return State(after)


def _refused(connection: Connection, trying: Trying, actor: Actor, given: dict) -> bool:
    """People may not even name an outcome."""
    with trying(actor):
        try:
            with connection.begin_nested():
                connection.execute(_AS_STAFF, given)
        except DBAPIError as refused:
            return refused.orig.sqlstate == "42501"
    return False


@pytest.mark.parametrize("role", PEOPLE)
def test_the_database_keeps_the_table(administrator: Connection, world: World, role: Role):
    """Every standing that the role can have, every state and every action."""
    number = world.numbers[world.others[Thing.PROPOSAL]]
    actor = world.actors[role]
    me = actor.user
    different = {}
    with administrator.begin() as attempt:
        administrator.execute(_PUBLIC, {"n": number})
        for standing, state in product(POSSIBLE[role], State):
            with administrator.begin_nested() as savepoint:
                if standing is Standing.SUBMITTER:
                    account = int(actor.user) if actor.user else None
                    administrator.execute(_OWN, {"n": number, "account": account, "session": actor.session})
                administrator.execute(_PLACE, {
                    "n": number, "state": state, "until": None,
                    "recommender": me if standing is Standing.RECOMMENDER else "somebody",
                    "confirmer": me if standing is Standing.CONFIRMER else "somebody else",
                    "interested": [me] if standing is Standing.INTERESTED else [],
                    "concerned": [OWN_UAT] if standing is Standing.CONCERNED else [OTHER_UAT],
                })  # fmt: skip
                for action in Action:
                    found = _after(administrator, within(administrator), actor, number, action)
                    if found != then(role, standing, state, action):
                        different[standing, state, action] = found
                savepoint.rollback()
        attempt.rollback()
    assert different == {}


def test_the_walk_met_what_is_allowed():
    """Each allowed line of the table is of a standing that the role can have; else it was never tried."""
    allowed = [(r, s) for r, s, st, a in product(PEOPLE, Standing, State, Action) if then(r, s, st, a)]
    assert allowed and all(standing in POSSIBLE[role] for role, standing in allowed)


# -- two people ------------------------------------------------------------------------------


def test_two_planners_decide_and_everyone_reads_it_with_its_reason(
    administrator: Connection, world: World, proposal: str
):
    recommend(proposal, INTEGRATE, planner(world))
    with pytest.raises(Forbidden):
        take(proposal, Action.CONFIRM, planner(world))
    number = world.numbers[world.others[Thing.PROPOSAL]]
    with transaction(VISITOR) as connection:
        assert published(connection, number) == []
        assert stands(connection, proposal).state is State.OPEN, "what is prepared is nobody else's"
    take(proposal, Action.CONFIRM, other(world))
    assert publish_many([proposal], planner(world)) == 1
    with transaction(VISITOR) as connection:
        (told,) = published(connection, number)
    (exported,) = json.loads(b"".join(stream_geojson(ProposalFilter(receipts=(proposal,)), VISITOR)))["features"]
    with administrator.begin() as looking:
        administrator.execute(text("SET LOCAL ROLE masterplan_ogc"))
        asked = text("SELECT outcome, reason FROM api.proposals WHERE id = :r")
        shown = administrator.execute(asked, {"r": proposal}).one()
        looking.rollback()
    assert (exported["properties"]["outcome"], exported["properties"]["reason"]) == tuple(shown)
    assert shown == ("integrate", told.reason["ro"])
    assert told.outcome is Outcome.INTEGRATE and told.recommendation == "integrate" and told.departure == ""
    assert told.reason["ro"].startswith("Propunerea îndeplinește") and told.reason["en"].startswith("The proposal")
    with transaction(VISITOR) as connection:
        said = audit.history(connection, "proposal", str(number))
    assert [e.kind for e in said if e.kind.startswith("decision")] == ["decision_published"]
    assert said[-1].after["outcome"] == "integrate" and said[-1].who is None


def test_a_challenge_sends_it_back_with_its_comment(world: World, proposal: str):
    recommend(proposal, INTEGRATE, planner(world))
    with pytest.raises(InputError):
        take(proposal, Action.CHALLENGE, other(world), "  ")
    take(proposal, Action.CHALLENGE, other(world), "Lipsește avizul apelor.")
    with transaction(planner(world)) as connection:
        found = stands(connection, proposal)
    assert found.state is State.CHALLENGED
    assert [(s.action, s.comment) for s in found.steps][-1] == ("challenge", "Lipsește avizul apelor.")


@pytest.mark.parametrize(("given", "field"), [
    (Recommendation(Outcome.INTEGRATE), "reason"),
    (Recommendation(Outcome.INTEGRATE, (), " a "), "reason"),
    (Recommendation(Outcome.INTEGRATE, ("unheard",)), "reason"),
    (Recommendation(Outcome.REJECT, ("flood",)), "departure"),
    (Recommendation(Outcome.REDIRECT, ("other_scale",), departure="Nu ne privește."), "redirected_to"),
])  # fmt: skip
def test_what_is_missing_is_said_at_its_field(world: World, proposal: str, given: Recommendation, field: str):
    with pytest.raises(InputError) as refused:
        recommend(proposal, given, planner(world))
    assert [name for name, _ in refused.value.faults] == [field]


def test_the_database_itself_wants_a_reason_and_why_one_departs(world: World, proposal: str):
    number = world.numbers[world.others[Thing.PROPOSAL]]
    for values in ("'integrate', '', ''", "'integrate', 'a', 'a'", "'reject', 'Un motiv.', 'A reason.'"):
        with pytest.raises(DBAPIError) as refused, transaction(planner(world)) as connection:
            connection.execute(text(
                "INSERT INTO masterplan.decision_step (proposal_id, action, outcome, reason_ro, reason_en)"
                f" VALUES (:n, 'recommend', {values})"
            ), {"n": number})  # fmt: skip
        assert refused.value.orig.sqlstate == "23514"


def test_who_departs_says_so_in_public_and_who_does_not_says_nothing_needless(world: World, proposal: str):
    recommend(proposal, Recommendation(Outcome.REJECT, ("flood",), departure="Albia s-a mutat."), planner(world))
    take(proposal, Action.CONFIRM, other(world))
    take(proposal, Action.PUBLISH, other(world))
    number = world.numbers[world.others[Thing.PROPOSAL]]
    with transaction(VISITOR) as connection:
        assert published(connection, number)[0].departure == "Albia s-a mutat."


# -- interest --------------------------------------------------------------------------------


def test_who_declares_an_interest_is_left_out_and_what_they_did_is_undone(world: World, proposal: str):
    recommend(proposal, INTEGRATE, planner(world))
    take(proposal, Action.DECLARE_INTEREST, planner(world), "Am teren alături.")
    with transaction(planner(world)) as connection:
        assert stands(connection, proposal).state is State.OPEN
    with pytest.raises(Forbidden, match="declared an interest"):
        recommend(proposal, INTEGRATE, planner(world))


# -- answers ---------------------------------------------------------------------------------


@pytest.fixture
def ten_days(administrator: Connection) -> Iterator[None]:
    administrator.execute(text("UPDATE masterplan.decision_setting SET answer_days = 10"))
    administrator.commit()
    yield
    administrator.execute(text("UPDATE masterplan.decision_setting SET answer_days = 0"))
    administrator.commit()


def test_those_concerned_read_it_and_answer_and_nobody_publishes_before(world: World, proposal: str, ten_days: None):
    """The site lies in Iași (95060), on behalf of the other UAT; Miroslava is not concerned."""
    recommend(proposal, INTEGRATE, planner(world))
    take(proposal, Action.CONFIRM, other(world))
    with pytest.raises(Forbidden, match="may answer until"):
        publish_many([proposal], planner(world))
    with pytest.raises(DBAPIError), transaction(planner(world)) as connection:
        connection.execute(text("INSERT INTO masterplan.decision_step (proposal_id, action) VALUES (:n, 'publish')"),
                           {"n": world.numbers[world.others[Thing.PROPOSAL]]})  # fmt: skip
    own, iasi = world.actors[Role.UAT], Actor(Role.UAT, "", ("95060",), "of Iași")
    behalf = Actor(Role.UAT, "", (OTHER_UAT,), "of the other")
    for actor, standing in ((own, Standing.NONE), (iasi, Standing.CONCERNED), (behalf, Standing.CONCERNED)):
        with transaction(actor) as connection:
            found = stands(connection, proposal)
        assert found.standing is standing
        assert found.outcome is (None if standing is Standing.NONE else Outcome.INTEGRATE)
        if standing is Standing.CONCERNED:
            take(proposal, Action.ANSWER, actor, f"Suntem de acord: {actor.session}.")
    with pytest.raises(Forbidden):
        take(proposal, Action.ANSWER, own, "Și noi?")
    with transaction(planner(world)) as connection:
        answers = [s.comment for s in stands(connection, proposal).steps if s.action == "answer"]
    assert answers == ["Suntem de acord: of Iași.", "Suntem de acord: of the other."]


# -- publishing ------------------------------------------------------------------------------


def test_one_that_is_not_ready_holds_back_the_whole_batch(world: World, proposal: str):
    recommend(proposal, INTEGRATE, planner(world))
    take(proposal, Action.CONFIRM, other(world))
    with pytest.raises(Exception, match="no submission"):
        publish_many([proposal, receipts.issue()], planner(world))
    with transaction(planner(world)) as connection:
        assert stands(connection, proposal).state is State.CONFIRMED
        assert [row.ready for row in decisions.prepared(connection)] == [True]


def test_a_reopened_decision_stays_readable_and_is_not_in_force(world: World, proposal: str):
    recommend(proposal, INTEGRATE, planner(world))
    take(proposal, Action.CONFIRM, other(world))
    take(proposal, Action.PUBLISH, other(world))
    take(proposal, Action.REOPEN, planner(world), "Datele s-au schimbat.")
    number = world.numbers[world.others[Thing.PROPOSAL]]
    with transaction(VISITOR) as connection:
        (told,) = published(connection, number)
    assert told.reopened_at is not None
    with transaction(planner(world)) as connection:
        assert stands(connection, proposal).state is State.OPEN


def test_no_role_changes_or_deletes_a_step_or_a_published_decision(world: World):
    for table, role in product(("decision_step", "decision_state", "decision"), (*PEOPLE, Role.SYSTEM)):
        for statement in (f"DELETE FROM masterplan.{table}", f"UPDATE masterplan.{table} SET proposal_id = 1"):
            with pytest.raises(DBAPIError, match="permission denied"), as_the_application(
                Actor(role, session="x")
            ) as connection:
                connection.execute(text(statement))


def test_the_command_line_sets_how_long_one_may_answer():
    with transaction(SYSTEM) as connection:
        before = decisions.answer_days(connection)
        decisions.set_answer_days(connection, 14)
        assert decisions.answer_days(connection) == 14
        decisions.set_answer_days(connection, before)
