"""Why a result changed, criterion by criterion: causes by hand, and contributions that add up."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proposals.comparing import CAUSES, compare, contribution
from proposals.replaying import with_point, with_threshold, with_weight
from proposals.scoring import LayerFact
from tests.unit.test_scoring import (
    CO2,
    FLOOD,
    LAYERS,
    OFFICIAL,
    SHIPPED,
    STOPS,
    _shipped_answers,
    criteria,
    gate,
    layer_names,
    run,
    score_one,
    scored,
    subjects,
)

RULES = criteria(gate(), scored(weight=30), scored(CO2, ((0, 0), (100, 100)), 10, "co2"))
MEASURES = {STOPS.key: {"value": 640}, CO2.key: {"value": 20}, FLOOD.key: {"value": 5.0}}


def changes(rules=RULES, measures=MEASURES, layers=LAYERS) -> dict[str, tuple[tuple[str, ...], float]]:
    before, after = run(RULES, MEASURES), run(rules, measures, layers)
    return {c.key: (c.causes, round(c.points, 3)) for c in compare(before.results, after.results)}


def test_nothing_changed():
    assert changes() == {}


@pytest.mark.parametrize(
    "changed,causes",
    [
        ({"measures": MEASURES | {STOPS.key: {"value": 1000}}}, {"scored": (("value",), -27.0)}),
        ({"layers": LAYERS | {"stops": LayerFact(4, False, 10.0)}}, {"scored": (("layer",), 0)}),
        ({"layers": LAYERS | {"flood": LayerFact(4, True, 10.0)}}, {"gate": (("layer", "official"), 0)}),
        ({"measures": MEASURES | {FLOOD.key: {"value": 11.0}}}, {"gate": (("value", "verdict"), 0)}),
        ({"rules": with_threshold(RULES, "gate", 4)}, {"gate": (("limit", "verdict"), 0)}),
        ({"rules": with_threshold(RULES, "gate", 6)}, {"gate": (("limit",), 0)}),
        ({"rules": with_point(RULES, "scored", 2, 1000, 45)}, {"scored": (("value_function",), 5.25)}),
        (
            {"rules": with_weight(RULES, "scored", 10)},
            {"scored": (("weight",), -14.0), "co2": (("share",), 5.0)},
        ),
        ({"rules": criteria(scored(weight=30))}, {"gate": (("not_asked",), 0), "co2": (("not_asked",), -5.0),
                                                  "scored": (("share",), 14.0)}),
        ({"measures": MEASURES | {CO2.key: {}}}, {"co2": (("value", "share"), -5.0), "scored": (("share",), 14.0)}),
    ],
)  # fmt: skip
def test_a_cause_by_hand(changed, causes):
    assert changes(**changed) == causes


def test_a_criterion_that_comes_is_said_with_its_points():
    before, after = run(criteria(scored(weight=30)), MEASURES), run(RULES, MEASURES)
    found = {c.key: (c.causes, round(c.points, 3)) for c in compare(before.results, after.results)}
    assert found == {"gate": (("asked",), 0), "co2": (("asked",), 5.0), "scored": (("share",), -14.0)}


def test_gates_come_first_then_what_moved_the_total_most():
    before, after = run(RULES, MEASURES), run(with_threshold(with_weight(RULES, "co2", 1), "gate", 1), MEASURES)
    assert [c.key for c in compare(before.results, after.results)] == ["gate", "scored", "co2"]
    assert set(CAUSES) >= {cause for c in compare(before.results, after.results) for cause in c.causes}


@settings(max_examples=60, deadline=None)
@given(subjects, _shipped_answers(), _shipped_answers(), st.floats(1, 60))
def test_the_changes_add_up_to_the_difference_of_the_totals(subject, first, second, weight):
    layers = dict.fromkeys(layer_names, OFFICIAL)
    other = with_weight(SHIPPED, "residents_served", weight)
    other = dataclasses.replace(other, scored=other.scored[2:])
    before, after = score_one(SHIPPED, subject, first, layers), score_one(other, subject, second, layers)
    found = compare(before.results, after.results)
    assert sum(map(contribution, before.results.values())) == pytest.approx(before.total or 0, abs=0.2)
    assert sum(c.points for c in found) == pytest.approx((after.total or 0) - (before.total or 0), abs=0.3)
    untouched = {*before.results, *after.results} - {c.key for c in found}
    assert all(before.results[key] == after.results[key] or _same_but_reason(before, after, key) for key in untouched)


def _same_but_reason(before, after, key) -> bool:
    drop = {"reason", "feature", "feature_name"}
    one, other = ({k: v for k, v in each.results[key].items() if k not in drop} for each in (before, after))
    return one == other
