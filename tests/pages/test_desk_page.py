"""The planner's desk: filters, the map beside, one submission in full, publishing, downloading."""

from __future__ import annotations

import base64
import json
from datetime import date

import pytest

from masterplan import demonstration, tickets
from masterplan.actors import SYSTEM, Role
from masterplan.database import transaction
from masterplan.pages.plain import plain
from proposals import seeding
from proposals.filters import CriterionCondition, GateCondition, ProposalFilter
from proposals.selecting import count
from tests.pages.helpers import COPOU, HOSTILE, SESSION, address, brought, checked, shown, status_of

pytestmark = pytest.mark.database


def found(app) -> str:
    return next(m.value for m in app.markdown if m.value.startswith("**Găsite"))


def counted(wanted: ProposalFilter) -> str:
    with transaction(SYSTEM) as connection:
        return f"**Găsite: {count(connection, wanted)}**"


def state_of(fake_map) -> dict:
    """What the map was last told, unpacked from its script."""
    (state,) = fake_map.calls[-1]["feature_group_to_add"]._children.values()
    return json.loads(base64.b64decode(state.packed))


def ticket_of(address: str) -> tickets.Ticket:
    return tickets.read(address.split("t=")[1].split("&")[0])


@pytest.mark.parametrize("role", [Role.VISITOR, Role.UAT])
@pytest.mark.parametrize("language", ["ro", "en"])
def test_others_are_told_whom_it_is_for(open_page, fake_map, database_name, role, language):
    app = open_page("desk", role, language)
    assert {"ro": "planificatorii", "en": "planners"}[language] in app.info[0].value
    assert not app.dataframe and not app.text_input and not fake_map.calls


def test_an_empty_desk_says_so(open_page, empty):
    app = open_page("desk", Role.PLANNER)
    assert "Încă nu s-a depus nimic" in app.info[0].value


def test_filters_count_as_the_export_does(open_page, fake_map, empty):
    seeding.seed(150, 5)
    app = open_page("desk", Role.PLANNER)
    assert found(app) == "**Găsite: 150**"
    app.multiselect(key="desk_themes").set_value(["mobility", "water"])
    app.number_input(key="desk_min").set_value(20.0).run()
    wanted = ProposalFilter(themes=("mobility", "water"), min_score=20.0)
    assert found(checked(app)) == counted(wanted)
    assert json.loads(address(app, "f")) == wanted.to_dict()
    assert ticket_of(state_of(fake_map)["proposals"]).filter == wanted.to_dict()
    (link,) = app.get("html")
    assert "/staff/export?t=" in link.proto.body
    assert ticket_of(link.proto.body).filter == wanted.to_dict()
    app.multiselect(key="desk_gates").set_value([GateCondition("zone", "pass")])
    app.multiselect(key="desk_statuses").set_value(["published"])
    app.selectbox(key="desk_kind").set_value("observation")
    app.date_input(key="desk_since").set_value(date(2026, 1, 1)).run()
    wanted = ProposalFilter(
        themes=("mobility", "water"), min_score=20.0, gates=(GateCondition("zone", "pass"),),
        statuses=("published",), kind="observation", since=date(2026, 1, 1),
    )  # fmt: skip
    assert found(checked(app)) == counted(wanted)
    next(button for button in app.button if button.label == "Șterge filtrele").click().run()
    assert found(checked(app)) == "**Găsite: 150**"
    assert address(app, "f") is None


def test_a_score_on_one_criterion_can_be_asked_for(open_page, empty):
    seeding.seed(60, 6)
    app = open_page("desk", Role.PLANNER)
    app.selectbox(key="desk_add_key").set_value("residents_served")
    app.selectbox(key="desk_add_sign").set_value("<=")
    app.number_input(key="desk_add_value").set_value(50.0)
    next(button for button in app.button if button.label == "Adaugă").click().run()
    wanted = ProposalFilter(criteria=(CriterionCondition("residents_served", "<=", 50.0),))
    assert found(checked(app)) == counted(wanted)


def test_the_filter_of_the_address_is_taken_up(open_page, empty):
    seeding.seed(60, 7)
    wanted = ProposalFilter(themes=("mobility",), uats=("95060",), author_kinds=("citizen",))
    app = open_page("desk", Role.PLANNER, f=json.dumps(wanted.to_dict()))
    assert found(app) == counted(wanted)
    assert app.multiselect(key="desk_uats").value == ["95060"]


@pytest.mark.parametrize("written", [HOSTILE, "[]", '{"theme":["![x](http://evil.example/p.png)"]}', "[" * 100_000])
def test_a_broken_filter_in_the_address_is_left_out_and_said(open_page, empty, written):
    brought()
    app = open_page("desk", Role.PLANNER, f=written)
    assert "lăsat deoparte" in app.warning[0].value
    assert "](http" not in app.warning[0].value
    assert found(app) == "**Găsite: 1**"


def test_bounds_that_contradict_each_other_are_said(open_page, empty):
    brought()
    app = open_page("desk", Role.PLANNER)
    app.number_input(key="desk_min").set_value(80.0)
    app.number_input(key="desk_max").set_value(20.0).run()
    assert app.warning and not app.dataframe
    next(button for button in app.button if button.label == "Șterge filtrele").click().run()
    assert found(checked(app)) == "**Găsite: 1**"


def test_one_submission_shows_all_with_its_contact_and_can_be_hidden(open_page, fake_map, empty):
    outcome = brought(HOSTILE, description=HOSTILE, email="cineva@exemplu.ro", publish=False)
    app = open_page("desk", Role.PLANNER, cod=outcome.receipt)
    texts = shown(app)
    assert "cineva@exemplu.ro" in texts
    assert "Cum stă locul față de criterii" in texts
    assert plain(HOSTILE) in texts
    assert HOSTILE in [element.value for element in app.text]
    assert state_of(fake_map)["outline"]["type"] == "Point"
    before = state_of(fake_map)["proposals"]
    app.button(key="desk_published").click().run()
    assert status_of(outcome.receipt) == "published"
    assert state_of(fake_map)["proposals"] != before, "the map asks for its tiles again"
    app.button(key="desk_hidden").click().run()
    assert status_of(outcome.receipt) == "published", "nothing is hidden without a reason"
    assert app.error
    app.text_area(key=f"desk_reason_{outcome.receipt}").set_value("Conține un număr de telefon.")
    app.button(key="desk_hidden").click().run()
    assert status_of(outcome.receipt) == "hidden"


@pytest.mark.parametrize("page", ["desk", "register"])
def test_no_title_of_a_table_is_a_formula_once_downloaded(open_page, empty, page: str):
    """A spreadsheet computes a cell of a CSV file that begins with one of these (OWASP, CSV injection)."""
    for title in ("=HYPERLINK(1)", "+4074", "-2+3", "@SUM(A1)"):
        brought(title)
    titles = list(open_page(page, Role.PLANNER).dataframe[0].value["Titlu"])
    assert len(titles) == 4 and not any(title[0] in "=+-@" for title in titles)
    assert {title[1:] for title in titles} == {"=HYPERLINK(1)", "+4074", "-2+3", "@SUM(A1)"}


def test_a_reason_begun_for_one_submission_is_not_there_for_the_next(open_page, empty):
    first, second = (brought(title).receipt for title in ("Prima", "A doua"))
    app = open_page("desk", Role.PLANNER, cod=first)
    app.text_area(key=f"desk_reason_{first}").set_value("!!")
    app.button(key="desk_hidden").click().run()
    reasons = [area.value for area in app.text_area if area.key.startswith("desk_reason_")]
    assert app.error and reasons == ["!!"], "too short, and kept to go on with"
    app.query_params["cod"] = second
    checked(app.run())
    assert plain("A doua") in shown(app)
    assert [area.value for area in app.text_area if area.key.startswith("desk_reason_")] == [""]


def test_the_map_is_mounted_once_and_its_click_opens_the_nearest(open_page, fake_map, empty):
    outcome = brought()
    app = open_page("desk", Role.PLANNER)
    assert {call["key"] for call in fake_map.calls} == {"desk_map"}
    fake_map.reply = {"last_clicked": {"lng": COPOU[0] + 0.05, "lat": COPOU[1]}}
    app.run()
    assert address(checked(app), "cod") is None, "nothing within reach"
    fake_map.reply = {"last_clicked": {"lng": COPOU[0] + 0.002, "lat": COPOU[1]}}
    app.run()
    assert address(checked(app), "cod") == outcome.receipt
    next(button for button in app.button if button.key == "desk_close").click().run()
    assert address(checked(app), "cod") is None, "the same click does not open it again"


def test_a_role_that_was_taken_away_shuts_the_desk(open_page, empty):
    app = open_page("desk", Role.PLANNER)
    demonstration.play(SESSION, Role.VISITOR)
    app.run()
    assert not checked(app).text_input
