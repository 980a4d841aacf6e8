"""Moderation, limits and consultation sessions as pages show them."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from masterplan import demonstration
from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import owner_transaction, transaction
from masterplan.pages.plain import plain
from masterplan.settings import settings
from proposals import consultations
from proposals.pages import consultation
from proposals.submitting import moderation_of
from tests.pages.helpers import SESSION, address, brought, checked, press, shown, status_of

pytestmark = pytest.mark.database
PLANNER = Actor(Role.PLANNER, user="p")


@pytest.fixture(autouse=True)
def _limits(empty):
    """Nothing counted, and few taken from unknown origins: a page in a test has no address."""
    with owner_transaction() as connection:
        connection.execute(text("DELETE FROM masterplan.submission_mark"))
        connection.execute(text("UPDATE masterplan.submission_limit SET most = 5"))
    yield
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.submission_limit SET most = 1000000"))


def at_the_queue(open_page, language: str = "ro") -> AppTest:
    app = open_page("desk", Role.PLANNER, language)
    app.segmented_control(key="desk_part").set_value("queue")
    return checked(app.run())


# -- the queue -----------------------------------------------------------------------------


def test_an_empty_queue_says_so(open_page):
    assert "Nimic nu așteaptă" in at_the_queue(open_page).success[0].value


def test_the_oldest_waits_first_and_an_accepted_one_makes_room_for_the_next(open_page):
    first, second = brought("Prima", publish=False), brought("A doua", publish=False)
    app = at_the_queue(open_page)
    assert "Prima" in shown(app) and "A doua" not in shown(app)
    assert "**1 din 2 în așteptare, întâi cele mai vechi**" in shown(app)
    press(app, "queue_accept")
    assert (status_of(first.receipt), status_of(second.receipt)) == ("published", "submitted")
    assert "A doua" in shown(app)
    press(app, "queue_accept")
    assert "Nimic nu așteaptă" in app.success[0].value


def test_a_refusal_needs_a_reason_which_its_author_reads_by_the_code(open_page):
    refused = brought("Reclamă", publish=False)
    app = press(at_the_queue(open_page), "queue_refuse")
    assert status_of(refused.receipt) == "submitted", "asking to refuse refuses nothing yet"
    press(app, "queue_reason_3")
    assert status_of(refused.receipt) == "hidden"
    for language, words in (("ro", "Nu privește masterplanul"), ("en", "not about the metropolitan masterplan")):
        app = open_page("register", Role.VISITOR, language, cod=refused.receipt)
        assert any(words in warning.value for warning in app.warning)
        assert "Reclamă" not in shown(app), "its words are shown to its author's own browser only"


def test_a_reason_can_be_typed_and_an_empty_one_is_refused(open_page):
    refused = brought("Neclar", publish=False, session=SESSION)
    app = press(at_the_queue(open_page), "queue_refuse")
    next(button for button in app.button if button.label == "Respinge").click().run()
    assert status_of(refused.receipt) == "submitted" and app.error
    app.text_input(key=f"queue_reason_{refused.receipt}").set_value("Scrieți și strada.")
    checked(next(button for button in app.button if button.label == "Respinge").click().run())
    assert status_of(refused.receipt) == "hidden"
    assert "Nimic nu așteaptă" in app.success[0].value
    with transaction(SYSTEM) as connection:
        assert moderation_of(connection, refused.receipt).reason == "Scrieți și strada."
    own = open_page("register", Role.VISITOR, cod=refused.receipt)
    assert "Neclar" in shown(own) and any("Scrieți și strada" in warning.value for warning in own.warning)


def test_skipping_and_going_back_changes_nothing(open_page):
    for title in ("Prima", "A doua", "A treia"):
        brought(title, publish=False)
    app = at_the_queue(open_page)
    assert app.button(key="queue_back").disabled
    press(app, "queue_skip")
    press(press(app, "queue_refuse"), "queue_skip")
    assert "A treia" in shown(app) and app.button(key="queue_skip").disabled
    assert not any(str(button.key).startswith("queue_reason") for button in app.button)
    press(app, "queue_accept")
    assert "A doua" in shown(app), "the last one gone, the one before it is the last"
    press(app, "queue_back")
    assert "Prima" in shown(app)


def test_every_action_has_a_key_and_keys_can_be_turned_off(open_page):
    code = brought("Prima", publish=False).receipt
    app = press(at_the_queue(open_page), "queue_refuse")
    keys = {b.key.removesuffix(f"_{code}"): b.proto.shortcut for b in app.button if str(b.key).startswith("queue_")}
    assert keys == {
        "queue_accept": "a", "queue_refuse": "x", "queue_back": "p", "queue_skip": "n",
        "queue_reason_1": "1", "queue_reason_2": "2", "queue_reason_3": "3", "queue_reason_4": "4",
    }  # fmt: skip
    app.toggle(key="queue_keys").set_value(False)
    checked(app.run())
    assert {b.proto.shortcut for b in app.button if str(b.key).startswith("queue_")} == {""}


def test_who_is_no_planner_any_more_accepts_and_refuses_nothing_in_a_page_that_was_open(open_page):
    """The button was drawn for a planner; the press comes after the role was taken."""
    first = brought("Prima", publish=False).receipt
    for name in ("queue_accept", "queue_reason_1"):
        app = at_the_queue(open_page)
        if name != "queue_accept":
            press(app, "queue_refuse")
        demonstration.play(SESSION, Role.VISITOR)
        press(app, name)
        assert status_of(first) == "submitted"
        assert [error.value for error in app.error] == [plain("Numai echipa masterplanului poate face aceasta.")]
        assert not checked(app.run()).error, "said once"
    with transaction(SYSTEM) as connection:
        assert moderation_of(connection, first) is None


def test_a_button_pressed_twice_is_not_meant_for_the_next_one(open_page):
    """The second press of the same button arrives when the next submission has come in its place."""
    first, second = (brought(title, publish=False).receipt for title in ("Prima", "A doua"))
    app = at_the_queue(open_page)
    accept = next(b for b in app.button if str(b.key).startswith("queue_accept"))
    checked(accept.click().run())
    checked(accept.click().run())
    assert (status_of(first), status_of(second)) == ("published", "submitted")


@pytest.mark.parametrize("role", [Role.VISITOR, Role.UAT])
def test_nobody_else_gets_to_the_queue_or_the_sessions(open_page, role):
    assert not open_page("desk", role).segmented_control


# -- the limit -----------------------------------------------------------------------------


def filled(app: AppTest, title: str) -> AppTest:
    app.text_area(key="propose_points").set_value("47.1585, 27.6014").run()
    app.selectbox(key="propose_form_theme").set_value("water")
    app.text_input(key="propose_form_title").set_value(title)
    app.text_area(key="propose_form_description").set_value("Apa stă pe stradă după ploaie.")
    return app


def send(app: AppTest) -> AppTest:
    return checked(next(b for b in app.button if b.label.startswith(("Trimite", "Submit and"))).click().run())


def reach_the_limit() -> None:
    for number in range(5):
        brought(f"Una din cinci, {number}", publish=False)


def test_who_hits_the_limit_is_told_when_to_go_on_and_loses_nothing(open_page):
    reach_the_limit()
    hour_later = datetime.now(UTC) + timedelta(hours=1)
    app = send(filled(open_page("propose"), "Baltă în stație"))
    (told,) = [warning.value for warning in app.warning]
    around = {(hour_later + timedelta(minutes=m)).astimezone(ZoneInfo("Europe/Bucharest")) for m in (-1, 0, 1)}
    assert any(plain(moment.strftime("ora %H:%M")) in told for moment in around), told
    assert app.text_input(key="propose_form_title").value == "Baltă în stație"
    assert app.text_area(key="propose_form_description").value == "Apa stă pe stradă după ploaie."
    assert app.selectbox(key="propose_form_theme").value == "water"
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.submission_mark SET at = at - interval '1 hour'"))
    send(app)
    assert any("Păstrați codul de urmărire" in said.value for said in app.success), shown(app)


def test_with_the_code_of_a_session_the_same_person_goes_on(open_page):
    reach_the_limit()
    now = datetime.now(UTC)
    code = consultations.open_one("Primăria Miroslava", 2, now + timedelta(hours=1), now, PLANNER)
    app = send(filled(open_page("propose"), "Baltă în stație"))
    assert app.warning
    app.text_input(key="propose_form_consultation").set_value("0000-0000")
    send(app)
    assert any("Nu există nicio sesiune" in error.value for error in app.error)
    app.text_input(key="propose_form_consultation").set_value(code.lower())
    send(app)
    assert any("Păstrați codul de urmărire" in said.value for said in app.success)


@pytest.mark.parametrize("page", ["propose", "map"])
def test_the_link_of_a_session_brings_its_code_along(open_page, page):
    now = datetime.now(UTC)
    code = consultations.open_one("Primăria *Miroslava*", 2, now + timedelta(hours=1), now, PLANNER)
    app = open_page(page, sesiune=code)
    assert any(plain("Primăria *Miroslava*") in info.value for info in app.info), shown(app)
    if page == "propose":
        filled(app, "Baltă în stație")
        assert app.text_input(key="propose_form_consultation").value == code
    consultations.close(code, PLANNER)
    app = open_page(page, sesiune=code)
    assert any(plain("s-a încheiat") in warning.value for warning in app.warning)


# -- consultation sessions -----------------------------------------------------------------


def at_the_sessions(open_page) -> AppTest:
    app = open_page("desk", Role.PLANNER)
    app.segmented_control(key="desk_part").set_value("sessions")
    return checked(app.run())


def all_sessions() -> list[consultations.Consultation]:
    with transaction(PLANNER) as connection:
        return consultations.every(connection)


def test_a_planner_opens_a_session_and_ends_it(open_page):
    with owner_transaction() as connection:
        connection.execute(text("DELETE FROM masterplan.consultation"))
    app = at_the_sessions(open_page)
    assert any("Nicio sesiune" in info.value for info in app.info)
    next(b for b in app.button if b.label == "Deschide sesiunea").click().run()
    assert app.error and all_sessions() == []
    app.text_input(key="session_place").set_value("Casa de Cultură, Miroslava")
    app.number_input(key="session_hours").set_value(3)
    app.number_input(key="session_most").set_value(40)
    checked(next(b for b in app.button if b.label == "Deschide sesiunea").click().run())
    (opened,) = all_sessions()
    assert (app.text_input(key="session_place").value, app.number_input(key="session_hours").value) == ("", 4), "anew"
    assert (opened.place, opened.most, opened.used, opened.open) == ("Casa de Cultură, Miroslava", 40, 0, True)
    assert timedelta(hours=2, minutes=59) < opened.ends_at - datetime.now(UTC) <= timedelta(hours=3)
    assert f"## {opened.code}" in shown(app)
    press(app, f"session_close_{opened.code}")
    assert not all_sessions()[0].open
    assert any("Sesiuni încheiate: 1" in label for label in shown(app))


def test_who_is_no_planner_any_more_ends_no_session(open_page):
    now = datetime.now(UTC)
    code = consultations.open_one("Primăria Miroslava", 2, now + timedelta(hours=1), now, PLANNER)
    app = at_the_sessions(open_page)
    demonstration.play(SESSION, Role.VISITOR)
    press(app, f"session_close_{code}")
    assert next(each.open for each in all_sessions() if each.code == code)
    assert [error.value for error in app.error] == [plain("Numai echipa masterplanului poate face aceasta.")]


def test_the_link_of_a_session_leads_to_the_public_s_pages(monkeypatch: pytest.MonkeyPatch):
    """The team opens it under a name of its own, which people in the hall may not reach."""
    monkeypatch.setenv("MASTERPLAN_PUBLIC_ADDRESS", "https://harta.example.ro")
    settings.cache_clear()
    try:
        assert consultation.address_of("K7MQ-2XTB") == "https://harta.example.ro/?sesiune=K7MQ-2XTB"
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_the_qr_code_is_a_picture_made_here_of_the_link():
    """Its size tells how much it holds: 43 characters at level M are one too many for version 3, so version 4.

    That has 33 modules, and a quiet zone of 4 around them.
    """
    picture = consultation.qr_code("https://harta.example.ro/?sesiune=K7MQ-2XTB")
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height) == ((33 + 2 * 4) * 8,) * 2


def test_a_code_in_the_address_is_no_address_of_the_desk(open_page):
    app = open_page("desk", Role.PLANNER, sesiune="K7MQ-2XTB")
    assert address(app, "f") is None and not app.warning
