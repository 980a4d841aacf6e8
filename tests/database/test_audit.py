"""The history: what is done is noted by itself, in one chain, and a changed past is named."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from uuid import uuid4

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

import cli
from masterplan import audit, database
from masterplan.actors import PEOPLE, SYSTEM, Actor, Role
from masterplan.database import owner_transaction, transaction
from proposals.submission import Submission
from proposals.submitting import Outcome, set_status, submit

pytestmark = pytest.mark.database

PLANNER = Actor(Role.PLANNER, user="demo", session="a planner's browser")
VISITOR = Actor(Role.VISITOR, session="a visitor's browser")
CANARY = "canary@example.org"


@pytest.fixture(autouse=True)
def _database(database_name: str) -> None:
    """Every test here works in this module's database."""


@pytest.fixture
def administrator(database_name: str) -> Iterator[Connection]:
    """The server's administrator, whom nothing binds but the triggers; what it does is rolled back."""
    engine = create_engine(database.admin_url())
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def bring(**given) -> Outcome:
    return submit(Submission(**{
        "submission_key": uuid4(), "kind": "observation", "theme": "water", "title": "Apă pe stradă",
        "description": f"Scrieți-mi la {CANARY}.", "geometry": {"type": "Point", "coordinates": [27.58, 47.16]},
        "email": CANARY,
    } | given), VISITOR)  # fmt: skip


def number_of(receipt: str) -> str:
    with transaction(SYSTEM) as connection:
        statement = text("SELECT id::text FROM masterplan.proposal WHERE receipt = :r")
        return connection.scalar(statement, {"r": receipt})


def kinds(actor: Actor, receipt: str) -> list[tuple[str, str]]:
    with transaction(actor) as connection:
        return [(e.kind, e.role) for e in audit.history(connection, "proposal", number_of(receipt))]


def verified(remembered: audit.Head | None = None) -> audit.Verified:
    with transaction(SYSTEM) as connection:
        return audit.verify(connection, remembered)


# -- what is noted ---------------------------------------------------------------------------


def test_what_is_done_to_a_submission_is_noted_with_who_before_and_after():
    brought = bring()
    set_status([brought.receipt], "published", PLANNER)
    with transaction(SYSTEM) as connection:
        noted = [e for e in audit.newest(connection, 50) if e.subject == number_of(brought.receipt)]
    assert [(e.kind, e.role, e.who) for e in reversed(noted)] == [
        ("proposal_submitted", "visitor", ""), ("proposal_moderated", "planner", "demo"),
    ]  # fmt: skip
    moderated, submitted = noted
    assert (moderated.before, moderated.after) == ({"status": "submitted"}, {"status": "published"})
    assert submitted.before is None
    assert submitted.after["channel"] == "online" and submitted.after["criteria_set"] == "v0"
    assert moderated.number == submitted.number + 1


def test_what_was_done_twice_and_changed_nothing_is_noted_once():
    brought = bring()
    for _ in range(2):
        set_status([brought.receipt], "published", PLANNER)
    assert [kind for kind, _ in kinds(SYSTEM, brought.receipt)] == ["proposal_submitted", "proposal_moderated"]


def test_what_was_rolled_back_is_not_in_the_history():
    before = verified().head
    with pytest.raises(RuntimeError), transaction(SYSTEM) as connection:
        connection.execute(text("UPDATE masterplan.proposal SET status = 'hidden'"))
        raise RuntimeError
    assert verified().head == before


def test_roles_and_sets_are_noted():
    with transaction(VISITOR) as connection:
        number = connection.scalar(text(
            "SELECT masterplan.sign_in('https://login.example', 'a', :email, true, '', 1)"), {"email": CANARY})
    with transaction(SYSTEM) as connection:
        for statement in (
            "INSERT INTO masterplan.account_role (account_id, role) VALUES (:n, 'planner')",
            "UPDATE masterplan.account_role SET role = 'uat', uats = '{95060}' WHERE account_id = :n",
            "UPDATE masterplan.account SET disabled_at = now() WHERE id = :n",
            "DELETE FROM masterplan.account_role WHERE account_id = :n",
        ):
            connection.execute(text(statement), {"n": number})
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.edition SET note = 'x', label = 'Prima' WHERE id = 1"))
    with transaction(SYSTEM) as connection:
        noted = list(audit.newest(connection, 5))[::-1]
    planner, uat = {"role": "planner", "uats": []}, {"role": "uat", "uats": ["95060"]}
    assert [(e.kind, e.subject, e.role, e.before, e.after) for e in noted] == [
        ("role_given", str(number), "system", None, planner),
        ("role_changed", str(number), "system", planner, uat),
        ("account_disabled", str(number), "system", {"disabled": False}, {"disabled": True}),
        ("role_taken", str(number), "system", uat, None),
        ("edition_changed", "1", "owner", {"status": "draft", "label": "Ediția 1", "sha256": None},
         {"status": "draft", "label": "Prima", "sha256": None}),
    ]  # fmt: skip


def test_no_event_holds_what_a_person_wrote():
    bring()
    with transaction(SYSTEM) as connection:
        found = connection.scalar(text("SELECT count(*) FROM masterplan.event e WHERE e::text ~* 'canary|stradă'"))
        whole = connection.scalar(text("SELECT count(*) FROM masterplan.contact WHERE email = :e"), {"e": CANARY})
    assert (found, whole > 0) == (0, True)


# -- who reads it ----------------------------------------------------------------------------


def test_the_public_history_is_of_what_is_public_and_leaves_out_who_and_what_is_internal():
    brought = bring()
    stranger = Actor(Role.VISITOR, session="another browser")
    assert kinds(stranger, brought.receipt) == []
    assert kinds(VISITOR, brought.receipt) == [("proposal_submitted", "visitor")]
    set_status([brought.receipt], "published", PLANNER)
    with transaction(PLANNER) as connection:
        connection.execute(text(
            "INSERT INTO masterplan.assessment (proposal_id, criterion, value, reason)"
            " VALUES (:n, 'coherence', 1, 'abc')"
        ), {"n": number_of(brought.receipt)})  # fmt: skip
    assert kinds(stranger, brought.receipt) == [("proposal_submitted", "visitor"), ("proposal_moderated", "planner")]
    assert ("assessment_made", "planner") in kinds(PLANNER, brought.receipt)
    with transaction(stranger) as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.execute(text("SELECT who FROM masterplan.event"))


@pytest.mark.parametrize("role", [*PEOPLE, Role.SYSTEM, Role.MEASURER])
@pytest.mark.parametrize("statement", [
    "UPDATE masterplan.event SET who = ''", "DELETE FROM masterplan.event", "TRUNCATE masterplan.event",
    "INSERT INTO masterplan.event (kind, role, who, subject_kind, subject) VALUES ('abc', '', '', 'layer', '')",
    "SELECT masterplan.note_event('abc', 'layer', '', NULL, NULL)",
])  # fmt: skip
def test_no_role_writes_changes_or_deletes_an_event(role: Role, statement: str):
    with pytest.raises(DBAPIError, match="permission denied"), transaction(Actor(role, session="x")) as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("statement", ["UPDATE masterplan.event SET who = 'x'", "TRUNCATE masterplan.event"])
def test_not_even_the_owner_changes_the_past(statement: str):
    with pytest.raises(DBAPIError, match="append-only"), owner_transaction() as connection:
        connection.execute(text(statement))


def test_the_owner_finds_nothing_that_it_may_delete():
    with owner_transaction() as connection:
        assert connection.execute(text("DELETE FROM masterplan.event")).rowcount == 0


# -- the chain -------------------------------------------------------------------------------


def test_the_first_hash_is_what_the_documentation_says():
    """By hand, from the written form: the length of each part and the part, after the hash before."""
    with transaction(SYSTEM) as connection:
        first = connection.execute(text(
            "SELECT *, (extract(epoch FROM at) * 1000000)::bigint AS micros, after::text AS written"
            " FROM masterplan.event WHERE number = 1"
        )).one()  # fmt: skip
    parts = ["1", str(first.micros), first.kind, first.role, first.who, first.subject_kind, first.subject]
    form = "".join(f"{len(part.encode())}:{part}" for part in parts) + "-" + f"{len(first.written)}:{first.written}"
    assert first.hash == sha256(sha256(b"masterplan").digest() + form.encode()).digest()


def test_many_at_once_make_one_chain_without_a_gap():
    before = verified().head.number
    with ThreadPoolExecutor(8) as hands:
        list(hands.map(lambda _: bring(), range(24)))
    after = verified()
    assert after.fault is None
    assert after.head.number == before + 24


@pytest.mark.parametrize(("tampering", "says"), [
    ("UPDATE masterplan.event SET who = 'another' WHERE number = 5", "Event 5 is not what was written"),
    ("UPDATE masterplan.event SET at = at - interval '1 microsecond' WHERE number = 5", "Event 5 is not"),
    ("UPDATE masterplan.event SET after = after || '{\"a\": 1}' WHERE number = 7", "Event 7 is not"),
    ("DELETE FROM masterplan.event WHERE number = 5", "Event 5 is missing; the next one there is 6"),
    ("DELETE FROM masterplan.event WHERE number = 1", "Event 1 is missing"),
    ("DELETE FROM masterplan.event WHERE number = 5;"
     " UPDATE masterplan.event SET number = number - 1 WHERE number = 6", "Event 5 does not follow"),
    ("UPDATE masterplan.event SET hash = sha256('x') WHERE number = 6", "Event 6 is not what was written"),
    ("INSERT INTO masterplan.event (kind, role, who, subject_kind, subject) VALUES ('abc', '', '', 'layer', '')",
     "An event stands outside the chain: abc"),
])  # fmt: skip
def test_a_changed_past_is_named(administrator: Connection, tampering: str, says: str):
    """By who may do everything: the triggers are switched off first."""
    with administrator.begin() as attempt:
        administrator.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in tampering.split(";"):
            administrator.execute(text(statement))
        found = audit.verify(administrator)
        attempt.rollback()
    assert str(found.fault).startswith(says)
    assert verified().fault is None


def test_a_history_cut_off_or_written_anew_is_noticed_against_a_head_kept_elsewhere(administrator: Connection):
    bring()
    head = verified().head
    assert verified(head).fault is None
    with administrator.begin() as attempt:
        administrator.execute(text("SET LOCAL session_replication_role = replica"))
        administrator.execute(text("DELETE FROM masterplan.event WHERE number = :n"), {"n": head.number})
        alone, against = audit.verify(administrator), audit.verify(administrator, head)
        attempt.rollback()
    assert alone.fault is None
    assert str(against.fault) == (
        f"The history ends at event {head.number - 1}; event {head.number}, written down before, is not there."
    )
    assert "written anew" in str(verified(replace(head, digest="0" * 64)).fault)


def test_the_command_says_the_head_and_ends_with_1_at_a_fault():
    head = verified().head
    done = CliRunner().invoke(cli.app(), ["audit", "verify", "--head", str(head)])
    assert (done.exit_code, done.output) == (0, f"The history is whole: {head.number} events. Its head: {head}\n")
    wrong = CliRunner().invoke(cli.app(), ["audit", "verify", "--head", f"{head.number + 1}:{head.digest}"])
    assert wrong.exit_code == 1 and f"The history ends at event {head.number}" in wrong.output


def test_the_lock_is_held_for_the_commit_only():
    """Whoever submits meanwhile does not wait while this one is measured."""
    free = text("SELECT pg_try_advisory_xact_lock(hashtextextended('masterplan audit', 0))")
    row = text(
        "INSERT INTO masterplan.proposal (receipt, submission_key, kind, channel, author_kind, theme, title,"
        " description, geom, criteria_set, edition, session) VALUES ('lock', gen_random_uuid(),"
        " 'observation', 'online', 'citizen', 'water', 'Abc', '',"
        " ST_SetSRID(ST_MakePoint(695000, 632000), 3844), 'v0', 1, 'a visitor''s browser')"
    )
    with transaction(VISITOR) as connection:
        connection.execute(row)
        with transaction(SYSTEM) as another:
            assert another.scalar(free)
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        with transaction(SYSTEM) as another:
            assert not another.scalar(free), "this is the lock that the end of the transaction takes"
