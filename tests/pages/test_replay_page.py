"""What if: the page's figures are those of the replay, and planners alone see it."""

from __future__ import annotations

import pytest

from masterplan.actors import SYSTEM, Role
from masterplan.database import transaction
from proposals import replay_data, seeding
from proposals.criteria import THEMES
from proposals.criteria_store import in_force
from proposals.replaying import flips, standing_under, with_point, with_threshold, with_weight
from tests.pages.helpers import checked, shown

pytestmark = pytest.mark.database


@pytest.fixture
def seeded(empty) -> None:
    seeding.seed(150, 3)


def told(change):
    with transaction(SYSTEM) as connection:
        rules, everything = in_force(connection), replay_data.load(connection).everything
    return flips(everything, standing_under(everything, rules), standing_under(everything, change(rules)))


def figures(app) -> list[str]:
    return [metric.value for metric in app.metric]


def expected(found) -> list[str]:
    return [str(len(found.moved)), str(found.gate_count), str(len(found.recommendations)), str(len(found.ranks))]


def choose(app, key: str):
    """Choose a criterion by its key."""
    options = app.selectbox(key="replay_criterion")
    with transaction(SYSTEM) as connection:
        question = in_force(connection).criterion(key).question["ro"]
    return checked(options.select_index(options.options.index(question)).run())


@pytest.mark.parametrize("role", [Role.VISITOR, Role.UAT])
def test_others_see_nothing_of_it(open_page, database_name, role):
    app = open_page("replay", role)
    assert "planificatorii" in app.info[0].value and not app.metric and not app.slider


def test_nothing_measured_is_said(open_page, empty):
    assert "nu are ce se simula" in open_page("replay", Role.PLANNER).info[0].value


def test_nothing_changed_flips_nothing(open_page, seeded):
    app = open_page("replay", Role.PLANNER)
    assert figures(app) == ["0", "0", "0", "0"] and not app.dataframe
    assert any("150" in text for text in shown(app))


def test_a_weight_a_threshold_and_a_point_flip_what_the_replay_says(open_page, seeded):
    app = choose(open_page("replay", Role.PLANNER), "residents_served")
    checked(app.slider[0].set_value(50.0).run())
    found = told(lambda rules: with_weight(rules, "residents_served", 50))
    assert figures(app) == expected(found) and len(found.recommendations) > 0 and len(found.ranks) > 0
    codes = [code for frame in app.dataframe for code in frame.value.iloc[:, 0]]
    assert codes == [f.receipt for f in found.recommendation_flips()] + [f.receipt for f in found.rank_flips()]

    app = choose(app, "steep_slope")
    number = app.selectbox(key="replay_steep_slope_number")
    checked(number.select_index(0).run())
    checked(app.slider[0].set_value(2.0).run())
    found = told(lambda rules: with_threshold(rules, "steep_slope", 2, ["point"]))
    assert figures(app) == expected(found) and found.gate_count > 0

    app = choose(app, "public_transport")
    checked(app.selectbox(key="replay_public_transport_number").select_index(3).run())
    checked(app.slider[0].set_value(60.0).run())
    found = told(lambda rules: with_point(rules, "public_transport", 2, 1000, 60))
    assert figures(app) == expected(found) and len(found.moved) > 0


def test_ranks_are_shown_with_their_intervals_in_a_drawing_and_a_table(open_page, seeded):
    app = open_page("replay", Role.PLANNER)
    assert not app.dataframe or "Interval 5–95 %" not in app.dataframe[-1].value.columns
    checked(app.selectbox(key="ranks_theme").set_value("mobility").run(timeout=60))
    with transaction(SYSTEM) as connection:
        rules, everything = in_force(connection), replay_data.load(connection).everything
    best = standing_under(everything, rules)
    number = THEMES.index("mobility")
    expected = {
        receipt: int(rank)
        for receipt, rank, theme in zip(everything.receipts.tolist(), best.rank, everything.theme, strict=True)
        if rank and theme == number
    }
    table = app.dataframe[-1].value
    assert dict(zip(table["Cod"], table["Poziție"], strict=True)) == expected
    for rank, interval in zip(table["Poziție"], table["Interval 5–95 %"], strict=True):
        low, high = map(int, interval.split("–"))
        assert 1 <= low <= high <= len(expected) and low - 1 <= rank <= high + 1
