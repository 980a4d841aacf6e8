"""A result explained: each sentence with its value function, what was measured on the map, and a page to print."""

from __future__ import annotations

import streamlit as st

from layers.drawing import MapState, draw_map
from masterplan.actors import VISITOR, Actor
from masterplan.database import transaction
from masterplan.errors import NotFound
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View
from proposals.criteria import Scored
from proposals.curves import plot
from proposals.explained import teller
from proposals.routes import PUBLIC_TILES
from proposals.rubric import can_be_shown
from proposals.rubric_routes import evidence_address, sheet_address
from proposals.selecting import ProposalDetails, one
from proposals.submitting import Outcome

_MAP_HEIGHT_PX = 360


def asked_for(view: View, outcome_receipt: str | None, prefix: str) -> str:
    """The address of the evidence that was chosen for this submission on this page, "" for none."""
    key = st.session_state.get(_choice(prefix, outcome_receipt)) if outcome_receipt else None
    return evidence_address(view.actor, outcome_receipt, key, view.language) if key else ""


def _choice(prefix: str, receipt: str | None) -> str:
    return f"{prefix}_evidence_{receipt}"


def offer(view: View, outcome: Outcome, prefix: str, reader: Actor, has_map: bool) -> None:
    """Choose a criterion to see on the map what it measured; a link to the result as a page to print.

    `has_map` says that the page draws a map itself, with `asked_for`; else one is shown here, when asked for.
    """
    if outcome.score is None:
        return
    st.link_button(
        view(N_("All explanations, to print or save")), sheet_address(reader, outcome.receipt, view.language),
        icon=":material/print:", width="stretch",
    )  # fmt: skip
    shown = _readable(reader, outcome)
    if shown is None:
        return
    if not has_map and not st.toggle(view(N_("Show the place on a map")), key=f"{prefix}_map_{outcome.receipt}"):
        return
    questions = {
        criterion.key: criterion.question[view.language]
        for criterion in outcome.criteria.criteria
        if criterion.key in outcome.score.results and can_be_shown(criterion)
    }
    st.selectbox(
        view(N_("Show on the map what was measured")), list(questions), index=None, format_func=questions.get,
        key=_choice(prefix, outcome.receipt), placeholder=view(N_("Choose a criterion")),
    )  # fmt: skip
    if not has_map:
        draw_map(
            MapState(proposals=PUBLIC_TILES, outline=shown.geometry,
                     evidence=asked_for(view, outcome.receipt, prefix)),
            language=view.language, key=f"{prefix}_result_map", height=_MAP_HEIGHT_PX, drawing=False,
        )  # fmt: skip


def _readable(reader: Actor, outcome: Outcome) -> ProposalDetails | None:
    """The submission with its place, where this reader may see it."""
    try:
        with transaction(reader) as connection:
            return one(connection, outcome.receipt)
    except NotFound:
        return None


def show(view: View, outcome: Outcome) -> None:
    """Every result in one sentence, and where its value falls on its value function."""
    if outcome.score is None:
        return
    with st.expander(view(N_("Every result explained")), icon=":material/menu_book:"):
        with transaction(VISITOR) as connection:
            telling = teller(connection, view.language)
        for criterion in outcome.criteria.criteria:
            result = outcome.score.results.get(criterion.key)
            if result is None:
                continue
            with st.container(gap="xsmall"):
                st.markdown(plain(telling.sentence(criterion, result)))
                drawn = plot(criterion, result, view.language) if isinstance(criterion, Scored) else None
                if drawn is not None:
                    st.html(drawn.image)
