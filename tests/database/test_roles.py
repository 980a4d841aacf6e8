"""The database as the last lock: what each login and each role may see and do."""

import time
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from masterplan import database
from masterplan.actors import PUBLIC_ROLES, SYSTEM, VISITOR, Actor, Role
from masterplan.database import transaction
from masterplan.settings import settings

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


def test_only_planners_publish():
    receipt = bring(ANA)
    publish = text("UPDATE masterplan.proposal SET status = 'published' WHERE receipt = :r")
    with pytest.raises(ProgrammingError, match="row-level security"), transaction(ANA) as connection:
        connection.execute(publish, {"r": receipt})
    for actor in (DAN, VISITOR, MIROSLAVA):
        with transaction(actor) as connection:
            assert connection.execute(publish, {"r": receipt}).rowcount == 0
    assert receipt not in seen_by(VISITOR)


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


def test_contacts_are_read_by_planners_only_and_left_by_the_measurer_of_that_submission():
    mine, others = bring(ANA, key=(key := uuid4())), bring(ANA)
    leave = text(
        "INSERT INTO masterplan.contact (proposal_id, email, consent_version) VALUES (:id, 'canary@example.org', '1')"
    )
    with transaction(PLANNER) as connection:
        number = dict(connection.execute(text("SELECT receipt, id FROM masterplan.proposal")).all())
    measurer = Actor(Role.MEASURER, key=str(key))
    with transaction(measurer) as connection:
        connection.execute(leave, {"id": number[mine]})
    with pytest.raises(ProgrammingError, match="row-level security"), transaction(measurer) as connection:
        connection.execute(leave, {"id": number[others]})
    emails = text("SELECT count(*) FROM masterplan.contact WHERE email = 'canary@example.org'")
    for actor in (ANA, DAN, MIROSLAVA, VISITOR, measurer):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction(actor) as connection:
            connection.execute(emails)
    with transaction(PLANNER) as connection:
        assert connection.scalar(emails) == 1


@pytest.mark.parametrize("actor", [ANA, MIROSLAVA, PLANNER])
def test_nobody_deletes_what_a_person_brought(actor):
    bring(ANA)
    with pytest.raises(ProgrammingError, match="permission denied"), transaction(actor) as connection:
        connection.execute(text("DELETE FROM masterplan.proposal"))


def test_the_system_deletes_demonstration_rows_only():
    kept, gone = bring(ANA), bring(SYSTEM, demo=True)
    with transaction(SYSTEM) as connection:
        connection.execute(text("DELETE FROM masterplan.proposal"))
    assert kept in seen_by(PLANNER)
    assert gone not in seen_by(PLANNER)


# -- who acts, in every transaction ----------------------------------------------------------


def test_a_transaction_that_names_no_actor_is_refused():
    with pytest.raises(database.NoActor), database.app_engine().begin():
        pass
    with pytest.raises(database.NoActor), database.app_engine().connect() as connection:
        connection.execute(text("SELECT 1"))


@pytest.mark.parametrize("login", [database.APP_ROLE, database.PUBLIC_APP_ROLE])
@pytest.mark.parametrize("statement", [
    "SELECT 1 FROM masterplan.proposal", "SELECT 1 FROM masterplan.layer", "SELECT 1 FROM api.rings",
    "INSERT INTO masterplan.job (kind) VALUES ('x')", "CREATE TEMPORARY TABLE x (a int)",
])  # fmt: skip
def test_a_login_by_itself_may_do_nothing(login, statement):
    with pytest.raises(ProgrammingError, match="permission denied"), _raw(login).begin() as connection:
        connection.execute(text(statement))


def _raw(login: str):
    """The login without our session hook, as other code would use it; one connection in the pool."""
    return create_engine(database._login(login), pool_size=1, max_overflow=0)


def test_a_committed_set_role_leaks_from_a_pool_but_not_from_ours():
    engine = _raw(database.APP_ROLE)
    with engine.begin() as connection:
        connection.execute(text("SET ROLE masterplan_planner"))
    with engine.begin() as connection:
        leaked = connection.scalar(text("SELECT current_user"))
    engine.dispose()
    assert leaked == "masterplan_planner", "why the hook exists"

    with transaction(VISITOR) as connection:
        process = connection.scalar(text("SELECT pg_backend_pid()"))
        connection.execute(text("SET ROLE masterplan_administrator"))
        connection.execute(text("SET masterplan.session = 'of somebody else'"))
        connection.execute(text("SET search_path = pg_temp"))
    with transaction(ANA) as connection:
        now = connection.execute(text(
            "SELECT pg_backend_pid(), current_user, current_setting('masterplan.session'),"
            " current_setting('search_path')"
        )).one()  # fmt: skip
    assert now == (process, "masterplan_visitor", "ana", '"$user", public')
    driver = database.app_engine().raw_connection()
    left = driver.execute("SELECT current_user, current_setting('masterplan.session', true)").fetchone()
    driver.close()
    assert left == ("masterplan_app", ""), "between two transactions the connection is nobody's"


def test_an_error_leaves_nothing_behind_either():
    with pytest.raises(ProgrammingError), transaction(PLANNER) as connection:
        connection.execute(text("SELECT 1 FROM masterplan.no_such_table"))
    with transaction(VISITOR) as connection:
        assert connection.scalar(text("SELECT current_user")) == "masterplan_visitor"


@pytest.mark.parametrize("setting", ["masterplan.role", "masterplan.user", "masterplan.uats", "role"])
def test_no_expression_changes_who_acts(setting):
    """What an injected value could reach inside a query: a function, but no statement of its own."""
    denied = pytest.raises(ProgrammingError, match="permission denied for function set_config")
    with denied, transaction(ANA) as connection:
        connection.execute(text("SELECT set_config(:name, 'masterplan_planner', true)"), {"name": setting})


def test_acting_as_another_for_a_moment_ends():
    with transaction(ANA) as connection:
        with database.acting_as(connection, PLANNER):
            assert connection.scalar(text("SELECT current_user")) == "masterplan_planner"
        assert connection.scalar(text("SELECT current_user")) == "masterplan_visitor"
        assert database.actor_of(connection) == ANA


# -- the logins ------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [role for role in Role if role not in PUBLIC_ROLES])
def test_the_public_login_cannot_become_staff(role):
    engine = _raw(database.PUBLIC_APP_ROLE)
    with pytest.raises(ProgrammingError, match="permission denied to set role"), engine.begin() as connection:
        connection.execute(text(f"SET ROLE {database.role_of(role)}"))
    engine.dispose()


def test_a_public_process_submits_and_shows_results_with_its_own_login(monkeypatch):
    from proposals.submitting import load_result, submit
    from tests.database.test_submitting import observation

    database.dispose()
    monkeypatch.setenv("MASTERPLAN_PROCESS", "public")
    settings.cache_clear()
    try:
        outcome = submit(observation(email="ana@exemplu.ro"), ANA)
        with transaction(DAN) as connection:
            assert connection.scalar(text("SELECT session_user")) == "masterplan_app_public"
            assert load_result(connection, outcome.receipt).score == outcome.score
        with pytest.raises(ProgrammingError, match="permission denied to set role"), transaction(PLANNER):
            pass
    finally:
        database.dispose()
        monkeypatch.undo()
        settings.cache_clear()


def test_logins_inherit_nothing_and_wait_for_nobody_for_long():
    with transaction(SYSTEM) as connection:
        rows = connection.execute(text(
            "SELECT rolname, rolinherit, rolsuper, rolbypassrls, rolcreaterole, rolconfig FROM pg_roles"
            " WHERE rolname LIKE 'masterplan\\_%' AND rolcanlogin"
        )).all()  # fmt: skip
    logins = {row.rolname: row for row in rows}
    assert set(logins) == {"masterplan_owner", "masterplan_app", "masterplan_app_public", "masterplan_ogc"}
    for name in ("masterplan_app", "masterplan_app_public", "masterplan_ogc"):
        assert not any(logins[name][1:5]), name
        limits = {entry.partition("=")[0] for entry in logins[name].rolconfig}
        assert limits >= {"statement_timeout", "idle_in_transaction_session_timeout"}, name


def test_a_transaction_left_open_is_ended():
    with transaction(VISITOR) as connection:
        limits = [connection.scalar(text(f"SHOW {name}")) for name in
                  ("statement_timeout", "idle_in_transaction_session_timeout")]  # fmt: skip
    assert limits == ["30s", "1min"]
    with pytest.raises(DBAPIError) as ended, transaction(VISITOR) as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '100ms'"))
        while True:
            time.sleep(0.3)
            connection.execute(text("SELECT 1"))
    assert ended.value.connection_invalidated
    with transaction(VISITOR) as connection:
        assert connection.scalar(text("SELECT 1")) == 1, "the next one has a connection again"


def test_every_table_is_locked_also_for_its_owner():
    with transaction(SYSTEM) as connection:
        tables = connection.execute(text(
            "SELECT relname, relrowsecurity AND relforcerowsecurity AS locked FROM pg_class"
            " WHERE relnamespace = 'masterplan'::regnamespace AND relkind IN ('r', 'p')"
        )).all()  # fmt: skip
    assert len(tables) >= 19
    assert [table.relname for table in tables if not table.locked] == []


def test_views_of_the_application_read_as_who_asks_and_public_ones_as_a_role_that_owns_no_table():
    with transaction(SYSTEM) as connection:
        views = connection.execute(text(
            "SELECT n.nspname AS schema, c.relname, coalesce(c.reloptions, '{}') AS options,"
            " pg_get_userbyid(c.relowner) AS owner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'v' AND n.nspname IN ('masterplan', 'api')"
        )).all()  # fmt: skip
        owner = connection.execute(text(
            "SELECT rolcanlogin, rolbypassrls, rolsuper, (SELECT count(*) FROM pg_class WHERE relowner = r.oid"
            " AND relkind IN ('r', 'p')) FROM pg_roles r WHERE rolname = 'masterplan_public'"
        )).one()  # fmt: skip
    assert owner == (False, False, False, 0)
    assert {view.schema for view in views} == {"masterplan", "api"}
    for view in views:
        if view.schema == "masterplan":
            assert {"security_invoker=true", "security_invoker=on"} & set(view.options), view.relname
        else:
            assert {"security_barrier=true", "security_barrier=on"} & set(view.options), view.relname
            assert view.owner == "masterplan_public", view.relname


def test_a_public_view_that_reads_as_who_asks_is_refused_to_ogc():
    """Why the public views are no `security_invoker`: tipg would not even start."""
    engine = create_engine(database.admin_url())
    with engine.connect() as connection:
        connection.begin()
        connection.execute(text("ALTER VIEW api.rings SET (security_invoker)"))
        connection.execute(text("SET LOCAL ROLE masterplan_ogc"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text("SELECT 1 FROM api.rings"))
        connection.rollback()
    engine.dispose()


def test_the_ogc_login_may_read_the_public_views_and_no_other_relation():
    engine = create_engine(database.ogc_url())
    with engine.connect() as connection:
        readable = connection.execute(text(
            "SELECT DISTINCT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"
            " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
            " AND has_schema_privilege(n.oid, 'USAGE') AND n.nspname <> 'public'"
            " AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'USAGE, SELECT')"
            " ELSE has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE') END"
        )).scalars().all()  # fmt: skip
        writable = connection.scalar(text(
            "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'v') AND relnamespace IN"
            " ('api'::regnamespace, 'public'::regnamespace) AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE')"
        ))  # fmt: skip
    engine.dispose()
    assert readable == ["api"]
    assert writable == 0


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
    with pytest.raises(DBAPIError) as refused, transaction(SYSTEM) as connection:
        connection.execute(text(statement))
    assert refused.value.orig.sqlstate == "42501", "for want of a privilege, not by a slip in the statement"


@pytest.mark.parametrize("statement", [
    "SELECT * FROM masterplan.proposal", "SELECT * FROM masterplan.contact", "SELECT * FROM masterplan.feature",
    "SELECT * FROM masterplan.session_role", "SELECT pg_sleep(1)", "SELECT set_config('statement_timeout', '0', false)",
    "SELECT query_to_xml('select 1', true, true, '')", "SET ROLE masterplan_public", "SELECT lo_create(0)",
    "CREATE TABLE api.x (a int)", "SELECT pg_read_file('/etc/passwd')",
    "UPDATE api.proposals SET title = 'x'", "DELETE FROM api.rings",
])  # fmt: skip
def test_the_ogc_login_reads_public_views_and_nothing_else(statement):
    engine = create_engine(database.ogc_url())
    with pytest.raises(DBAPIError) as refused, engine.begin() as connection:
        # Not only because its transactions read: that it could change itself.
        connection.execute(text("SET TRANSACTION READ WRITE"))
        connection.execute(text(statement))
    engine.dispose()
    # 55000: a view of several tables takes no rows from anybody.
    assert refused.value.orig.sqlstate == ("55000" if "api.proposals" in statement else "42501")


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
