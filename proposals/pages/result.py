"""A scored result as a person reads it: gates first, then each criterion, then the weighted total."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import streamlit as st

from layers.catalogue import catalogue
from masterplan.formats import moment, number, quantity
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View
from masterplan.place import place
from proposals.criteria import CriteriaSet, Criterion, Gate, Scored
from proposals.explaining import MEASURED_WORDS, measured_on
from proposals.pages import explanation, judging, related
from proposals.scoring import Score, explain
from proposals.submitting import Outcome

#: Word, icon and colour of each verdict, the ones to act on first.
VERDICT_BADGES = {
    "fail": (N_("fail"), ":material/block:", "red"),
    "person": (N_("needs a person"), ":material/person_search:", "orange"),
    "note": (N_("pass, with a note"), ":material/info:", "blue"),
    "not_assessed": (N_("not assessed"), ":material/help:", "gray"),
    "pass": (N_("pass"), ":material/check_circle:", "green"),
}
RECOMMENDATION_BADGES = {
    "integrate": (N_("recommended for integration"), ":material/check_circle:", "green"),
    "debate": (N_("for debate or partly"), ":material/forum:", "orange"),
    "reject": (N_("recommended for rejection"), ":material/block:", "red"),
}
SET_STATUS_NAMES = {
    "draft": N_("draft"),
    "consultation": N_("for consultation"),
    "published": N_("published"),
    "retired": N_("retired"),
}
#: A sentence of a measure that writes the unit itself.
_UNIT_WRITTEN = re.compile(r"\{(value|limit)\} (%|m²|m|residents)(?!\w)")


def badge(view: View, badges: Mapping[str, tuple[str, str, str]], key: str) -> str:
    """Icon, word and colour as Markdown: never the colour alone."""
    word, icon, color = badges[key]
    return f":{color}-badge[{icon} {view(word)}]"


def layer_name(view: View, layer_id: str | None) -> str:
    """The layer's name in the reader's language; its id where the catalogue no longer has it."""
    names = {layer.id: getattr(layer, f"name_{view.language}") for layer in catalogue().layers}
    return names.get(layer_id, layer_id or "")


def measured(view: View, value: Any, unit: str) -> str:
    """A measured value with its unit, or the word that a measure answered with."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return view(MEASURED_WORDS[value])
    return quantity(value, view(unit) if unit else "", view.language)


def receipt(view: View, outcome: Outcome) -> None:
    words = N_("Received. Keep the tracking code: with it you find the result again in the register.")
    if not outcome.created:
        words = N_("This was received already, once. Its tracking code finds it again in the register.")
    st.success(view(words), icon=":material/task_alt:")
    st.caption(view(N_("Tracking code")))
    st.code(outcome.receipt, language=None)
    if outcome.status == "submitted":
        st.caption(view(N_(
            "It becomes public once a planner has accepted it; with the code you see what came of it, and until then"
            " you can correct or withdraw it in the register."
        )))  # fmt: skip
    for repair in outcome.repairs:
        st.info(plain(repair.message(view.language)), icon=":material/build:")


def standing(view: View, outcome: Outcome) -> None:
    """Gates, scores and total of one submission; an observation gets no recommendation."""
    observed = outcome.kind == "observation"
    heading = N_("How the place stands against the criteria") if observed else N_(
        "How the proposal stands against the criteria"
    )  # fmt: skip
    st.subheader(view(heading), anchor=False)
    if outcome.score is None:
        st.info(view(N_("Not measured yet. Come back in a minute: the result appears here.")))
        return
    _total(view, outcome, outcome.score)
    _gates(view, outcome.criteria, outcome.score.results)
    _scores(view, outcome.criteria, outcome.score.results)
    explanation.show(view, outcome)
    _measured_on(view, outcome)
    related.show(view, outcome)


def _total(view: View, outcome: Outcome, score: Score) -> None:
    with st.container(border=True, gap="small"):
        total = "–" if score.total is None else number(score.total, 1, view.language)
        st.metric(view(N_("Weighted total, of 100 points")), total)
        if outcome.kind == "proposal" and score.recommendation:
            st.markdown(badge(view, RECOMMENDATION_BADGES, score.recommendation))
        elif outcome.kind == "observation":
            st.caption(view(N_("Observations get no recommendation: this says how the place stands, not what"
                               " is decided.")))  # fmt: skip
        st.caption(_coverage(view, score.coverage))
        judging.overruled(view, score.results)


def _coverage(view: View, coverage: float) -> str:
    if coverage >= 1:
        return view(N_("Every criterion that applies was assessed."))
    assessed = number(100 * coverage, 0, view.language)
    return view(
        N_("Assessed on {percent} % of the weight; the rest lacks a fact or waits for a planner, and its weight"
           " is shared out."),
        percent=assessed,
    )  # fmt: skip


# -- gates ---------------------------------------------------------------------------------


def _gates(view: View, criteria: CriteriaSet, results: Mapping[str, Mapping[str, Any]]) -> None:
    asked = [gate for gate in criteria.gates if gate.key in results]
    st.markdown(f"##### {view(N_('Gates'))}")
    if not asked:
        st.caption(view(N_("No gate applies to this theme.")))
        return
    order = list(VERDICT_BADGES)
    asked.sort(key=lambda gate: order.index(results[gate.key]["verdict"]))
    to_act = [gate for gate in asked if results[gate.key]["verdict"] != "pass"]
    passed = [gate for gate in asked if results[gate.key]["verdict"] == "pass"]
    for gate in to_act:
        with st.container(border=True, gap="small"):
            _gate(view, gate, results[gate.key])
            _what_to_do(view, gate, results[gate.key])
    if passed:
        with st.expander(view(N_("Gates passed: {count}"), count=len(passed)), icon=":material/check_circle:"):
            for gate in passed:
                _gate(view, gate, results[gate.key])


def _gate(view: View, gate: Gate, result: Mapping[str, Any]) -> None:
    st.markdown(f"{badge(view, VERDICT_BADGES, result['verdict'])} **{plain(gate.question[view.language])}**")
    st.caption(plain(" ".join(_sentences(view, gate, result))))
    judging.given(view, gate, result)
    if result.get("layer"):
        st.caption(plain(_against(view, result)))


def _what_to_do(view: View, gate: Gate, result: Mapping[str, Any]) -> None:
    if result["verdict"] == "not_assessed":
        return
    st.markdown(f"**{view(N_('What you can do:'))}** {plain(gate.remedy[view.language])}")
    if gate.institution:
        st.markdown(f"**{view(N_('Whom to ask:'))}** {plain(gate.institution[view.language])}")


def _sentences(view: View, criterion: Criterion, result: Mapping[str, Any]) -> list[str]:
    told = explain(criterion, result, layer_name(view, result.get("layer")))
    return [view(msgid, **_filled(view, msgid, facts, result.get("unit", ""))) for msgid, facts in told]


def _filled(view: View, msgid: str, facts: Mapping[str, Any], unit: str) -> dict[str, str]:
    """The facts of a sentence in the reader's words; a unit is added where the sentence lacks it."""
    unit_written = {name for name, _ in _UNIT_WRITTEN.findall(msgid)}
    filled = {}
    for name, fact in facts.items():
        if name in ("value", "limit"):
            filled[name] = measured(view, fact, "" if name in unit_written else unit)
        elif isinstance(fact, int | float):
            filled[name] = quantity(fact, "", view.language)
        else:
            filled[name] = view(MEASURED_WORDS.get(fact, fact)) if fact else "–"
    return filled


def _against(view: View, result: Mapping[str, Any]) -> str:
    """What it was measured against: feature, layer, version, and whether that is a sketch."""
    parts = [result["feature_name"]] if result.get("feature_name") else []
    named = layer_name(view, result["layer"])
    if result.get("layer_version") is None:
        parts.append(view(N_("layer “{layer}”, not loaded"), layer=named))
    else:
        parts.append(view(N_("layer “{layer}”, version {version}"), layer=named, version=result["layer_version"]))
    if result.get("indicative") is not None:
        parts.append(view(N_("indicative") if result["indicative"] else N_("official")))
    on = measured_on(result, view.language) if result.get("value") is not None else None
    if on:
        parts.append(on)
    return " · ".join(parts)


# -- scores --------------------------------------------------------------------------------


def _scores(view: View, criteria: CriteriaSet, results: Mapping[str, Mapping[str, Any]]) -> None:
    st.markdown(f"##### {view(N_('Scored criteria'))}")
    asked = [criterion for criterion in criteria.weighted if criterion.key in results]
    if not asked:
        st.caption(view(N_("No scored criterion applies to this theme.")))
        return
    st.caption(view(N_("Contribution = score × weight. The contributions add up to the weighted total.")))
    for criterion in asked:
        with st.container(gap="xsmall"):
            _scored(view, criterion, results[criterion.key])


def _scored(view: View, criterion: Criterion, result: Mapping[str, Any]) -> None:
    """A few short lines and a bar: it must be read in a narrow column, where a table of six columns is not."""
    st.markdown(f"**{plain(criterion.question[view.language])}**")
    score, share = result.get("score"), result["share"]
    if score is None:
        st.markdown(badge(view, VERDICT_BADGES, "not_assessed"))
    else:
        st.progress(score / 100, text=plain(view(
            N_("{score} of 100 points · weight {weight} % · contribution {contribution}"),
            score=number(score, 0, view.language), weight=number(100 * share, 1, view.language),
            contribution=number(share * score, 1, view.language),
        )))  # fmt: skip
    st.caption(plain(" · ".join(_how(view, criterion, result))))
    judging.given(view, criterion, result)


def _how(view: View, criterion: Criterion, result: Mapping[str, Any]) -> list[str]:
    """What was measured and against what, and what capped or kept back the score."""
    parts = []
    if isinstance(criterion, Scored) and result.get("value") is not None:
        value = measured(view, result["value"], result.get("unit", ""))
        parts.append(view(N_("measured: {value}"), value=value))
    if result.get("layer"):
        parts.append(_against(view, result))
    parts += [
        view(msgid, **_filled(view, msgid, facts, result.get("unit", "")))
        for msgid, facts in explain(criterion, result, "")
        if "cap" in facts or result.get("score") is None and "{value}" not in msgid
    ]
    return parts or [view(N_("judged by a planner"))]


def _measured_on(view: View, outcome: Outcome) -> None:
    criteria = outcome.criteria
    st.caption(plain(view(
        N_("Judged by the criteria set {version} ({status}), measured on edition {edition}; submitted on {when}."),
        version=criteria.version, status=view(SET_STATUS_NAMES[criteria.status]), edition=outcome.edition,
        when=moment(outcome.created_at, view.language),
    )))  # fmt: skip
    if any(result.get("indicative") for result in outcome.score.results.values()):
        st.caption(plain(place().text("indicative", view.language)))
