"""The decision on one proposal: recommended by one planner, confirmed by another, answered, published.

Whatever a button does, it does as the person is at that moment, and what was refused is said on the next run. Every
key holds the tracking code: words typed for one proposal never go to another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import streamlit as st

from masterplan.actors import Actor
from masterplan.database import transaction
from masterplan.formats import moment
from masterplan.language import N_
from masterplan.pages import shell
from masterplan.pages.plain import plain
from masterplan.pages.shell import View
from proposals.deciding import LONGEST, Action, Outcome, Standing, State, departs, then
from proposals.decisions import (
    Decision,
    Published,
    Recommendation,
    prepared,
    publish_many,
    published,
    recommend,
    stands,
    take,
)
from proposals.pages import registering
from proposals.pages.result import RECOMMENDATION_BADGES, badge
from proposals.pages.telling import attempt, news
from proposals.reasons import draft, fitting, library
from proposals.submitting import Outcome as Submitted

OUTCOME_BADGES = {
    Outcome.INTEGRATE: (N_("integrated"), ":material/check_circle:", "green"),
    Outcome.PARTLY: (N_("partly integrated"), ":material/rule:", "green"),
    Outcome.CHANGES: (N_("changes asked for"), ":material/edit_note:", "orange"),
    Outcome.REJECT: (N_("rejected"), ":material/block:", "red"),
    Outcome.REDIRECT: (N_("out of scope, redirected"), ":material/forward:", "blue"),
}
OUTCOME_NAMES = {
    Outcome.INTEGRATE: N_("integrate"),
    Outcome.PARTLY: N_("integrate partly"),
    Outcome.CHANGES: N_("ask for changes"),
    Outcome.REJECT: N_("reject"),
    Outcome.REDIRECT: N_("out of scope: redirect"),
}
STATE_BADGES = {
    State.OPEN: (N_("not recommended yet"), ":material/hourglass_empty:", "gray"),
    State.RECOMMENDED: (N_("recommended, waits for a second planner"), ":material/how_to_reg:", "orange"),
    State.CHALLENGED: (N_("challenged, to be recommended anew"), ":material/priority_high:", "red"),
    State.CONFIRMED: (N_("confirmed, not public yet"), ":material/done_all:", "blue"),
    State.PUBLISHED: (N_("decided and published"), ":material/public:", "green"),
}
STEP_NAMES = {
    Action.RECOMMEND: N_("recommends"), Action.CONFIRM: N_("confirms"), Action.CHALLENGE: N_("challenges"),
    Action.TAKE_BACK: N_("takes the recommendation back"), Action.DECLARE_INTEREST: N_("declares an interest"),
    Action.ANSWER: N_("answers"), Action.RECONSIDER: N_("has it decided anew"), Action.PUBLISH: N_("publishes"),
    Action.REOPEN: N_("reopens the decision"),
}  # fmt: skip
_DONE = {
    Action.RECOMMEND: N_("Recommended. Another planner has to confirm it."),
    Action.CONFIRM: N_("Confirmed. Those concerned may answer; then it can be published."),
    Action.CHALLENGE: N_("Challenged. It is to be recommended anew."),
    Action.TAKE_BACK: N_("The recommendation was taken back."),
    Action.DECLARE_INTEREST: N_("Noted. You have no part in this decision."),
    Action.ANSWER: N_("Your answer was received. The planners read it before the decision is published."),
    Action.RECONSIDER: N_("It is decided anew."),
    Action.PUBLISH: N_("Published."),
    Action.REOPEN: N_("Reopened. The decision that was published stays readable."),
}
_SAID = "deciding_said"


# -- what everyone reads ---------------------------------------------------------------------


def decided(view: View, reader: Actor, submitted: Submitted) -> None:
    """The published decision, with its reasons; and for who may answer one that is about to be, the way to answer."""
    registering.entry(view, reader, submitted.proposal_id)
    if submitted.kind != "proposal":
        return
    with transaction(reader) as connection:
        decisions = published(connection, submitted.proposal_id)
        decision = stands(connection, submitted.receipt)
    for each in decisions[:1]:
        _public(view, each)
    if then(reader.role, decision.standing, decision.state, Action.ANSWER) is not None:
        _answering(view, decision)


def _public(view: View, decision: Published) -> None:
    with st.container(border=True, gap="small", key="decision_public"):
        st.subheader(view(N_("The decision")), anchor=False)
        st.markdown(badge(view, OUTCOME_BADGES, decision.outcome))
        if decision.reopened_at is not None:
            st.warning(view(N_("It was reopened on {when} and is being decided anew."),
                            when=moment(decision.reopened_at, view.language)))  # fmt: skip
        _reasons(view, decision.reason, decision.departure, decision.redirected_to)
        st.caption(plain(view(N_("Published on {when}, by the criteria set {version}."),
                              when=moment(decision.published_at, view.language),
                              version=decision.criteria_set)))  # fmt: skip


def _reasons(view: View, reason: Mapping[str, str], departure: str, redirected_to: str) -> None:
    if redirected_to:
        st.markdown(f"**{view(N_('Redirected to:'))}** {plain(redirected_to)}")
    lines = "\n".join(f"- {plain(line)}" for line in reason[view.language].split("\n"))
    st.markdown(f"**{view(N_('Reasons'))}**\n{lines}")
    if departure:
        st.markdown(f"**{view(N_('Why it departs from what the criteria recommend:'))}** {plain(departure)}")


def _answering(view: View, decision: Decision) -> None:
    with st.container(border=True, key="decision_answering"):
        st.subheader(view(N_("Before the decision is published")), anchor=False)
        st.markdown(view(N_("This is what the planners are about to publish. You may answer until {when}."),
                         when=moment(decision.answer_until, view.language)))  # fmt: skip
        st.markdown(badge(view, OUTCOME_BADGES, decision.outcome))
        _reasons(view, decision.reason, decision.departure, decision.redirected_to)
        _commented(view, decision, Action.ANSWER, N_("Your answer"), N_("Send the answer"))
        news(view, _SAID, decision.receipt)


# -- the desk --------------------------------------------------------------------------------


def offer(view: View, submitted: Submitted) -> None:
    """How the decision stands, what was said, and what this planner may do now."""
    registering.entry(view, view.actor, submitted.proposal_id)
    if submitted.kind != "proposal":
        registering.offer(view, submitted)
        return
    with transaction(view.actor) as connection:
        decision = stands(connection, submitted.receipt)
        decisions = published(connection, submitted.proposal_id)
    with st.container(border=True, gap="small", key="deciding"):
        st.subheader(view(N_("The decision")), anchor=False)
        st.markdown(badge(view, STATE_BADGES, decision.state))
        if decision.recommendation:
            recommended = badge(view, RECOMMENDATION_BADGES, decision.recommendation)
            st.markdown(f"{view(N_('The criteria say:'))} {recommended}")
        news(view, _SAID, decision.receipt)
        if decision.state in (State.RECOMMENDED, State.CHALLENGED, State.CONFIRMED):
            st.markdown(badge(view, OUTCOME_BADGES, decision.outcome))
            _reasons(view, decision.reason, decision.departure, decision.redirected_to)
        elif decision.state is State.PUBLISHED:
            for each in decisions[:1]:
                _public(view, each)
        if decision.state is State.CONFIRMED:
            _waiting(view, decision)
        _steps(view, decision)
        _actions(view, decision, submitted)


def _waiting(view: View, decision: Decision) -> None:
    names = shell.uat_names()
    who = ", ".join(sorted(names.get(code, code) for code in decision.concerned))
    st.caption(plain(view(N_("Until {when} the submitter may answer, and the UATs concerned: {uats}."),
                          when=moment(decision.answer_until, view.language), uats=who or "–")))  # fmt: skip


def _steps(view: View, decision: Decision) -> None:
    if not decision.steps:
        return
    with st.expander(view(N_("Who did what: {count}"), count=len(decision.steps)), icon=":material/groups:"):
        for step in decision.steps:
            words = view(STEP_NAMES[Action(step.action)])
            if step.outcome:
                words += f": {view(OUTCOME_NAMES[Outcome(step.outcome)])}"
            said = f" – {step.comment}" if step.comment else ""
            who = view(N_("account {number}"), number=step.account) if step.account else step.person
            st.markdown(plain(f"{moment(step.made_at, view.language)} · {who} · {words}{said}"))


def _actions(view: View, decision: Decision, submitted: Submitted) -> None:
    allowed = {a for a in Action if then(view.actor.role, decision.standing, decision.state, a) is not None}
    if decision.standing is Standing.INTERESTED:
        st.info(view(N_("You declared an interest in this proposal: you have no part in its decision.")),
                icon=":material/person_off:")  # fmt: skip
    if Action.RECOMMEND in allowed:
        _recommending(view, decision, submitted)
    if not decision.public and Action.CONFIRM in allowed:
        st.info(view(N_("Accept the proposal for publication first: those concerned must be able to read it.")))
    if decision.standing is Standing.RECOMMENDER and decision.state is State.RECOMMENDED:
        st.caption(view(N_("You recommended it: another planner confirms it or challenges it.")))
    for action, label, icon, primary in (
        (Action.CONFIRM, N_("Confirm"), ":material/done_all:", True),
        (Action.PUBLISH, N_("Publish the decision"), ":material/public:", True),
        (Action.TAKE_BACK, N_("Take the recommendation back"), ":material/undo:", False),
    ):
        if action in allowed:
            st.button(
                view(label), key=f"deciding_{action}_{decision.receipt}", icon=icon, width="stretch",
                type="primary" if primary else "secondary", on_click=partial(_take, view, decision.receipt, action),
                disabled=action is not Action.TAKE_BACK and not _ripe(decision, action),
            )  # fmt: skip
    for action, label, question in (
        (Action.CHALLENGE, N_("Challenge…"), N_("What speaks against it? Planners read it.")),
        (Action.RECONSIDER, N_("Decide anew…"), N_("Why is it decided anew? Planners read it.")),
        (Action.REOPEN, N_("Reopen…"), N_("Why is it reopened? Everyone reads it in the history.")),
        (Action.DECLARE_INTEREST, N_("I have an interest…"),
         N_("Which interest? Planners read it; it cannot be undone.")),
    ):
        if action in allowed:
            with st.popover(view(label), width="stretch"):
                _commented(view, decision, action, question, label.rstrip("…"))


def _ripe(decision: Decision, action: Action) -> bool:
    """Those concerned can read it; and before publishing, their time to answer is over."""
    waits = decision.answer_until is not None and decision.answer_until > datetime.now(UTC)
    return decision.public and not (action is Action.PUBLISH and waits)


def _commented(view: View, decision: Decision, action: Action, question: str, label: str) -> None:
    key = f"deciding_{action}_{decision.receipt}"
    with st.form(f"{key}_form", border=False):
        st.text_area(view(question), key=f"{key}_words", max_chars=LONGEST)
        st.form_submit_button(view(label), key=key, width="stretch",
                              on_click=partial(_take, view, decision.receipt, action, f"{key}_words"))  # fmt: skip


# -- recommending ----------------------------------------------------------------------------


def _recommending(view: View, decision: Decision, submitted: Submitted) -> None:
    code = decision.receipt
    results = submitted.score.results if submitted.score else {}
    outcome = st.selectbox(
        view(N_("What do you recommend?")), list(Outcome), index=None, key=f"deciding_outcome_{code}",
        format_func=lambda o: view(OUTCOME_NAMES[o]), placeholder=view(N_("Choose an outcome")),
    )  # fmt: skip
    if outcome is None:
        return
    st.multiselect(
        view(N_("Reasons from the library")), [reason.key for reason in fitting(outcome, results)],
        key=f"deciding_keys_{code}_{outcome}", format_func=lambda key: library()[key].text[view.language],
        placeholder=view(N_("Choose one or more")), select_all=False,
    )  # fmt: skip
    st.text_area(view(N_("In your own words (public)")), key=f"deciding_reason_{code}", max_chars=LONGEST, height=150)
    if submitted.score:
        st.button(
            view(N_("Draft from the criteria")), key=f"deciding_draft_{code}", icon=":material/edit_note:",
            on_click=partial(_put_draft, f"deciding_reason_{code}", draft(submitted.criteria, results, view.language)),
            help=view(N_("Writes the failing gates, the strongest and the weakest criteria below what is there.")),
        )  # fmt: skip
    if outcome is Outcome.REDIRECT:
        st.text_input(view(N_("To whom is it redirected?")), key=f"deciding_redirect_{code}", max_chars=300)
    if departs(outcome, decision.recommendation):
        st.warning(view(N_("The criteria recommend otherwise. Say in public why you depart from it.")),
                   icon=":material/alt_route:")  # fmt: skip
        st.text_area(view(N_("Why you depart from it (public)")), key=f"deciding_departure_{code}", max_chars=LONGEST)
    st.button(view(N_("Recommend")), key=f"deciding_recommend_{code}", type="primary", icon=":material/how_to_reg:",
              on_click=partial(_recommend, view, code, outcome), width="stretch")  # fmt: skip


def _put_draft(key: str, words: str) -> None:
    st.session_state[key] = "\n".join(filter(None, [st.session_state.get(key, "").strip(), words]))


def _recommend(view: View, code: str, outcome: Outcome) -> None:
    said = st.session_state
    given = Recommendation(
        outcome, tuple(said.get(f"deciding_keys_{code}_{outcome}", ())), said.get(f"deciding_reason_{code}", ""),
        said.get(f"deciding_departure_{code}", ""), said.get(f"deciding_redirect_{code}", ""),
    )  # fmt: skip
    _do(view, code, Action.RECOMMEND, lambda actor: recommend(code, given, actor))


def _take(view: View, code: str, action: Action, words: str | None = None) -> None:
    comment = st.session_state.get(words, "") if words else ""
    if _do(view, code, action, lambda actor: take(code, action, actor, comment)) and words:
        st.session_state[words] = ""


def _do(view: View, code: str, action: Action, act: Any) -> bool:
    return attempt(view, _SAID, code, act, _DONE[action])


# -- many at once ----------------------------------------------------------------------------

_BATCH = "batch"


def batch(view: View) -> None:
    """Decisions that were prepared: those whose time to answer is over are published together."""
    with transaction(view.actor) as connection:
        waiting = prepared(connection)
    if not waiting:
        news(view, _SAID, _BATCH)
        return
    ready = [row for row in waiting if row.ready]
    with st.expander(view(N_("Prepared decisions: {count}, of which {ready} can be published"), count=len(waiting),
                          ready=len(ready)), icon=":material/inventory:", key="deciding_batch"):  # fmt: skip
        news(view, _SAID, _BATCH)
        for row in waiting:
            until = moment(row.answer_until, view.language)
            when = view(N_("can be published")) if row.ready else view(N_("answers until {when}"), when=until)
            st.markdown(f"{badge(view, OUTCOME_BADGES, Outcome(row.outcome))} {plain(row.title)} · {plain(when)}")
        st.button(view(N_("Publish these decisions: {count}"), count=len(ready)), key="deciding_publish_all",
                  type="primary", icon=":material/public:", disabled=not ready,
                  on_click=partial(_publish_all, view, [row.receipt for row in ready]))  # fmt: skip


def _publish_all(view: View, codes: Sequence[str]) -> None:
    _do(view, _BATCH, Action.PUBLISH, lambda actor: publish_many(codes, actor))
