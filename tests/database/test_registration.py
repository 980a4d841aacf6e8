"""The registry has a number for each submission, without a gap; an observation becomes a proposal linked to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import text

from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import owner_transaction, transaction
from masterplan.errors import Forbidden, InputError, MasterplanError
from proposals import seeding
from proposals.registration import entry, related, turn_into_proposal
from proposals.submission import Submission
from proposals.submitting import Outcome, set_status, submit

pytestmark = pytest.mark.database
PLANNER = Actor(Role.PLANNER, user="demo", session="a planner's browser")
VISITOR = Actor(Role.VISITOR, session="a visitor's browser")


@pytest.fixture(autouse=True)
def _database(database_name: str) -> None:
    """Each test begins with an empty registry."""
    with owner_transaction() as connection:
        connection.execute(text("TRUNCATE masterplan.proposal CASCADE"))


def bring(title: str = "Apă pe stradă", actor: Actor = VISITOR, **given) -> Outcome:
    return submit(Submission(**{
        "submission_key": uuid4(), "kind": "observation", "theme": "water", "title": title, "description": "Mereu.",
        "geometry": {"type": "Point", "coordinates": [27.58, 47.16]},
    } | given), actor)  # fmt: skip


def numbers() -> list[tuple[int, int]]:
    with transaction(SYSTEM) as connection:
        found = connection.execute(text("SELECT year, number FROM masterplan.registry ORDER BY year, number"))
        return [tuple(row) for row in found]


def test_many_at_once_and_some_that_fail_leave_no_gap():
    def some(number: int) -> None:
        if number % 3:
            bring()
            return
        with pytest.raises(RuntimeError), transaction(SYSTEM) as connection:
            connection.execute(text(
                "INSERT INTO masterplan.proposal (receipt, submission_key, kind, channel, author_kind, theme, title,"
                " description, geom, criteria_set, edition) SELECT gen_random_uuid()::text, gen_random_uuid(),"
                " 'observation', 'online', 'citizen', 'water', 'Abc', '',"
                " ST_SetSRID(ST_MakePoint(695000, 632000), 3844), 'v0', 1"
            ))  # fmt: skip
            raise RuntimeError

    with ThreadPoolExecutor(6) as hands:
        list(hands.map(some, range(18)))
    (year,) = {year for year, _ in numbers()}
    assert numbers() == [(year, n) for n in range(1, 13)]


def test_the_entry_says_when_and_how_it_came_and_made_up_rows_have_none():
    seeding.seed(20, 3)
    with transaction(SYSTEM) as connection:
        connection.execute(text("DELETE FROM masterplan.proposal WHERE demo"))
    assert numbers() == []
    letter = bring(actor=PLANNER, channel="letter", source_event="Scrisoarea nr. 7")
    with transaction(PLANNER) as connection:
        found = entry(connection, letter.proposal_id)
    assert (found.number, found.channel) == (1, "letter")
    assert found.registered_at >= letter.created_at
    with transaction(Actor(Role.VISITOR, session="another")) as connection:
        assert entry(connection, letter.proposal_id) is None


def test_a_new_year_begins_with_one():
    bring()
    with transaction(SYSTEM) as connection:
        year = connection.scalar(text("SELECT year FROM masterplan.registry"))
    enter = text("SELECT masterplan.enter_registry(NULL, make_timestamptz(:y, 12, 31, :hour, 30, 0, 'UTC'))")
    with owner_transaction() as connection:
        for hour in (22, 21):
            connection.execute(enter, {"y": year, "hour": hour})
    assert numbers() == [(year, 1), (year, 2), (year + 1, 1)], "by the zone's clock"


def test_an_observation_becomes_a_proposal_linked_to_it_once():
    seen = bring("Parc pe mal", theme="green_blue")
    code = turn_into_proposal(seen.receipt, "Parc liniar", "95060", PLANNER)
    assert turn_into_proposal(seen.receipt, "Parc liniar", "95060", PLANNER) == code
    set_status([code], "published", PLANNER)
    with transaction(PLANNER) as connection:
        (made,) = related(connection, seen.proposal_id)
        row = connection.execute(text(
            "SELECT id, kind, theme, title, description, on_behalf_of, author_kind FROM masterplan.proposal"
            " WHERE receipt = :c"), {"c": code}).one()  # fmt: skip
        (origin,) = related(connection, row.id)
        same = connection.scalar(text(
            "SELECT ST_DWithin(a.geom, b.geom, 0.01) FROM masterplan.proposal a, masterplan.proposal b"
            " WHERE a.id = :a AND b.id = :b"), {"a": row.id, "b": seen.proposal_id})  # fmt: skip
    assert (made.receipt, made.kind) == (code, "proposal")
    assert (origin.receipt, origin.kind) == (seen.receipt, "observation")
    assert tuple(row)[1:] == ("proposal", "green_blue", "Parc liniar", "Mereu.", "95060", "citizen") and same
    with transaction(Actor(Role.VISITOR, session="another")) as connection:
        assert related(connection, row.id) == [], "the observation is not public"


def test_who_may_not_and_what_cannot_be_turned_are_told():
    seen = bring()
    with pytest.raises(Forbidden):
        turn_into_proposal(seen.receipt, "Parc liniar", "95060", VISITOR)
    with pytest.raises(InputError):
        turn_into_proposal(seen.receipt, "Parc liniar", "", PLANNER)
    set_status([seen.receipt], "hidden", PLANNER, "Date personale.")
    with pytest.raises(MasterplanError, match="Only an observation"):
        turn_into_proposal(seen.receipt, "Parc liniar", "95060", PLANNER)
