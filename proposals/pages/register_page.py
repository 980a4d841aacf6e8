"""The public register: what came in, found again by its words or by its tracking code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import ceil

import streamlit as st
from sqlalchemy import Connection

from masterplan.actors import Actor, Role
from masterplan.database import transaction
from masterplan.errors import InputError, NotFound
from masterplan.formats import number
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View, run_page
from masterplan.uats import uat_names
from proposals.criteria import THEMES
from proposals.filters import EVERYTHING, KINDS, LONGEST_TEXT, ProposalFilter
from proposals.pages import correcting, deciding, explanation, history, result
from proposals.pages.details import (
    CODE,
    DATE,
    KIND,
    KIND_NAMES,
    SCORE,
    STATE,
    STATUS_BADGES,
    THEME,
    TITLE,
    UAT,
    details,
    table,
)
from proposals.pages.form import THEME_NAMES
from proposals.selecting import ProposalDetails, ProposalRow, count, one, page
from proposals.submitting import Outcome, load_result, moderation_of

ROWS_A_PAGE = 50
_MOST_ROWS_SEEN = 10
_CODE = "cod"
_FILTERS = ("register_text", "register_theme", "register_kind")


def show(view: View) -> None:
    st.title(view(N_("Public register")), anchor=False)
    st.markdown(view(N_(
        "What was submitted and is public, and what you submitted yourself in this browser session. Choose a row to"
        " see it, or type a tracking code."
    )))  # fmt: skip
    reader = as_reader(view.actor)
    _look_up(view)
    wanted = _wanted(view)
    found, beside = st.container(key="register_beside").columns([9, 5], gap="medium")
    with found:
        _table(view, reader, wanted)
    with beside:
        code = st.query_params.get(_CODE)
        if code:
            _opened(view, reader, code)
        else:
            st.info(view(N_("Nothing is open. Choose a row of the table, or type your tracking code above.")),
                    icon=":material/touch_app:")  # fmt: skip


def as_reader(actor: Actor) -> Actor:
    """The register is the same for everyone: staff read it as a visitor does."""
    return Actor(Role.VISITOR, session=actor.session) if actor.is_staff else actor


# -- finding -------------------------------------------------------------------------------


def _look_up(view: View) -> None:
    with st.form("register_code_form", border=False, clear_on_submit=True):
        field, button, _ = st.columns([2, 1, 3], vertical_alignment="bottom")
        typed = field.text_input(view(N_("Tracking code")), max_chars=60, key="register_code",
                                 placeholder="IS-7K4M-2QXT-9HB3", autocomplete="off")  # fmt: skip
        if button.form_submit_button(view(N_("Open")), width="stretch") and typed.strip():
            st.query_params[_CODE] = typed.strip()


def _wanted(view: View) -> ProposalFilter:
    words, theme, kind = st.columns([3, 2, 2])
    typed = words.text_input(view(N_("Search in title, description and code")), key="register_text",
                             max_chars=LONGEST_TEXT, icon=":material/search:")  # fmt: skip
    chosen_theme = theme.selectbox(
        view(N_("Theme")), THEMES, index=None, key="register_theme",
        format_func=lambda t: view(THEME_NAMES[t]), placeholder=view(N_("all themes")),
    )  # fmt: skip
    chosen_kind = kind.selectbox(
        view(N_("Kind")), KINDS, index=None, key="register_kind",
        format_func=lambda k: view(KIND_NAMES[k]), placeholder=view(N_("all kinds")),
    )  # fmt: skip
    return ProposalFilter(text=typed, themes=(chosen_theme,) if chosen_theme else (), kind=chosen_kind)


def _clear() -> None:
    for name in _FILTERS:
        st.session_state[name] = "" if name == "register_text" else None


# -- the table -----------------------------------------------------------------------------


def _table(view: View, reader: Actor, wanted: ProposalFilter) -> None:
    with transaction(reader) as connection:
        total = count(connection, wanted)
    if not total:
        _nothing(view, wanted)
        return
    st.markdown(f"**{view(N_('{count} found'), count=number(total, 0, view.language))}**")
    place = st.container()
    pages = ceil(total / ROWS_A_PAGE)
    fingerprint = f"{view.language}_{wanted.to_dict()}"
    chosen = st.pagination(pages, key=f"register_page_{fingerprint}") if pages > 1 else 1
    with transaction(reader) as connection:
        rows = page(connection, wanted, limit=ROWS_A_PAGE, offset=(chosen - 1) * ROWS_A_PAGE)
    with place:
        _rows(view, rows, key=f"register_table_{fingerprint}_{chosen}")


def _nothing(view: View, wanted: ProposalFilter) -> None:
    if wanted == EVERYTHING:
        st.info(view(N_(
            "Nothing is public yet. Add an observation on the page “Map”, or without the map on the page “Propose”;"
            " it appears here once it is published."
        )), icon=":material/inbox:")  # fmt: skip
        return
    st.info(view(N_("Nothing matches. Search for fewer words, or clear the filters.")), icon=":material/search_off:")
    st.button(view(N_("Clear the filters")), on_click=_clear)


def _rows(view: View, rows: Sequence[ProposalRow], key: str) -> None:
    columns = [TITLE, SCORE, UAT, THEME, KIND, DATE, CODE]
    if any(row.status != "published" for row in rows):
        columns.insert(2, STATE)
    receipts = [row.receipt for row in rows]
    table(view, rows, columns, key, _MOST_ROWS_SEEN, partial(_choose, key, receipts))


def _choose(key: str, receipts: Sequence[str]) -> None:
    chosen = st.session_state[key].selection.rows
    if chosen:
        st.query_params[_CODE] = receipts[chosen[0]]
    else:
        st.query_params.pop(_CODE, None)


# -- one submission ------------------------------------------------------------------------


def _opened(view: View, reader: Actor, code: str) -> None:
    try:
        with transaction(reader) as connection:
            outcome = load_result(connection, code, reader.session)
            shown = _readable(connection, outcome)
            moderated = moderation_of(connection, outcome.receipt)
            uats = uat_names(connection)
    except (InputError, NotFound) as unknown:
        st.warning(plain(unknown.message(view.language)), icon=":material/search_off:")
        return
    correcting.news(view)
    with st.container(border=True):
        st.subheader(plain(outcome.title), anchor=False)
        state = result.badge(view, STATUS_BADGES, outcome.status)
        st.markdown(f"{state} {plain(outcome.receipt)}")
        if outcome.status == "hidden" and moderated is not None:
            st.warning(plain(view(N_("It was not published. The reason given: {reason}"), reason=moderated.reason)))
        if shown is not None:
            details(view, shown, uats)
        offered = correcting.offer(view, outcome)
        if shown is None and not offered and outcome.status == "submitted":
            st.caption(view(N_("Its description is shown once it is public.")))
        deciding.decided(view, reader, outcome)
        explanation.offer(view, outcome, "register", reader, has_map=False)
        result.standing(view, outcome)
        history.show(view, replace(reader, receipt=outcome.receipt), outcome.proposal_id)
    st.button(view(N_("Close")), on_click=_close, icon=":material/close:")


def _readable(connection: Connection, outcome: Outcome) -> ProposalDetails | None:
    """Everything about it, where this reader may see it; who only holds its code sees the result."""
    try:
        return one(connection, outcome.receipt)
    except NotFound:
        return None


def _close() -> None:
    st.query_params.pop(_CODE, None)


run_page(show)
