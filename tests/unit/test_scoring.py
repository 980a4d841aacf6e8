"""Scoring: by hand, by properties, and against a plain loop that knows nothing of arrays."""

from __future__ import annotations

import dataclasses
import math
import operator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proposals.criteria import (
    GEOMETRIES,
    THEMES,
    CriteriaSet,
    DecisionRule,
    Gate,
    Judged,
    MeasureSpec,
    Scored,
    ValueFunction,
    definition,
    from_definition,
    measure_specs,
)
from proposals.scoring import (
    Column,
    Given,
    LayerFact,
    Subject,
    apply,
    batch,
    evaluate,
    explain,
    score_many,
    score_one,
)

SHIPPED = from_definition(
    definition((Path(__file__).parents[2] / "data" / "criteria" / "v0.toml").read_text())
)
OFFICIAL = LayerFact(3, False, 10.0)
SKETCH = LayerFact(1, True, 200.0)

COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
WORDS = {"ro": "r", "en": "e"}
ABOUT = {"group": "g", "question": WORDS, "rationale": WORDS, "example": WORDS, "source": "s",
         "themes": frozenset(THEMES), "geometries": frozenset(GEOMETRIES)}  # fmt: skip
FLOOD = MeasureSpec("share_inside", {"layer": "flood"})
STOPS = MeasureSpec("distance_to_nearest", {"layer": "stops"})
STRIP = MeasureSpec("distance_to_nearest", {"layer": "rivers", "width_attribute": "w"})
ZONE = MeasureSpec("zone_membership", {"layer": "zone"})
CO2 = MeasureSpec("declared", {"attribute": "co2"})
LAYERS = {layer: OFFICIAL for layer in ("flood", "stops", "rivers", "zone")}


def gate(spec=FLOOD, operator="<=", threshold=10.0, otherwise="fail", words=None, key="gate") -> Gate:
    limits = None if threshold is None else dict.fromkeys(GEOMETRIES, threshold)
    return Gate(key=key, **ABOUT, spec=spec, unit="%", operator=operator, threshold=limits,
                otherwise=otherwise, words=words or {}, remedy=WORDS, institution={})  # fmt: skip


def scored(
    spec=STOPS, points=((300, 100), (500, 70), (1000, 20), (1500, 0)), weight=1.0, key="scored", **more
) -> Scored:
    return Scored(
        key=key, **ABOUT, spec=spec, unit="m", value_function=ValueFunction(points, **more), weight=weight
    )


def judged(weight=1.0, key="judged") -> Judged:
    return Judged(key=key, **ABOUT, scale=WORDS, weight=weight)


def criteria(*members) -> CriteriaSet:
    return CriteriaSet(
        "t", "draft", WORDS, WORDS, 100, DecisionRule(60, 40, WORDS), {"g": WORDS},
        tuple(m for m in members if isinstance(m, Gate)), tuple(m for m in members if isinstance(m, Scored)),
        tuple(m for m in members if isinstance(m, Judged)),
    )  # fmt: skip


def run(rules, measures, layers=LAYERS, kind="proposal", geometry="polygon", given=None):
    return score_one(rules, Subject("development", geometry, kind), measures, layers, given)


def verdict(a_gate, answer, layers=LAYERS, geometry="polygon"):
    result = run(criteria(a_gate), {a_gate.spec.key: answer}, layers, geometry=geometry).results[a_gate.key]
    return result["verdict"], result["reason"]


# -- gates ---------------------------------------------------------------------------------


def test_a_gate_passes_at_its_threshold_and_fails_above():
    assert verdict(gate(), {"value": 10}) == ("pass", "holds")
    assert verdict(gate(), {"value": 10.001}) == ("fail", "breaks")
    assert verdict(gate(operator="<"), {"value": 10}) == ("fail", "breaks")
    assert verdict(gate(STRIP, ">", 0), {"value": 0}) == ("fail", "breaks")
    assert verdict(gate(STRIP, ">=", 5), {"value": 5}) == ("pass", "holds")


def test_a_sketch_never_vetoes():
    assert verdict(gate(), {"value": 41}, LAYERS | {"flood": SKETCH}) == ("person", "indicative")
    assert verdict(gate(), {"value": 0}, LAYERS | {"flood": SKETCH}) == ("pass", "holds")


def test_within_the_accuracy_of_the_limit_a_person_decides():
    assert verdict(gate(), {"value": 9, "low": 0, "high": 20}) == ("person", "accuracy")
    assert verdict(gate(), {"value": 12, "low": 8, "high": 20}) == ("person", "accuracy")
    assert verdict(gate(), {"value": 12, "low": 11, "high": 20}) == ("fail", "breaks")
    assert verdict(gate(), {"value": 5, "low": 0, "high": 10}) == ("pass", "holds")


def test_a_missing_fact_or_layer_is_not_assessed():
    assert verdict(gate(), None) == ("not_assessed", "missing")
    assert verdict(gate(), {}) == ("not_assessed", "missing")
    assert verdict(gate(), {"value": 3}, {}) == ("not_assessed", "missing")


def test_a_note_stays_a_note():
    assert verdict(gate(otherwise="note", threshold=0), {"value": 3}) == ("note", "noted")
    assert verdict(gate(otherwise="note", threshold=0), {"value": 0, "high": 4})[0] == "note"


def test_words_map_to_verdicts():
    zone = gate(ZONE, None, None, None, {"inside": "pass", "straddles": "person", "outside": "fail"})
    assert verdict(zone, {"value": "inside"}) == ("pass", "holds")
    assert verdict(zone, {"value": "straddles"}) == ("person", "asks")
    assert verdict(zone, {"value": "outside"}) == ("fail", "breaks")
    assert verdict(zone, {"value": "outside", "uncertain": True}) == ("person", "accuracy")
    assert verdict(zone, {"value": "outside"}, LAYERS | {"zone": SKETCH}) == ("person", "indicative")
    assert verdict(zone, {}) == ("not_assessed", "missing")


def test_a_threshold_may_differ_by_geometry_or_come_from_the_measure():
    by_geometry = dataclasses.replace(gate(), threshold={"point": 10, "line": 0, "polygon": 10})
    assert verdict(by_geometry, {"value": 5}, geometry="polygon")[0] == "pass"
    assert verdict(by_geometry, {"value": 5}, geometry="line")[0] == "fail"
    strip = gate(STRIP, ">=", None, "person")
    assert verdict(strip, {"value": 12, "limit": 15})[0] == "person"
    assert verdict(strip, {"value": 12, "limit": 5})[0] == "pass"
    assert verdict(strip, {"value": 12})[0] == "not_assessed"


# -- scores --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value,score", [(0, 100), (300, 100), (400, 85), (640, 56), (1000, 20), (1250, 10), (9000, 0)]
)
def test_a_value_function_by_hand(value, score):
    assert run(criteria(scored()), {STOPS.key: {"value": value}}).total == pytest.approx(score)


@pytest.mark.parametrize(
    "value,score", [(0, 10), (1, 10), (10, 40), (31.6227766, 55), (100, 70), (5000, 100)]
)
def test_a_logarithmic_value_function_by_hand(value, score):
    rule = scored(CO2, ((1, 10), (10, 40), (100, 70), (1000, 100)), scale="log")
    assert run(criteria(rule), {CO2.key: {"value": value}}).total == pytest.approx(score, abs=0.01)


def test_a_cap_holds_a_score_down_and_never_lifts_it():
    rule = scored(CO2, ((0, 0), (100, 100)), caps={"declared": 40, "verified": 100})
    assert run(criteria(rule), {CO2.key: {"value": 90, "class": "declared"}}).total == 40
    assert run(criteria(rule), {CO2.key: {"value": 30, "class": "declared"}}).total == 30
    assert run(criteria(rule), {CO2.key: {"value": 90, "class": "verified"}}).total == 90
    assert run(criteria(rule), {CO2.key: {"value": 90}}).total == 90


def test_the_total_is_the_weighted_sum_and_a_missing_weight_is_shared_out():
    rules = criteria(scored(weight=30), scored(CO2, ((0, 0), (100, 100)), 10, "co2"), judged(10))
    full = run(rules, {STOPS.key: {"value": 500}, CO2.key: {"value": 20}}, given={"judged": Given(90)})
    assert full.total == pytest.approx((30 * 70 + 10 * 20 + 10 * 90) / 50)
    assert full.coverage == 1
    part = run(rules, {STOPS.key: {"value": 500}})
    assert part.total == 70
    assert part.coverage == pytest.approx(30 / 50)
    assert part.results["scored"]["share"] == 1
    assert (
        part.results["co2"] | {"score": None, "share": 0.0, "verdict": "not_assessed"} == part.results["co2"]
    )
    assert part.results["judged"]["reason"] == "unjudged"


def test_nothing_assessed_is_no_score_at_all():
    result = run(criteria(scored()), {})
    assert (result.total, result.coverage, result.recommendation) == (None, 0, None)


@pytest.mark.parametrize(
    "value,gate_value,says",
    [(300, 0, "integrate"), (300, 50, "reject"), (700, 0, "debate"), (900, 0, "reject"),
     (300, None, "debate"),
     (500 + 100, 0, "integrate"), (500 + 100.1, 0, "debate"), (800, 0, "debate"), (800.2, 0, "reject")],
)  # fmt: skip
def test_the_decision_rule(value, gate_value, says):
    rules = criteria(gate(), scored())
    measures = {STOPS.key: {"value": value}, FLOOD.key: None if gate_value is None else {"value": gate_value}}
    assert run(rules, measures).recommendation == says
    assert run(rules, measures, kind="observation").recommendation is None


def test_a_failed_gate_is_enough_where_nothing_could_be_scored():
    rules = criteria(gate(), scored())
    assert run(rules, {FLOOD.key: {"value": 50}}).recommendation == "reject"
    assert run(rules, {FLOOD.key: {"value": 0}}).recommendation is None


def test_a_gate_that_needs_a_person_is_for_debate():
    rules = criteria(gate(otherwise="person"), scored())
    assert run(rules, {STOPS.key: {"value": 0}, FLOOD.key: {"value": 40}}).recommendation == "debate"


def test_a_result_carries_what_it_was_measured_against():
    rules = criteria(gate(), scored(weight=4))
    answer = {"value": 640.123, "feature": "stop-7", "name": "Podu Roș"}
    results = run(rules, {STOPS.key: answer, FLOOD.key: {"value": 0.0}}).results
    assert results["scored"] == {
        "kind": "scored", "unit": "m", "weight": 4.0, "layer": "stops", "layer_version": 3,
        "indicative": False, "accuracy_m": 10.0, "value": 640.123,
        "feature": "stop-7", "feature_name": "Podu Roș", "score": 55.99, "share": 1.0, "reason": "scored",
    }  # fmt: skip
    assert results["gate"] == {
        "kind": "gate", "unit": "%", "layer": "flood", "layer_version": 3,
        "indicative": False, "accuracy_m": 10.0, "value": 0.0, "threshold": 10.0,
        "verdict": "pass", "reason": "holds",
    }  # fmt: skip


def test_a_measure_of_several_layers_says_which_one_told():
    results = run(criteria(scored()), {STOPS.key: {"value": 1, "layer": "flood"}}).results
    assert (results["scored"]["layer"], results["scored"]["layer_version"]) == ("flood", 3)


def test_only_asked_criteria_are_in_the_results():
    lines_only = dataclasses.replace(scored(), geometries=frozenset({"line"}))
    mobility = dataclasses.replace(gate(), themes=frozenset({"mobility"}))
    result = run(criteria(lines_only, mobility), {STOPS.key: {"value": 1}, FLOOD.key: {"value": 99}})
    assert result.results == {}
    assert result.total is None


def test_an_explanation_holds_the_facts():
    rules = criteria(gate())
    result = run(rules, {FLOOD.key: {"value": 41.0, "low": 2, "high": 60}}).results["gate"]
    sentences = [
        msgid.format(**facts) for msgid, facts in explain(rules.gates[0], result, "Benzi inundabile")
    ]
    assert sentences == [
        "41.0 % of the site lies in “Benzi inundabile”; the limit is 10.0 %.",
        "The result lies within the accuracy of the layer (10.0 m): a person decides.",
    ]


# -- properties ----------------------------------------------------------------------------

numbers = st.floats(-1e6, 1e6, allow_nan=False)
points = st.lists(
    st.tuples(numbers, st.floats(0, 100)), min_size=2, max_size=6, unique_by=lambda p: p[0]
).map(lambda found: tuple(sorted(found)))


@given(points, st.lists(numbers, min_size=2))
def test_a_rising_value_function_gives_rising_scores(found, values):
    rising = tuple(zip((x for x, _ in found), sorted(y for _, y in found), strict=True))
    scores = apply(ValueFunction(rising), Column([{"value": value} for value in sorted(values)]))
    assert all(b >= a - 1e-9 for a, b in zip(scores, scores[1:], strict=False))
    assert all(-1e-9 <= score <= 100 + 1e-9 for score in scores)


@given(points, st.lists(numbers, min_size=2))
def test_a_falling_value_function_gives_falling_scores(found, values):
    scores = sorted((y for _, y in found), reverse=True)
    falling = tuple(zip((x for x, _ in found), scores, strict=True))
    given_ = apply(ValueFunction(falling), Column([{"value": value} for value in sorted(values)]))
    assert all(b <= a + 1e-9 for a, b in zip(given_, given_[1:], strict=False))


@given(points)
def test_a_value_function_passes_through_its_points(found):
    scores = apply(ValueFunction(found), Column([{"value": x} for x, _ in found]))
    assert list(scores) == pytest.approx([y for _, y in found])


def _shipped_answers():
    """Random answers to every measure of the shipped set; some missing."""

    def answer(spec):
        measure = spec.measure
        value = (
            st.sampled_from(measure.values)
            if measure.values
            else st.floats(max(measure.minimum, -50), min(measure.maximum, 5000))
        )
        spread = st.floats(0, 30)
        made = st.builds(
            lambda v, down, up, unsure, klass, limit: (
                {"value": v}
                | (
                    {"uncertain": unsure}
                    if isinstance(v, str)
                    else {"low": v - down, "high": v + up, "limit": limit}
                )
                | ({"class": klass} if klass else {})
            ),
            value,
            spread,
            spread,
            st.booleans(),
            st.sampled_from([None, *measure.classes]),
            st.just(15),
        )
        return st.none() | made

    return st.fixed_dictionaries({key: answer(spec) for key, spec in measure_specs([SHIPPED]).items()})


subjects = st.builds(
    Subject,
    st.sampled_from(THEMES),
    st.sampled_from(GEOMETRIES),
    st.sampled_from(["observation", "proposal"]),
)
layer_names = sorted({layer for spec in measure_specs([SHIPPED]).values() for layer in spec.layers})
layer_facts = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from([OFFICIAL, SKETCH]) for name in layer_names}
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(subjects, _shipped_answers()), min_size=1, max_size=5), layer_facts)
def test_one_by_one_and_together_give_the_same(rows, layers):
    keys = measure_specs([SHIPPED])
    many = batch([s for s, _ in rows], [a for _, a in rows], layers, keys)
    assert list(score_many(SHIPPED, many)) == [score_one(SHIPPED, s, a, layers) for s, a in rows]


@settings(max_examples=150, deadline=None)
@given(subjects, _shipped_answers(), layer_facts, st.floats(0, 100) | st.none())
def test_arrays_agree_with_a_plain_loop(subject, answers, layers, judgement):
    judgements = {} if judgement is None else {"coherence": judgement}
    said = {key: Given(points) for key, points in judgements.items()}
    result = score_one(SHIPPED, subject, answers, layers, said)
    expected = _plainly(SHIPPED, subject, answers, layers, judgements)
    assert {k: r["verdict"] for k, r in result.results.items() if r["kind"] == "gate"} == expected["verdicts"]
    scores = {k: r["score"] for k, r in result.results.items() if r["kind"] != "gate"}
    assert scores == pytest.approx(expected["scores"], abs=0.006)
    assert result.total == pytest.approx(expected["total"], abs=0.006)
    assert result.coverage == pytest.approx(expected["coverage"], abs=1e-4)
    assert sum(r.get("share", 0) for r in result.results.values()) == pytest.approx(
        1 if result.total is not None else 0, abs=0.01
    )
    if result.total is not None and all(abs(result.total - edge) > 0.01 for edge in (40, 60)):
        assert result.recommendation == expected["recommendation"]


def _plainly(rules, subject, answers, layers, judgements):
    """The rules of DESIGN.md, written again with no arrays."""

    def asked(c):
        return subject.theme in c.themes and subject.geometry in c.geometries

    def known(c):
        return (
            all(layer in layers for layer in c.spec.layers)
            and (answers.get(c.spec.key) or {}).get("value") is not None
        )

    verdicts = {}
    for g in filter(asked, rules.gates):
        answer = answers.get(g.spec.key) or {}
        if not known(g):
            verdicts[g.key] = "not_assessed"
            continue
        if g.words:
            reached, unsure = g.words[answer["value"]], answer.get("uncertain", False)
        else:
            limit = answer["limit"] if g.threshold is None else g.threshold[subject.geometry]
            holds = [COMPARE[g.operator](answer[n], limit) for n in ("value", "low", "high")]
            unsure = holds[1] != holds[2]
            reached = "pass" if holds[0] and not (unsure and g.otherwise == "note") else g.otherwise
        if unsure and reached != "note":
            reached = "person"
        if reached == "fail" and any(layers[name].indicative for name in g.spec.layers):
            reached = "person"
        verdicts[g.key] = reached

    scores, weights = {}, {}
    for c in filter(asked, rules.weighted):
        weights[c.key] = c.weight
        if isinstance(c, Judged):
            scores[c.key] = judgements.get(c.key)
        else:
            scores[c.key] = _score_plainly(c.value_function, answers[c.spec.key]) if known(c) else None
    done = {key for key, score in scores.items() if score is not None}
    assessed = sum(weights[key] for key in done)
    total = sum(weights[key] * scores[key] for key in done) / assessed if assessed else None
    if subject.kind == "observation" or (total is None and "fail" not in verdicts.values()):
        says = None
    elif "fail" in verdicts.values() or total < 40:
        says = "reject"
    else:
        says = "integrate" if total >= 60 and set(verdicts.values()) <= {"pass", "note"} else "debate"
    return {"verdicts": verdicts, "scores": scores, "total": total, "recommendation": says,
            "coverage": assessed / sum(weights.values()) if weights else 0}  # fmt: skip


def _score_plainly(function, answer):
    if function.categories:
        score = function.categories[answer["value"]]
    else:

        def at(x):
            return math.log(x) if function.scale == "log" else x

        value, found = answer["value"], function.points
        if value <= found[0][0]:
            score = found[0][1]
        elif value >= found[-1][0]:
            score = found[-1][1]
        else:
            (x0, y0), (x1, y1) = next(
                p for p in zip(found, found[1:], strict=False) if p[0][0] <= value <= p[1][0]
            )
            score = y0 + (y1 - y0) * (at(value) - at(x0)) / (at(x1) - at(x0))
    return min(score, function.caps.get(answer.get("class"), 100))


def _reweighted(rules, change):
    return dataclasses.replace(
        rules,
        scored=tuple(dataclasses.replace(c, weight=change(c.weight)) for c in rules.scored),
        judged=tuple(dataclasses.replace(c, weight=change(c.weight)) for c in rules.judged),
    )


@settings(max_examples=60, deadline=None)
@given(subjects, _shipped_answers(), st.floats(0.01, 100))
def test_weights_times_a_constant_change_nothing(subject, answers, factor):
    layers = dict.fromkeys(layer_names, OFFICIAL)
    before = score_one(SHIPPED, subject, answers, layers)
    after = score_one(_reweighted(SHIPPED, lambda w: w * factor), subject, answers, layers)
    assert after.total == pytest.approx(before.total, abs=0.011)
    assert after.coverage == pytest.approx(before.coverage, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(subjects, _shipped_answers(), st.floats(-10, 5000))
def test_a_criterion_of_no_weight_changes_nothing(subject, answers, value):
    layers = dict.fromkeys(layer_names, OFFICIAL) | LAYERS
    idle = dataclasses.replace(SHIPPED, scored=(*SHIPPED.scored, scored(weight=0.0, key="idle")))
    before = score_one(SHIPPED, subject, answers, layers)
    after = score_one(idle, subject, answers | {STOPS.key: {"value": value}}, layers)
    assert (after.total, after.coverage, after.recommendation) == (
        before.total, before.coverage, before.recommendation)  # fmt: skip


def test_a_thousand_proposals_alike_are_evaluated_as_arrays():
    rows = 1000
    answers = {
        key: ({"value": spec.measure.values[0]} if spec.measure.values else {"value": 5.0})
        for key, spec in measure_specs([SHIPPED]).items()
    }
    many = batch(
        [Subject("development", "polygon")] * rows,
        [answers] * rows,
        dict.fromkeys(layer_names, OFFICIAL),
        answers,
    )
    found = evaluate(SHIPPED, many)
    assert found.scores.shape == (len(SHIPPED.weighted), rows)
    assert len(set(found.total.tolist())) == 1
