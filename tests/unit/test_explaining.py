"""Each result in one sentence, in both languages, with every fact that made it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proposals.comparing import compare
from proposals.explaining import Teller
from proposals.replaying import with_weight
from proposals.scoring import Given, LayerFact, Subject, score_one
from tests.unit.test_scoring import SHIPPED, _shipped_answers, layer_facts, subjects

NAMES = {"stormwater": "Acumulare", "transport_stops": "Stații", "uat": "UAT-uri", "heat": "Abatere"}
DATES = {("stormwater", 3): date(2025, 6, 13), ("transport_stops", 2): date(2026, 1, 5)}
LAYERS = {
    "stormwater": LayerFact(3, True, 50.0),
    "transport_stops": LayerFact(2, False, 20.0),
    "uat": LayerFact(1, False, 5.0),
}
SITE = Subject("development", "polygon", "proposal")
JUDGED = Given(80, reason="PUG, p. 12", role="planner", at="2026-11-24T04:00:00+00:00")


def told(key: str, answer: dict | None, language: str = "en", layers=LAYERS, subject=SITE, given=None) -> str:
    criterion = SHIPPED.criterion(key)
    measures = {} if key == "coherence" else {criterion.spec.key: answer}
    score = score_one(SHIPPED, subject, measures, layers, given)
    return Teller(language, NAMES, DATES).sentence(criterion, score.results[key])


def test_a_gate_says_value_limit_reason_layer_and_date():
    assert told("stormwater", {"value": 41.0}) == (
        "How much of the site lies where rainwater gathers strongly? Needs a person: measured 41\N{NO-BREAK SPACE}%,"
        " the gate is passed when ≤ 10\N{NO-BREAK SPACE}%; a gate adds no points; layer “Acumulare”, version 3 of"
        " 13 June 2025, indicative; by the layer's polygons."
    )
    assert told("stormwater", {"value": 41.0}, "ro") == (
        "Cât din amplasament se află unde apa de ploaie se acumulează puternic? De analizat: măsurat"
        " 41\N{NO-BREAK SPACE}%, condiția este îndeplinită la ≤ 10\N{NO-BREAK SPACE}%; o condiție obligatorie nu"
        " adaugă puncte; stratul „Acumulare”, versiunea 3 din 13 iunie 2025, orientativ; după poligoanele stratului."
    )


def test_a_gate_in_words_says_which_words_pass():
    assert told("zone", {"value": "outside", "name": "Dumești"}) == (
        "Is the site in the metropolitan zone? Failed: measured outside (“Dumești”), the gate is passed when: inside;"
        " a gate adds no points; layer “UAT-uri”, version 1, official."
    )


def test_within_the_accuracy_the_accuracy_is_said():
    assert "within the accuracy of the layer (50 m): a person decides" in told(
        "stormwater", {"value": 9.0, "low": 2, "high": 14}
    )


def test_it_says_whether_a_raster_or_polygons_were_measured_on_and_why():
    on_raster = {"value": 41.0, "on": "raster", "raster": {"classes": ["high"], "cell_m": 12.5}}
    assert told("stormwater", on_raster).endswith("indicative; by the layer's raster, in cells of 12.5 m.")
    assert told("stormwater", on_raster, "ro").endswith("orientativ; după rasterul stratului, în celule de 12,5 m.")
    for why, said_en, said_ro in (
        ("missing", "is missing on the server", "lipsește de pe server"),
        ("changed", "is not the one they were made with", "nu mai este cel din care au fost făcute"),
        ("beyond", "does not reach here", "nu ajunge până aici"),
    ):
        answer = {"value": 41.0, "on": "polygons", "why": why}
        assert told("stormwater", answer).endswith(f"{said_en}.")
        assert told("stormwater", answer, "ro").endswith(f"{said_ro}.")
    assert "polygons" not in told("zone", {"value": "inside"})


def test_a_score_says_the_piece_of_the_value_function_and_what_it_adds():
    assert told("public_transport", {"value": 640.0, "name": "Podu Roș"}) == (
        "How far is the public transport stop? Measured 640\N{NO-BREAK SPACE}m (“Podu Roș”), between"
        " 500\N{NO-BREAK SPACE}m (70 points) and 1,000\N{NO-BREAK SPACE}m (20 points); 56 points of 100 at 100.0 % of"
        " the weight add 56.0 points to the total; layer “Stații”, version 2 of 5 January 2026, official."
    )
    assert "măsurat" not in told("public_transport", {"value": 640.0}) and told(
        "public_transport", {"value": 640.0}, "ro"
    ).startswith("Cât de departe este stația de transport public? Măsurat 640\N{NO-BREAK SPACE}m, între 500")
    assert "up to 300\N{NO-BREAK SPACE}m it gives 100 points" in told("public_transport", {"value": 12.0})
    assert "from 1,500\N{NO-BREAK SPACE}m on it gives 0 points" in told("public_transport", {"value": 9000.0})


def test_a_cap_is_said_with_its_reason():
    said = told("climate", {"value": 5000.0, "class": "declared"})
    assert "at most 40 points: only declared, without a calculation" in said and "add 40.0 points" in said


def test_what_is_missing_is_said_and_what_a_planner_judged():
    assert "Not assessed: the fact is missing" in told("public_transport", {})
    assert "layer “Stații”, not loaded" in told("public_transport", {"value": 3}, layers={})
    assert "Not assessed yet: a planner judges this one" in told("coherence", None)
    assert "A planner judged it; 80 points of 100 at 100.0 % of the weight add 80.0 points" in told(
        "coherence", None, given={"coherence": JUDGED}
    )


def test_the_outcome():
    telling = Teller("en", {})
    assert telling.outcome(84.51, 0.77, "integrate") == (
        "84.5 points of 100, assessed on 77 % of the weight: recommended for integration."
    )
    assert telling.outcome(12.0, 1, None) == "12.0 points of 100, assessed on 100 % of the weight."
    assert telling.outcome(None, 0, None) == "Nothing could be scored."


def test_a_change_is_said_with_before_after_cause_and_points():
    criterion = SHIPPED.criterion("public_transport")
    measures = [{criterion.spec.key: {"value": value}} for value in (300.0, 1000.0)]
    before, after = (score_one(SHIPPED, SITE, m, LAYERS) for m in measures)
    (change,) = [c for c in compare(before.results, after.results) if c.key == "public_transport"]
    assert Teller("en", NAMES, DATES).change(change, SHIPPED) == (
        "How far is the public transport stop? 300\N{NO-BREAK SPACE}m, 100 points × 100.0 % →"
        " 1,000\N{NO-BREAK SPACE}m, 20 points × 100.0 % (what was measured is another): −80.0 points of the total."
    )


@settings(max_examples=60, deadline=None)
@given(subjects, _shipped_answers(), _shipped_answers(), layer_facts, st.none() | st.floats(0, 100))
@pytest.mark.parametrize("language", ["ro", "en"])
def test_whatever_comes_is_told(language, subject, answers, others, layers, judgement):
    judged = {} if judgement is None else {"coherence": replace(JUDGED, points=judgement)}
    telling = Teller(language, NAMES, DATES)
    before = score_one(SHIPPED, subject, answers, layers, judged)
    for sentence in telling.sentences(SHIPPED, before.results):
        assert sentence.endswith(".") and "{" not in sentence and "None" not in sentence and "nan" not in sentence
    assert len(telling.sentences(SHIPPED, before.results)) == len(before.results)
    after = score_one(with_weight(SHIPPED, "residents_served", 3), subject, others, layers)
    for change in compare(before.results, after.results):
        assert "{" not in telling.change(change, SHIPPED)
