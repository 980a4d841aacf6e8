"""The line of the registry of one submission, what it is linked to, and turning an observation into a proposal."""

from __future__ import annotations

import streamlit as st

from masterplan.actors import Actor
from masterplan.database import transaction
from masterplan.errors import MasterplanError
from masterplan.formats import short_day
from masterplan.language import N_
from masterplan.pages import shell
from masterplan.pages.plain import plain
from masterplan.pages.shell import View
from proposals import registration
from proposals.pages.form import CHANNEL_NAMES
from proposals.submitting import Outcome as Submitted

_SAID = "registering_said"


def entry(view: View, reader: Actor, proposal_id: int) -> None:
    """Number, date and channel; and the observation behind a proposal, or the proposals made of an observation."""
    with transaction(reader) as connection:
        found = registration.entry(connection, proposal_id)
        related = registration.related(connection, proposal_id)
    if found is not None:
        st.caption(plain(view(
            N_("Registry no. {number}/{year} of {date}, received by: {channel}"), number=found.number,
            year=found.year, date=short_day(found.registered_at), channel=view(CHANNEL_NAMES[found.channel]),
        )))  # fmt: skip
    for other in related:
        words = N_("Made of the observation {code}: “{title}”")
        if other.kind == "proposal":
            words = N_("A proposal was made of it, {code}: “{title}”")
        st.caption(plain(view(words, code=other.receipt, title=other.title)))


def offer(view: View, submitted: Submitted) -> None:
    """For a planner: make a proposal of an observation, linked to it."""
    code = submitted.receipt
    about, told = st.session_state.get(_SAID, (None, None))
    if about == code:
        del st.session_state[_SAID]
        if isinstance(told, MasterplanError):
            st.error(plain(told.message(view.language)), icon=":material/block:")
        else:
            st.success(plain(view(N_("The proposal {code} was made of it, and can be decided."), code=told)))
    names = shell.uat_names()
    codes = sorted(names, key=names.get)
    with st.popover(view(N_("Turn into a proposal…")), width="stretch"), st.form(f"registering_{code}", border=False):
        st.text_input(view(N_("Title of the proposal")), submitted.title, key=f"registering_title_{code}",
                      max_chars=200)  # fmt: skip
        st.selectbox(view(N_("On behalf of the UAT")), codes, key=f"registering_uat_{code}", format_func=names.get,
                     index=codes.index(submitted.uat) if submitted.uat in codes else None)  # fmt: skip
        st.form_submit_button(view(N_("Make the proposal")), key=f"registering_make_{code}", on_click=_make,
                              args=(view, code), width="stretch")  # fmt: skip


def _make(view: View, code: str) -> None:
    said = st.session_state
    title, uat = said[f"registering_title_{code}"], said[f"registering_uat_{code}"]
    try:
        made = registration.turn_into_proposal(code, title, uat or "", shell.now(view).actor)
    except MasterplanError as refused:
        said[_SAID] = (code, refused)
        return
    said[_SAID] = (code, made)
