"""From an integrated proposal to a published edition, on the desk and on the page of editions."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import text

from layers.editions import publish
from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import owner_transaction, transaction
from masterplan.pages.plain import plain
from proposals.deciding import Action, Outcome
from proposals.decisions import Recommendation, recommend, take
from proposals.plan_changes import layers_for
from tests.pages.helpers import HOSTILE, brought, checked, press, shown

pytestmark = pytest.mark.database

ONE, TWO = (Actor(Role.PLANNER, user="demo", session=f"browser {n}") for n in (1, 2))
LINE = {"type": "LineString", "coordinates": [[27.55, 47.15], [27.60, 47.17]]}


@pytest.fixture
def proposal(empty: None) -> str:
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.decision_setting SET answer_days = 0"))
    code = brought(HOSTILE[:60], "mobility", kind="proposal", geometry=LINE, on_behalf_of="95060").receipt
    reason = Recommendation(Outcome.INTEGRATE, ("meets_criteria",), departure="Leagă două cartiere.")
    recommend(code, reason, ONE)
    return code


def test_before_anything_is_published_there_is_one_draft(open_page, database_name):
    app = open_page("editions")
    words = shown(app)
    assert plain("Nu este încă anunțată o consultare.") in words
    assert not app.selectbox, "there is nothing to compare"
    assert not app.button, "only staff prepare and publish"


def test_a_proposal_becomes_a_part_of_the_plan(open_page, proposal):
    with transaction(SYSTEM) as connection:
        first = publish(connection)
    app = open_page("desk", Role.PLANNER, cod=proposal)
    layer = app.selectbox(key=f"plan_layer_{proposal}_add")
    radials = next(option for option in layer.options if option == "Radiale")
    layer.set_value(next(each for each in layers_for("LineString") if each.name_ro == radials)).run()
    app.text_input(key=f"plan_{proposal}_radials__ro").set_value("")
    press(app, "plan_prepare")
    assert any("Dați elementului un nume" in error.value for error in app.error)
    app.text_input(key=f"plan_{proposal}_radials__ro").set_value(HOSTILE[:60]).run()
    press(app, "plan_prepare")
    assert any("Pregătit." in said.value for said in app.success)
    (apply,) = (b for b in app.button if str(b.key).startswith("plan_apply"))
    assert apply.disabled, "the decision is not published"
    take(proposal, Action.CONFIRM, TWO)
    take(proposal, Action.PUBLISH, TWO)
    waiting = shown(open_page("editions", Role.PLANNER))
    assert any("nu este încă aplicată: 1" in words for words in waiting)
    app = open_page("desk", Role.PLANNER, cod=proposal)
    press(app, "plan_apply")
    assert any("în lucru" in said.value for said in app.success)
    told = shown(open_page("editions", Role.VISITOR))
    assert any(words.startswith(plain("adăugat: 1")) for words in told)
    assert any(plain(f"({proposal}).") in words for words in told)
    assert not any("![x](http" in words for words in told), "words of people stay words"
    app = open_page("editions", Role.PLANNER)
    assert next(b for b in app.button if b.key == "editions_publish").disabled
    app.checkbox(key="editions_sure").check().run()
    press(app, "editions_publish")
    assert any(plain(f"Ediția {first.id + 1} este publicată.") in said.value for said in app.success)


def test_the_calendar_wants_ten_days(open_page, database_name):
    app = open_page("editions", Role.PLANNER)
    app.date_input(key="editions_opens").set_value(date(2027, 3, 1))
    app.date_input(key="editions_closes").set_value(date(2027, 3, 9))
    (save,) = (b for b in app.button if b.label == "Salvează")
    checked(save.click().run())
    assert any("cel puțin 10 zile" in error.value for error in app.error)
    app.date_input(key="editions_closes").set_value(date(2027, 3, 12))
    (save,) = (b for b in app.button if b.label == "Salvează")
    checked(save.click().run())
    assert any(words.startswith(plain("Consultare de la 1 martie 2027")) for words in shown(app))


