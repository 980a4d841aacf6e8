"""In the register, under one's own submission: correct its words, or withdraw it, until a planner has looked at it."""

from __future__ import annotations

import streamlit as st

from masterplan.database import transaction
from masterplan.errors import InputError
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View
from masterplan.permissions import Operation, Thing, Whose, may
from proposals.correcting import changeable, correct, withdraw
from proposals.criteria import THEMES
from proposals.pages.form import THEME_NAMES
from proposals.submission import LONGEST_DESCRIPTION, LONGEST_TITLE, Words
from proposals.submitting import Outcome

#: In the session: what was done, said once after the page is drawn anew.
_NEWS = "correcting_news"

CORRECTED = N_("Corrected.")
CORRECTED_AND_MEASURED = N_("Corrected. The theme is another one: it was measured against that theme's criteria.")
WITHDRAWN = N_("Withdrawn. Nobody will look at it any more, and it does not become public.")


def news(view: View) -> None:
    """Say what was just done: above the submission, and where the eyes are after pressing a button far below it."""
    said = st.session_state.pop(_NEWS, None)
    if said is not None:
        st.success(view(said), icon=":material/check:")
        st.toast(view(said), icon=":material/check:")


def offer(view: View, outcome: Outcome) -> bool:
    """The form and the button, where this person may use them; whether they may."""
    thing = Thing.PROPOSAL if outcome.kind == "proposal" else Thing.OBSERVATION
    if outcome.status != "submitted" or not may(view.actor, Operation.EDIT, thing, Whose.OWN):
        return False
    with transaction(view.actor) as connection:
        words = changeable(connection, outcome.receipt)
    if words is None:
        return False
    with st.expander(view(N_("Correct or withdraw")), icon=":material/edit:", key="correcting"):
        st.caption(view(N_(
            "Until a planner accepts or refuses it. The place cannot be changed: withdraw it and submit it again there."
        )))  # fmt: skip
        _correct(view, outcome, words)
        _withdraw(view, outcome.receipt)
    return True


def _correct(view: View, outcome: Outcome, words: Words) -> None:
    with st.form("correcting_form", border=False):
        title = st.text_input(view(N_("Title")), words.title, max_chars=LONGEST_TITLE,
                              key=f"correcting_title_{outcome.receipt}")  # fmt: skip
        description = st.text_area(view(N_("Description")), words.description, max_chars=LONGEST_DESCRIPTION,
                                   height=140, key=f"correcting_description_{outcome.receipt}")  # fmt: skip
        theme = st.selectbox(view(N_("Theme")), THEMES, THEMES.index(words.theme),
                             format_func=lambda t: view(THEME_NAMES[t]),
                             key=f"correcting_theme_{outcome.receipt}")  # fmt: skip
        if not st.form_submit_button(view(N_("Save the correction")), type="primary", key="correcting_save",
                                     width="stretch"):  # fmt: skip
            return
    try:
        correct(outcome.receipt, Words(title, description, theme), view.actor)
    except InputError as refused:
        for _, fault in refused.faults:
            st.error(plain(fault.message(view.language)))
        return
    st.session_state[_NEWS] = CORRECTED if theme == words.theme else CORRECTED_AND_MEASURED
    st.rerun()


def _withdraw(view: View, receipt: str) -> None:
    with st.popover(view(N_("Withdraw…")), icon=":material/undo:", width="stretch"):
        st.markdown(view(N_("It is then never published, and cannot be brought back.")))
        if st.button(view(N_("Yes, withdraw it")), key="correcting_withdraw", width="stretch"):
            withdraw(receipt, view.actor)
            st.session_state[_NEWS] = WITHDRAWN
            st.rerun()
