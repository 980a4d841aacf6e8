"""What a planner gives: it counts, what was computed stays beside it, and nobody is asked what they are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proposals.comparing import compare
from proposals.explaining import Teller
from proposals.scoring import Given, Subject, score_one
from tests.unit.test_scoring import CO2, LAYERS, SHIPPED, STOPS, _shipped_answers, criteria, gate, judged, run, scored

SAID = {"reason": "Măsurat pe teren, 12 nov.", "role": "planner", "at": "2026-11-24T04:00:00+00:00"}
RULES = criteria(gate(), scored(weight=30), scored(CO2, ((0, 0), (100, 100)), 10, "co2"), judged(10))
FLOOD = gate().spec.key
MEASURES = {FLOOD: {"value": 41}, STOPS.key: {"value": 500}, CO2.key: {"value": 20}}


def told(score, key: str, language: str = "en") -> str:
    return Teller(language, {}).sentence(RULES.criterion(key), score.results[key])


def test_an_overruled_gate_stands_as_given_and_says_what_was_computed():
    computed = run(RULES, MEASURES)
    score = run(RULES, MEASURES, given={"gate": Given(verdict="pass", on_value=41, **SAID)})
    assert (computed.results["gate"]["verdict"], computed.recommendation) == ("fail", "reject")
    result = score.results["gate"]
    assert (result["verdict"], result["value"]) == ("pass", 41)
    assert result["computed"] == {"verdict": "fail", "reason": "breaks"}
    assert result["override"] == {**SAID, "older": False}
    # (30 × 70 + 10 × 20) / 40 is 57.5: between 40 and 60, and no gate in the way any more.
    assert (score.total, score.recommendation) == (57.5, "debate")
    said = told(score, "gate")
    assert said.endswith("computed: failed; given by a planner on 24 November 2026: “Măsurat pe teren, 12 nov.”.")


def test_overruled_points_count_in_the_total():
    score = run(RULES, MEASURES, given={"co2": Given(points=90, on_value=20, **SAID)})
    assert score.total == pytest.approx((30 * 70 + 10 * 90) / 40)
    assert (score.results["co2"]["score"], score.results["co2"]["computed"]) == (90, {"score": 20})
    assert "computed: 20 points" in told(score, "co2")


def test_points_given_where_the_fact_is_missing_are_assessed():
    score = run(RULES, {STOPS.key: {"value": 500}}, given={"co2": Given(points=90, **SAID)})
    assert score.total == pytest.approx((30 * 70 + 10 * 90) / 40) and score.coverage == 0.8
    assert score.results["co2"]["computed"] == {"score": None}
    assert "not_assessed" not in str(score.results["co2"])


def test_an_override_on_an_older_value_says_so():
    score = run(RULES, MEASURES, given={"co2": Given(points=90, on_value=7, **SAID)})
    assert score.results["co2"]["override"]["older"] is True
    assert "given on an older value: 7" in told(score, "co2")
    assert "dată la o valoare mai veche: 7" in told(score, "co2", "ro")


def test_a_judgement_keeps_its_reason_and_is_no_override():
    score = run(RULES, MEASURES, given={"judged": Given(80, **SAID)})
    assert score.results["judged"]["judgement"] == SAID and "override" not in score.results["judged"]
    assert "given by a planner on 24 November 2026: “Măsurat pe teren, 12 nov.”" in told(score, "judged")


def test_what_was_given_to_another_kind_of_criterion_is_not_taken():
    plain = run(RULES, MEASURES)
    assert run(RULES, MEASURES, given={"gate": Given(points=80, **SAID), "co2": Given(verdict="pass", **SAID)}) == plain


def test_nobody_is_judged_by_what_they_are_not_asked():
    only_lines = criteria(gate(), scored(weight=30))
    line = Subject("mobility", "line", "proposal")
    before = score_one(only_lines, line, MEASURES, LAYERS)
    after = score_one(only_lines, line, MEASURES, LAYERS, {"gate": Given(verdict="fail", **SAID)})
    assert ("gate" in before.results) == ("gate" in after.results)


def test_why_it_changed_names_the_override_and_the_older_value_does_not():
    first = run(RULES, MEASURES)
    second = run(RULES, MEASURES, given={"co2": Given(points=90, on_value=20, **SAID)})
    third = run(RULES, MEASURES | {CO2.key: {"value": 30}}, given={"co2": Given(points=90, on_value=20, **SAID)})
    assert [(c.key, c.causes, round(c.points, 2)) for c in compare(first.results, second.results)] == [
        ("co2", ("override",), 17.5)
    ]
    assert [(c.key, c.causes, c.points) for c in compare(second.results, third.results)] == [
        ("co2", ("value",), 0)
    ]


@settings(max_examples=60, deadline=None)
@given(_shipped_answers(), st.floats(0, 100), st.data())
def test_an_override_is_as_if_it_had_been_computed(answers, points, data):
    """Overruling one criterion with points moves the total by exactly what the weighted mean says."""
    layers = dict.fromkeys({layer for c in SHIPPED.scored for layer in c.spec.layers}, next(iter(LAYERS.values())))
    subject = Subject("development", "polygon", "proposal")
    before = score_one(SHIPPED, subject, answers, layers)
    keys = [c.key for c in SHIPPED.scored if c.key in before.results]
    key = data.draw(st.sampled_from(keys))
    after = score_one(SHIPPED, subject, answers, layers, {key: Given(points=points, **SAID)})
    known = {k: (r["weight"], r["score"]) for k, r in before.results.items() if r.get("score") is not None}
    known[key] = (SHIPPED.criterion(key).weight, points)
    weights, scores = np.array(list(known.values())).T
    assert after.total == pytest.approx(float(weights @ scores / weights.sum()), abs=0.011)
    rest = {k: (r.get("verdict"), r.get("score")) for k, r in after.results.items() if k != key}
    assert rest == {k: (r.get("verdict"), r.get("score")) for k, r in before.results.items() if k != key}
