"""What happened to one submission, as much of it as the reader may know."""

from __future__ import annotations

import streamlit as st

from masterplan.actors import Actor, Role
from masterplan.audit import Event, history
from masterplan.database import transaction
from masterplan.formats import moment
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import ROLE_NAMES, View
from proposals.pages.details import STATUS_NAMES

EVENT_NAMES = {
    "proposal_submitted": N_("received"),
    "proposal_corrected": N_("corrected by its author"),
    "proposal_moderated": N_("{before} → {after}"),
    "proposal_withdrawn": N_("withdrawn by its author"),
    "proposal_linked": N_("made of an observation"),
    "assessment_made": N_("a criterion was judged or overruled"),
    "decision_published": N_("decision published"),
    "decision_reopened": N_("decision reopened"),
    "decision_recommend": N_("decision recommended"),
    "decision_confirm": N_("decision confirmed"),
    "decision_challenge": N_("decision challenged"),
    "decision_take_back": N_("recommendation taken back"),
    "decision_declare_interest": N_("an interest was declared"),
    "decision_answer": N_("answered before publication"),
    "decision_reconsider": N_("to be decided anew"),
}


def show(view: View, reader: Actor, proposal_id: int) -> None:
    """The history as `reader` may know it, the oldest first, folded away; nothing where there is none."""
    with transaction(reader) as connection:
        events = history(connection, "proposal", str(proposal_id))
    if not events:
        return
    with st.expander(view(N_("History: {count}"), count=len(events)), icon=":material/history:"):
        for event in events:
            st.markdown(plain(f"{moment(event.at, view.language)} · {_said(view, event)}"))
        st.caption(view(N_("The history can only grow: a past that was changed is detected.")))


def _said(view: View, event: Event) -> str:
    words = view(EVENT_NAMES[event.kind]) if event.kind in EVENT_NAMES else event.kind
    if event.kind == "proposal_moderated":
        words = words.format(
            before=view(STATUS_NAMES[event.before["status"]]), after=view(STATUS_NAMES[event.after["status"]])
        )
    if event.kind == "decision_reopened":
        words += f": {event.after['comment']}"
    return f"{words} ({view(ROLE_NAMES[Role(event.role)])})" if event.role in ROLE_NAMES else words
