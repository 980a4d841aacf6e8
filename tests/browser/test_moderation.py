"""The limit, a consultation session and the moderation queue, in a real browser."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import owner_transaction, transaction
from proposals import consultations
from proposals.submitting import moderation_of
from tests.browser.conftest import Server, choose, choose_role, click_at
from tests.pages.helpers import brought, status_of

PLANNER = Actor(Role.PLANNER, user="p")
TITLE, WORDS = "Baltă în stație", "Apa stă pe stradă după ploaie."
SENT = "Cum stă locul față de criterii"


@pytest.fixture(autouse=True)
def _nothing_yet(server: Server):
    with owner_transaction() as connection:
        connection.execute(text("TRUNCATE masterplan.proposal CASCADE"))
        connection.execute(text("DELETE FROM masterplan.submission_mark"))
        connection.execute(text("UPDATE masterplan.submission_limit SET most = 1"))


def fill(page: Page, title: str) -> None:
    click_at(page, 27.587, 47.151)
    page.get_by_role("button", name="Adaugă o observație aici").click()
    choose(page, "Temă", "Apă")
    page.get_by_role("textbox", name="Titlu").fill(title)
    page.get_by_role("textbox", name="Descriere").fill(WORDS)


def send(page: Page) -> None:
    page.get_by_role("button", name="Trimite și vezi rezultatul").click()


def let_an_hour_pass() -> None:
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.submission_mark SET at = at - interval '1 hour'"))


def test_at_the_limit_nothing_typed_is_lost_and_later_it_goes_through(page: Page, server: Server):
    brought("Prima din oră", publish=False)
    page.goto(server.address)
    fill(page, TITLE)
    send(page)
    expect(page.get_by_text(re.compile(r"Puteți continua la ora \D*\d\d\D+\d\d"))).to_be_visible()
    expect(page.get_by_role("textbox", name="Titlu")).to_have_value(TITLE)
    expect(page.get_by_role("textbox", name="Descriere")).to_have_value(WORDS)
    let_an_hour_pass()
    send(page)
    expect(page.get_by_text(SENT)).to_be_visible()
    with transaction(SYSTEM) as connection:
        kept = connection.execute(text("SELECT title, description FROM masterplan.proposal ORDER BY id")).all()
    assert [tuple(row) for row in kept][1:] == [(TITLE, WORDS)], "once, as typed"


def test_the_link_of_a_session_admits_who_would_have_to_wait(page: Page, server: Server):
    brought("Prima din oră", publish=False)
    now = datetime.now(UTC)
    code = consultations.open_one("Casa de Cultură, Miroslava", 40, now + timedelta(hours=2), now, PLANNER)
    page.goto(f"{server.address}/?sesiune={code}")
    expect(page.get_by_text("Participați la sesiunea de consultare")).to_be_visible()
    fill(page, TITLE)
    expect(page.get_by_role("textbox", name=re.compile("^Codul sesiunii"))).to_have_value(code)
    send(page)
    expect(page.get_by_text(SENT)).to_be_visible()
    with transaction(PLANNER) as connection:
        assert next(each.used for each in consultations.every(connection) if each.code == code) == 1


def settle(page: Page) -> None:
    """Wait until everything on the page is drawn, as a person would who reads first."""
    state = page.get_by_test_id("stApp")
    expect(state).to_have_attribute("data-test-script-state", "notRunning")
    # The map's first answer starts one more run: a person has not read the heading by then.
    page.wait_for_timeout(1500)
    expect(state).to_have_attribute("data-test-script-state", "notRunning")


def press(page: Page, key: str) -> None:
    settle(page)
    page.keyboard.press(key)


def test_the_queue_is_worked_with_the_keyboard_alone(page: Page, server: Server):
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.submission_limit SET most = 100"))
    codes = [brought(f"A {n}-a", publish=False).receipt for n in range(4)]
    page.goto(f"{server.address}/analiza")
    choose_role(page, "planificator")
    queue = page.get_by_role("radio", name="De moderat")
    queue.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="A 0-a")).to_be_visible()
    settle(page)
    page.keyboard.down("a")
    expect(page.get_by_role("heading", name="A 1-a")).to_be_visible()
    settle(page)
    # A second time without letting go: what a key sends that is held down. It is not meant for the next one.
    page.keyboard.down("a")
    press(page, "x")
    page.keyboard.up("a")
    press(page, "x")
    expect(page.get_by_role("textbox", name="Alt motiv")).to_be_visible()
    press(page, "2")
    expect(page.get_by_role("heading", name="A 2-a")).to_be_visible()
    press(page, "n")
    expect(page.get_by_role("heading", name="A 3-a")).to_be_visible()
    press(page, "x")
    other = page.get_by_role("textbox", name="Alt motiv")
    expect(other).to_be_visible()
    for _ in range(20):
        if other.evaluate("field => field === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.type("Apasă n, a și x: litere, nu taste rapide.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="A 2-a")).to_be_visible()
    assert [status_of(code) for code in codes] == ["published", "hidden", "submitted", "hidden"]
    with transaction(SYSTEM) as connection:
        reasons = [moderation_of(connection, code).reason for code in (codes[1], codes[3])]
    assert reasons[0].startswith("A fost depusă deja.") and "submitted already" in reasons[0]
    assert reasons[1] == "Apasă n, a și x: litere, nu taste rapide."
