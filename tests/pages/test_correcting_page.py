"""In the register, under one's own submission: correcting its words, and withdrawing it."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import transaction
from proposals.correcting import correct, withdraw
from proposals.submission import Words
from proposals.submitting import set_status
from tests.pages.helpers import SESSION, brought, checked, press, shown, status_of

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def _nothing_yet(empty) -> None:
    """Each test with its own submissions alone."""


def stored(receipt: str) -> tuple[str, str, str]:
    with transaction(SYSTEM) as connection:
        return tuple(connection.execute(text(
            "SELECT title, description, theme FROM masterplan.proposal WHERE receipt = :r"), {"r": receipt}
        ).one())  # fmt: skip


def field(app: AppTest, name: str):
    """The field of the correction with this name; keys end in the tracking code."""
    kinds = {"title": app.text_input, "description": app.text_area, "theme": app.selectbox}
    return next(each for each in kinds[name] if each.key.startswith(f"correcting_{name}_"))


@pytest.mark.parametrize("session", [SESSION, "another browser"])
def test_words_are_corrected_in_the_browser_that_brought_them_or_by_the_code(open_page, session: str) -> None:
    receipt = brought("Lipsă bancă", session=session, publish=False, description="Nu ai unde sta.").receipt
    app = open_page("register", cod=receipt)
    assert [field(app, name).value for name in ("title", "description", "theme")] == [
        "Lipsă bancă", "Nu ai unde sta.", "public_space"]  # fmt: skip
    field(app, "title").set_value("Lipsește o bancă")
    field(app, "theme").set_value("water")
    press(app, "correcting_save")
    assert stored(receipt) == ("Lipsește o bancă", "Nu ai unde sta.", "water")
    assert "Lipsește o bancă" in shown(app)
    assert any("Tema este alta" in element.value for element in app.success)
    assert not any("Corectată" in element.value for element in checked(app.run()).success), "said once"
    field(app, "description").set_value("Nu ai unde sta la umbră.")
    press(app, "correcting_save")
    assert [element.value for element in app.success] == ["Corectată."]


def test_what_is_wrong_is_said_and_what_was_typed_stays(open_page) -> None:
    receipt = brought("Lipsă bancă", session=SESSION, publish=False).receipt
    app = open_page("register", cod=receipt)
    field(app, "title").set_value("ab")
    field(app, "description").set_value("Scris pe larg.")
    press(app, "correcting_save")
    assert "cel puțin 3" in app.error[0].value
    assert (field(app, "title").value, field(app, "description").value) == ("ab", "Scris pe larg.")
    assert stored(receipt)[0] == "Lipsă bancă"


def test_withdrawing_is_asked_twice_and_said(open_page) -> None:
    receipt = brought("Lipsă bancă", session=SESSION, publish=False).receipt
    app = open_page("register", cod=receipt)
    assert status_of(receipt) == "submitted", "looking withdraws nothing"
    press(app, "correcting_withdraw")
    assert status_of(receipt) == "withdrawn"
    words = " ".join(shown(app))
    assert "Retrasă." in words and "retrasă de autor" in words
    assert not any(button.key in ("correcting_save", "correcting_withdraw") for button in app.button)
    later = open_page("register", Role.VISITOR, cod=receipt)
    assert "retrasă de autor" in " ".join(shown(later))


@pytest.mark.parametrize("status", ["published", "hidden"])
def test_what_is_decided_offers_nothing(open_page, status: str) -> None:
    receipt = brought("Lipsă bancă", session=SESSION, publish=False).receipt
    set_status([receipt], status, SYSTEM, "Nu privește masterplanul.")
    app = open_page("register", cod=receipt)
    assert "Lipsă bancă" in shown(app)
    assert not any(button.key in ("correcting_save", "correcting_withdraw") for button in app.button)


def test_a_decision_while_the_form_was_open_is_said(open_page) -> None:
    receipt = brought("Lipsă bancă", session=SESSION, publish=False).receipt
    app = open_page("register", cod=receipt)
    set_status([receipt], "published", SYSTEM)
    field(app, "title").set_value("Altceva")
    press(app, "correcting_save")
    assert stored(receipt)[0] == "Lipsă bancă"


def test_a_planner_who_reads_the_old_words_publishes_nothing_and_is_told(open_page) -> None:
    first = brought("Lipsă bancă", session=SESSION, publish=False).receipt
    brought("A doua", publish=False)
    for change, key in (
        (lambda author: correct(first, Words("Cu totul altceva", "", "other"), author), "queue_accept"),
        (lambda author: withdraw(first, author), "queue_accept"),
    ):
        app = open_page("desk", Role.PLANNER)
        app.segmented_control(key="desk_part").set_value("queue")
        checked(app.run())
        change(Actor(Role.VISITOR, session=SESSION))
        press(app, key)
        assert status_of(first) != "published"
        assert any("a fost modificată sau retrasă" in warning.value for warning in app.warning)
        assert not any("modificată sau retrasă" in warning.value for warning in checked(app.run()).warning)
