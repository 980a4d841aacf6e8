"""What the team gives criteria: shown beside each result, and the form to give it at the desk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from masterplan.errors import Forbidden, InputError, NotFound
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View
from proposals.criteria import Criterion, Gate, Judged
from proposals.explaining import VERDICT_WORDS, Teller
from proposals.judging import GIVEN_VERDICTS, TAKE_BACK, give
from proposals.submitting import LONGEST_REASON, Outcome

_FIELDS = {"criterion": N_("Criterion"), "given": N_("What you give"), "reason": N_("Reason")}


def given(view: View, criterion: Criterion, result: Mapping[str, Any]) -> None:
    """Who judged or overruled one result, when and why; nothing where nobody did."""
    told = Teller(view.language, {}).given(criterion, result)
    if told:
        icon = ":material/gavel:" if "override" in result else ":material/edit_note:"
        st.markdown(f"{icon} {plain('; '.join(told))}")


def overruled(view: View, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Beside the total: that it counts what the team gave."""
    said = Teller(view.language, {}).overruled(results)
    if said:
        st.markdown(f":material/gavel: {plain(said)}")


def form(view: View, outcome: Outcome) -> None:
    """Judge a criterion, or overrule what was computed; the page is drawn anew once it counts."""
    if outcome.score is None or not view.actor.is_staff:
        return
    with st.expander(view(N_("Judge a criterion, or overrule a result")), icon=":material/gavel:"):
        results = outcome.score.results
        asked = [c for c in (*outcome.criteria.judged, *outcome.criteria.gates, *outcome.criteria.scored)
                 if c.key in results]  # fmt: skip
        if not asked:
            st.caption(view(N_("No criterion applies to it.")))
            return
        criterion = st.selectbox(
            view(_FIELDS["criterion"]), asked, key=f"judging_{outcome.receipt}",
            format_func=lambda c: c.question[view.language],
        )  # fmt: skip
        _one(view, outcome, criterion)


def _one(view: View, outcome: Outcome, criterion: Criterion) -> None:
    result, name = outcome.score.results[criterion.key], f"judging_{outcome.receipt}_{criterion.key}"
    if isinstance(criterion, Judged):
        st.caption(plain(criterion.scale[view.language]))
    else:
        st.caption(view(N_("What was computed stays beside what you give, and both are public with your reason.")))
    given(view, criterion, result)
    with st.form(name, border=False):
        choices = list(GIVEN_VERDICTS)
        if isinstance(criterion, Gate):
            said = st.segmented_control(
                view(_FIELDS["given"]), choices, key=f"{name}_given", format_func=lambda v: view(VERDICT_WORDS[v]),
            )  # fmt: skip
        else:
            said = st.number_input(
                view(N_("Points, 0 to 100")), 0.0, 100.0, value=None, step=5.0, format="%g", key=f"{name}_given",
                placeholder="–",
            )  # fmt: skip
        back = "override" in result or "judgement" in result
        takes_back = back and st.checkbox(view(N_("Take back what was given")), key=f"{name}_back")
        reason = st.text_area(view(N_("Why? The reason is public where the submission is.")), key=f"{name}_reason",
                              max_chars=LONGEST_REASON)  # fmt: skip
        if st.form_submit_button(view(N_("Give")), icon=":material/gavel:", width="stretch", key=f"{name}_send"):
            _give(view, outcome, criterion, TAKE_BACK if takes_back else said, reason)


def _give(view: View, outcome: Outcome, criterion: Criterion, said: str | float | None, reason: str) -> None:
    if said is None:
        st.error(view(N_("Choose what you give.")))
        return
    try:
        give(outcome.receipt, criterion.key, said, reason, view.actor)
    except InputError as refused:
        for field, fault in refused.faults:
            st.error(plain(f"{view(_FIELDS[field])}: {fault.message(view.language)}"))
        return
    except (Forbidden, NotFound) as refused:
        st.error(plain(refused.message(view.language)))
        return
    st.rerun()
