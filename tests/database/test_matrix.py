"""The matrix of roles, walked through the database cell by cell; and every policy shown to be needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from matrix_world import OTHER_UAT, World, as_the_application, attempt, make_world, succeed, within
from sqlalchemy import Connection, create_engine, text

from masterplan import database
from masterplan.actors import PEOPLE, SYSTEM, Actor, Role
from masterplan.permissions import MATRIX, Operation, Rule, Thing, Whose, as_markdown, may
from masterplan.settings import PROJECT_ROOT

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def administrator(database_name: str) -> Iterator[Connection]:
    """The server's administrator, whom no policy binds; each test rolls back what it does."""
    engine = create_engine(database.admin_url())
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture(scope="module")
def world(administrator: Connection) -> World:
    made = make_world(administrator)
    administrator.commit()
    return made


def _name(rule: Rule) -> str:
    return f"{rule.operation.value} {rule.whose.value} {rule.thing.value}".replace(" ", "-")


# -- the cells -----------------------------------------------------------------------------


@pytest.mark.parametrize("role", PEOPLE)
@pytest.mark.parametrize("rule", MATRIX, ids=_name)
def test_the_database_answers_as_the_matrix_says(world: World, rule: Rule, role: Role) -> None:
    assert attempt(as_the_application, world, rule, role) == {role in rule.roles}


def test_every_operation_that_the_issue_names_is_in_the_matrix() -> None:
    assert {rule.operation for rule in MATRIX} == set(Operation)
    assert len({(rule.thing, rule.operation, rule.whose) for rule in MATRIX}) == len(MATRIX)


def test_the_documentation_shows_the_matrix() -> None:
    assert as_markdown() in (PROJECT_ROOT / "docs" / "security.md").read_text()


def test_pages_ask_the_same_matrix() -> None:
    planner = Actor(Role.PLANNER)
    assert may(planner, Operation.READ_CONTACTS, Thing.OBSERVATION)
    assert not may(Actor(Role.UAT, uats=(OTHER_UAT,)), Operation.MODERATE, Thing.PROPOSAL, Whose.OWN)
    assert not may(SYSTEM, Operation.SEE, Thing.PUBLIC), "the application's own roles are no people"
    with pytest.raises(LookupError):
        may(planner, Operation.GRANT, Thing.EDITION)


# -- what the application does itself --------------------------------------------------------

#: Everyone of the database who is no person of the matrix: an actor, or a database role.
MEASURER_OF_A = Actor(Role.MEASURER, key="00000000-0000-4000-8000-00000000000a")
_VISITOR = Actor(Role.VISITOR, session="session of visitor")

_ONE = "(SELECT min(id) FROM masterplan.proposal)"
#: The first submission of the world is a visitor's, held.
_OTHERS = "1"
CORRECTOR = Actor(Role.MEASURER, receipt="made-by-an-errand")
_CORRECTED = "(SELECT id FROM masterplan.proposal WHERE receipt = 'made-by-an-errand')"
_CORRECTS = "UPDATE masterplan.proposal SET title = 'Alt titlu' WHERE receipt = 'made-by-an-errand'"
_WITHDRAWS = _CORRECTS.replace("title = 'Alt titlu'", "status = 'withdrawn'")
_MEASURED = "(SELECT id FROM masterplan.proposal WHERE submission_key = '00000000-0000-4000-8000-00000000000a')"
_A_PROPOSAL = """
INSERT INTO masterplan.proposal (receipt, submission_key, kind, channel, author_kind, theme, title, description, geom,
    criteria_set, edition, demo)
SELECT 'made-by-an-errand', '00000000-0000-4000-8000-00000000000a', 'observation', 'online', 'citizen', 'water',
    'Un titlu', '', ST_Transform(ST_SetSRID(ST_MakePoint(27.58, 47.16), 4326), 3844), version, 1, {demo}
FROM masterplan.criteria_set LIMIT 1
"""
_A_MEASUREMENT = (
    "INSERT INTO masterplan.measurement (proposal_id, measures, layer_versions, edition)"
    " VALUES ({id}, '{{}}', '{{}}', 1)"
    " ON CONFLICT (proposal_id) DO UPDATE SET stale = true"
)
_A_SCORE = (
    "INSERT INTO masterplan.score (proposal_id, criteria_set, coverage, results)"
    " SELECT {id}, version, 1, '{{}}' FROM masterplan.criteria_set LIMIT 1"
    " ON CONFLICT (proposal_id, criteria_set) DO UPDATE SET coverage = 1"
)
_A_CONTACT = "INSERT INTO masterplan.contact (proposal_id, email, consent_version) VALUES ({id}, 'a@b', '1')"
#: A proposal whose integration was published.
_DECIDED = "(SELECT id FROM masterplan.proposal WHERE receipt = 'by-letter')"
_SOME_CHANGE = (
    "INSERT INTO masterplan.plan_change (proposal_id, action, layer_id, feature_id, name_ro, geom{columns})"
    " SELECT id, 'add', '{layer}', '{name}', '{name}', ST_Transform(ST_GeomFromText("
    "'LINESTRING(27.5 47.1, 27.6 47.2)', 4326), 3844){values} FROM masterplan.proposal WHERE receipt = 'by-letter'"
)
_A_CHANGE = _SOME_CHANGE.format(columns="", layer="rings", name="x", values="")
_A_SIGN_IN = "SELECT masterplan.sign_in('https://login.example', 'planner', 'new@example.org', true, '', 1)"

PLAN_TABLES = (
    "edition", "layer", "layer_version", "feature", "feature_part", "outline", "outline_part", "criteria_set",
)  # fmt: skip
ERRANDS: tuple[tuple[str, ...], ...] = (
    *((f"anyone reads {table}", _VISITOR, f"SELECT 1 FROM masterplan.{table}") for table in PLAN_TABLES),
    *((f"the owner reads {table}", "owner", f"SELECT 1 FROM masterplan.{table}") for table in PLAN_TABLES),
    ("the owner loads features", "owner", "UPDATE masterplan.feature SET status = status"
     " WHERE pk = (SELECT min(pk) FROM masterplan.feature)"),
    ("a limit counts a submission", _VISITOR, "SELECT 1 WHERE masterplan.admit('origin', 'x') IS NULL"),
    ("a planner opens a consultation session, and it is found", Actor(Role.PLANNER),
     "SELECT masterplan.open_consultation('0000-0000', 'Primărie', 2, now() + interval '1 hour')",
     "SELECT 1 FROM masterplan.consultation_named('0000-0000')"),
    ("a planner's reason is kept, and read by who holds the code", Actor(Role.PLANNER),
     "SELECT masterplan.note_moderation(ARRAY['made-by-an-errand'], 'hidden', 'Conține date personale.')",
     "SELECT 1 FROM masterplan.last_moderation('made-by-an-errand')"),
    ("the consent text is read", _VISITOR, "SELECT 1 FROM masterplan.consent_text('2026-11')"),
    ("what was measured before is seen by its author", _VISITOR,
     f"SELECT 1 FROM masterplan.past_measurement WHERE proposal_id = {_OTHERS}"),
    ("what was measured before is seen by staff", Actor(Role.PLANNER), "SELECT 1 FROM masterplan.past_measurement"),
    ("what was measured before is seen by the system", SYSTEM, "SELECT 1 FROM masterplan.past_measurement"),
    ("what is measured anew leaves what was", SYSTEM,
     f"UPDATE masterplan.measurement SET measures = '{{\"b\": 1}}' WHERE proposal_id = {_OTHERS}"),
    ("anyone searches", _VISITOR, "SELECT 1 FROM masterplan.saying('un titlu')"),
    ("the owner leaves a job", "owner", "INSERT INTO masterplan.job (kind) VALUES ('layer_changed')"),
    ("the owner opens an edition", "owner", "INSERT INTO masterplan.edition (id, label, status, published_at)"
     " VALUES (7, 'Ediția 7', 'published', now())"),
    *((f"anyone reads {table}", _VISITOR, f"SELECT 1 FROM masterplan.{table}")
      for table in ("edition_layer", "edition_export")),
    ("a planner prepares the draft", Actor(Role.PLANNER), "UPDATE masterplan.edition SET note = 'x' WHERE id = 1"),
    ("the system prepares the draft", SYSTEM, "UPDATE masterplan.edition SET note = 'x' WHERE id = 1"),
    ("a planner publishes the draft", Actor(Role.PLANNER), "SELECT masterplan.hold_plan()",
     "SELECT masterplan.publish_edition(1, now(), 'x', 'y')"),
    ("a planner prepares a change", Actor(Role.PLANNER), _A_CHANGE,
     "UPDATE masterplan.plan_change SET name_ro = 'y' WHERE name_ro = 'x'"),
    ("the system prepares a change", SYSTEM, _A_CHANGE, "SELECT 1 FROM masterplan.plan_change WHERE name_ro = 'x'"),
    ("anyone reads what was applied", _VISITOR, "SELECT name_ro FROM masterplan.plan_change WHERE name_ro = 'applied'"),
    ("a planner applies a change", Actor(Role.PLANNER), _A_CHANGE,
     f"SELECT 1 WHERE masterplan.apply_changes({_DECIDED}) = 1"),
    ("/ogc shows features", "ogc", "SELECT 1 FROM api.rings"),
    ("/ogc shows proposals", "ogc", "SELECT 1 FROM api.proposals"),
    ("/ogc shows scores", "ogc", "SELECT 1 FROM api.proposals WHERE score = 50"),
    ("the measurer sees what it measures", MEASURER_OF_A, f"SELECT 1 WHERE {_MEASURED} IS NOT NULL"),
    ("the measurer keeps measures", MEASURER_OF_A, _A_MEASUREMENT.format(id=_MEASURED)),
    ("the measurer keeps a score", MEASURER_OF_A, _A_SCORE.format(id=_MEASURED)),
    ("the measurer keeps a contact", MEASURER_OF_A, _A_CONTACT.format(id=_MEASURED)),
    ("the measurer leaves the rest to the worker", MEASURER_OF_A,
     "INSERT INTO masterplan.job (kind) VALUES ('score_pending')"),
    ("the measurer sees whether it was left before", MEASURER_OF_A,
     "SELECT 1 FROM masterplan.job WHERE kind = 'score_pending'"),
    ("who holds the code sees", Actor(Role.VISITOR, receipt="made-by-an-errand"),
     "SELECT 1 FROM masterplan.proposal WHERE receipt = 'made-by-an-errand'"),
    ("who holds the code corrects", Actor(Role.VISITOR, receipt="made-by-an-errand"), _CORRECTS),
    ("who holds the code withdraws, and sees it", Actor(Role.STAKEHOLDER, "1", receipt="made-by-an-errand"), _WITHDRAWS,
     "SELECT 1 FROM masterplan.proposal WHERE receipt = 'made-by-an-errand' AND status = 'withdrawn'"),
    ("who is signed in moves their own", Actor(Role.STAKEHOLDER, "1", session="session of stakeholder"),
     "UPDATE masterplan.proposal SET geom = ST_Translate(geom, 1, 1) WHERE title = 'Un titlu'"),
    ("the measurer sees what is corrected", CORRECTOR, f"SELECT 1 WHERE {_CORRECTED} IS NOT NULL"),
    ("the measurer measures what is corrected", CORRECTOR, _A_MEASUREMENT.format(id=_CORRECTED)),
    ("the measurer scores what is corrected", CORRECTOR, _A_SCORE.format(id=_CORRECTED)),
    ("the command line sees and sets the limits", SYSTEM,
     "SELECT 1 FROM masterplan.submission_limit", "UPDATE masterplan.submission_limit SET most = 7"),
    ("the system sees everything", SYSTEM, "SELECT 1 FROM masterplan.proposal WHERE NOT public"),
    ("the system registers", SYSTEM, _A_PROPOSAL.format(demo="true").replace("00000000000a", "00000000000b")
     .replace("made-by-an-errand", "made-by-the-system")),
    ("the system publishes", SYSTEM, f"UPDATE masterplan.proposal SET status = 'published' WHERE id = {_ONE}"),
    ("the system clears the demonstration", SYSTEM, "DELETE FROM masterplan.proposal WHERE demo"),
    ("the system measures", SYSTEM, _A_MEASUREMENT.format(id=_ONE)),
    ("the system scores", SYSTEM, _A_SCORE.format(id=_ONE)),
    ("the system reads contacts", SYSTEM, "SELECT 1 FROM masterplan.contact"),
    ("the system leaves a job", SYSTEM, "INSERT INTO masterplan.job (kind) VALUES ('score_all')"),
    ("a planner's import leaves a job", Actor(Role.PLANNER), "INSERT INTO masterplan.job (kind) VALUES ('score_all')"),
    ("a planner sees the jobs", Actor(Role.PLANNER), "SELECT 1 FROM masterplan.job"),
    ("staff leave a contact with a letter", Actor(Role.PLANNER), _A_CONTACT.format(id=_MEASURED)),
    ("staff read assessments", Actor(Role.PLANNER), "SELECT 1 FROM masterplan.assessment"),
    ("staff read published decisions", Actor(Role.PLANNER), "SELECT 1 FROM masterplan.decision"),
    ("staff read steps of decisions", Actor(Role.PLANNER), "SELECT 1 FROM masterplan.decision_step"),
    ("staff read how decisions stand", Actor(Role.PLANNER), "SELECT 1 FROM masterplan.decision_state"),
    ("staff read the time to answer", Actor(Role.PLANNER), "SELECT 1 FROM masterplan.decision_setting"),
    ("anyone reads the decision on what they see", _VISITOR,
     f"SELECT outcome FROM masterplan.decision WHERE proposal_id = {_OTHERS}"),
    ("who brought it reads what is about to be decided, answers and reads the answer", _VISITOR,
     f"SELECT outcome FROM masterplan.decision_state WHERE proposal_id = {_OTHERS}",
     f"INSERT INTO masterplan.decision_step (proposal_id, action, comment) VALUES ({_OTHERS}, 'answer', 'Da, dar.')",
     "SELECT comment FROM masterplan.decision_step WHERE action = 'answer'"),
    ("the command line sets the time to answer", SYSTEM, "UPDATE masterplan.decision_setting SET answer_days = 7"),
    ("the owner reads the time to answer", "owner", "SELECT 1 FROM masterplan.decision_setting"),
    ("the owner moves a decision", "owner", "UPDATE masterplan.decision_state SET state = 'open'"),
    ("the owner closes a reopened decision", "owner", "UPDATE masterplan.decision SET reopened_at = now()"),
    ("the owner finds the last number of the registry", "owner", "SELECT number FROM masterplan.registry"),
    ("/ogc shows decisions", "ogc", "SELECT 1 FROM api.proposals WHERE outcome = 'reject'"),
    ("anyone reads the registry of what they see", _VISITOR,
     f"SELECT number FROM masterplan.registry WHERE proposal_id = {_OTHERS}"),
    ("staff read the registry", Actor(Role.PLANNER), "SELECT number FROM masterplan.registry"),
    ("the system reads the registry", SYSTEM, "SELECT number FROM masterplan.registry"),
    ("a planner links a proposal to its observation", Actor(Role.PLANNER),
     f"INSERT INTO masterplan.proposal_link (proposal_id, origin_id) VALUES ({_OTHERS}, {_OTHERS} + 1)"),
    ("anyone reads the link of what they see", _VISITOR,
     f"SELECT 1 FROM masterplan.proposal_link WHERE origin_id = {_OTHERS}"),
    ("anyone reads what was given to what they see, and why", _VISITOR,
     f"SELECT value, reason, role FROM masterplan.assessment WHERE proposal_id = {_OTHERS}"),
    ("the measurer counts what was given", MEASURER_OF_A,
     f"SELECT value FROM masterplan.assessment WHERE proposal_id = {_MEASURED}"),
    ("the command line judges", SYSTEM, "INSERT INTO masterplan.assessment (proposal_id, criterion, value, reason)"
     f" VALUES ({_ONE}, 'coherence', 1, 'abc')"),
    ("the system reads assessments", SYSTEM, "SELECT 1 FROM masterplan.assessment"),
    ("the system reads published decisions", SYSTEM, "SELECT 1 FROM masterplan.decision"),
    ("the system reads steps of decisions", SYSTEM, "SELECT 1 FROM masterplan.decision_step"),
    ("the system reads how decisions stand", SYSTEM, "SELECT 1 FROM masterplan.decision_state"),
    ("the owner's triggers note what happens, and chain it", "owner",
     "SELECT masterplan.note_event('layer_added', 'layer', 'uat', NULL, '{}')",
     "SELECT 1 FROM masterplan.event",
     "UPDATE masterplan.event SET hash = '', number = 999999, previous = ''"
     " WHERE id = (SELECT max(id) FROM masterplan.event)"),
    ("planners read what happened", Actor(Role.PLANNER), "SELECT 1 FROM masterplan.event"),
    ("administrators read what happened to accounts", Actor(Role.ADMINISTRATOR),
     "SELECT 1 FROM masterplan.event WHERE subject_kind = 'account'"),
    ("the system reads what happened", SYSTEM, "SELECT 1 FROM masterplan.event WHERE subject_kind = 'account'"),
    ("who brought it reads what happened to it", _VISITOR,
     f"SELECT kind FROM masterplan.event WHERE subject_kind = 'proposal' AND subject = '{_OTHERS}'"),
    ("a session plays a role", _VISITOR,
     "INSERT INTO masterplan.session_role (session_id, role) VALUES ('session of visitor', 'planner')"),
    ("the system sees who plays", SYSTEM, "SELECT 1 FROM masterplan.session_role"),
    ("the command line lists accounts", SYSTEM, "SELECT 1 FROM masterplan.account"),
    ("the command line grants", SYSTEM, "UPDATE masterplan.account_role SET role = 'planner', uats = '{}'"),
    ("the command line invites", SYSTEM,
     "INSERT INTO masterplan.invitation (email, role) VALUES ('b@example.org', 'planner')"),
    ("who signs in gets an account", _VISITOR, _A_SIGN_IN.replace("'planner'", "'entirely new'")),
    ("who was invited gets the role", _VISITOR,
     "SELECT masterplan.sign_in('https://login.example', 'invited', 'Invited@example.org', true, '', 1)",
     "SELECT 1 FROM masterplan.account_of('https://login.example', 'invited') WHERE role = 'administrator'"),
)  # fmt: skip

#: What nobody may, beside the cells: the application's own roles do what they are for and no more.
MUST_NOT: tuple[tuple[str, ...], ...] = (
    ("the measurer sees what it does not measure", MEASURER_OF_A,
     "SELECT 1 FROM masterplan.proposal WHERE NOT public AND receipt <> 'made-by-an-errand'"),
    ("the measurer keeps measures of another's", MEASURER_OF_A, _A_MEASUREMENT.format(id=_OTHERS)),
    ("the measurer keeps a score of another's", MEASURER_OF_A, _A_SCORE.format(id=_OTHERS)),
    ("the measurer leaves a contact with another's", MEASURER_OF_A, _A_CONTACT.format(id=_OTHERS)),
    ("the measurer reads contacts", MEASURER_OF_A, "SELECT 1 FROM masterplan.contact"),
    ("the measurer leaves other work", MEASURER_OF_A, "INSERT INTO masterplan.job (kind) VALUES ('score_all')"),
    ("the measurer sees other work", MEASURER_OF_A, "SELECT 1 FROM masterplan.job WHERE kind = 'layer_changed'"),
    ("what was measured before is seen by others", Actor(Role.VISITOR, session="another"),
     f"SELECT 1 FROM masterplan.past_measurement WHERE proposal_id = {_OTHERS}"),
    ("a visitor opens a consultation session", _VISITOR,
     "SELECT masterplan.open_consultation('0000-0000', 'Primărie', 2, now() + interval '1 hour')"),
    ("a visitor moderates", _VISITOR, "SELECT masterplan.note_moderation(ARRAY['withdrawn'], 'published', '')"),
    ("a visitor forgets what was counted", _VISITOR, "SELECT masterplan.forget_marks()"),
    ("who holds a wrong code sees", Actor(Role.VISITOR, receipt="made-by-somebody"),
     "SELECT 1 FROM masterplan.proposal WHERE receipt = 'made-by-an-errand'"),
    ("who holds a wrong code corrects", Actor(Role.VISITOR, receipt="made-by-somebody"), _CORRECTS),
    ("another browser corrects", Actor(Role.VISITOR, session="another"), _CORRECTS),
    ("who holds the code of an account's corrects", Actor(Role.VISITOR, receipt="of-an-account"),
     _CORRECTS.replace("made-by-an-errand", "of-an-account")),
    ("who holds the code of what came by letter corrects", Actor(Role.VISITOR, receipt="by-letter"),
     _CORRECTS.replace("made-by-an-errand", "by-letter")),
    ("who holds the code of a published one corrects", Actor(Role.VISITOR, receipt="published"),
     _CORRECTS.replace("made-by-an-errand", "published")),
    ("who holds the code of a withdrawn one brings it back", Actor(Role.VISITOR, receipt="withdrawn"),
     "UPDATE masterplan.proposal SET status = 'submitted' WHERE receipt = 'withdrawn'"),
    ("who holds the code publishes", Actor(Role.VISITOR, receipt="made-by-an-errand"),
     _WITHDRAWS.replace("withdrawn", "published")),
    ("who holds the code moves", Actor(Role.VISITOR, receipt="made-by-an-errand"),
     "UPDATE masterplan.proposal SET geom = ST_Translate(geom, 1, 1) WHERE receipt = 'made-by-an-errand'"),
    ("the measurer measures a published one anew by its code", Actor(Role.MEASURER, receipt="published"),
     _A_MEASUREMENT.format(id="(SELECT id FROM masterplan.proposal WHERE receipt = 'published')")),
    ("the measurer corrects", CORRECTOR, _CORRECTS),
    ("a planner sets the limits", Actor(Role.PLANNER), "UPDATE masterplan.submission_limit SET most = 7"),
    ("the system deletes what a person brought", SYSTEM, "DELETE FROM masterplan.proposal WHERE NOT demo"),
    ("a planner makes demonstration rows", Actor(Role.PLANNER), _A_PROPOSAL.format(demo="true")
     .replace("00000000000a", "00000000000b").replace("made-by-an-errand", "made-by-a-planner")),
    ("a planner leaves a job half done", Actor(Role.PLANNER),
     "INSERT INTO masterplan.job (kind, state) VALUES ('score_all', 'running')"),
    ("a planner assesses in another's name", Actor(Role.PLANNER),
     "INSERT INTO masterplan.assessment (proposal_id, criterion, value, reason, account)"
     f" VALUES ({_ONE}, 'coherence', 1, 'abc', 1)"),
    ("the command line judges in a person's name", SYSTEM,
     "INSERT INTO masterplan.assessment (proposal_id, criterion, value, reason, account)"
     f" VALUES ({_ONE}, 'coherence', 1, 'abc', 1)"),
    ("anyone reads what was given to what they do not see", Actor(Role.VISITOR, session="another"),
     f"SELECT value FROM masterplan.assessment WHERE proposal_id = {_OTHERS}"),
    ("a planner decides in another's name", Actor(Role.PLANNER),
     "INSERT INTO masterplan.decision_step (proposal_id, action, outcome, reason_ro, reason_en, person)"
     f" VALUES ({_ONE}, 'recommend', 'reject', 'abc', 'abc', '1')"),
    ("anyone reads the decision on what they do not see", Actor(Role.VISITOR, session="another"),
     f"SELECT outcome FROM masterplan.decision WHERE proposal_id = {_OTHERS}"),
    ("anyone reads the registry of what they do not see", Actor(Role.VISITOR, session="another"),
     f"SELECT number FROM masterplan.registry WHERE proposal_id = {_OTHERS}"),
    ("anyone reads the link of what they do not see", Actor(Role.VISITOR, session="another"),
     f"SELECT 1 FROM masterplan.proposal_link WHERE origin_id = {_OTHERS}"),
    ("anyone reads what is about to be decided", Actor(Role.VISITOR, session="another"),
     "SELECT outcome FROM masterplan.decision_state"),
    ("anyone reads the steps", Actor(Role.VISITOR, session="another"),
     "SELECT comment FROM masterplan.decision_step"),
    ("the view's owner sees a decision on what is held", "public",
     f"SELECT 1 FROM masterplan.decision WHERE proposal_id = {_OTHERS}"),
    ("who signed in is found by another's submission", Actor(Role.VISITOR, session="another"),
     f"SELECT 1 WHERE masterplan.brought_by_me({_OTHERS})"),
    ("planners read what happened to accounts", Actor(Role.PLANNER),
     "SELECT 1 FROM masterplan.event WHERE subject_kind = 'account'"),
    ("others read what happened to it", Actor(Role.VISITOR, session="another"),
     f"SELECT kind FROM masterplan.event WHERE subject_kind = 'proposal' AND subject = '{_OTHERS}'"),
    ("a visitor plays another session's role", _VISITOR,
     "UPDATE masterplan.session_role SET role = 'planner' WHERE session_id = 'somebody else'"),
    ("a published edition changes", Actor(Role.PLANNER), "UPDATE masterplan.edition SET note = 'x' WHERE id = 6"),
    ("a visitor reads what is given up", _VISITOR,
     "SELECT name_ro FROM masterplan.plan_change WHERE name_ro = 'dropped'"),
    ("a planner changes evidence by a decision", Actor(Role.PLANNER), _A_CHANGE.replace("'rings'", "'heat'")),
    ("a planner takes up what was given up", Actor(Role.PLANNER),
     "UPDATE masterplan.plan_change SET state = 'prepared' WHERE name_ro = 'dropped'"),
    ("a planner brings back what was withdrawn", Actor(Role.PLANNER),
     "UPDATE masterplan.proposal SET status = 'published' WHERE receipt = 'withdrawn'"),
    ("a planner withdraws", Actor(Role.PLANNER),
     "UPDATE masterplan.proposal SET status = 'withdrawn' WHERE receipt = 'made-by-an-errand'"),
    ("an administrator gives themselves a role", Actor(Role.ADMINISTRATOR, user="6"),
     "INSERT INTO masterplan.account_role (account_id, role) VALUES (6, 'planner')"),
    ("/ogc shows what is held", "ogc", "SELECT 1 FROM api.proposals WHERE id = 'made-by-an-errand'"),
    ("the view's owner sees a score of what is held", "public",
     f"SELECT 1 FROM masterplan.score WHERE proposal_id = {_OTHERS}"),
)  # fmt: skip

_PREPARED = (
    _A_PROPOSAL.format(demo="false").replace("00000000000a", "00000000000c")
    .replace("made-by-an-errand", "withdrawn"),
    "UPDATE masterplan.proposal SET status = 'withdrawn' WHERE receipt = 'withdrawn'",
    *(_A_PROPOSAL.format(demo="false").replace("00000000000a", key).replace("made-by-an-errand", receipt)
      for key, receipt in (("00000000000d", "of-an-account"), ("00000000000e", "by-letter"),
                           ("00000000000f", "published"))),
    "UPDATE masterplan.proposal SET account = (SELECT min(id) FROM masterplan.account) WHERE receipt = 'of-an-account'",
    "UPDATE masterplan.proposal SET channel = 'letter' WHERE receipt = 'by-letter'",
    "UPDATE masterplan.proposal SET status = 'published' WHERE receipt = 'published'",
    f"UPDATE masterplan.measurement SET measures = '{{\"a\": 1}}' WHERE proposal_id = {_OTHERS}",
    f"DELETE FROM masterplan.contact WHERE proposal_id = {_OTHERS}",
    "INSERT INTO masterplan.edition (id, label, status, published_at) VALUES (6, 'Ediția 6', 'published', now())",
    "INSERT INTO masterplan.edition_layer (edition, layer_id, version) VALUES (6, 'stormwater', 1)",
    "INSERT INTO masterplan.edition_export (edition, content, sha256) VALUES (6, 'x', encode(sha256('x'), 'hex'))",
    _A_PROPOSAL.format(demo="true"),
    "INSERT INTO masterplan.job (kind) VALUES ('score_pending'), ('layer_changed')",
    "INSERT INTO masterplan.session_role (session_id, role) VALUES ('somebody else', 'planner')",
    *(f"INSERT INTO masterplan.assessment (proposal_id, criterion, value, reason) SELECT {which}, 'coherence', 1, 'abc'"
      f" WHERE {which} IS NOT NULL" for which in (_ONE, _OTHERS, _MEASURED)),
    *(f"INSERT INTO masterplan.decision (proposal_id, outcome, reason_ro, reason_en, reason_keys, redirected_to,"
      " departure, criteria_set, received_at) SELECT id, 'reject', 'abc', 'abc', '{}', '', '', criteria_set, created_at"
      f" FROM masterplan.proposal WHERE {which}" for which in (f"id = {_OTHERS}", "receipt = 'published'")),
    "INSERT INTO masterplan.decision (proposal_id, outcome, reason_ro, reason_en, reason_keys, redirected_to,"
    " departure, criteria_set, received_at) SELECT id, 'integrate', 'abc', 'abc', '{}', '', '', criteria_set,"
    " created_at FROM masterplan.proposal WHERE receipt = 'by-letter'",
    *(_SOME_CHANGE.format(layer="rings", name=state, columns=columns, values=values)
      for state, columns, values in (
          ("dropped", ", state", ", 'dropped'"),
          ("applied", ", state, edition, version, applied_at", ", 'applied', 1, 1, now()"))),
    f"INSERT INTO masterplan.decision_state (proposal_id, state, outcome) VALUES ({_OTHERS}, 'confirmed', 'reject')",
    "ALTER TABLE masterplan.decision_step DISABLE TRIGGER USER",
    f"INSERT INTO masterplan.decision_step (proposal_id, action, comment) VALUES ({_OTHERS}, 'challenge', 'abc')",
    "ALTER TABLE masterplan.decision_step ENABLE TRIGGER USER",
    f"INSERT INTO masterplan.proposal_link (proposal_id, origin_id) VALUES ({_OTHERS} + 1, {_OTHERS})",
    "INSERT INTO masterplan.invitation (email, role) VALUES ('invited@example.org', 'administrator')",
    "SELECT masterplan.make_outline('rings', '{}')",
)


@pytest.fixture
def prepared(administrator: Connection, world: World) -> Iterator[Connection]:
    """The administrator's transaction, with something in every table."""
    with administrator.begin() as transaction:
        for statement in _PREPARED:
            administrator.execute(text(statement))
        yield administrator
        transaction.rollback()


def _trying(connection: Connection, who: Actor | str) -> tuple[Callable, Actor]:
    if isinstance(who, Actor):
        return within(connection), who
    @contextmanager
    def as_login(_: Actor) -> Iterator[Connection]:
        with connection.begin_nested() as savepoint:
            connection.execute(text(f"SET LOCAL ROLE masterplan_{who}"))
            yield connection
            savepoint.rollback()

    return as_login, SYSTEM


def _errand_done(connection: Connection, errand: tuple) -> bool:
    """Whether each of its statements finds or changes a row."""
    _, who, *statements = errand
    trying, actor = _trying(connection, who)
    return succeed(trying, actor, [text(statement) for statement in statements], {})


@pytest.mark.parametrize("errand", ERRANDS, ids=lambda errand: errand[0].replace(" ", "-"))
def test_the_application_may_do_what_it_needs(prepared: Connection, errand: tuple) -> None:
    assert _errand_done(prepared, errand)


# -- every policy is needed ------------------------------------------------------------------

_POLICIES = text("""
SELECT tablename, policyname, coalesce(qual, 'true') = 'true' AND coalesce(with_check, 'true') = 'true' AS open,
    qual IS NOT NULL AS has_qual, with_check IS NOT NULL AS has_check
FROM pg_policies WHERE schemaname = 'masterplan' ORDER BY 1, 2
""")


@pytest.mark.parametrize("errand", MUST_NOT, ids=lambda errand: errand[0].replace(" ", "-"))
def test_the_application_may_do_no_more(prepared: Connection, errand: tuple) -> None:
    assert not _errand_done(prepared, errand)


_ABOUT = {
    Operation.READ_CONTACTS: "contact", Operation.ASSESS: "assessment", Operation.DECIDE: "decision",
    Thing.RESULT: "measurement score", Thing.EDITION: "edition", Thing.ACCOUNT: "account account_role invitation",
}  # fmt: skip


def _first_difference(
    connection: Connection, world: World, cells: list[tuple[Rule, Role]], must_not: tuple = (), table: str = ""
) -> str | None:
    """What is otherwise than it should be; what is about the table is tried first, then all the rest."""
    checks = [(_ABOUT.get(rule.operation) or _ABOUT.get(rule.thing) or "proposal", rule, role) for rule, role in cells]
    checks += [(re.sub(r"\W", " ", " ".join(errand[2:])), errand, bool(must_not)) for errand in must_not or ERRANDS]
    checks.sort(key=lambda check: table not in check[0].split())
    trying = within(connection)
    for _, asked, expected in checks:
        if isinstance(asked, Rule):
            if attempt(trying, world, asked, expected) != {expected in asked.roles}:
                return f"{expected.value}: {_name(asked)}"
        elif _errand_done(connection, asked) is expected:
            return asked[0]
    return None


def test_without_a_change_nothing_differs(prepared: Connection, world: World) -> None:
    assert _first_difference(prepared, world, [(rule, role) for rule in MATRIX for role in PEOPLE]) is None


def test_each_policy_dropped_alone_is_missed(prepared: Connection, world: World) -> None:
    unmissed = []
    allowed = [(rule, role) for rule in MATRIX for role in PEOPLE if role in rule.roles]
    for policy in prepared.execute(_POLICIES).all():
        with prepared.begin_nested() as savepoint:
            prepared.execute(text(f'DROP POLICY "{policy.policyname}" ON masterplan."{policy.tablename}"'))
            if _first_difference(prepared, world, allowed, table=policy.tablename) is None:
                unmissed.append(f"{policy.tablename}.{policy.policyname}")
            savepoint.rollback()
    assert unmissed == []


def test_each_policy_opened_to_every_row_is_noticed(prepared: Connection, world: World) -> None:
    """Policies that are open as they are stand on the grants of their role alone, and on who may take it."""
    unnoticed = []
    cells = [(rule, role) for rule in MATRIX for role in PEOPLE if role not in rule.roles]
    for policy in prepared.execute(_POLICIES).all():
        if policy.open:
            continue
        with prepared.begin_nested() as savepoint:
            opened = "USING (true)" * policy.has_qual + " WITH CHECK (true)" * policy.has_check
            prepared.execute(text(f'ALTER POLICY "{policy.policyname}" ON masterplan."{policy.tablename}" {opened}'))
            if _first_difference(prepared, world, cells, MUST_NOT, policy.tablename) is None:
                unnoticed.append(f"{policy.tablename}.{policy.policyname}")
            savepoint.rollback()
    assert unnoticed == []
