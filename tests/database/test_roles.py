"""The database as the last lock: what each login and each role may see and do."""

from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from masterplan import database
from masterplan.actors import SYSTEM, VISITOR, Actor, Role
from masterplan.database import transaction

INSERT = text("""
INSERT INTO masterplan.proposal (receipt, submission_key, kind, status, channel, author_kind, theme, title,
    description, geom, on_behalf_of, criteria_set, edition, session, demo)
SELECT :receipt, :key, :kind, :status, :channel, 'citizen', 'water', 'Un titlu', '',
    ST_Transform(ST_SetSRID(ST_MakePoint(27.58, 47.16), 4326), 3844), :behalf, version, 1, :session, :demo
FROM masterplan.criteria_set LIMIT 1
""")


def bring(actor, **changed):
    facts = {"receipt": uuid4().hex, "key": uuid4(), "kind": "observation", "status": "submitted",
             "channel": "online", "behalf": None, "session": actor.session, "demo": False} | changed  # fmt: skip
    with transaction(actor) as connection:
        connection.execute(INSERT, facts)
    return facts["receipt"]


def seen_by(actor) -> set[str]:
    with transaction(actor) as connection:
        return set(connection.scalars(text("SELECT receipt FROM masterplan.proposal")))


ANA = Actor(Role.VISITOR, session="ana")
DAN = Actor(Role.VISITOR, session="dan")
MIROSLAVA = Actor(Role.UAT, user="m", uats=("97919",), session="m")
CIUREA = Actor(Role.UAT, user="c", uats=("96254",), session="c")
PLANNER = Actor(Role.PLANNER, user="p", session="p")


@pytest.fixture(autouse=True)
def _database(database_name):
    """Every test here works in the module's clone."""


def test_a_held_observation_is_seen_by_its_author_and_by_planners_only():
    receipt = bring(ANA)
    assert receipt in seen_by(ANA)
    assert receipt in seen_by(PLANNER)
    for other in (DAN, VISITOR, MIROSLAVA):
        assert receipt not in seen_by(other)


def test_a_published_one_is_seen_by_everyone():
    receipt = bring(ANA)
    with transaction(PLANNER) as connection:
        changed = connection.execute(text("UPDATE masterplan.proposal SET status = 'published' WHERE receipt = :r"),
                                     {"r": receipt})  # fmt: skip
    assert changed.rowcount == 1
    assert receipt in seen_by(VISITOR)


def test_only_planners_change_a_status():
    receipt = bring(ANA)
    for actor in (ANA, DAN, MIROSLAVA, VISITOR):
        with transaction(actor) as connection:
            changed = connection.execute(
                text("UPDATE masterplan.proposal SET status = 'published' WHERE receipt = :r"), {"r": receipt}
            )
        assert changed.rowcount == 0


@pytest.mark.parametrize("changed", [
    {"status": "published"}, {"channel": "letter"}, {"demo": True}, {"kind": "proposal", "behalf": "97919"},
])  # fmt: skip
def test_a_visitor_cannot_publish_claim_paper_seed_or_speak_for_a_uat(changed):
    with pytest.raises(ProgrammingError, match="row-level security"):
        bring(ANA, **changed)


def test_a_uat_speaks_for_itself_and_never_for_another():
    receipt = bring(MIROSLAVA, kind="proposal", behalf="97919")
    assert receipt in seen_by(MIROSLAVA)
    assert receipt not in seen_by(CIUREA)
    with pytest.raises(ProgrammingError, match="row-level security"):
        bring(CIUREA, kind="proposal", behalf="97919")


def test_contacts_are_left_by_anyone_and_read_by_planners_only():
    receipt = bring(ANA)
    with transaction(ANA) as connection:
        connection.execute(text(
            "INSERT INTO masterplan.contact (proposal_id, email, consent_version)"
            " SELECT id, 'canary@example.org', '1' FROM masterplan.proposal WHERE receipt = :r"
        ), {"r": receipt})  # fmt: skip
    emails = text("SELECT count(*) FROM masterplan.contact WHERE email = 'canary@example.org'")
    for actor, expected in ((ANA, 0), (DAN, 0), (MIROSLAVA, 0), (VISITOR, 0), (PLANNER, 1)):
        with transaction(actor) as connection:
            assert connection.scalar(emails) == expected, actor


@pytest.mark.parametrize("actor", [ANA, MIROSLAVA, PLANNER, SYSTEM])
def test_nobody_deletes_what_a_person_brought(actor):
    receipt = bring(ANA)
    with transaction(actor) as connection:
        assert connection.execute(text("DELETE FROM masterplan.proposal WHERE NOT demo")).rowcount == 0
    assert receipt in seen_by(PLANNER)


def test_without_a_role_nothing_can_be_brought_and_only_the_public_is_seen():
    held = bring(ANA)
    with database.app_engine().begin() as connection:
        seen = set(connection.scalars(text("SELECT receipt FROM masterplan.proposal")))
    assert held not in seen
    with pytest.raises(ProgrammingError, match="row-level security"), database.app_engine().begin() as connection:
        connection.execute(INSERT, {"receipt": "x", "key": uuid4(), "kind": "observation", "status": "submitted",
                                    "channel": "online", "behalf": None, "session": "", "demo": False})  # fmt: skip


def test_a_role_does_not_outlive_its_transaction():
    """The pool hands the same connection to the next one, who must not inherit a role."""
    with transaction(PLANNER) as connection:
        process = connection.scalar(text("SELECT pg_backend_pid()"))
    with database.app_engine().begin() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) == process
        assert connection.scalar(text("SELECT masterplan.acting_role()")) == ""


@pytest.mark.parametrize("statement", [
    "UPDATE masterplan.proposal SET title = 'x'",
    "UPDATE masterplan.feature SET name_ro = 'x'", "DELETE FROM masterplan.feature",
    "INSERT INTO masterplan.edition (id, label, status) VALUES (9, 'x', 'published')",
    "UPDATE masterplan.criteria_set SET status = 'retired'", "DROP TABLE masterplan.contact",
    "DELETE FROM masterplan.contact", "ALTER TABLE masterplan.proposal DISABLE ROW LEVEL SECURITY",
    "SET ROLE masterplan_owner", "CREATE TABLE masterplan.x (a int)", "SELECT pg_sleep(1)",
    "SELECT query_to_xml('select 1', true, true, '')",
])  # fmt: skip
def test_the_application_cannot_do_what_it_never_needs(statement):
    with pytest.raises(DBAPIError), transaction(SYSTEM) as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("statement", [
    "SELECT * FROM masterplan.proposal", "SELECT * FROM masterplan.contact", "SELECT * FROM masterplan.feature",
    "SELECT * FROM masterplan.session_role", "SELECT pg_sleep(1)", "SELECT set_config('statement_timeout', '0', false)",
    "SELECT query_to_xml('select 1', true, true, '')", "SET ROLE masterplan_public", "SELECT lo_create(0)",
    "CREATE TABLE api.x (a int)", "SELECT pg_read_file('/etc/passwd')",
    "UPDATE api.proposals SET title = 'x'", "DELETE FROM api.rings",
])  # fmt: skip
def test_the_ogc_login_reads_public_views_and_nothing_else(statement):
    engine = create_engine(database.ogc_url())
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_the_ogc_login_sees_public_proposals_without_personal_columns():
    held = bring(ANA)
    shown = bring(PLANNER, status="published")
    engine = create_engine(database.ogc_url())
    with engine.begin() as connection:
        answer = connection.execute(text("SELECT * FROM api.proposals"))
        columns, receipts = set(answer.keys()), {row.id for row in answer}
        timeout = connection.scalar(text("SHOW statement_timeout"))
    engine.dispose()
    assert shown in receipts and held not in receipts
    assert not columns & {"email", "session", "submission_key", "channel", "source_event", "attributes"}
    assert timeout == "5s"


def test_no_dangerous_function_is_left_open():
    from masterplan.provision import functions_left_open

    with transaction(SYSTEM) as connection:
        assert functions_left_open(connection) == []
