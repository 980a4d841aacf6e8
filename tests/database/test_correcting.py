"""Correcting and withdrawing what one brought: whose it is, until when, and what is measured again."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from masterplan import database
from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import transaction
from masterplan.errors import Forbidden, InputError, MasterplanError, NotFound
from proposals import submitting
from proposals.correcting import DECIDED, NOT_YOURS, changeable, correct, withdraw
from proposals.submission import Words
from proposals.submitting import ChangedMeanwhile, Outcome, Submission, set_status, set_status_of_seen, submit
from proposals.work import score_pending

pytestmark = pytest.mark.database

MIROSLAVA, CIUREA = "97919", "96254"
ANA = Actor(Role.STAKEHOLDER, user="7", session="ana at home")
MAYOR = Actor(Role.UAT, user="8", uats=(MIROSLAVA,), session="town hall")
HERE, ELSEWHERE = Actor(Role.VISITOR, session="this browser"), Actor(Role.VISITOR, session="another")
PLANNER = Actor(Role.PLANNER)
WORDS = Words("Baltă în stație", "Apa stă pe stradă după ploaie.", "water")


@pytest.fixture(autouse=True, scope="module")
def _accounts(database_name: str):
    """Numbers 7 and 8 are people who signed in once."""
    engine = create_engine(database.admin_url())
    with engine.begin() as connection:
        connection.execute(text(
            "INSERT INTO masterplan.account (id, issuer, subject) OVERRIDING SYSTEM VALUE"
            " VALUES (7, 'https://login.example', 'ana'), (8, 'https://login.example', 'mayor')"
        ))  # fmt: skip
    engine.dispose()


def brought(actor: Actor, **given) -> Outcome:
    submission = Submission(
        submission_key=uuid4(), kind="observation", theme="other", title="Titlu", description="",
        geometry={"type": "Point", "coordinates": [27.5667, 47.1590]},
    )  # fmt: skip
    return submit(replace(submission, **given), actor)


def proposed() -> Outcome:
    return brought(MAYOR, kind="proposal", on_behalf_of=MIROSLAVA, author_kind="uat", documentation_stage="idea")


def stored(receipt: str) -> tuple[str, str, str, str]:
    with transaction(SYSTEM) as connection:
        return tuple(connection.execute(text(
            "SELECT title, description, theme, status FROM masterplan.proposal WHERE receipt = :r"
        ), {"r": receipt}).one())  # fmt: skip


def results(receipt: str) -> tuple[object, ...]:
    """What is measured and scored, but not when."""
    with transaction(SYSTEM) as connection:
        return tuple(connection.execute(text(
            "SELECT m.measures, m.layer_versions, m.stale, s.total, s.coverage, s.results FROM masterplan.proposal p"
            " JOIN masterplan.measurement m ON m.proposal_id = p.id JOIN masterplan.score s ON s.proposal_id = p.id"
            " WHERE p.receipt = :r"
        ), {"r": receipt}).one())  # fmt: skip


# -- whose ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("author", "again"), [
    (HERE, HERE), (HERE, ELSEWHERE), (HERE, ANA), (ANA, ANA), (ANA, replace(ANA, session="ana elsewhere")),
])  # fmt: skip
def test_its_author_corrects_and_withdraws(author: Actor, again: Actor) -> None:
    """By the browser, by the code in hand, signed in since, and by the account from another browser."""
    receipt = brought(author).receipt
    outcome = correct(receipt.lower().replace("-", " "), WORDS, again)
    assert (outcome.receipt, outcome.title, outcome.theme) == (receipt, WORDS.title, "water")
    assert stored(receipt) == (*vars(WORDS).values(), "submitted")
    withdraw(receipt, again)
    assert stored(receipt) == (*vars(WORDS).values(), "withdrawn")


def test_a_representative_changes_what_is_proposed_for_their_uat_and_no_other() -> None:
    receipt = proposed().receipt
    colleague = replace(MAYOR, user="7", session="a colleague")
    correct(receipt, WORDS, colleague)
    with pytest.raises(MasterplanError):
        correct(receipt, WORDS, replace(MAYOR, user="7", uats=(CIUREA,), session="of another town hall"))
    withdraw(receipt, colleague)
    assert stored(receipt)[3] == "withdrawn"


@pytest.mark.parametrize(("author", "stranger"), [(ANA, HERE), (ANA, MAYOR), (HERE, PLANNER), (HERE, SYSTEM)])
def test_others_are_refused(author: Actor, stranger: Actor) -> None:
    """The code of what an account brought shows it and changes nothing; staff moderate, they do not rewrite."""
    receipt = brought(author).receipt
    before = stored(receipt)
    for act in (lambda: correct(receipt, WORDS, stranger), lambda: withdraw(receipt, stranger)):
        with pytest.raises(Forbidden) as refused:
            act()
        assert refused.value.msgid == NOT_YOURS
    assert stored(receipt) == before
    if not stranger.is_staff:
        with transaction(stranger) as connection:
            assert changeable(connection, receipt) is None


def test_a_visitor_cannot_change_a_uat_s_proposal_by_its_code() -> None:
    receipt = proposed().receipt
    with pytest.raises(Forbidden):
        withdraw(receipt, ELSEWHERE)
    with transaction(MAYOR) as connection:
        assert changeable(connection, receipt) == Words("Titlu", "", "other")


@pytest.mark.parametrize("code", ["IS-0000-0000-0000", "no code"])
def test_a_wrong_code_is_said(code: str) -> None:
    with pytest.raises((NotFound, InputError)):
        correct(code, WORDS, HERE)
    with pytest.raises((NotFound, InputError)):
        withdraw(code, HERE)


# -- until when ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["published", "hidden"])
def test_what_is_decided_is_closed(status: str) -> None:
    receipt = brought(HERE).receipt
    set_status([receipt], status, PLANNER, "Nu privește masterplanul.")
    before = stored(receipt)
    for act in (lambda: correct(receipt, WORDS, HERE), lambda: withdraw(receipt, HERE)):
        with pytest.raises(Forbidden) as refused:
            act()
        assert refused.value.msgid == DECIDED
    assert stored(receipt) == before


def test_what_is_withdrawn_stays_so_for_everybody() -> None:
    receipt = brought(HERE).receipt
    withdraw(receipt, HERE)
    with pytest.raises(Forbidden):
        correct(receipt, WORDS, HERE)
    assert set_status([receipt], "published", PLANNER) == 0
    assert stored(receipt)[3] == "withdrawn"


def test_a_planner_accepts_what_they_read() -> None:
    """Harmless words are read; meanwhile they become others: those are not published unread."""
    receipt = brought(HERE).receipt
    with transaction(SYSTEM) as connection:
        seen = connection.scalar(text("SELECT updated_at FROM masterplan.proposal WHERE receipt = :r"), {"r": receipt})
    correct(receipt, WORDS, HERE)
    for status, reason in (("published", ""), ("hidden", "Nu privește masterplanul.")):
        with pytest.raises(ChangedMeanwhile, match=WORDS.title):
            set_status_of_seen(receipt, seen, status, PLANNER, reason)
    assert stored(receipt)[3] == "submitted"
    with transaction(SYSTEM) as connection:
        seen = connection.scalar(text("SELECT updated_at FROM masterplan.proposal WHERE receipt = :r"), {"r": receipt})
    set_status_of_seen(receipt, seen, "published", PLANNER)
    assert stored(receipt)[3] == "published"


def test_a_planner_is_told_that_it_was_withdrawn_meanwhile() -> None:
    receipt = brought(HERE).receipt
    with transaction(SYSTEM) as connection:
        seen = connection.scalar(text("SELECT updated_at FROM masterplan.proposal WHERE receipt = :r"), {"r": receipt})
    withdraw(receipt, HERE)
    with pytest.raises(ChangedMeanwhile):
        set_status_of_seen(receipt, seen, "published", PLANNER)


# -- what is measured again ----------------------------------------------------------------


def test_another_theme_is_measured_as_if_it_had_been_submitted_so() -> None:
    corrected, told_at_once = brought(HERE), brought(HERE, theme="development")
    assert results(corrected.receipt)[5] != results(told_at_once.receipt)[5], "themes are asked other questions"
    outcome = correct(corrected.receipt, Words("Titlu", "", "development"), HERE)
    assert results(corrected.receipt) == results(told_at_once.receipt)
    assert outcome.score.results == results(told_at_once.receipt)[5]
    assert outcome.criteria.version == corrected.criteria.version


def test_other_words_are_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = brought(HERE).receipt
    monkeypatch.setattr(submitting, "measure_one", lambda *_: pytest.fail("nothing to measure"))
    correct(receipt, replace(WORDS, theme="other"), HERE)
    assert stored(receipt)[0] == WORDS.title


def test_what_cannot_be_measured_now_is_left_to_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    corrected, told_at_once = brought(HERE), brought(HERE, theme="development")
    with monkeypatch.context() as broken:
        broken.setattr(submitting, "measure_one", _fails)
        correct(corrected.receipt, Words("Titlu", "", "development"), HERE)
    assert results(corrected.receipt)[2] is True, "stale"
    score_pending()
    assert results(corrected.receipt)[3:] == results(told_at_once.receipt)[3:]


def _fails(connection, *_):
    try:
        connection.execute(text("SELECT 1 / 0"))
    except DBAPIError as failure:
        raise failure from None


# -- what is typed -------------------------------------------------------------------------


def test_words_are_checked_as_at_first() -> None:
    receipt = brought(HERE).receipt
    before = stored(receipt)
    for words, fields in (
        (Words("", "x" * 10_001, ""), {"title", "description", "theme"}),
        (Words("Titlu", "", "planner"), {"theme"}),
        (Words(7, None, ["water"]), {"title", "description", "theme"}),
    ):
        with pytest.raises(InputError) as refused:
            correct(receipt, words, HERE)
        assert {name for name, _ in refused.value.faults} == fields
    assert stored(receipt) == before
    outcome = correct(receipt, Words("  Un\u202e  titlu ", "a\r\nb\x07", "water"), HERE)
    assert stored(receipt)[:2] == ("Un titlu", "a\nb") and len(outcome.repairs) == 1


def test_a_corrected_one_is_found_by_its_new_words() -> None:
    receipt = brought(HERE).receipt
    correct(receipt, Words("Zăpadă nemăturată", "", "other"), HERE)
    with transaction(SYSTEM) as connection:
        found = connection.scalars(text(
            "SELECT receipt FROM masterplan.proposal WHERE id IN (SELECT masterplan.saying('zapada nematurata'))"
        )).all()  # fmt: skip
    assert found == [receipt]
