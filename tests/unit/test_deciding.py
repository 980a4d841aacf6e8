"""The state machine of decisions by itself: complete, and as the documentation shows it."""

from __future__ import annotations

from itertools import product

import pytest

from masterplan.actors import PEOPLE, Role
from masterplan.settings import PROJECT_ROOT
from proposals.criteria import definition, from_definition
from proposals.deciding import Action, Outcome, Standing, State, as_markdown, departs, then
from proposals.reasons import composed, draft, fitting, library

CRITERIA = from_definition(definition((PROJECT_ROOT / "data" / "criteria" / "v0.toml").read_text()))
P, A = Role.PLANNER, Role.ADMINISTRATOR
_TEAM = (Standing.NONE, Standing.RECOMMENDER, Standing.CONFIRMER)

#: Every combination that is allowed, by hand: (roles, standings, state, action) → state. All others are refused.
ALLOWED = [
    ((P, A), _TEAM, "open", "recommend", "recommended"),
    ((P, A), _TEAM, "challenged", "recommend", "recommended"),
    ((P, A), (Standing.NONE,), "recommended", "confirm", "confirmed"),
    ((P, A), (Standing.NONE,), "recommended", "challenge", "challenged"),
    ((P, A), (Standing.RECOMMENDER,), "recommended", "take_back", "open"),
    ((P, A), (Standing.NONE,), "open", "declare_interest", "open"),
    ((P, A), (Standing.NONE,), "recommended", "declare_interest", "recommended"),
    ((P, A), (Standing.NONE,), "challenged", "declare_interest", "challenged"),
    ((P, A), (Standing.NONE,), "confirmed", "declare_interest", "confirmed"),
    *(((P, A), (Standing.RECOMMENDER, Standing.CONFIRMER), state, "declare_interest", "open")
      for state in ("open", "recommended", "challenged", "confirmed")),
    ((Role.VISITOR, Role.STAKEHOLDER, Role.UAT), (Standing.SUBMITTER,), "confirmed", "answer", "confirmed"),
    ((Role.UAT,), (Standing.CONCERNED,), "confirmed", "answer", "confirmed"),
    ((P, A), _TEAM, "confirmed", "reconsider", "open"),
    ((P, A), _TEAM, "confirmed", "publish", "published"),
    ((P, A), _TEAM, "published", "reopen", "open"),
]  # fmt: skip


def expected() -> dict[tuple, State]:
    return {
        (role, standing, State(state), Action(action)): State(after)
        for roles, standings, state, action, after in ALLOWED
        for role, standing in product(roles, standings)
    }


def test_every_role_standing_state_and_action_is_allowed_or_refused_as_one_table_says():
    walked = {key: then(*key) for key in product(PEOPLE, Standing, State, Action)}
    assert len(walked) == 5 * 6 * 5 * 9
    assert {key: after for key, after in walked.items() if after is not None} == expected()


@pytest.mark.parametrize("role", [Role.SYSTEM, Role.MEASURER])
def test_the_applications_own_roles_decide_nothing(role: Role):
    assert not any(then(role, *rest) for rest in product(Standing, State, Action))


def test_who_declared_an_interest_has_no_part():
    assert not any(then(role, Standing.INTERESTED, *rest) for role in PEOPLE for rest in product(State, Action))


@pytest.mark.parametrize(("recommendation", "in_line"), [
    ("integrate", {"integrate"}), ("debate", {"integrate_partly", "ask_for_changes"}),
    ("reject", {"reject", "redirect"}), (None, {outcome.value for outcome in Outcome}),
])  # fmt: skip
def test_an_outcome_departs_from_the_recommendation_or_not(recommendation, in_line):
    assert {o.value for o in Outcome if not departs(o, recommendation)} == in_line


def test_the_documentation_shows_the_table():
    assert as_markdown() in (PROJECT_ROOT / "docs" / "decisions.md").read_text()


# -- reasons ---------------------------------------------------------------------------------


def test_reasons_speak_of_criteria_that_exist_and_there_is_one_for_each_outcome():
    keys = {criterion.key for criterion in CRITERIA.criteria}
    assert {key for reason in library().values() for key in reason.criteria} <= keys
    assert {outcome for reason in library().values() for outcome in reason.outcomes} == set(Outcome)
    assert all(reason.text["ro"].strip() and reason.text["en"].strip() for reason in library().values())


def test_reasons_that_speak_of_what_was_asked_come_first():
    found = [reason.key for reason in fitting(Outcome.REJECT, {"public_transport": {}, "protected": {}})]
    assert set(found[:2]) == {"protected_area", "far_from_transport"}
    assert "meets_criteria" not in found


def test_a_reason_is_read_in_the_readers_language_with_the_free_words_last():
    assert composed(["outside_zone"], " Vezi scrisoarea. ", "en") == (
        "It lies outside the metropolitan zone; the institution in charge of that place receives it.\nVezi scrisoarea."
    )


def test_a_draft_names_failing_gates_and_the_strongest_and_weakest_criteria():
    results = {
        "zone": {"verdict": "fail"}, "flood_rare": {"verdict": "person"},
        "stormwater": {"verdict": "person"}, "protected": {"verdict": "pass"},
        "land": {"score": 70.0}, "public_transport": {"score": 100.0}, "heat_cooling": {"score": 4.6},
        "climate": {"score": None}, "air_no2": {"score": 20.0}, "green_access": {"score": 30.0},
    }  # fmt: skip
    question = {criterion.key: criterion.question["ro"] for criterion in CRITERIA.criteria}
    remedy = {gate.key: gate.remedy["ro"] for gate in CRITERIA.gates}
    assert draft(CRITERIA, results, "ro").split("\n") == [
        f"Condiție neîndeplinită: {question['zone']} {remedy['zone']}",
        f"Condiții analizate de o persoană: {question['flood_rare']} {question['stormwater']}",
        f"Cele mai puternice: {question['public_transport']} (100 puncte); {question['land']} (70 puncte).",
        f"Cele mai slabe: {question['heat_cooling']} (5 puncte); {question['air_no2']} (20 puncte).",
    ]
