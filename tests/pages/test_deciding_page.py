"""The decision on the desk and in the register: what is offered, what is said, and to whom."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from masterplan import demonstration
from masterplan.actors import Actor, Role
from masterplan.database import owner_transaction, transaction
from proposals.deciding import Action, Outcome
from proposals.decisions import Recommendation, recommend, stands, take
from tests.pages.helpers import HOSTILE, SESSION, brought, checked, press, shown

pytestmark = pytest.mark.database

#: A planner in another browser.
OTHER = Actor(Role.PLANNER, user="demo", session="another browser")
SITE = {"type": "Polygon", "coordinates": [[[27.583, 47.12], [27.59, 47.12], [27.59, 47.126], [27.583, 47.12]]]}


@pytest.fixture
def proposal(empty: None) -> str:
    return brought("Parc pe mal", "green_blue", kind="proposal", geometry=SITE, on_behalf_of="95060").receipt


@pytest.fixture
def at_once(database_name: str):
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.decision_setting SET answer_days = 0"))
    yield
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.decision_setting SET answer_days = 10"))


def state(receipt: str) -> str:
    with transaction(OTHER) as connection:
        return stands(connection, receipt).state


def test_a_planner_recommends_with_a_draft_and_another_confirms_and_publishes(open_page, proposal, at_once):
    app = open_page("desk", Role.PLANNER, cod=proposal)
    app.selectbox(key=f"deciding_outcome_{proposal}").set_value(Outcome.REJECT).run()
    press(app, "deciding_draft")
    assert "Cele mai puternice:" in app.text_area(key=f"deciding_reason_{proposal}").value
    press(app, "deciding_recommend")
    assert any("Spuneți public de ce vă abateți" in error.value for error in app.error)
    assert state(proposal) == "open"
    app.text_area(key=f"deciding_departure_{proposal}").set_value("Terenul a fost vândut.")
    press(app, "deciding_recommend")
    assert state(proposal) == "recommended"
    assert not [b for b in app.button if str(b.key).startswith("deciding_confirm")], "not by who recommended it"
    take(proposal, Action.CONFIRM, OTHER)
    app = open_page("desk", Role.PLANNER, cod=proposal)
    assert "Decizii pregătite: 1, din care se pot publica 1" in shown(app)
    press(app, "deciding_publish_all")
    assert state(proposal) == "published"
    public = shown(open_page("register", Role.VISITOR, cod=proposal))
    assert any("respinsă" in words for words in public)
    assert any("Terenul a fost vândut" in words for words in public)
    assert not any("demo" in words and "session" in words for words in public)


def test_words_begun_for_one_proposal_are_not_there_for_the_next(open_page, proposal):
    second = brought("Alt parc", "green_blue", kind="proposal", geometry=SITE, on_behalf_of="95060").receipt
    app = open_page("desk", Role.PLANNER, cod=proposal)
    app.selectbox(key=f"deciding_outcome_{proposal}").set_value(Outcome.INTEGRATE).run()
    app.text_area(key=f"deciding_reason_{proposal}").set_value("Numai pentru primul.").run()
    app.query_params["cod"] = second
    checked(app.run())
    assert app.selectbox(key=f"deciding_outcome_{second}").value is None
    assert "Numai pentru primul." not in [area.value for area in app.text_area]


def test_a_button_asks_again_who_presses_it(open_page, proposal):
    recommend(proposal, Recommendation(Outcome.PARTLY, ("brings_green",)), OTHER)
    app = open_page("desk", Role.PLANNER, cod=proposal)
    (confirm,) = (b for b in app.button if str(b.key).startswith("deciding_confirm"))
    demonstration.play(SESSION, Role.VISITOR)
    checked(confirm.click().run())
    assert state(proposal) == "recommended"


def test_the_uat_concerned_reads_what_is_about_to_be_decided_and_answers(open_page, proposal):
    given = Recommendation(Outcome.PARTLY, (), HOSTILE)
    recommend(proposal, given, Actor(Role.PLANNER, user="demo", session="a third browser"))
    take(proposal, Action.CONFIRM, OTHER)
    assert "Înainte de publicarea deciziei" not in shown(open_page("register", Role.VISITOR, cod=proposal))
    app = open_page("register", Role.UAT, cod=proposal)
    assert "Înainte de publicarea deciziei" in shown(app)
    assert not any(HOSTILE in words for words in shown(app)), "words of others are never markup"
    app.text_area(key=f"deciding_answer_{proposal}_words").set_value("Suntem de acord.")
    press(app, "deciding_answer")
    assert any("Răspunsul a fost primit" in said.value for said in app.success)
    with transaction(OTHER) as connection:
        assert [s.comment for s in stands(connection, proposal).steps if s.action == "answer"] == ["Suntem de acord."]


def test_an_observation_is_not_decided(open_page, empty):
    observation = brought("Umbră")
    assert "Decizia" not in shown(open_page("desk", Role.PLANNER, cod=observation.receipt))
